"""Records: what is said of a stage, a figure, a metric, a denoiser or a sampler has its code, and nothing else has."""

from __future__ import annotations

import importlib
import re
from pathlib import Path
from typing import get_args

import pytest
import yaml

from amdiff.catalogue import FIGURES, SECTIONS, STAGES
from amdiff.catalogue.metrics import METRICS
from amdiff.catalogue.samplers import SAMPLERS as SAMPLER_RECORDS
from amdiff.config import ANALYSES, DENOISERS, ExperimentSpec, Network, SamplingSpec
from amdiff.config.configuration import RULES
from amdiff.data.datasets import DATASETS, OWN, PEEKED
from amdiff.diffusion.denoisers import NETWORKS
from amdiff.diffusion.processes import Schedule
from amdiff.diffusion.samplers import SAMPLERS, sampler_steps
from amdiff.plan.costs import by_stage, by_work, passes
from amdiff.project import open_plan
from amdiff.stages import stage_function
from tests.conftest import REPO


def test_the_reference_names_the_files_of_every_stage() -> None:
    page = (REPO / "docs/reference/files.md").read_text()
    named: dict[str, set[str]] = {"dataset": set(re.findall(r"`data/canonical/.*/(.*)`", page))}
    for stage, files in re.findall(r"^\| `(\w+)/\*/([^|]*)` \|", page, re.MULTILINE):
        named.setdefault(stage, set()).update(files.split("`, `"))
    assert named == {name: set(stage.files.values()) for name, stage in STAGES.items() if not stage.page}


@pytest.mark.parametrize("name", STAGES)
def test_every_stage_has_a_function_of_its_name(name: str) -> None:
    assert stage_function(name).__name__ == name
    assert name in RULES


def test_every_stage_makes_files_or_a_page() -> None:
    for stage in STAGES.values():
        assert bool(stage.files) != stage.page
        assert len(set(stage.files.values())) == len(stage.files)


def test_every_analysis_is_a_stage_that_counts_its_passes_and_a_section() -> None:
    for name in ANALYSES:
        assert STAGES[name].passes is not None
        assert STAGES[name].work == "analyses"
        assert name in SECTIONS
        assert name in ExperimentSpec.model_fields


def test_every_stage_that_counts_passes_says_what_they_are_counted_under() -> None:
    """Those of every artifact of the default run and of the paper are finite, and none falls to another's keys."""
    for configuration in ("config.yaml", "workflow/config/smoke.yaml"):
        plan = open_plan(REPO / configuration, REPO)
        found = by_work(by_stage(plan.by_folder.values(), lambda artifact: passes(artifact, 64)))
        assert all(value > 0 for value in found.values())
    assert {stage.work for stage in STAGES.values() if stage.passes} == {"training", "sampling", "analyses"}


@pytest.mark.parametrize("name", SECTIONS)
def test_every_section_has_what_reads_it_and_what_draws_it(name: str) -> None:
    if not STAGES.get(name, STAGES["train"]).page:  # pages of one section read what they show themselves
        section = importlib.import_module(f"amdiff.stages.sections.{name}")
        assert callable(getattr(section, name))
    for figure in SECTIONS[name].figures:
        assert callable(getattr(importlib.import_module(f"amdiff.figures.{name}"), figure.name))


def test_figures_have_names_of_their_own() -> None:
    assert len(FIGURES) == sum(len(section.figures) for section in SECTIONS.values())


@pytest.mark.parametrize("name", METRICS)
def test_every_metric_has_its_code(name: str) -> None:
    code = importlib.import_module(f"amdiff.neighbors.{METRICS[name].module}")
    wanted = ("embedding", "pair_distance", *(("read_weights",) if METRICS[name].network else ()))
    assert all(callable(getattr(code, function)) for function in wanted)


def test_every_network_that_is_trained_can_be_built() -> None:
    assert {kind for kind, spec in DENOISERS.items() if spec.trained} == NETWORKS.keys()
    assert {kind for kind, spec in DENOISERS.items() if issubclass(spec, Network)} == NETWORKS.keys()


def test_every_sampler_of_images_has_its_steps() -> None:
    assert SAMPLER_RECORDS.keys() == SAMPLERS.keys() - {"euler-maruyama"}
    assert get_args(SamplingSpec.model_fields["sampler"].annotation) == tuple(SAMPLER_RECORDS)
    for name in SAMPLER_RECORDS:
        assert len(sampler_steps(Schedule.linear(), SamplingSpec(sampler=name, steps=7))) == 7


def test_every_dataset_is_read_and_its_extent_is_told() -> None:
    assert OWN.keys() == PEEKED.keys()
    assert not OWN.keys() & DATASETS.keys()


def test_the_smoke_configuration_asks_for_every_analysis() -> None:
    """So that what CI runs covers each."""
    smoke = yaml.safe_load(Path(REPO / "workflow/config/smoke.yaml").read_text())["experiments"]["smoke"]
    assert all(smoke.get(name, {}) is not None for name in ANALYSES)
