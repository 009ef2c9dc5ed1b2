# Each stage before the reports is a rule, and all these rules have the same form. Data flow from left to right:
#
#   dataset ─┬─ train ───┬─ sample ─── neighbors ─── thresholds ─── classify ─┬─ report ─── comparison
#            └─ convert ─┘    │            │                          │       │
#   metric (by which images   │            │                          ├─ grid │  sizes, from a sparse sweep
#           are compared)     │            └─── peers ────────────────┼───────┤
#                             │                                       ├─ basin, curvature, energy
#                             └─ likelihood, on the circle ───────────┴───────┘
#
#   pipeline ─── generate ─── spectrum ─── prompts, of a text-to-image model
#
# The folder of an artifact is artifacts/<dataset>/<stage>/<name>, that of a dataset data/canonical/<dataset>/<name>.
# The record of a stage (amdiff/catalogue) describes the stage. The plan (amdiff/plan) says what each artifact reads.
from amdiff.catalogue import FIGURES, STAGES
from amdiff.snakemake_bridge import root_of


wildcard_constraints:
    dataset=r"[^/]+",
    name=r"[^/]+",


for stage in STAGES.values():
    if stage.page or stage.decides:
        continue

    rule:
        name:
            stage.name
        input:
            ancient(RUN.parents(stage.name)),
        output:
            RUN.made(RUN.files(RUN.folder(stage.name), stage.files.values()), update),
        log:
            f"logs/{{dataset}}/{stage.name}/{{name}}.log",
        localrule: stage.local
        threads: 1
        resources:
            gpu=RUN.gpus(stage.name),
            mem_mb=RUN.memory(stage),
            runtime=RUN.minutes(stage),
        params:
            stage=stage.name,
            folder=RUN.folder(stage.name),
            root=root_of(f"{RUN.folder(stage.name)}/spec.json"),
        shell:
            "{AMDIFF} {params.stage} {params.folder} --root {params.root} --configfile {FROZEN} 2>&1 | tee {log} {SAID}"


checkpoint grid:
    input:
        ancient(RUN.parents("grid")),
    output:
        RUN.made(RUN.files(RUN.folder("grid"), STAGES["grid"].files.values()), update),
    log:
        "logs/{dataset}/grid/{name}.log",
    threads: 1
    resources:
        mem_mb=RUN.memory(STAGES["grid"]),
        runtime=RUN.minutes(STAGES["grid"]),
    shell:
        "{AMDIFF} grid artifacts/{wildcards.dataset}/grid/{wildcards.name} --configfile {FROZEN} 2>&1 | tee {log} {SAID}"
