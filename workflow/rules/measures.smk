# What is measured on a synthetic set.


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
        mem_mb=lambda wildcards: 2000 + 2 * PLAN.config.runtime.neighbor_memory_mb,
        runtime=240,
    shell:
        "{AMDIFF} classify artifacts/{wildcards.dataset}/classify/{wildcards.name} --configfile {FROZEN} 2>&1 | tee {log}"
