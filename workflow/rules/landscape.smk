# Analyses of the energy landscape, one rule each, all of one form; and the toy model's.


for stage in (*ANALYSES, "likelihood"):

    rule:
        name:
            stage
        input:
            ancient(parents(stage)),
        output:
            artifact(stage),
        log:
            f"logs/{{dataset}}/{stage}/{{name}}.log",
        benchmark:
            f"logs/{{dataset}}/{stage}/{{name}}.tsv"
        threads: 1
        resources:
            gpu=gpus(stage),
            mem_mb=4000,
            runtime=lambda wildcards, attempt: 1440 * attempt,
        params:
            stage=stage,
        shell:
            "{AMDIFF} {params.stage} artifacts/{wildcards.dataset}/{params.stage}/{wildcards.name} --configfile {FROZEN} 2>&1 | tee {log}"
