# Look-ups shared by the rules. An artifact's folder is <dataset>/<stage>/<name> below artifacts/, a dataset's below data/.
import dataclasses
from pathlib import Path

import amdiff

import snakemake.persistence


wildcard_constraints:
    dataset=r"[^/]+",
    name=r"[^/]+",


CAPTIONS = Path(amdiff.__file__).parent / "figures/captions"

# Where jobs share no file system, a storage carries every file of an artifact; else one file says that all are there.
REPORTS = {page.report.address: page.files for page in PLAN.pages}

if STORED and (found := [e.name for e in PLAN.experiments if e.grid is not None]):
    raise WorkflowError(
        f"experiments.{found[0]}.sizes: a sparse sweep cannot decide about jobs that share no file system; "
        "give 'fall' and 'plateau', or run the sweep where files are shared"
    )


def folder(stage):
    """Folder of a stage's artifacts, with wildcards."""
    return (
        "data/canonical/{dataset}/{name}"
        if stage == "dataset"
        else f"artifacts/{{dataset}}/{stage}/{{name}}"
    )


def files(folder, names):
    """What stands for an artifact."""
    return [f"{folder}/{name}" for name in ("spec.json", *(names if STORED else ()))]


# Snakemake copies output that it leaves alone, and puts the copy back when the job fails: perhaps years later, over what
# was published since. Nothing has to be put back here, since all files are replaced whole.
for kind in vars(snakemake.persistence).values():
    if isinstance(kind, type) and "backup_output" in vars(kind):
        kind.backup_output = kind.cleanup_backup = lambda self, path: None
        kind.restore_output = lambda self, path: False


def made(paths):
    """Output that Snakemake leaves alone when it starts the job.

    Another run may have made it since, or a job that outlived its Snakemake; then the job has nothing to do.
    """
    return list(paths) if STORED else [update(path) for path in paths]


def planned(stage, wildcards):
    return PLAN.artifact(folder(stage).format(**wildcards))


def needed(artifact):
    """The files by which one artifact is made from others."""
    return [
        path
        for group in artifact.reads.values()
        for parent in group
        for path in files(
            parent.folder, FILES.get(parent.stage) or REPORTS[parent.address]
        )
    ]


def parents(stage):
    """Input function of a stage's rule: the artifacts that it reads."""
    return lambda wildcards: needed(planned(stage, wildcards))


def report_parents(name):
    """Input function of a page's report: where a sparse sweep has to find the sizes, it comes first."""

    def look_up(wildcards):
        global PLAN
        wanted = PLAN.page(name).report
        if os.path.exists(wanted.spec):
            return []  # it is made, and what it was made of may be gone
        for grid in wanted.parents.get("grid", ()):
            if not wanted.derived:
                checkpoints.grid.get(dataset=grid.dataset, name=grid.folder.name)
                PLAN = dataclasses.replace(settle(PLAN.config), shapes=PLAN.shapes)
        return needed(PLAN.page(name).report)

    return look_up


def gpus(stage):
    """Resource function: 1 where a GPU serves the job."""
    return lambda wildcards: int(
        wants_gpu(planned(stage, wildcards), PLAN.config.runtime.device)
    )


def growing(first):
    """Resource function: more each time that a job is tried again."""
    return lambda wildcards, attempt: first * attempt


def root(first):
    """Parameter function: the folder below which a job writes, of whose output ``first`` is the first."""

    def look_up(wildcards, output):
        path = str(first).format(**wildcards)
        assert output[0].endswith(path), (output[0], path)
        return shlex.quote(output[0].removesuffix(path) or ".")

    return look_up
