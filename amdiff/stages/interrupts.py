"""Holds back signals that end a process until its computation reaches a point from which a later run can resume."""

from __future__ import annotations

import signal


class Interrupts:
    """Holds back Ctrl-C and SIGTERM until ``obey`` is called between two steps of a computation.

    A later run could not resume from a state that is saved within a step.
    """

    def __init__(self) -> None:
        self.seen: int | None = None
        """Number of the signal that came last; None if none came."""

    def __enter__(self) -> Interrupts:
        self._before = {number: signal.signal(number, self._note) for number in (signal.SIGINT, signal.SIGTERM)}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, number: int, _: object) -> None:
        self.seen = number

    def obey(self) -> None:
        """If a signal came, raise what it would have raised: ``KeyboardInterrupt`` or ``SystemExit``."""
        if self.seen == signal.SIGINT:
            raise KeyboardInterrupt
        if self.seen is not None:
            raise SystemExit(128 + self.seen)
