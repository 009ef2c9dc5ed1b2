# The workflow. amdiff.plan derives from the configuration what to compute. The address of an artifact says what the
# artifact is, so a job runs exactly when its output is missing.
import shlex
import sys

from snakemake.utils import min_version

min_version("9.26")

from amdiff.snakemake_bridge import (
    SENT,
    Run,
    check_all_made,
    leave_output_alone,
    screens_of,
    sent_configuration,
)

leave_output_alone()
SENT_CONFIG = sent_configuration(workflow.is_main_process)

if SENT_CONFIG is None and not workflow.overwrite_configfiles:

    configfile: "config.yaml"


STORED = workflow.storage_settings.default_storage_provider is not None
RUN = Run(config, SENT_CONFIG, stored=STORED)

for note in RUN.notes():
    logger.warning(f"note: {note}")

AMDIFF = f"{shlex.quote(sys.executable)} -m amdiff"
FROZEN = RUN.freeze()


envvars:
    SENT,


# If amdiff's logger shows the run, jobs write only to their logs, where the logger reads what they say. If logs go to a
# storage, the logger cannot read them, and jobs also write to the screen.
SCREENS = screens_of(workflow.logger_manager.get_log_handlers())
SAID = "> /dev/null" if SCREENS and not STORED else ""

for screen in SCREENS:
    screen.describe = RUN.described


onstart:
    for screen in SCREENS:
        screen.expect(RUN.expected(workflow.dag), log[0] if log else None)


onsuccess:
    if not STORED and workflow.dag.batch is None:
        check_all_made(workflow.dag)


localrules:
    all,


rule all:
    input:
        ancient([path for page in RUN.plan.pages for path in page.published]),


include: "workflow/rules/stages.smk"
include: "workflow/rules/results.smk"
