# One fine DAG: what to compute is planned by amdiff.plan from the configuration, and every
# artifact lies at an address that says what it is. A job runs exactly when its output is missing.
import os
import shlex
import sys

from snakemake.exceptions import WorkflowError
from snakemake.utils import min_version

min_version("9.0")

from amdiff.config import ANALYSES, ConfigError, parse_config
from amdiff.plan import FIGURES, wants_gpu
from amdiff.project import freeze, prepare

if not workflow.overwrite_configfiles:

    configfile: "config.yaml"


try:
    PLAN = prepare(parse_config(config))
except ConfigError as error:
    raise WorkflowError(f"configuration: {error}") from None

for note in PLAN.notes:
    logger.warning(f"note: {note}")

AMDIFF = f"{shlex.quote(sys.executable)} -m amdiff"
FROZEN = freeze(PLAN.config)


# downloads happen where snakemake runs: nodes of a cluster often have no network
localrules:
    all,
    dataset,
    metric,


rule all:
    input:
        ancient([path for page in PLAN.pages for path in page.published]),


include: "workflow/rules/common.smk"
include: "workflow/rules/models.smk"
include: "workflow/rules/measures.smk"
include: "workflow/rules/landscape.smk"
include: "workflow/rules/results.smk"
