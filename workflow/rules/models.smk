# Data, models and synthetic sets.


rule dataset:
    output:
        "data/canonical/{dataset}/{name}/spec.json",
    log:
        "logs/{dataset}/dataset/{name}.log",
    benchmark:
        "logs/{dataset}/dataset/{name}.tsv"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=60,
    shell:
        "{AMDIFF} dataset data/canonical/{wildcards.dataset}/{wildcards.name} --configfile {FROZEN} 2>&1 | tee {log}"


rule train:
    input:
        ancient(parents("train")),
    output:
        artifact("train"),
    log:
        "logs/{dataset}/train/{name}.log",
    benchmark:
        "logs/{dataset}/train/{name}.tsv"
    threads: 1
    resources:
        gpu=gpus("train"),
        mem_mb=4000,
        runtime=lambda wildcards, attempt: 1440 * attempt,
    shell:
        "{AMDIFF} train artifacts/{wildcards.dataset}/train/{wildcards.name} --configfile {FROZEN} 2>&1 | tee {log}"


rule sample:
    input:
        ancient(parents("sample")),
    output:
        artifact("sample"),
    log:
        "logs/{dataset}/sample/{name}.log",
    benchmark:
        "logs/{dataset}/sample/{name}.tsv"
    threads: 1
    resources:
        gpu=gpus("sample"),
        mem_mb=4000,
        runtime=lambda wildcards, attempt: 1440 * attempt,
    shell:
        "{AMDIFF} sample artifacts/{wildcards.dataset}/sample/{wildcards.name} --configfile {FROZEN} 2>&1 | tee {log}"
