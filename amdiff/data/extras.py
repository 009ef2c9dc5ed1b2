"""Checks for packages that only an extra of amdiff installs."""

from __future__ import annotations

import importlib.util

from amdiff.errors import DataError


def needs(package: str, what: str, distribution: str) -> None:
    """Raise ``DataError`` if ``package``, which the extra 'workflow' installs, is missing.

    ``what`` names what needs the package, and ``distribution`` its name for pip.
    """
    if importlib.util.find_spec(package) is None:
        raise DataError(f"{what} comes with the package {distribution}; pip install 'amdiff[workflow]'")
