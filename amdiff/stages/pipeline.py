"""Checks and records the files of a text-to-image model."""

from __future__ import annotations

from pathlib import Path

from amdiff.artifacts import Artifact
from amdiff.data.digests import sha256_once
from amdiff.data.pipelines import (
    pipeline_digest,
    pipeline_files,
    pipeline_misfit,
    pipeline_path,
    read_components,
)
from amdiff.data.tally import named
from amdiff.errors import DataError
from amdiff.files import write_json

from .console import say
from .context import Context


def pipeline(context: Context, artifact: Artifact, folder: Path) -> None:
    """Check that the files of a pipeline exist and fit, and record their digests. Raises ``DataError`` if not."""
    spec = context.config.prompts[artifact.subject]
    path = pipeline_path(spec.pipeline)
    known: dict[str, str] = {}
    if "source" in artifact.params and pipeline_digest(path, known) != artifact.params["source"]:
        raise DataError(f"{path} has changed since this run started; run snakemake again")
    context.facts["path"] = str(path)
    components = read_components(path)
    if problem := pipeline_misfit(components, spec):
        raise DataError(f"{path} {problem}")
    files = {name: sha256_once(file, known) for name, file in pipeline_files(path)}
    write_json(folder / artifact.file(), {"components": components, "sha256": files})
    say(f"pipeline {artifact.subject}: {path}, {len(files)} files")
    half = [name for name in files if ".fp16." in name]
    notes = [f"weights in half precision, rounded to 11 bits: {named(half)}"] if half else []
    context.remark(f"pipeline {artifact.subject}", notes)
