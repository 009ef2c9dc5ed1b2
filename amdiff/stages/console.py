"""What a stage says while it works: lines, since several jobs share one screen and every job's log is a file."""

from __future__ import annotations

import contextlib
import sys
import time
from dataclasses import dataclass, field

from tqdm import tqdm


def say(text: str) -> None:
    """One line for whoever watches; nobody need: a signal to all processes ends the log's ``tee`` first."""
    with contextlib.suppress(BrokenPipeError):
        print(text, file=sys.stderr, flush=True)  # noqa: T201


@dataclass
class Progress:
    """A line says what is done of how much, how fast it goes, and how long the rest will take.

    There is one line in ``every`` seconds at most, and one more at the end.
    """

    label: str
    total: int
    unit: str
    every: float
    done: int = 0
    """Already there when the work starts; no part of the rate."""
    _first: int = field(init=False)
    _start: float = field(init=False)
    _last: float = field(init=False)

    def __post_init__(self) -> None:
        self._first = self.done
        self._start = time.monotonic()
        self._last = self._start

    def update(self, done: int, note: str = "") -> None:
        """``done`` of ``total`` are done."""
        self.done = done
        now = time.monotonic()
        if now - self._last < self.every and done < self.total:
            return
        self._last = now
        elapsed = max(now - self._start, 1e-9)
        rate = (done - self._first) / elapsed
        left = tqdm.format_interval((self.total - done) / rate) if rate > 0 else "?"
        parts = [f"{done:,}/{self.total:,} {self.unit}", note, f"{rate:,.4g} {self.unit}/s", f"{left} left"]
        if done >= self.total:
            parts[-1] = f"done in {tqdm.format_interval(elapsed)}"
        say(f"{self.label}: " + ", ".join(p for p in parts if p))
