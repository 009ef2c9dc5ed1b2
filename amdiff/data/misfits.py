"""Pictures that cannot be used: each with the reason and what to do, all of a set named at once."""

from __future__ import annotations

from amdiff.errors import DataError

from .tally import MOST_NAMED


class Misfit(DataError):
    """A picture that cannot be used."""

    def __init__(self, name: str, reason: str, remedy: str) -> None:
        super().__init__(f"{name} {reason}; {remedy}")
        self.name, self.reason, self.remedy = name, reason, remedy


class Unreadable(Misfit):
    """A picture that no viewer would show."""


def other_size(name: str, size: tuple[int, ...], first: str, expected: tuple[int, ...]) -> Misfit:
    """The complaint about a picture of another size than the first."""
    return Misfit(
        name,
        f"is {size[0]}x{size[1]}, but {first} is {expected[0]}x{expected[1]}",
        "set resize (and crop) to bring all images to one size",
    )


class Misfits:
    """Pictures that cannot be used, to be named at once."""

    def __init__(self) -> None:
        self.found: list[Misfit] = []

    def add(self, misfit: Misfit) -> None:
        """One more."""
        self.found.append(misfit)

    def check(self) -> None:
        """Raise ``DataError`` with the first ten and the number of all, if there are any."""
        if not self.found:
            return
        if len(self.found) == 1:
            raise self.found[0]
        shown = "; ".join(f"{m.name} {m.reason}" for m in self.found[:MOST_NAMED])
        more = len(self.found) - MOST_NAMED
        rest = f"; and {more:,} more" if more > 0 else ""
        remedies = "; ".join(dict.fromkeys(m.remedy for m in self.found))
        raise DataError(f"{len(self.found):,} pictures cannot be used: {shown}{rest}. What to do: {remedies}")
