"""The page that shows the paper's figures and tables beside ours: which of ours corresponds to which of theirs."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from amdiff.catalogue import SECTIONS


@dataclass(frozen=True)
class Counterpart:
    """A figure or table of the paper, and our files that correspond to it."""

    number: str
    """As the paper says it, such as 'Figure 3' or 'Table 1'."""
    title: str
    files: tuple[tuple[str, str], ...]
    """Our files: for each the section that writes it, and its path in the folder of a page."""


def counterparts() -> list[Counterpart]:
    """Every figure and table of the paper that has a counterpart here, in the order of the paper, tables last."""
    ours = [
        (record.paper, record.title, section.name, path)
        for section in SECTIONS.values()
        for record, path in (
            *((figure, f"figures/{figure.name}.svg") for figure in section.figures),
            *((table, f"tables/{table.name}") for table in section.tables),
        )
        if record.paper
    ]
    found = []
    for number in sorted({number for number, *_ in ours}, key=_place):
        same = [entry for entry in ours if entry[0] == number]
        title = "; ".join(dict.fromkeys(title for _, title, _, _ in same))
        found.append(Counterpart(number, title, tuple((section, path) for _, _, section, path in same)))
    return found


def _place(number: str) -> tuple[bool, int, str]:
    """Sort key for the order in the paper, of a number such as 'Figures 5A, 20-23'."""
    kind, _, first = number.partition(" ")
    digits = re.match(r"\d+", first)
    return kind.startswith("Table"), int(digits[0]) if digits else 0, first


@dataclass(frozen=True)
class Item:
    """One of our files."""

    page: str
    """Name of the page that it belongs to."""
    path: str
    """Relative to the folder of all results."""

    @property
    def is_figure(self) -> bool:
        """Whether the file is a figure; else it is a table."""
        return self.path.endswith(".svg")


@dataclass(frozen=True)
class Entry:
    """A figure or table of the paper, with the files to show beside it."""

    number: str
    title: str
    shown: Sequence[Item]
    """Our files that have been made."""
    missing: Sequence[str]
    """Names of pages that would contain such a file but have not been made."""


def render(entries: Sequence[Entry], *, configuration: str, made: int, total: int) -> str:
    """Return the page as HTML. It links to the figures, which are separate files. Every string is escaped.

    ``made`` of the ``total`` pages that the file ``configuration`` asks for have been made.
    """
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    return environment.get_template("paper.html.j2").render(
        entries=entries, configuration=configuration, made=made, total=total
    )
