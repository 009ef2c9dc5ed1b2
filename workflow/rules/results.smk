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


rule comparison:
    input:
        ancient(parents("comparison")),
    output:
        artifact("comparison"),
    log:
        "logs/{dataset}/comparison/{name}.log",
    benchmark:
        "logs/{dataset}/comparison/{name}.tsv"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=30,
    shell:
        "{AMDIFF} comparison artifacts/{wildcards.dataset}/comparison/{wildcards.name} --configfile {FROZEN} 2>&1 | tee {log}"


for page in PLAN.pages:

    rule:
        name:
            page.name
        input:
            ancient(page.report.spec),
        output:
            [
                (
                    report(
                        path,
                        category=page.name,
                        subcategory=FIGURES[path.stem],
                        caption=f"../../amdiff/figures/captions/{path.stem}.rst",
                    )
                    if path.suffix == ".svg"
                    else path
                )
                for path in page.published
            ],
        log:
            f"logs/publish/{page.name}.log",
        threads: 1
        resources:
            mem_mb=500,
            runtime=10,
        params:
            page=page.name,
        shell:
            "{AMDIFF} publish {params.page} --configfile {FROZEN} 2>&1 | tee {log}"
