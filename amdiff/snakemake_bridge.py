"""All that stands between a plan and Snakemake: what the Snakefile and the rules ask for, as plain Python.

Rules are written in ``workflow/rules``; what they compute is here, where it is tested. Three things need more than a
look-up:

- A job on another machine has the configuration of the run that sent it, whatever the file says by then (``SENT``).
- Where a sparse sweep has to find the sizes of a grid, the plan is made again when it has (``Run.report_parents``).
- Snakemake copies output that it leaves alone, and puts the copy back when the job fails: perhaps years later, over
  what was published since. Nothing has to be put back, since all files are replaced whole (``leave_output_alone``).
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
from amdiff.catalogue import FIGURES, STAGES, Stage
from amdiff.config import ConfigError, parse_config
from amdiff.effort import cost, long_runs
from amdiff.files import write_bytes
from amdiff.frozen import freeze, pack, unpack
from amdiff.jobs import Job, job_of
from amdiff.plan import wants_gpu
from amdiff.project import SNAKEMAKE, prepare, settle, unwritable

SENT = "AMDIFF_SENT_CONFIG"
"""Environment variable in which a job on another machine gets its configuration."""

KNOWN = "snakemake>=9.23,<10"
"""Versions of Snakemake whose insides were looked at."""


def leave_output_alone() -> None:
    """Let Snakemake make no copies of output that it leaves alone. Raises ``WorkflowError`` where it cannot be told."""
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
        _leave_alone(keeper)


def _leave_alone(keeper: Any) -> None:
    keeper.backup_output = keeper.cleanup_backup = lambda self, path: None
    keeper.restore_output = lambda self, path: False


def sent_configuration(is_main: bool) -> str | None:
    """The configuration that was sent with a job on another machine; None in the main process."""
    return None if is_main else os.environ.get(SENT)


class Run:
    """A run of Snakemake: a plan, and what rules ask of it."""

    def __init__(self, config: Mapping[str, Any], sent: str | None, *, stored: bool) -> None:
        """Plan a configuration, or the one that was ``sent``.

        ``stored`` says whether jobs share no file system: a storage then carries every file of an artifact, else one
        file says that all are there. Raises ``WorkflowError`` for a configuration that cannot be run.
        """
        try:
            self.plan = prepare(parse_config(config)) if sent is None else settle(unpack(sent))
        except ConfigError as error:
            raise WorkflowError(f"configuration: {error}") from None
        self.main, self.stored = sent is None, stored
        self._reports = {page.report.address: page.files for page in self.plan.pages}
        if stored and (found := [e.name for e in self.plan.experiments if e.grid is not None]):
            raise WorkflowError(
                f"experiments.{found[0]}.sizes: a sparse sweep cannot decide about jobs that share no file system; "
                "give 'fall' and 'plateau', or run the sweep where files are shared"
            )

    def notes(self) -> list[str]:
        """What a person should hear before it runs. Raises ``WorkflowError`` where Snakemake cannot keep its notes."""
        lines = [*self.plan.notes, *(long_runs(self.plan) if self.main else ())]
        closed = unwritable() if self.main else []
        if SNAKEMAKE in closed:
            raise WorkflowError(
                f"{SNAKEMAKE} cannot be written, where snakemake keeps its notes; make it accessible and run again: "
                "nothing finished is lost"
            )
        return [*lines, *([f"{', '.join(closed)} cannot be written; jobs that have to will fail"] if closed else [])]

    def freeze(self) -> Path:
        """Where the configuration is kept for the jobs of this run; for jobs elsewhere it is in the environment.

        Raises ``WorkflowError`` where it cannot be written.
        """
        os.environ[SENT] = pack(self.plan.config)
        try:
            return freeze(self.plan.config)
        except OSError as error:
            raise WorkflowError(f"{error.filename}: {error.strerror}; snakemake has to write there") from None

    # -- files ----------------------------------------------------------------------------------

    @staticmethod
    def folder(stage: str) -> str:
        """Folder of a stage's artifacts, with wildcards."""
        where = "data/canonical/{dataset}" if stage == "dataset" else f"artifacts/{{dataset}}/{stage}"
        return f"{where}/{{name}}"

    def files(self, folder: str | Path, names: Iterable[str]) -> list[str]:
        """What stands for an artifact."""
        return [f"{folder}/{name}" for name in (SPEC, *(names if self.stored else ()))]

    def files_of(self, artifact: Artifact) -> list[str]:
        """What stands for an artifact of the plan."""
        names = STAGES[artifact.stage].files.values() or self._reports[artifact.address]
        return self.files(artifact.folder, names)

    def made(self, paths: Iterable[Any], update: Callable[[Any], Any]) -> list[Any]:
        """Output that Snakemake leaves alone when it starts the job, by its own flag ``update``.

        Another run may have made it since, or a job that outlived its Snakemake; then the job has nothing to do.
        """
        return list(paths) if self.stored else [update(path) for path in paths]

    def caption(self, name: str) -> str:
        """A file with the caption of a figure, for Snakemake's own report."""
        path = Path("scratch/captions").absolute() / f"{name}.rst"
        text = f"{FIGURES[name].caption}\n".encode()
        if self.main and not (path.is_file() and path.read_bytes() == text):
            try:
                write_bytes(path, text)
            except OSError as error:
                raise WorkflowError(f"{error.filename}: {error.strerror}; snakemake has to write there") from None
        return str(path)

    # -- rules ----------------------------------------------------------------------------------

    def planned(self, stage: str, wildcards: Any) -> Artifact:
        """The artifact that a job of a stage makes."""
        return self.plan.artifact(self.folder(stage).format(**wildcards))

    def needed(self, artifact: Artifact) -> list[str]:
        """The files by which one artifact is made from others."""
        return [path for group in artifact.reads.values() for parent in group for path in self.files_of(parent)]

    def parents(self, stage: str) -> Callable[[Any], list[str]]:
        """Input function of a stage's rule: the artifacts that it reads."""
        return lambda wildcards: self.needed(self.planned(stage, wildcards))

    def report_parents(self, name: str, checkpoints: Any) -> Callable[[Any], list[str]]:
        """Input function of a page's report: where a sparse sweep has to find the sizes, it comes first."""

        def look_up(wildcards: Any) -> list[str]:
            wanted = self.plan.page(name).report
            if os.path.exists(wanted.spec):  # noqa: PTH110
                return []  # it is made, and what it was made of may be gone
            for grid in wanted.parents.get("grid", ()):
                if not wanted.derived:
                    checkpoints.grid.get(dataset=grid.subject, name=grid.folder.name)
                    self.plan = replace(settle(self.plan.config), shapes=self.plan.shapes)
            return self.needed(self.plan.page(name).report)

        return look_up

    def gpus(self, stage: str) -> Callable[[Any], int]:
        """Resource function: 1 where a GPU serves the job."""
        return lambda wildcards: int(wants_gpu(self.planned(stage, wildcards), self.plan.config.runtime.device))

    def memory(self, stage: Stage) -> Callable[[Any, int], int]:
        """Resource function: MiB of memory, more each time that a job is tried again."""
        return growing(2000 + 2 * self.plan.config.runtime.neighbor_memory_mb if stage.searches else stage.memory_mb)

    def minutes(self, stage: Stage) -> Callable[[Any, int], int]:
        """Resource function: minutes, more each time that a job is tried again."""
        return growing(stage.minutes)

    # -- the screen -------------------------------------------------------------------------------

    def described(self, rule: str, wildcards: Any) -> Job:
        """What the screen says of a job, and weighs it by."""
        if rule in {page.name for page in self.plan.pages}:
            return Job(f"publish {rule}", "publish")
        name = rule.removeprefix("report_")
        artifact = self.plan.page(name).report if name != rule else self.planned(rule, wildcards)
        return job_of(artifact, cost(self.plan, artifact))

    def expected(self, dag: Any) -> dict[str, Job]:
        """The jobs of a run, by their numbers."""
        jobs = (job for job in dag.needrun_jobs() if job.rule.name != "all")
        return {str(dag.jobid(job)): self.described(job.rule.name, job.wildcards) for job in jobs}


