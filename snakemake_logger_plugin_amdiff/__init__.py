"""Snakemake's logger plugin ``amdiff``: on the screen what a person follows, in Snakemake's own log file all the rest.

A dry run, ``--verbose`` and ``--quiet`` have Snakemake's own text. So have all uses that run no job.
"""

from __future__ import annotations

import contextlib
import logging
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from snakemake_interface_logger_plugins.base import LogHandlerBase
from snakemake_interface_logger_plugins.common import LogEvent

if TYPE_CHECKING:
    from amdiff.jobs import Job
    from amdiff.screen import Screen

__all__ = ["LogHandler"]

SILENT = ("Using workflow specific profile", "Using profile", "Config file ", "host: ", "Assuming unrestricted")
NOTHING = "Nothing to be done"
NO_CONFIGURATION = re.compile(r"(?:FileNotFoundError|IsADirectoryError): .*: '(.*)'")
TARGETS_FIRST = (
    "what follows --configfile is read as one, so give targets before it: "
    "snakemake --cores all TARGET --configfile FILE"
)
AFTER_FAILURES = ("--keep-incomplete", "Exiting because a job execution failed", "At least one job did not complete")


class LogHandler(LogHandlerBase):
    """Snakemake's events as lines of a ``Screen``."""

    def __post_init__(self) -> None:
        settings = self.common_settings
        self.started = False
        self.screen: Screen | None = None
        self.plain: logging.Handler | None = None
        # Snakemake imports all plugins, whoever uses them: what they need is imported here
        if settings.dryrun or settings.verbose or settings.quiet or settings.debug_dag:
            from snakemake.logging import ColorizingTextHandler

            self.plain = ColorizingTextHandler(settings.nocolor, sys.stdout if settings.dryrun else sys.stderr)
        else:
            from amdiff.screen import Screen

            self.screen = Screen()

    @property
    def writes_to_stream(self) -> bool:
        """It replaces Snakemake's text."""
        return True

    @property
    def writes_to_file(self) -> bool:
        """Snakemake writes its own."""
        return False

    @property
    def has_filter(self) -> bool:
        """Snakemake's applies."""
        return False

    @property
    def has_formatter(self) -> bool:
        """Snakemake's applies, where its text is shown."""
        return False

    @property
    def needs_rulegraph(self) -> bool:
        """Not drawn."""
        return False

    def emit(self, record: logging.LogRecord) -> None:
        """Show a record, or leave it to the log file."""
        try:
            if self.plain is not None:
                self.plain.setFormatter(self.formatter)
                self.plain.emit(record)
            if self.screen is not None:
                self._show(self.screen, record, getattr(record, "event", None))
        except Exception:
            self.handleError(record)

    def close(self) -> None:
        """Snakemake ends: what failed is said last."""
        if self.screen is not None:
            self.screen.close()
        super().close()

    def _show(self, screen: Screen, record: Any, event: LogEvent | None) -> None:
        if event == LogEvent.WORKFLOW_STARTED:
            self.started = True
        elif event == LogEvent.JOB_INFO:
            if record.rule_name != "all":
                screen.begin(str(record.jobid), self._job(screen, record))
        elif event == LogEvent.JOB_FINISHED:
            screen.end(str(record.job_id if hasattr(record, "job_id") else record.jobid))
        elif event == LogEvent.JOB_ERROR:
            screen.fail(str(record.jobid), [Path(log) for log in record.log], record.rule_msg)
        elif event in (None, LogEvent.ERROR, LogEvent.GROUP_ERROR):
            self._pass_on(screen, record)

    def _job(self, screen: Screen, record: Any) -> Job:
        """The job of a record, as the workflow describes it, else by its rule."""
        from amdiff.jobs import Job

        wildcards = {str(key): str(value) for key, value in dict(record.wildcards or {}).items()}
        job = Job(" ".join((record.rule_name, *wildcards.values())), record.rule_name)
        if screen.describe is not None:
            with contextlib.suppress(Exception):  # of a workflow that is not ours
                job = screen.describe(record.rule_name, wildcards)
        job.log = Path(record.log[0]) if record.log else None
        return job

    def _pass_on(self, screen: Screen, record: logging.LogRecord) -> None:
        text = self.format(record)
        if "load_configfile" in text and (found := NO_CONFIGURATION.search(text)):
            text = f"{found[1]}: no configuration file; {TARGETS_FIRST}"
        if not text or text == "None" or text.startswith(SILENT):
            return
        if record.levelno < logging.WARNING and self.started and not text.startswith(NOTHING):
            return
        if text.startswith("RuleException:"):
            return  # of a job that failed, which is told by what the job said
        if screen.failed and any(phrase in text for phrase in AFTER_FAILURES):
            return
        screen.line(text)
