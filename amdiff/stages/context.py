"""What every stage is given: the store, the settings that change no result, progress and provenance."""

from __future__ import annotations

import contextlib
import functools
import importlib.metadata
import os
import platform
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tqdm import tqdm

from amdiff.artifacts import Artifact
from amdiff.config import Config, RuntimeSpec
from amdiff.store import Store

_RSS_PER_MIB = 2**20 if sys.platform == "darwin" else 2**10  # bytes there, KiB elsewhere
_LIBRARIES = ("numpy", "torch", "faiss-cpu", "h5py", "diffusers", "scikit-learn", "scipy")


def say(text: str) -> None:
    """One line for whoever watches; nobody need: a signal to all processes ends the log's ``tee`` first."""
    with contextlib.suppress(BrokenPipeError):
        print(text, file=sys.stderr, flush=True)  # noqa: T201


@dataclass
class Progress:
    """Lines, not bars: several jobs share one screen and every job's log is a file.

    A line says what is done of how much, how fast and how long the rest will take, at most once
    in ``every`` seconds, and once more at the end.
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


@dataclass
class Context:
    """The surroundings of one stage of one artifact."""

    store: Store
    config: Config
    started: datetime = field(default_factory=lambda: datetime.now(UTC))
    facts: dict[str, Any] = field(default_factory=dict)
    """What a stage adds to its provenance."""
    _clock: float = field(default_factory=time.monotonic)
    _cpu: float = field(default_factory=time.process_time)

    def start(self) -> None:
        """Count from now on: waiting for another process or a GPU is over."""
        self.started, self._clock, self._cpu = datetime.now(UTC), time.monotonic(), time.process_time()

    @property
    def runtime(self) -> RuntimeSpec:
        """Where and how fast."""
        return self.config.runtime

    def remark(self, about: str, notes: list[str]) -> None:
        """Say what a user must know of an artifact, and keep it with its provenance."""
        self.facts["notes"] = notes
        for note in notes:
            say(f"note: {about}: {note}")

    def progress(self, artifact: Artifact, total: int, unit: str, done: int = 0) -> Progress:
        """Progress of an artifact, labelled for people."""
        label = f"{artifact.stage} {artifact.dataset} {artifact.label}".rstrip()
        return Progress(label, total, unit, self.runtime.progress_seconds, done)

    def provenance(self) -> dict[str, Any]:
        """Who made an artifact, with what, when: recorded, never hashed."""
        return {
            **self.facts,
            "started": self.started.isoformat(timespec="seconds"),
            "wall_seconds": round(time.monotonic() - self._clock, 3),
            "cpu_seconds": round(time.process_time() - self._cpu, 3),
            "peak_memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // _RSS_PER_MIB,
            "host": platform.node(),
            "machine": f"{platform.system()} {platform.machine()}",
            "python": platform.python_version(),
            "libraries": _libraries(),
            "git": git_revision(),
        }


def _libraries() -> dict[str, str]:
    found = {}
    for name in ("amdiff", *_LIBRARIES):
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


@functools.cache
def git_revision() -> str | None:
    """Commit of the working copy, with '+' if it has changes; None outside a repository."""

    def ask(*command: str) -> str:
        return subprocess.run(["git", *command], capture_output=True, text=True, check=True, timeout=10).stdout.strip()

    try:
        revision = ask("rev-parse", "HEAD")
        return revision + ("+" if ask("status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.SubprocessError):
        return None


def threads() -> int:
    """Threads a job may use: what Snakemake grants by OMP_NUM_THREADS, else one."""
    try:
        return max(1, int(os.environ.get("OMP_NUM_THREADS", "1")))
    except ValueError:
        return 1


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


Stage = Callable[[Context, Artifact, Path], None]
"""A stage fills the folder of one artifact."""
