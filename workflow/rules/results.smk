# Reports of experiments and comparisons, and what people look at: copies of them under stable names.


for page in PLAN.pages:

    rule:
        name:
            f"report_{page.name}"
        input:
            ancient(report_parents(page.name)),
        output:
            made(files(page.report.folder, page.files)),
        log:
            f"logs/report/{page.name}.log",
        threads: 1
        resources:
            mem_mb=growing(4000),
            runtime=growing(120),
        params:
            stage=page.report.stage,
            folder=page.report.folder,
            root=root(page.report.spec),
        shell:
            "{AMDIFF} {params.stage} {params.folder} --root {params.root} --configfile {FROZEN} 2>&1 | tee {log} {SAID}"

    rule:
        name:
            page.name
        input:
            ancient(files(page.report.folder, page.files)),
        output:
            made(
                (
                    report(
                        path,
                        category=page.name,
                        subcategory=FIGURES[path.stem],
                        caption=str(CAPTIONS / f"{path.stem}.rst"),
                    )
                    if path.suffix == ".svg"
                    else path
                )
                for path in page.published
            ),
        log:
            f"logs/publish/{page.name}.log",
        localrule: True
        threads: 1
        resources:
            mem_mb=500,
            runtime=10,
        params:
            page=page.name,
            root=root(page.stamp),
        shell:
            "{AMDIFF} publish {params.page} --root {params.root} --configfile {FROZEN} 2>&1 | tee {log} {SAID}"
