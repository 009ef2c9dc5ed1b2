"""Jobs of a run, as people read of them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from amdiff.artifacts import Artifact

FAILURE = "amdiff: "
"""What a command of ours begins the sentence with that says why it failed."""


@dataclass
class Job:
    """A job of a run."""

    label: str
    stage: str
    cost: float = 1.0
    """Seconds that it is expected to take."""
    log: Path | None = None
    began: float | None = None
    share: float = 0.0
    """Of its work that is done."""
    read: int = 0
    """Bytes of its log that were read."""


def failure(log: Path | None) -> str:
    """The sentence of a failed job's log that matters: amdiff's own, else its last line."""
    try:
        lines = [line.strip() for line in log.read_text(errors="replace").splitlines()] if log else []
    except OSError:
        lines = []
    ours = [line for line in lines if line.startswith(FAILURE)]
    said = [line for line in lines if line]
    return (ours or said or ["it ended without a word; it may have been killed, for memory or by a person"])[-1]


def job_of(artifact: Artifact, cost: float) -> Job:
    """The job that makes an artifact."""
    size, start = artifact.params.get("size"), artifact.params.get("start")
    names = [artifact.stage, artifact.dataset, f"K={size}" if size is not None else artifact.label]
    if start:
        names.append(f"from {start:,}")
    return Job(" ".join(name for name in names if name), artifact.stage, cost)


def duration(seconds: float) -> str:
    """A time as people say it."""
    if seconds < 90:
        return f"{max(round(seconds), 1)} s"
    if seconds < 90 * 60:
        return f"{round(seconds / 60)} min"
    return f"{seconds / 3600:.1f} h" if seconds < 48 * 3600 else f"{seconds / 86400:.1f} days"


def clock(seconds: float) -> str:
    """Minutes and seconds since the start, hours where there are some."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes:3}:{rest:02}"
