"""Packages that extras bring."""

from __future__ import annotations

import importlib.util

from amdiff.errors import DataError


def needs(package: str, what: str, distribution: str) -> None:
    """Raise ``DataError`` where a package that the extra 'workflow' brings is not here."""
    if importlib.util.find_spec(package) is None:
        raise DataError(f"{what} comes with the package {distribution}; pip install 'amdiff[workflow]'")