def growing(first: int) -> Callable[[Any, int], int]:
    """Resource function: more each time that a job is tried again."""

    def amount(wildcards: Any, attempt: int) -> int:
        return first * attempt

    return amount


def root_of(first: str | Path) -> Callable[[Any, Sequence[Any]], str]:
    """Parameter function: the folder below which a job writes, of whose output ``first`` is the first."""

    def look_up(wildcards: Any, output: Sequence[Any]) -> str:
        path = str(first).format(**wildcards)
        if not output[0].endswith(path):
            raise WorkflowError(f"the output {output[0]} does not end in {path}; install '{KNOWN}'")
        return shlex.quote(output[0].removesuffix(path) or ".")

    return look_up


def screens_of(handlers: Iterable[Any]) -> list[Any]:
    """The screens of amdiff's logger, of all that Snakemake logs to."""
    return [handler.screen for handler in handlers if getattr(handler, "screen", None) is not None]


def check_all_made(dag: Any) -> None:
    """Raise ``WorkflowError`` where a run that ended well has not made everything.

    Jobs behind one whose output came while the run went on, from another run or from a job that outlived its
    Snakemake, are dropped by Snakemake where it looks at all jobs again, as a sparse sweep makes it do.
    """
    for job in dag.targetjobs & set(dag.jobs):
        for path in (*job.input, *job.output):
            if not Path(path).exists():
                raise WorkflowError(f"{path} is not made yet; run the same command again")
