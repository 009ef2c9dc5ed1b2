"""Errors that the user can do something about. Each one says what was got, what was expected, and what to do.

The command line prints them in one line. Any other exception is a mistake in amdiff itself.
"""

from __future__ import annotations


class AmdiffError(ValueError):
    """Something that amdiff was given cannot be used."""


class ArtifactError(AmdiffError):
    """An artifact is missing or damaged. The message says which one, and what to do."""


class ConfigError(AmdiffError):
    """A configuration cannot be run. The message names the key, the value, and what is allowed."""


class DataError(AmdiffError):
    """Images, weights or models cannot be used. The message says which ones, why, and what to do."""
