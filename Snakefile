# One fine DAG: what to compute is planned by amdiff.plan from the configuration, and every
# artifact lies at an address that says what it is. A job runs exactly when its output is missing.
import os
import shlex
import sys

from snakemake.exceptions import WorkflowError
from snakemake.utils import min_version

min_version("9.23")

from amdiff.artifacts import FILES
from amdiff.config import ANALYSES, ConfigError, parse_config
from amdiff.jobs import Job, job_of
from amdiff.plan import FIGURES, wants_gpu
from amdiff.project import (
    SNAKEMAKE,
    cost,
    freeze,
    long_runs,
    pack,
    prepare,
    settle,
    unpack,
    unwritable,
)

# A job on another machine has the configuration of the run that sent it, whatever the file says by then.
SENT = None if workflow.is_main_process else os.environ.get("AMDIFF_SENT_CONFIG")

if SENT is None and not workflow.overwrite_configfiles:

    configfile: "config.yaml"


try:
    PLAN = prepare(parse_config(config)) if SENT is None else settle(unpack(SENT))
except ConfigError as error:
    raise WorkflowError(f"configuration: {error}") from None

for note in (*PLAN.notes, *(long_runs(PLAN) if SENT is None else ())):
    logger.warning(f"note: {note}")
if SENT is None and (closed := unwritable()):
    if SNAKEMAKE in closed:
        raise WorkflowError(
            f"{SNAKEMAKE} cannot be written, where snakemake keeps its notes; make it accessible "
            "and run again: nothing finished is lost"
        )
    logger.warning(
        f"note: {', '.join(closed)} cannot be written; jobs that have to will fail"
    )

os.environ["AMDIFF_SENT_CONFIG"] = pack(PLAN.config)


envvars:
    "AMDIFF_SENT_CONFIG",


AMDIFF = f"{shlex.quote(sys.executable)} -m amdiff"
try:
    FROZEN = freeze(PLAN.config)
except OSError as error:
    raise WorkflowError(
        f"{error.filename}: {error.strerror}; snakemake has to write there"
    ) from None


# Where amdiff's logger shows the run, what jobs say stays in their logs, and the logger reads it there; but
# not where logs go to a storage.
SCREENS = [
    h.screen
    for h in workflow.logger_manager.get_log_handlers()
    if getattr(h, "screen", None) is not None
]
STORED = workflow.storage_settings.default_storage_provider is not None
SAID = "> /dev/null" if SCREENS and not STORED else ""


def described(rule, wildcards):
    """What the screen says of a job, and weighs it by."""
    if rule in {page.name for page in PLAN.pages}:
        return Job(f"publish {rule}", "publish")
    name = rule.removeprefix("report_")
    artifact = PLAN.page(name).report if name != rule else planned(rule, wildcards)
    return job_of(artifact, cost(PLAN, artifact))


for screen in SCREENS:
    screen.describe = described


onstart:
    for screen in SCREENS:
        screen.expect(
            {
                str(workflow.dag.jobid(job)): described(
                    job.rule.name, job.wildcards
                )
                for job in workflow.dag.needrun_jobs()
                if job.rule.name != "all"
            },
            log[0] if log else None,
        )


# Jobs behind one whose output came while the run went on, from another run or from a job that outlived its Snakemake,
# are dropped by Snakemake where it looks at all jobs again, as a sparse sweep makes it do.
onsuccess:
    if not STORED and workflow.dag.batch is None:
        for job in workflow.dag.targetjobs & set(workflow.dag.jobs):
            for path in (*job.input, *job.output):
                if not os.path.exists(path):
                    raise WorkflowError(
                        f"{path} is not made yet; run the same command again"
                    )


localrules:
    all,


rule all:
    input:
        ancient([path for page in PLAN.pages for path in page.published]),


include: "workflow/rules/common.smk"
include: "workflow/rules/stages.smk"
include: "workflow/rules/results.smk"
