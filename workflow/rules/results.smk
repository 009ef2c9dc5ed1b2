# Reports, and what people look at.


rule report:
    input:
        ancient(report_parents),
    output:
        artifact("report"),
    log:
        "logs/{dataset}/report/{name}.log",
    benchmark:
        "logs/{dataset}/report/{name}.tsv"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=120,
    shell:
        "{AMDIFF} report artifacts/{wildcards.dataset}/report/{wildcards.name} --configfile {FROZEN} 2>&1 | tee {log}"


for experiment in PLAN.experiments:

    rule:
        name:
            experiment.name
        input:
            ancient(experiment.report.spec),
        output:
            [
                (
                    report(
                        path,
                        category=experiment.name,
                        subcategory=FIGURES[path.stem],
                        caption=f"../../amdiff/figures/captions/{path.stem}.rst",
                    )
                    if path.suffix == ".svg"
                    else path
                )
                for path in experiment.published
            ],
        log:
            f"logs/publish/{experiment.name}.log",
        threads: 1
        resources:
            mem_mb=500,
            runtime=10,
        params:
            experiment=experiment.name,
        shell:
            "{AMDIFF} publish {params.experiment} --configfile {FROZEN} 2>&1 | tee {log}"
