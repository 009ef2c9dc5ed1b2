"""Files that people bring: what is wrong with one is said with its path, and what is meant in it is chosen by name."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from amdiff.errors import DataError

from .tally import named


@contextmanager
def readable(path: Path) -> Iterator[None]:
    """What is wrong with a file, whatever reads it, is a ``DataError`` with its path."""
    try:
        yield
    except DataError as error:
        told = str(error).startswith((f"{path}:", f"{path}/", f"{path} "))
        raise error if told else DataError(f"{path}: {error}") from None
    except Exception as error:  # zip, tar, zlib, HDF5, Arrow and numpy each have their own
        reason = " ".join(str(error).split()) or type(error).__name__
        if "allow_pickle" in reason or "Python objects" in reason:
            raise DataError(
                f"{path}: holds Python objects, which only a pickle can carry; save one array of numbers, with images "
                "of one size"
            ) from None
        raise DataError(f"{path}: cannot be read ({reason}); if it was whole once, save or copy it again") from None


def chosen(names: list[str], key: str | None, what: str, of: str = "", every: list[str] | None = None) -> str:
    """The one of several that ``key`` names, or the only one; ``every`` are those that will not do as well.

    Raises ``DataError``.
    """
    if key is not None:
        if key not in names:
            raise DataError(f"no {what} {key!r}; there are: {named(names) or 'none'}")
        return key
    if len(names) == 1:
        return names[0]
    if not names:
        raise DataError(f"holds no {what}{of}" + (f"; it has: {named(every)}" if every else ""))
    raise DataError(f"holds the {what}s {named(names)}; choose one by 'key' (--key of an audit)")
