"""The jobs of a run: their progress, the reason of a failure, and their names for people."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from amdiff.artifacts import Artifact

FAILURE = "amdiff: "
"""Beginning of the sentence in which an amdiff command says why it failed."""
PROGRESS = re.compile(r": ([\d,]+)/([\d,]+) [^,]+, ")
"""A line of progress, with the amount that is done and the total."""


@dataclass
class Job:
    """A job of a run."""

    label: str
    """Its name for people."""
    stage: str
    """Name of its stage."""
    cost: float = 1.0
    """Seconds that it is expected to take. Default 1."""
    log: Path | None = None
    """Its log file, if known."""
    began: float | None = None
    """Time in seconds when it began; None until then."""
    share: float = 0.0
    """Share of its work that is done, between 0 and 1."""
    read: int = 0
    """Number of bytes of its log that were read."""
    before: tuple[int, int] | None = None
    """Size and time of the log that an earlier attempt left; None if there is none."""

    def begin(self, now: float) -> None:
        """Note that the job begins, or begins again, at the time ``now``.

        Until its log changes, the content is that of an earlier attempt.
        """
        self.began, self.read, self.share = now, 0, 0.0
        self.before = _state(self.log)

    @property
    def silent(self) -> bool:
        """Whether its log holds nothing from this attempt."""
        return _state(self.log) in (None, self.before)

    def news(self) -> list[str]:
        """Complete lines that were added to the log since the last call."""
        if self.log is None or self.silent:
            return []
        self.before = None
        try:
            with self.log.open("rb") as file:
                if self.read > file.seek(0, os.SEEK_END):
                    self.read = 0  # the log was begun anew
                file.seek(self.read)
                new = file.read()
        except OSError:
            return []
        whole = new[: new.rfind(b"\n") + 1]
        self.read += len(whole)
        return whole.decode(errors="replace").splitlines()


def _state(log: Path | None) -> tuple[int, int] | None:
    try:
        found = log.stat() if log else None
    except OSError:
        return None
    return (found.st_size, found.st_mtime_ns) if found else None


def failure(job: Job, logs: Iterable[Path] = (), reason: str | None = None) -> str:
    """The sentence that says why a job failed.

    It is amdiff's own sentence in the logs, or else the ``reason`` that the program running the job gave, or else the
    last line of the logs. ``logs`` are further log files.
    """
    places = [log for log in logs if log != job.log]
    if job.log is not None and not job.silent:
        places.insert(0, job.log)
    lines: list[str] = []
    found = False
    for log in places:
        with contextlib.suppress(OSError):
            lines += [line.strip() for line in log.read_text(errors="replace").splitlines()]
            found = True
    ours = [line for line in lines if line.startswith(FAILURE)]
    said = [line for line in lines if line and not line.startswith("note: ") and not PROGRESS.search(line)]
    told = ours[-1:] or ([reason] if reason else []) or said[-1:]
    if told:
        return " ".join(told[0].split())
    if not found and job.log is not None:
        return "it failed, and its log is not here"
    return "it ended without a message; it may have been killed, for lack of memory or by a person"


def job_of(artifact: Artifact, cost: float) -> Job:
    """The job that makes an artifact."""
    size, start = artifact.params.get("size"), artifact.params.get("start")
    names = [artifact.stage, artifact.subject, f"K={size}" if size is not None else artifact.label]
    if start:
        names.append(f"from {start:,}")
    return Job(" ".join(name for name in names if name), artifact.stage, cost)


def duration(seconds: float) -> str:
    """A number of seconds as people say it, such as '5 min'."""
    if seconds < 90:
        return f"{max(round(seconds), 1)} s"
    if seconds < 90 * 60:
        return f"{round(seconds / 60)} min"
    return f"{seconds / 3600:.1f} h" if seconds < 48 * 3600 else f"{seconds / 86400:.1f} days"


def clock(seconds: float) -> str:
    """A number of seconds as minutes and seconds, with hours if there are any: ' 5:03', '1:05:03'."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes:3}:{rest:02}"
