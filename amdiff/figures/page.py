"""The report page: one HTML file that contains everything it shows. It works from file:// and without a network."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from latex2mathml.converter import convert
from markupsafe import Markup, escape

from amdiff.catalogue import Figure

from .browser import SCRIPT, Browser


@dataclass(frozen=True)
class Picture:
    """A figure as the page shows it."""

    name: str
    title: str
    data: bytes
    """PNG or SVG file."""
    kind: str
    """'png' or 'svg+xml'."""
    caption: str = ""
    """Two sentences of reStructuredText; ``:math:`` is the only role that is understood."""
    narrow: bool = False
    """Whether the figure is one column wide; else it is as wide as a page."""
    first: bool = False
    """Whether the figure may be shown on the first screen."""

    @classmethod
    def of(cls, figure: Figure, folder: Path) -> Picture:
        """The picture of a figure whose files are in ``folder``."""
        kind, suffix = ("png", "png") if figure.raster else ("svg+xml", "svg")
        data = (folder / f"{figure.name}.{suffix}").read_bytes()
        return cls(figure.name, figure.title, data, kind, figure.caption, figure.narrow, figure.first)

    @property
    def uri(self) -> str:
        """The file as a data URI."""
        return f"data:image/{self.kind};base64,{base64.b64encode(self.data).decode()}"


@dataclass(frozen=True)
class Table:
    """A table as the page shows it, together with its CSV file for download."""

    name: str
    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]
    """The rows on the page; may be fewer than in ``csv``."""
    csv: str
    """The whole table."""
    note: str = ""
    """Text above the table, which explains its columns."""
    on_page: bool = True
    """False for a table that is a file only."""

    @property
    def uri(self) -> str:
        """The CSV file as a data URI."""
        return f"data:text/csv;base64,{base64.b64encode(self.csv.encode()).decode()}"


@dataclass(frozen=True)
class Suspect:
    """A sample of an audit, and the training image of which it may be a copy."""

    sample: Picture
    train: Picture
    facts: str
    """Class of the sample, and its distances to the training image."""


@dataclass(frozen=True)
class Auditing:
    """The contents of the first page of an audit."""

    outcome: str | None
    """'passed', 'failed' or 'undecided'; None where no limit was given."""
    verdict: str
    """The verdict in words."""
    compared: Sequence[tuple[str, str]]
    """What was compared with what, as pairs (name, value)."""
    suspects: Sequence[Suspect]
    """The most suspicious pairs, the most suspicious first."""
    limits: Sequence[str]
    """Sentences about the limits of the audit."""


def in_mathematics(text: str) -> Markup:
    """A caption as HTML. Its formulas become MathML, which browsers display without a script."""
    parts = _MATH.split(text)
    return Markup("").join(Markup(convert(part)) if i % 2 else part for i, part in enumerate(parts))


def in_words(text: str) -> str:
    """A caption as plain text, for the description of an image."""
    return _MATH.sub(lambda found: found[1].replace("{", "").replace("}", "").replace("\\", ""), text)


def with_symbols(text: str) -> Markup:
    """A sentence as HTML. The names of thresholds, such as delta_m and δ_m, become symbols with an index."""
    return Markup(_THRESHOLD.sub(r"δ<sub>\1</sub>", str(escape(text))))


_THRESHOLD = re.compile(r"(?:δ|\bdelta)_([ms])\b")
_MATH = re.compile(r":math:`([^`]+)`")


def render(
    *,
    title: str,
    address: str,
    headline: Sequence[str],
    warnings: Sequence[str],
    groups: Mapping[str, Sequence[Picture]],
    tables: Sequence[Table],
    configuration: str,
    provenance: Sequence[tuple[str, str]],
    browser: Browser | None = None,
    lead: str = "",
    facts: Sequence[tuple[str, str]] = (),
    auditing: Auditing | None = None,
) -> str:
    """Return the page of a report or an audit as HTML.

    Every string is escaped. The page runs no script except that of the browser of samples.

    Parameters
    ----------
    title
        Heading of the page.
    address
        Address of the report's artifact, shown below the heading.
    headline
        Sentences with the findings. One that equals ``lead`` is left out.
    warnings
        Sentences that a reader must know before trusting the numbers.
    groups
        The figures, by the heading under which they stand.
    tables
        The tables that the page shows.
    configuration
        The settings, as text.
    provenance
        Where the results come from, as pairs (name, value).
    browser
        The samples to browse. Default None: no samples.
    lead
        The main finding. It stands on the first screen with ``facts`` and the first figure. Default empty.
    facts
        What was measured, and how robust it is, as pairs (name, value). Default empty.
    auditing
        The first page of an audit, which takes the place of a report's first screen. Default None: a report.
    """
    script = SCRIPT.read_text(encoding="utf-8") if browser else ""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    environment.filters |= {"mathematics": in_mathematics, "words": in_words, "symbols": with_symbols}
    first = None if auditing else next((p for pictures in groups.values() for p in pictures if p.first), None)
    others = {group: [p for p in pictures if p is not first] for group, pictures in groups.items()}
    return environment.get_template("page.html.j2").render(
        title=title,
        address=address,
        lead=lead,
        facts=facts,
        first=first,
        headline=[line for line in headline if line != lead],
        warnings=warnings,
        groups={group: pictures for group, pictures in others.items() if pictures},
        tables=tables,
        configuration=configuration,
        provenance=provenance,
        browser=browser,
        auditing=auditing,
        script=script,
        policy=_policy(script),
    )


def _policy(script: str) -> str:
    """The page's Content-Security-Policy: it allows the page's own pictures, tables and style, and this script."""
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    allowed = f"'sha256-{digest}'" if script else "'none'"
    return f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src {allowed}"


def make_table(
    name: str,
    title: str,
    columns: Sequence[str],
    rows: Sequence[Sequence[Any]],
    note: str = "",
    shown: int | None = None,
    on_page: bool = True,
) -> Table:
    """Return a table with its CSV file.

    Parameters
    ----------
    name
        Name of the file, without the suffix.
    title
        Heading of the table.
    columns
        Names of the columns.
    rows
        The values, row by row. None is an empty cell of the CSV file and a dash on the page.
    note
        Text above the table, which explains its columns. Default empty.
    shown
        Largest number of rows on the page: those with the largest values in the fourth column, which are integers.
        Default None: all rows.
    on_page
        False for a table that is a file only. Default True.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(["" if v is None else v for v in row] for row in rows)
    short = list(rows)
    if shown is not None:
        short = sorted(rows, key=lambda row: -row[3] if isinstance(row[3], int) else 0)[:shown]
        note = f"{note} The {len(short)} largest of {len(rows)}; the file holds all of them.".strip()
    return Table(name, title, columns, [[_cell(v) for v in row] for row in short], text.getvalue(), note, on_page)


def _cell(value: Any) -> str:
    if value is None:
        return "–"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
