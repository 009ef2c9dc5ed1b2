"""What every stage is given: the store, the plan, the settings that change no result, and room for provenance."""

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
    """The surroundings of one stage of one artifact."""

    store: Store
    plan: Plan
    """Of the run that the artifact is part of."""
    started: datetime = field(default_factory=lambda: datetime.now(UTC))
    facts: dict[str, Any] = field(default_factory=dict)
    """What a stage adds to its provenance."""
    _clock: float = field(default_factory=time.monotonic)
    _cpu: float = field(default_factory=time.process_time)

    def start(self) -> None:
        """Count from now on: waiting for another process or a GPU is over."""
        self.started, self._clock, self._cpu = datetime.now(UTC), time.monotonic(), time.process_time()

    @property
    def config(self) -> Config:
        """What was asked for."""
        return self.plan.config

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
        label = f"{artifact.stage} {artifact.subject} {artifact.label}".rstrip()
        return Progress(label, total, unit, self.runtime.progress_seconds, done)

    def provenance(self) -> dict[str, Any]:
        """Who made an artifact, with what, when: recorded, never hashed."""
        return {
            **self.facts,
            "started": self.started.isoformat(timespec="seconds"),
            "wall_seconds": round(time.monotonic() - self._clock, 3),
            "cpu_seconds": round(time.process_time() - self._cpu, 3),
            **surroundings(),
        }


def threads() -> int:
    """Threads a job may use: what Snakemake grants by OMP_NUM_THREADS, else one."""
    try:
        return max(1, int(os.environ.get("OMP_NUM_THREADS", "1")))
    except ValueError:
        return 1


StageFunction = Callable[[Context, Artifact, Path], None]
"""What makes artifacts of a stage: it fills the folder of one."""
