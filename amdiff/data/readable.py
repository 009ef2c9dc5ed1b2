"""Error messages for users' files, and the choice of an array or a column by its name."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from amdiff.errors import DataError

from .tally import named


@contextmanager
def readable(path: Path) -> Iterator[None]:
    """Turn any error that reading a file raises into a ``DataError`` with its path."""
    try:
        yield
    except DataError as error:
        told = str(error).startswith((f"{path}:", f"{path}/", f"{path} "))
        raise error if told else DataError(f"{path}: {error}") from None
    except Exception as error:  # zip, tar, zlib, HDF5, Arrow and numpy each raise errors of their own
        reason = " ".join(str(error).split()) or type(error).__name__
        if "allow_pickle" in reason or "Python objects" in reason:
            raise DataError(
                f"{path}: holds Python objects, which only a pickle can carry; save one array of numbers, with all "
                "images of the same size"
            ) from None
        raise DataError(f"{path}: cannot be read ({reason}); the file may be damaged: save or copy it again") from None


def chosen(names: list[str], key: str | None, what: str, of: str = "", every: list[str] | None = None) -> str:
    """Choose the array or column of a file that ``key`` names, or the only one.

    Parameters
    ----------
    names
        Names to choose from.
    key
        The name that the user gave, or None.
    what
        'array' or 'column', in messages.
    of
        What it has to hold, in messages, as ' of pictures'. Default empty.
    every
        All names in the file, including unsuitable ones, for the message if ``names`` is empty. Default None.

    Raises
    ------
    DataError
        If there is no such name, or several and no key.
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
