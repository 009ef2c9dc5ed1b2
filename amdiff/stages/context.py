"""What every stage is given: the store, the plan, the settings that change no result, and a place for provenance."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from amdiff.artifacts import Artifact
from amdiff.config import Config, RuntimeSpec
from amdiff.plan import Plan
from amdiff.store import Store

from .console import Progress, say
from .provenance import surroundings


@dataclass
class Context:
    """What a stage needs to make one artifact."""

    store: Store
    """Finds and writes artifacts."""
    plan: Plan
    """The plan of the run that the artifact is part of."""
    started: datetime = field(default_factory=lambda: datetime.now(UTC))
    """Time at which the work started."""
    facts: dict[str, Any] = field(default_factory=dict)
    """Facts that the stage adds to the provenance of the artifact."""
    _clock: float = field(default_factory=time.monotonic)
    _cpu: float = field(default_factory=time.process_time)

    def start(self) -> None:
        """Start all clocks now, once waiting for another process or for a GPU is over."""
        self.started, self._clock, self._cpu = datetime.now(UTC), time.monotonic(), time.process_time()

    @property
    def config(self) -> Config:
        """The configuration of the run."""
        return self.plan.config

    @property
    def runtime(self) -> RuntimeSpec:
        """Settings of devices, memory and speed, which change no result."""
        return self.config.runtime

    def remark(self, about: str, notes: list[str]) -> None:
        """Print notes that a user must read about an artifact, and keep them in its provenance."""
        self.facts["notes"] = notes
        for note in notes:
            say(f"note: {about}: {note}")

    def falls_back(self, text: str) -> None:
        """Print that something fails here and is done in another way, and keep it in the provenance."""
        self.facts.setdefault("fell_back", []).append(text)
        say(f"note: {text}")

    def progress(self, artifact: Artifact, total: int, unit: str, done: int = 0) -> Progress:
        """Progress of an artifact, with a label for people. The arguments are those of ``Progress``."""
        label = f"{artifact.stage} {artifact.subject} {artifact.label}".rstrip()
        return Progress(label, total, unit, self.runtime.progress_seconds, done)

    def provenance(self) -> dict[str, Any]:
        """When, where and with which versions an artifact was made. This is recorded, but never hashed."""
        return {
            **self.facts,
            "started": self.started.isoformat(timespec="seconds"),
            "wall_seconds": round(time.monotonic() - self._clock, 3),
            "cpu_seconds": round(time.process_time() - self._cpu, 3),
            **surroundings(),
        }


def threads() -> int:
    """Number of threads that a job may use. Snakemake sets it by OMP_NUM_THREADS; without a number there it is 1."""
    try:
        return max(1, int(os.environ.get("OMP_NUM_THREADS", "1")))
    except ValueError:
        return 1


StageFunction = Callable[[Context, Artifact, Path], None]
"""A function that makes artifacts of a stage: it fills the folder of one artifact."""
