"""Tests. ``checker`` checks array shapes and dtypes on every call of the package; ints count as floats."""

from beartype import BeartypeConf, beartype

checker = beartype(conf=BeartypeConf(is_pep484_tower=True))
