# Reports, and what people look at.


rule report:
    input:
        ancient(parents("report")),
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
            stamp=experiment.stamp,
            page=report(experiment.results / "report.html", category=experiment.name, caption="../report/page.rst"),
            figures=[
                report(
                    experiment.results / "figures" / f"{figure}.svg",
                    category=experiment.name,
                    subcategory=group,
                    caption=f"../../amdiff/figures/captions/{figure}.rst",
                )
                for figure, group in FIGURES.items()
            ],
        log:
            f"logs/publish/{experiment.name}.log",
        params:
            experiment=experiment.name,
        threads: 1
        resources:
            mem_mb=500,
            runtime=10,
        shell:
            "{AMDIFF} publish {params.experiment} --configfile {FROZEN} 2>&1 | tee {log}"
