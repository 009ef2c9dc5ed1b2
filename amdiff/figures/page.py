"""The report page: one HTML file with everything in it, which works from file:// and without a network."""

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
    """Two sentences of reStructuredText, whose only role is ``:math:``."""
    narrow: bool = False
    """Whether it is one column wide."""
    first: bool = False
    """Whether it may be the figure of the first screen."""

    @classmethod
    def of(cls, figure: Figure, folder: Path) -> Picture:
        """A figure that is saved in a folder."""
        kind, suffix = ("png", "png") if figure.raster else ("svg+xml", "svg")
        data = (folder / f"{figure.name}.{suffix}").read_bytes()
        return cls(figure.name, figure.title, data, kind, figure.caption, figure.narrow, figure.first)

    @property
    def uri(self) -> str:
        return f"data:image/{self.kind};base64,{base64.b64encode(self.data).decode()}"


@dataclass(frozen=True)
class Table:
    """A table as the page shows it, with its CSV to download."""

    name: str
    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]
    csv: str
    note: str = ""
    on_page: bool = True
    """False for a table that is a file only."""

    @property
    def uri(self) -> str:
        return f"data:text/csv;base64,{base64.b64encode(self.csv.encode()).decode()}"


@dataclass(frozen=True)
class Suspect:
    """A sample of an audit beside the training image that it may be a copy of."""

    sample: Picture
    train: Picture
    facts: str
    """What is known of the pair, in words."""


@dataclass(frozen=True)
class Auditing:
    """What the first page of an audit says."""

    outcome: str | None
    """'passed', 'failed' or 'undecided'; None where no limit was given."""
    verdict: str
    compared: Sequence[tuple[str, str]]
    """What was compared with what, (name, value)."""
    suspects: Sequence[Suspect]
    limits: Sequence[str]
    """What the numbers do not say."""


def in_mathematics(text: str) -> Markup:
    """Text of a caption as HTML, its mathematics as MathML, which browsers set by themselves."""
    parts = _MATH.split(text)
    return Markup("").join(Markup(convert(part)) if i % 2 else part for i, part in enumerate(parts))


def in_words(text: str) -> str:
    """Text of a caption where only letters can stand: an image's description."""
    return _MATH.sub(lambda found: found[1].replace("{", "").replace("}", "").replace("\\", ""), text)


def with_symbols(text: str) -> Markup:
    """A sentence as HTML, in which the thresholds' names are set as symbols."""
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
    """The page; every string is escaped, and its one script, if any, is the only one that a browser will run.

    ``lead`` is the sentence that says it all, ``facts`` what was measured and how robustly, (name, value): with the
    first figure they are the first screen. An audit's page begins with its verdict instead.
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
    """What a browser may load and run: pictures and tables that are in the page, its style, and this script."""
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
    """A table with its CSV; ``shown`` rows at most are on the page, those with the largest fourth column."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(["" if v is None else v for v in row] for row in rows)
    short = list(rows)
    if shown is not None:
        short = sorted(rows, key=lambda row: -row[3] if isinstance(row[3], int) else 0)[:shown]
        note = f"{note} The {len(short)} largest of {len(rows)}; all are in the file.".strip()
    return Table(name, title, columns, [[_cell(v) for v in row] for row in short], text.getvalue(), note, on_page)


def _cell(value: Any) -> str:
    if value is None:
        return "–"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
