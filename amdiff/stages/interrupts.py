"""Signals that end a process, held back until a computation has come to a point where it can go on later."""

from __future__ import annotations

import signal


class Interrupts:
    """Holds back Ctrl-C and SIGTERM until ``obey`` is called, between two steps of a computation.

    A state saved in the midst of a step would not continue it.
    """

    def __init__(self) -> None:
        self.seen: int | None = None
        """The signal that came, if any."""

    def __enter__(self) -> Interrupts:
        self._before = {number: signal.signal(number, self._note) for number in (signal.SIGINT, signal.SIGTERM)}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, number: int, _: object) -> None:
        self.seen = number

    def obey(self) -> None:
        """Raise what a signal that came would have raised."""
        if self.seen == signal.SIGINT:
            raise KeyboardInterrupt
        if self.seen is not None:
            raise SystemExit(128 + self.seen)
