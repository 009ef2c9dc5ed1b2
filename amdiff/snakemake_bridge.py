"""The bridge between a plan and Snakemake: everything that the Snakefile and the rules ask for, as plain Python.

Three things need more than a look-up:

- ``SENT``: a job on another machine uses the configuration of the run that sent it, even if the file has changed.
- ``Run.report_parents``: when a sparse sweep has found the sizes of a grid, the plan is made again.
- ``leave_output_alone``: Snakemake keeps a copy of output that it does not delete before a job, and restores it if the
  job fails. That may overwrite what was published in between. amdiff replaces files whole, so no copies are needed.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from snakemake.exceptions import WorkflowError

from amdiff.artifacts import SPEC, Artifact
from amdiff.catalogue import FIGURES, Stage
from amdiff.config import ConfigError, parse_config
from amdiff.effort import cost, long_runs
from amdiff.files import write_bytes
from amdiff.frozen import freeze, pack, unpack
from amdiff.jobs import Job, job_of
from amdiff.plan import wants_gpu
from amdiff.project import SNAKEMAKE, prepare, settle, unwritable

SENT = "AMDIFF_SENT_CONFIG"
"""Environment variable that gives a job on another machine its configuration."""

KNOWN = "snakemake>=9.26,<10"
"""Versions of Snakemake whose internals are known to be as this module expects them."""


def leave_output_alone() -> None:
    """Stop Snakemake from making copies of output before a job.

    Raises ``WorkflowError`` if this version of Snakemake makes copies in an unknown way.
    """
    import snakemake.persistence

    wanted = ("backup_output", "cleanup_backup", "restore_output")
    keepers = [k for k in vars(snakemake.persistence).values() if isinstance(k, type) and wanted[0] in vars(k)]
    missing = [name for keeper in keepers for name in wanted if name not in vars(keeper)]
    if not keepers or missing:
        raise WorkflowError(
            f"this version of Snakemake keeps copies of output in a way that amdiff does not know (it has no "
            f"{missing[0] if missing else wanted[0]!r}); install '{KNOWN}'"
        )
    for keeper in keepers:
        known: Any = keeper
        known.backup_output = known.cleanup_backup = lambda self, path: None
        known.restore_output = lambda self, path: False


def sent_configuration(is_main: bool) -> str | None:
    """The configuration that was sent with a job to another machine. None in the main process."""
    return None if is_main else os.environ.get(SENT)


class Run:
    """A run of Snakemake: its plan, and everything that the rules ask for."""

    def __init__(self, config: Mapping[str, Any], sent: str | None, *, stored: bool) -> None:
        """Make the plan of a configuration.

        Parameters
        ----------
        config
            The configuration, as Snakemake has read it.
        sent
            The configuration that was sent with a job to another machine. It is used instead, unless it is None.
        stored
            Whether jobs share no file system. A storage then carries every file of an artifact between them. If they
            do share one, a single file stands for all files of the artifact.

        Raises
        ------
        WorkflowError
            If the configuration cannot be run.
        """
        try:
            self.plan = prepare(parse_config(config)) if sent is None else settle(unpack(sent))
        except ConfigError as error:
            raise WorkflowError(f"configuration: {error}") from None
        self.main, self.stored = sent is None, stored
        if stored and (found := [e.name for e in self.plan.experiments if e.grid is not None]):
            raise WorkflowError(
                f"experiments.{found[0]}.sizes: a sparse sweep cannot decide about jobs that share no file system; "
                "give 'fall' and 'plateau', or run the sweep where files are shared"
            )

    def notes(self) -> list[str]:
        """Notes that a person should read before the run.

        Raises ``WorkflowError`` if the folder in which Snakemake keeps its records cannot be written.
        """
        closed = unwritable() if self.main else []
        if SNAKEMAKE in closed:
            raise WorkflowError(
                f"{SNAKEMAKE} cannot be written, but snakemake keeps its records there; make it accessible and run "
                "again: nothing finished is lost"
            )
        warning = [f"{', '.join(closed)} cannot be written; jobs that write there will fail"] if closed else []
        return [*self.plan.notes, *(long_runs(self.plan) if self.main else ()), *warning]

    def freeze(self) -> Path:
        """Keep the configuration for the jobs of this run. Returns the path of the file.

        Jobs on other machines get it by the environment. Raises ``WorkflowError`` if the file cannot be written.
        """
        os.environ[SENT] = pack(self.plan.config)
        try:
            return freeze(self.plan.config)
        except OSError as error:
            raise WorkflowError(f"{error.filename}: {error.strerror}; snakemake has to write there") from None

    @staticmethod
    def folder(stage: str) -> str:
        """Folder of the artifacts of a stage, with Snakemake's wildcards."""
        where = "data/canonical/{dataset}" if stage == "dataset" else f"artifacts/{{dataset}}/{stage}"
        return f"{where}/{{name}}"

    def files(self, folder: str | Path, names: Iterable[str]) -> list[str]:
        """The files that stand for an artifact in a rule. ``folder`` is its folder, ``names`` are all its files."""
        return [f"{folder}/{name}" for name in (SPEC, *(names if self.stored else ()))]

    def files_of(self, artifact: Artifact) -> list[str]:
        """The files that stand for an artifact of the plan in a rule."""
        return self.files(artifact.folder, artifact.files)

    def made(self, paths: Iterable[Any], update: Callable[[Any], Any]) -> list[Any]:
        """Mark output files by Snakemake's flag ``update``, so that it does not delete them when it starts the job.

        Another run, or a job that outlived its Snakemake, may have made them in the meantime. The job then has nothing
        to do.
        """
        return list(paths) if self.stored else [update(path) for path in paths]

    def caption(self, name: str) -> str:
        """Write the caption of a figure to a file, for Snakemake's own report. Returns the path of the file.

        Raises ``WorkflowError`` if the file cannot be written.
        """
        path = Path("scratch/captions").absolute() / f"{name}.rst"
        text = f"{FIGURES[name].caption}\n".encode()
        if self.main and not (path.is_file() and path.read_bytes() == text):
            try:
                write_bytes(path, text)
            except OSError as error:
                raise WorkflowError(f"{error.filename}: {error.strerror}; snakemake has to write there") from None
        return str(path)

    def planned(self, stage: str, wildcards: Any) -> Artifact:
        """The artifact that a job of a stage makes."""
        return self.plan.artifact(self.folder(stage).format(**wildcards))

    def needed(self, artifact: Artifact) -> list[str]:
        """The files that must exist before an artifact can be made."""
        return [path for group in artifact.reads.values() for parent in group for path in self.files_of(parent)]

    def parents(self, stage: str) -> Callable[[Any], list[str]]:
        """Input function of a stage's rule: the files of the artifacts that a job reads."""
        return lambda wildcards: self.needed(self.planned(stage, wildcards))

    def report_parents(self, name: str, checkpoints: Any) -> Callable[[Any], list[str]]:
        """Input function of a page's report. If a sparse sweep has to find the sizes, it runs first."""

        def look_up(wildcards: Any) -> list[str]:
            wanted = self.plan.page(name).report
            if os.path.exists(wanted.spec):  # noqa: PTH110
                return []  # the report exists, and the artifacts it was made from may be gone
            for grid in wanted.parents.get("grid", ()):
                if not wanted.derived:
                    checkpoints.grid.get(dataset=grid.subject, name=grid.folder.name)
                    self.plan = replace(settle(self.plan.config), shapes=self.plan.shapes)
            return self.needed(self.plan.page(name).report)

        return look_up

    def gpus(self, stage: str) -> Callable[[Any], int]:
        """Resource function: 1 if the job uses a GPU, else 0."""
        return lambda wildcards: int(wants_gpu(self.planned(stage, wildcards), self.plan.config.runtime.device))

    def memory(self, stage: Stage) -> Callable[[Any, int], int]:
        """Resource function: memory in MiB. It grows each time that a job is tried again."""
        return growing(2000 + 2 * self.plan.config.runtime.neighbor_memory_mb if stage.searches else stage.memory_mb)

    def minutes(self, stage: Stage) -> Callable[[Any, int], int]:
        """Resource function: time in minutes. It grows each time that a job is tried again."""
        return growing(stage.minutes)

    def described(self, rule: str, wildcards: Any) -> Job:
        """A job as the screen shows it, with its label and its expected cost."""
        if rule in {page.name for page in self.plan.pages}:
            return Job(f"publish {rule}", "publish")
        name = rule.removeprefix("report_")
        artifact = self.plan.page(name).report if name != rule else self.planned(rule, wildcards)
        return job_of(artifact, cost(self.plan, artifact))

    def expected(self, dag: Any) -> dict[str, Job]:
        """The jobs of a run, by their numbers in Snakemake."""
        jobs = [job for job in dag.needrun_jobs() if job.rule.name != "all"]
        return {str(dag.jobid(job)): self.described(job.rule.name, job.wildcards) for job in jobs}


