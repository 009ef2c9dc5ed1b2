"""The paper's figures and tables beside what was made here: which of ours answers which of theirs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined


@dataclass(frozen=True)
class Counterpart:
    """One figure or table of the paper."""

    number: str
    title: str
    files: tuple[str, ...]
    """Ours, in the folder of a page; a page that has the section has them all."""


COUNTERPARTS = (
    Counterpart("Figure 1B, 13-15", "samples with their neighbours", tuple(
        f"figures/panel_{name}.svg" for name in ("memorized", "spurious", "generalized")
    )),
    Counterpart("Figure 2", "energy landscapes of the toy model", ("figures/landscape.svg",)),
    Counterpart("Figures 3, 10-12", "histograms of nearest distances", ("figures/distances.svg",)),
    Counterpart("Figure 4A", "memorized, spurious and generalized samples against K", ("figures/fractions.svg",)),
    Counterpart("Figures 4B, 16-17", "log-volumes of basins", ("figures/log_volume.svg",)),
    Counterpart("Figures 18-19", "critical times", ("figures/critical_time.svg",)),
    Counterpart("Figures 5A, 20-23", "curvature spectra", ("figures/spectra.svg", "figures/spectra_train.svg")),
    Counterpart("Figures 5B, 24", "curvature of Stable Diffusion", ("figures/prompt_spectra.svg",)),
    Counterpart("Figures 6, 26", "relative energy", ("figures/energy_gap.svg",)),
    Counterpart("Figures 27-30", "relative energy for other references", ("figures/energy_references.svg",)),
    Counterpart("Figures 7-9", "width of the network, size of the synthetic set",
                ("figures/comparison.svg", "figures/capacity.svg")),
    Counterpart("Table 1", "sizes around the transition", ("tables/transitions.csv",)),
    Counterpart("Table 2", "thresholds", ("tables/thresholds.csv",)),
    Counterpart("Table 3", "configurations and parameters", ("tables/configurations.csv",)),
)  # fmt: skip
"""In the order of the paper, appendices last."""


@dataclass(frozen=True)
class Item:
    """One of our files."""

    page: str
    path: str
    """Relative to the folder of all results."""

    @property
    def is_figure(self) -> bool:
        return self.path.endswith(".svg")


@dataclass(frozen=True)
class Entry:
    """A figure or table of the paper, and ours."""

    number: str
    title: str
    shown: Sequence[Item]
    missing: Sequence[str]
    """Pages that would have it, and have not been made."""


def render(entries: Sequence[Entry], *, configuration: str, made: int, total: int) -> str:
    """The page, whose pictures lie beside it; every string is escaped."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    return environment.get_template("paper.html.j2").render(
        entries=entries, configuration=configuration, made=made, total=total
    )
