"""Results that print as text in a console, and as a table in a notebook."""

from __future__ import annotations

import html
from abc import ABC, abstractmethod
from collections.abc import Sequence

from .intervals import Estimate


class Shown(ABC):
    """A result that prints its main numbers in place of its long arrays."""

    @abstractmethod
    def _about(self) -> str:
        """A title of a few words."""

    @abstractmethod
    def _rows(self) -> Sequence[tuple[str, str]]:
        """The names and values to print."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader should know before trusting the numbers."""
        return ()

    def __repr__(self) -> str:
        lines = [f"{self._about()}:", *(f"  {name:<11} {value}" for name, value in self._rows())]
        return "\n".join([*lines, *(f"  note: {note}" for note in self.notes)])

    def _repr_html_(self) -> str:
        rows = "".join(f"<tr><th>{html.escape(n)}</th><td>{html.escape(v)}</td></tr>" for n, v in self._rows())
        notes = "".join(f"<li>{html.escape(note)}</li>" for note in self.notes)
        table = f"<table><caption>{html.escape(self._about())}</caption>{rows}</table>"
        return table + (f"<ul>{notes}</ul>" if notes else "")


def percent(estimate: Estimate) -> str:
    """Format a share with its interval."""
    return f"{estimate.value:.1%} [{estimate.low:.1%}, {estimate.high:.1%}]"
