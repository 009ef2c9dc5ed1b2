"""Plans the artifacts of prompts to a text-to-image model. For each prompt and seed these are

    pipeline -> generate -> spectrum

and for all of them together a page.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from amdiff.artifacts import Artifact
from amdiff.config import Config, ConfigError, PromptsSpec

from .pages import PagePlan, files_of_page


def pipeline_source(name: str) -> str:
    """Key of a pipeline's digest in ``config.sources``."""
    return f"pipeline:{name}"


def image_source(name: str, number: int) -> str:
    """Key in ``config.sources`` of the digest of the training image of prompt ``number``."""
    return f"image:{name}:{number}"


def prompts_page(name: str, spec: PromptsSpec, config: Config) -> PagePlan:
    """Plan every artifact of a set of prompts. Raises ``ConfigError`` if the digest of a file is not known."""
    content = spec.pipeline.resolved()
    if spec.pipeline.hub is None:
        content["source"] = _source(name, pipeline_source(name), config)
    pipeline = Artifact("pipeline", name, "", content)
    drawn = tuple(_drawn(name, spec, pipeline))
    shown = {"prompts": name, "spec": spec.identity(), "candidates": {p.text: p.candidate for p in spec.prompts}}
    images = {
        p.text: _source(name, image_source(name, number), config)
        for number, p in enumerate(spec.prompts)
        if p.image is not None
    }
    spectra = tuple(
        Artifact("spectrum", name, one.label, {"spectrum": spec.spectrum.resolved()}, {"generate": (one,)},
                 derived={"pipeline": (pipeline,)})
        for one in drawn
    )  # fmt: skip
    page = Artifact(
        "prompts",
        name,
        "",
        {**shown, "images": images, "files": files_of_page(["prompts"])},
        {"pipeline": (pipeline,), "generate": drawn, "spectra": spectra},
    )
    return PagePlan(name, page)


def _source(name: str, key: str, config: Config) -> str:
    if key not in config.sources:
        raise ConfigError(f"prompts.{name}: the digest of a file is not known; give {key!r} under 'sources'")
    return config.sources[key]


def _drawn(name: str, spec: PromptsSpec, pipeline: Artifact) -> Iterator[Artifact]:
    """The artifact of the generated image for each prompt and seed."""
    settings = {key: spec.identity()[key] for key in ("guidance", "steps", "side", "precision")}
    for prompt in spec.prompts:
        words = re.sub(r"[^a-z0-9]+", "-", prompt.text.lower()).strip("-")[:40].rstrip("-")
        for seed in spec.seeds:
            label = "-".join(part for part in (words, f"s{seed}") if part)
            yield Artifact(
                "generate", name, label, {"prompt": prompt.text, "seed": seed, **settings}, {"pipeline": (pipeline,)}
            )
