# Two rules for each page: one makes its report, the other copies the report to results/, where people look at it.


for page in RUN.plan.pages:

    rule:
        name:
            f"report_{page.name}"
        input:
            ancient(RUN.report_parents(page.name, checkpoints)),
        output:
            RUN.made(RUN.files(page.report.folder, page.files), update),
        log:
            f"logs/report/{page.name}.log",
        threads: 1
        resources:
            mem_mb=RUN.memory(STAGES[page.report.stage]),
            runtime=RUN.minutes(STAGES[page.report.stage]),
        params:
            stage=page.report.stage,
            folder=page.report.folder,
            root=root_of(page.report.spec),
        shell:
            "{AMDIFF} {params.stage} {params.folder} --root {params.root} --configfile {FROZEN} 2>&1 | tee {log} {SAID}"

    rule:
        name:
            page.name
        input:
            ancient(RUN.files(page.report.folder, page.files)),
        output:
            RUN.made(
                [
                    (
                        report(
                            path,
                            category=page.name,
                            subcategory=FIGURES[path.stem].group,
                            caption=RUN.caption(path.stem),
                        )
                        if path.suffix == ".svg"
                        else path
                    )
                    for path in page.published
                ],
                update,
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
            root=root_of(page.stamp),
        shell:
            "{AMDIFF} publish {params.page} --root {params.root} --configfile {FROZEN} 2>&1 | tee {log} {SAID}"