def growing(first: int) -> Callable[[Any, int], int]:
    """Resource function: ``first`` times the number of the attempt, so a job that is tried again gets more."""
    return lambda wildcards, attempt: first * attempt


def root_of(first: str | Path) -> Callable[[Any, Sequence[Any]], str]:
    """Parameter function: the folder below which a job writes, quoted for the shell.

    ``first`` is the path of the first output file below that folder, with wildcards. Raises ``WorkflowError`` if
    Snakemake names another file.
    """

    def look_up(wildcards: Any, output: Sequence[Any]) -> str:
        path = str(first).format(**wildcards)
        if not output[0].endswith(path):
            raise WorkflowError(f"the output {output[0]} does not end in {path}; install '{KNOWN}'")
        return shlex.quote(output[0].removesuffix(path) or ".")

    return look_up


def screens_of(handlers: Iterable[Any]) -> list[Any]:
    """The screens of amdiff's logger, among all handlers that Snakemake logs to."""
    return [handler.screen for handler in handlers if getattr(handler, "screen", None) is not None]


def check_all_made(dag: Any) -> None:
    """Raise ``WorkflowError`` if a run ended without an error but has not made everything.

    During a run, output of one of its jobs may come from another run, or from a job that outlived its Snakemake. If
    Snakemake then looks at all jobs again, as after a sparse sweep, it drops the jobs that need this output.
    """
    for job in dag.targetjobs & set(dag.jobs):
        for path in (*job.input, *job.output):
            if not Path(path).exists():
                raise WorkflowError(f"{path} is not made yet; run the same command again")
