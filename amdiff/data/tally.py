"""Counts what was left out, replaced or guessed while images were read, and tells it in sentences.

Each reading of a dataset has its own tally. Its sentences are stored in the artifact, and shown on the console, in the
JSON and in the report.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

MOST_NAMED = 10
"""Most names in one line. If there are more, their number is told."""


def named(names: Iterable[object], most: int = MOST_NAMED) -> str:
    """The first ``most`` names, and how many more there are."""
    every = [str(name).encode(errors="replace").decode() for name in names]  # names of files need not be UTF-8
    more = len(every) - most
    return ", ".join(every[:most]) + (f" and {more:,} more" if more > 0 else "")


def passed_over(counts: Mapping[str, int]) -> str:
    """How many files of each kind were passed over, the largest number first."""
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return "passed over: " + named(f"{count:,} {kind}" for kind, count in ordered)


class Tally:
    """What was left out, replaced or guessed in one reading of a dataset."""

    def __init__(self) -> None:
        self.passed: dict[str, Counter[str]] = {}
        """Number of files that were passed over, by part of the dataset and kind."""
        self.turned = 0
        """Number of pictures that were turned or mirrored, as their orientation tag says."""
        self.composited: Counter[str] = Counter()
        """Number of pictures with transparent pixels, by the background that they were put on."""
        self.profiles = 0
        """Number of pictures with a colour profile other than sRGB. It is not applied."""
        self.previews = 0
        """Number of pictures whose file also holds previews or layers."""
        self.unreadable: list[str] = []
        """Names of the pictures that were left out because they cannot be read."""
        self.said: list[str] = []
        """Further sentences."""

    def sentences(self) -> list[str]:
        """What a user must know about the reading, one sentence each."""
        lines = [
            f"{part + ': ' if part else ''}{passed_over(counts)}" for part, counts in self.passed.items() if counts
        ]
        if self.unreadable:
            lines.append(f"left out: {_pictures(self.unreadable)} that cannot be read, {named(self.unreadable)}")
        if self.turned:
            lines.append(f"{_pictures(self.turned)} turned as the orientation tag says")
        for background, count in self.composited.items():
            lines.append(f"{_pictures(count)} with transparent pixels put on {background}")
        if self.profiles:
            lines.append(f"{_pictures(self.profiles)} with a colour profile other than sRGB, which is not applied")
        if self.previews:
            lines.append(
                f"{_pictures(self.previews)} with previews or layers in the same file: the main picture is read"
            )
        return [*lines, *self.said]


def _pictures(count: int | list[str]) -> str:
    number = count if isinstance(count, int) else len(count)
    return "1 picture" if number == 1 else f"{number:,} pictures"
