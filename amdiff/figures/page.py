"""The report page: one HTML file with everything in it, which works from file:// and without a network."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from .browser import SCRIPT, Browser

CAPTIONS = Path(__file__).with_name("captions")


@dataclass(frozen=True)
class Picture:
    """A figure as the page shows it."""

    name: str
    title: str
    data: bytes
    """PNG or SVG file."""
    kind: str
    """'png' or 'svg+xml'."""

    @property
    def uri(self) -> str:
        return f"data:image/{self.kind};base64,{base64.b64encode(self.data).decode()}"

    @property
    def caption(self) -> str:
        return caption(self.name)


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


def caption(name: str) -> str:
    """What a figure means, in two sentences."""
    return (CAPTIONS / f"{name}.rst").read_text(encoding="utf-8").strip()


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
) -> str:
    """The page; every string is escaped, and its one script, if any, is the only one that a browser will run."""
    script = SCRIPT.read_text(encoding="utf-8") if browser else ""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    return environment.get_template("page.html.j2").render(
        title=title,
        address=address,
        headline=headline,
        warnings=warnings,
        groups=groups,
        tables=tables,
        configuration=configuration,
        provenance=provenance,
        browser=browser,
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
