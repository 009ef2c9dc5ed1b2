"""Snakemake's logger plugin ``amdiff``.

The screen shows what a person follows during a run. Snakemake's own log file has all the rest. A dry run,
``--verbose`` and ``--quiet`` show Snakemake's own text, and so does every use that runs no job.
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
    "all that follows --configfile is read as configuration files, so give targets before it: "
    "snakemake --cores all TARGET --configfile FILE"
)
AFTER_FAILURES = ("--keep-incomplete", "Exiting because a job execution failed", "At least one job did not complete")


class LogHandler(LogHandlerBase):
    """Shows Snakemake's events as lines of a ``Screen``."""

    def __post_init__(self) -> None:
        settings = self.common_settings
        self.started = False
        self.screen: Screen | None = None
        self.plain: logging.Handler | None = None
        # Snakemake imports all plugins, also those that are not used: so the imports for use are here
        if settings.dryrun or settings.verbose or settings.quiet or settings.debug_dag:
            from snakemake.logging import ColorizingTextHandler

            self.plain = ColorizingTextHandler(settings.nocolor, sys.stdout if settings.dryrun else sys.stderr)
        else:
            from amdiff.screen import Screen

            self.screen = Screen()

    @property
    def writes_to_stream(self) -> bool:
        """True: the plugin replaces Snakemake's text on the screen."""
        return True

    @property
    def writes_to_file(self) -> bool:
        """False: Snakemake writes its log file itself."""
        return False

    @property
    def has_filter(self) -> bool:
        """False: Snakemake's own filter applies."""
        return False

    @property
    def has_formatter(self) -> bool:
        """False: Snakemake's own format applies where its text is shown."""
        return False

    @property
    def needs_rulegraph(self) -> bool:
        """False: the plugin does not use the graph of rules."""
        return False

    def emit(self, record: logging.LogRecord) -> None:
        """Show a record on the screen, or leave it to the log file."""
        try:
            if self.plain is not None:
                self.plain.setFormatter(self.formatter)
                self.plain.emit(record)
            if self.screen is not None:
                self._show(self.screen, record, getattr(record, "event", None))
        except Exception:
            self.handleError(record)

    def close(self) -> None:
        """Snakemake ends: show the jobs that failed, as the last lines."""
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
        """The job of a record, as the workflow describes it. If it does not, the label names the rule."""
        from amdiff.jobs import Job

        wildcards = {str(key): str(value) for key, value in dict(record.wildcards or {}).items()}
        job = Job(" ".join((record.rule_name, *wildcards.values())), record.rule_name)
        if screen.describe is not None:
            with contextlib.suppress(Exception):  # the workflow may not be amdiff's
                job = screen.describe(record.rule_name, wildcards)
        job.log = Path(record.log[0]) if record.log else None
        return job

    def _pass_on(self, screen: Screen, record: logging.LogRecord) -> None:
        text = self.format(record)
        if "load_configfile" in text and (found := NO_CONFIGURATION.search(text)):
            text = f"{found[1]}: there is no such configuration file; {TARGETS_FIRST}"
        if not text or text == "None" or text.startswith(SILENT):
            return
        if record.levelno < logging.WARNING and self.started and not text.startswith(NOTHING):
            return
        if text.startswith("RuleException:"):
            return  # it is about a failed job, for which the screen shows the job's own message
        if screen.failed and any(phrase in text for phrase in AFTER_FAILURES):
            return
        screen.line(text)
