"""Shows a run on the screen: the jobs that begin and end, notes, and how much is done and left.

The notes and the progress of a running job come from its log, and so does the sentence that says why a job failed. The
time that is left follows from the expected costs of the jobs, corrected by the time that jobs of the same stage have
taken so far.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from amdiff.jobs import FAILURE, PROGRESS, Job, clock, duration, failure

REFRESH = 1.0
"""Seconds between two readings of the logs of running jobs."""

QUIET = 30.0
"""Seconds between two lines of progress in a file, where a line cannot replace the last one."""

_TOLD = re.compile(r"^note: |: see |waiting for|resumes at|is damaged|it is left out")


@dataclass
class Screen:
    """Shows a run as lines on a text stream. Its methods may be called from several threads."""

    stream: Any = field(default_factory=lambda: sys.stderr)
    """The text stream. Default standard error."""
    waiting: dict[str, Job] = field(default_factory=dict)
    """Jobs that have not begun, by name."""
    running: dict[str, Job] = field(default_factory=dict)
    """Jobs that are running, by name."""
    failed: dict[str, tuple[Job, str]] = field(default_factory=dict)
    """Jobs that failed, each with the sentence that says why, by name."""
    done: int = 0
    """Number of jobs that are done."""
    describe: Callable[[str, Mapping[str, str]], Job] | None = None
    """Makes a job from the name of its rule and its wildcards, for jobs that were not expected. Default none."""
    notes: bool = True
    """Whether the notes of jobs are shown as they come. Default True."""
    _spent: dict[str, list[float]] = field(default_factory=lambda: defaultdict(lambda: [0.0, 0.0]))
    """For each stage, the seconds that its jobs took, and those that they were expected to take."""
    _earned: float = 0.0
    """Seconds that the jobs that are done were expected to take."""
    _busy: float = 0.0
    """Seconds that jobs ran, summed over jobs that ran at the same time."""
    _start: float = field(default_factory=time.monotonic)
    _told: float = field(default_factory=time.monotonic)
    _lock: threading.RLock = field(default_factory=threading.RLock)
    _stopped: threading.Event = field(default_factory=threading.Event)
    _transient: bool = False

    def expect(self, jobs: Mapping[str, Job], log: Path | None = None) -> None:
        """Start to follow a run with these jobs, given by name. ``log`` is the log of the program that runs them."""
        with self._lock:
            self.waiting = dict(jobs)
            self._start = self._told = time.monotonic()
            where = f"; all details are in {log}" if log else ""
            if len(jobs) > 1:
                self.line(f"{_count(len(jobs))}, about {duration(sum(j.cost for j in jobs.values()))} of work{where}")
        threading.Thread(target=self._watch, daemon=True).start()

    def begin(self, name: str, job: Job | None = None) -> None:
        """Show that a job begins, or begins again.

        ``job`` gives its log and, if the job was not expected, everything else about it.
        """
        with self._lock:
            again, _ = self.failed.pop(name, (None, ""))
            here = self.waiting.pop(name, None) or again or self.running.get(name) or job or Job(name, name)
            if job is not None and job.log is not None:
                here.log = job.log
            here.begin(time.monotonic())
            self.running[name] = here
            self._say(f"begins  {here.label}")

    def end(self, name: str) -> None:
        """Show that a job is done."""
        with self._lock:
            job = self.running.pop(name, None)
            if job is None or job.began is None:
                return
            self._follow(job)
            took = time.monotonic() - job.began
            self.done += 1
            self._earned += job.cost
            self._busy += took
            spent = self._spent[job.stage]
            spent[0] += took
            spent[1] += job.cost
            self._say(f"done    {job.label}, {duration(took)}")

    def fail(self, name: str, logs: Sequence[Path] = (), reason: str | None = None) -> None:
        """Show that a job failed, and why.

        ``logs`` are its log files. ``reason`` is what the program that ran it says.
        """
        with self._lock:
            job = self.running.pop(name, None) or self.waiting.pop(name, None) or Job(name, name)
            if job.began is not None:
                self._busy += time.monotonic() - job.began
                self._follow(job)
            job.log = job.log or next(iter(logs), None)
            sentence = failure(job, logs, reason)
            self.failed[name] = (job, sentence)
            self._say(f"FAILED  {job.label}: {sentence}")

    def line(self, text: str) -> None:
        """Write a line that stays on the screen."""
        with self._lock:
            self._clear()
            self.stream.write(f"{text}\n")
            self.stream.flush()

    def close(self) -> None:
        """End the display, with the jobs that failed or did not finish. Further calls do nothing."""
        if self._stopped.is_set():
            return
        self._stopped.set()
        with self._lock:
            self._clear()
            if unfinished := [job.label for job in self.running.values()]:
                self.line(f"not finished: {', '.join(unfinished)}")
            if not self.failed:
                return
            left = len(self.waiting)
            self.line(f"{_count(len(self.failed))} failed" + (f", {left:,} more did not begin" if left else "")
                      + "; fix the cause, and the same command goes on from here")  # fmt: skip
            for job, sentence in self.failed.values():
                self.line(f"{job.label} failed{f' (all it said: {job.log})' if job.log else ''}: {sentence}")

    @property
    def summary(self) -> str:
        """How much of the run is done, and about how long the rest takes."""
        total = self.done + len(self.running) + len(self.waiting) + len(self.failed)
        earned = self._earned + sum(j.share * j.cost for j in self.running.values())
        whole = self._earned + sum(j.cost for j in (*self.running.values(), *self.waiting.values()))
        left = self.seconds_left()
        ending = f", about {duration(left)} left" if left is not None else ""
        return f"{self.done} of {_count(total)} done, {earned / whole if whole else 1:.0%} of the work{ending}"

    def seconds_left(self) -> float | None:
        """Estimated seconds for the rest, or None if it is too early to tell.

        The estimate assumes that as many jobs run at the same time as so far.
        """
        now = time.monotonic()
        begun = [(j, now - j.began) for j in self.running.values() if j.began is not None]
        took = defaultdict(lambda: [0.0, 0.0], {stage: list(pair) for stage, pair in self._spent.items()})
        for job, elapsed in begun:
            if job.share > 0.05:
                took[job.stage][0] += elapsed
                took[job.stage][1] += job.share * job.cost
        expected = sum(pair[1] for pair in took.values())
        if not expected:
            return None
        usual = sum(pair[0] for pair in took.values()) / expected

        def pace(job: Job) -> float:
            seconds, cost = took[job.stage]
            return seconds / cost if cost else usual

        rest = [max(job.cost * pace(job) * (1 - job.share), 0.0) for job, _ in begun]
        rest += [job.cost * pace(job) for job in self.waiting.values()]
        beside = (self._busy + sum(elapsed for _, elapsed in begun)) / max(now - self._start, 1e-9)
        return max([sum(rest) / max(beside, 1.0), *(rest[: len(begun)])], default=0.0)

    def _say(self, text: str) -> None:
        self.line(f"{clock(time.monotonic() - self._start)}  {text}")

    def _watch(self) -> None:
        while not self._stopped.wait(REFRESH):
            with self._lock:
                for job in self.running.values():
                    self._follow(job)
                self._progress()

    def _progress(self) -> None:
        """Show the progress of the whole run: in the last line of a terminal, or now and then in a line of a file."""
        if self.stream.isatty() and os.environ.get("TERM") != "dumb":
            self._clear()
            text = f"\r{clock(time.monotonic() - self._start)}  {self.summary}"
            self.stream.write(text[: shutil.get_terminal_size().columns])
            self.stream.flush()
            self._transient = True
        elif time.monotonic() - self._told > QUIET:
            self._told = time.monotonic()
            self._say(self.summary)

    def _clear(self) -> None:
        if self._transient:
            self.stream.write("\r\033[K")
            self._transient = False

    def _follow(self, job: Job) -> None:
        """Read the new lines of a job's log: its progress, and the notes to show."""
        for text in job.news():
            if found := PROGRESS.search(text):
                done, total = (int(number.replace(",", "")) for number in found.groups())
                job.share = min(done / total, 1.0) if total else job.share
            elif text.startswith(FAILURE):
                continue  # shown when the job fails
            elif _TOLD.search(text) and (self.notes or not text.startswith("note: ")):
                self.line(f"{' ' * 6}  {text}")


def _count(jobs: int) -> str:
    return f"{jobs:,} job{'s' if jobs != 1 else ''}"
