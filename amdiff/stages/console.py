"""Lines that a stage writes while it works.

Several jobs share one screen, and the log of each job is a file. So a stage writes whole lines and no progress bar.
"""

from __future__ import annotations

import contextlib
import sys
import time
from dataclasses import dataclass, field

from tqdm import tqdm


def say(text: str) -> None:
    """Write one line to standard error.

    A closed pipe is not an error: a signal that ends all processes of a job ends the ``tee`` that writes its log first.
    """
    with contextlib.suppress(BrokenPipeError):
        print(text, file=sys.stderr, flush=True)  # noqa: T201


@dataclass
class Progress:
    """Progress of a computation, as lines: how much is done, how fast it goes, and how long the rest will take.

    Parameters
    ----------
    label
        Beginning of each line.
    total
        Amount of work, in units.
    unit
        Name of the unit, in the plural.
    every
        Least time between two lines, in seconds. The last line always appears.
    done
        Amount of work that was done before the start. It does not count in the rate. Default 0.
    """

    label: str
    total: int
    unit: str
    every: float
    done: int = 0
    """Amount of work that is done, in units."""
    _first: int = field(init=False)
    _start: float = field(init=False)
    _last: float = field(init=False)

    def __post_init__(self) -> None:
        self._first = self.done
        self._start = time.monotonic()
        self._last = self._start

    def update(self, done: int, note: str = "") -> None:
        """Report that ``done`` units are done. ``note`` is added to the line, such as the loss of a training."""
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
