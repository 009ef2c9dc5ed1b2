# Wildcards and look-ups shared by the rules: an artifact's folder is <dataset>/<stage>/<name>.


wildcard_constraints:
    dataset=r"[^/]+",
    name=r"[^/]+",


def artifact(stage):
    """Output of a stage's rule: the file that says its artifact is complete."""
    return f"artifacts/{{dataset}}/{stage}/{{name}}/spec.json"


def planned(stage, wildcards):
    return PLAN.artifact(f"artifacts/{wildcards.dataset}/{stage}/{wildcards.name}")


def parents(stage):
    """Input function of a stage's rule: the artifacts that it reads."""

    def look_up(wildcards):
        groups = planned(stage, wildcards).reads.values()
        return [parent.spec for group in groups for parent in group]

    return look_up


def gpus(stage):
    """Resource function: 1 where a GPU serves the job."""

    def look_up(wildcards):
        return int(wants_gpu(planned(stage, wildcards), PLAN.config.runtime.device))

    return look_up


def report_parents(wildcards):
    """Input function of the reports: where a sparse sweep has to find the sizes, it comes first."""
    global PLAN
    wanted = planned("report", wildcards)
    if os.path.exists(wanted.spec):
        return []  # it is made, and what it was made of may be gone
    for grid in wanted.parents.get("grid", ()):
        if not wanted.derived:
            checkpoints.grid.get(dataset=grid.dataset, name=grid.folder.name)
            PLAN = prepare(PLAN.config)
    return parents("report")(wildcards)
