# What is measured on a synthetic set.


rule metric:
    output:
        artifact("metric"),
    log:
        "logs/{dataset}/metric/{name}.log",
    benchmark:
        "logs/{dataset}/metric/{name}.tsv"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=60,
    shell:
        "{AMDIFF} metric artifacts/{wildcards.dataset}/metric/{wildcards.name} --configfile {FROZEN} 2>&1 | tee {log}"


rule neighbors:
    input:
        ancient(parents("neighbors")),
    output:
        artifact("neighbors"),
    log:
        "logs/{dataset}/neighbors/{name}.log",
    benchmark:
        "logs/{dataset}/neighbors/{name}.tsv"
    threads: 1
    resources:
        gpu=gpus("neighbors"),
        mem_mb=lambda wildcards: 2000 + 2 * PLAN.config.runtime.neighbor_memory_mb,
        runtime=720,
    shell:
        "{AMDIFF} neighbors artifacts/{wildcards.dataset}/neighbors/{wildcards.name} --configfile {FROZEN} 2>&1 | tee {log}"


rule thresholds:
    input:
        ancient(parents("thresholds")),
    output:
        artifact("thresholds"),
    log:
        "logs/{dataset}/thresholds/{name}.log",
    benchmark:
        "logs/{dataset}/thresholds/{name}.tsv"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=60,
    shell:
        "{AMDIFF} thresholds artifacts/{wildcards.dataset}/thresholds/{wildcards.name} --configfile {FROZEN} 2>&1 | tee {log}"


checkpoint grid:
    input:
        ancient(parents("grid")),
    output:
        artifact("grid"),
    log:
        "logs/{dataset}/grid/{name}.log",
    benchmark:
        "logs/{dataset}/grid/{name}.tsv"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    shell:
        "{AMDIFF} grid artifacts/{wildcards.dataset}/grid/{wildcards.name} --configfile {FROZEN} 2>&1 | tee {log}"


rule classify:
    input:
        ancient(parents("classify")),
    output:
        artifact("classify"),
    log:
        "logs/{dataset}/classify/{name}.log",
    benchmark:
        "logs/{dataset}/classify/{name}.tsv"
    threads: 1
    resources:
        gpu=gpus("classify"),
        mem_mb=lambda wildcards: 2000 + 2 * PLAN.config.runtime.neighbor_memory_mb,
        runtime=240,
    shell:
        "{AMDIFF} classify artifacts/{wildcards.dataset}/classify/{wildcards.name} --configfile {FROZEN} 2>&1 | tee {log}"
