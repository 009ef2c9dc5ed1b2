"""Errors that a person can do something about: each says what was got, what was expected, and what to do.

The command line tells them in one line. Any other exception is a fault of amdiff itself.
"""

from __future__ import annotations


class AmdiffError(ValueError):
    """Something that amdiff was given cannot be used."""


class ArtifactError(AmdiffError):
    """An artifact that is missing or damaged; the message says which and what to do."""


class ConfigError(AmdiffError):
    """A configuration that cannot be run; the message names the key, the value and what is allowed."""


class DataError(AmdiffError):
    """Images, weights or models that cannot be used; the message says which, why and what to do."""
