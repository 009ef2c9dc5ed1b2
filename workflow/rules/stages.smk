# Every stage up to the reports is a rule, all of one form.

SEARCH = 2000 + 2 * PLAN.config.runtime.neighbor_memory_mb

# MiB of memory and minutes of a first attempt
DEMANDS = {
    "dataset": (4000, 60),
    "metric": (4000, 60),
    "convert": (4000, 60),
    "train": (4000, 1440),
    "sample": (4000, 1440),
    "neighbors": (SEARCH, 720),
    "thresholds": (2000, 60),
    "classify": (SEARCH, 240),
    "pipeline": (2000, 120),
    "generate": (16000, 120),
    "spectrum": (24000, 1440),
    "peers": (SEARCH, 240),
    **{stage: (4000, 1440) for stage in (*ANALYSES, "likelihood")},
}

for stage, (memory, minutes) in DEMANDS.items():

    rule:
        name:
            stage
        input:
            ancient(parents(stage)),
        output:
            made(files(folder(stage), FILES[stage])),
        log:
            f"logs/{{dataset}}/{stage}/{{name}}.log",
        # downloads happen where snakemake runs: nodes of a cluster often have no network
        localrule: stage in ("dataset", "metric", "convert", "pipeline")
        threads: 1
        resources:
            gpu=gpus(stage),
            mem_mb=growing(memory),
            runtime=growing(minutes),
        params:
            stage=stage,
            folder=folder(stage),
            root=root(f"{folder(stage)}/spec.json"),
        shell:
            "{AMDIFF} {params.stage} {params.folder} --root {params.root} --configfile {FROZEN} 2>&1 | tee {log} {SAID}"


checkpoint grid:
    input:
        ancient(parents("grid")),
    output:
        made(files(folder("grid"), FILES["grid"])),
    log:
        "logs/{dataset}/grid/{name}.log",
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=growing(10),
    shell:
        "{AMDIFF} grid artifacts/{wildcards.dataset}/grid/{wildcards.name} --configfile {FROZEN} 2>&1 | tee {log} {SAID}"
