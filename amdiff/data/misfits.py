"""Errors about pictures that cannot be used.

Each says the reason and what to do. One error names all such pictures of a dataset.
"""

from __future__ import annotations

from amdiff.errors import DataError

from .tally import MOST_NAMED


class Misfit(DataError):
    """A picture that cannot be used: its name, the reason, and what the user can do."""

    def __init__(self, name: str, reason: str, remedy: str) -> None:
        super().__init__(f"{name} {reason}; {remedy}")
        self.name, self.reason, self.remedy = name, reason, remedy


class Unreadable(Misfit):
    """A picture that cannot be decoded."""


def other_size(name: str, size: tuple[int, ...], first: str, expected: tuple[int, ...]) -> Misfit:
    """The error for a picture whose size (height, width) differs from that of the first picture."""
    return Misfit(
        name,
        f"is {size[0]}x{size[1]}, but {first} is {expected[0]}x{expected[1]}",
        "set resize (and crop) to bring all images to one size",
    )


class Misfits:
    """Collects the pictures that cannot be used, to name them in one error."""

    def __init__(self) -> None:
        self.found: list[Misfit] = []

    def add(self, misfit: Misfit) -> None:
        """Add a picture."""
        self.found.append(misfit)

    def check(self) -> None:
        """Raise ``DataError`` if there are such pictures. It names the first ten and tells how many there are."""
        if not self.found:
            return
        if len(self.found) == 1:
            raise self.found[0]
        shown = "; ".join(f"{m.name} {m.reason}" for m in self.found[:MOST_NAMED])
        more = len(self.found) - MOST_NAMED
        rest = f"; and {more:,} more" if more > 0 else ""
        remedies = "; ".join(dict.fromkeys(m.remedy for m in self.found))
        raise DataError(f"{len(self.found):,} pictures cannot be used: {shown}{rest}. What to do: {remedies}")
