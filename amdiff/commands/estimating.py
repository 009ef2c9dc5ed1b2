"""How long the work of a plan takes, and what it costs: by timing, by what was timed, or by arithmetic."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from amdiff.artifacts import Artifact
from amdiff.catalogue import STAGES
from amdiff.config import ConfigError
from amdiff.effort import cost
from amdiff.leases import has_driver
from amdiff.plan import ExperimentPlan, Plan, wants_gpu
from amdiff.plan.costs import by_stage, by_work, hours, passes, precision_of
from amdiff.plan.devices import Device, device_named
from amdiff.project import image_shape
from amdiff.store import Store


@dataclass(frozen=True)
class How:
    """How hours are estimated, as the user asks for it."""

    steps_per_second: float | None
    """Training steps a second of the user's device."""
    measure: bool
    """Whether to time the networks here."""
    device: Device | None
    """A GPU that was timed elsewhere."""
    hourly: float | None
    """Price of an hour."""

    @classmethod
    def asked(cls, steps_per_second: float | None, measure: bool, device: str | None, hourly: float | None) -> How:
        """Check the options of ``amdiff plan``. Raises ``ConfigError`` if they cannot be used."""
        for name, value in (("--steps-per-second", steps_per_second), ("--hourly", hourly)):
            if value is not None and not 0 < value < math.inf:
                raise ConfigError(f"{name}: got {value:g}, expected a positive number")
        ways = {"--steps-per-second": steps_per_second, "--measure": measure or None, "--device": device}
        if len(given := [name for name, value in ways.items() if value is not None]) > 1:
            raise ConfigError(f"{' and '.join(given)}: give one of them")
        return cls(steps_per_second, measure, None if device is None else device_named(device), hourly)


def effort(
    chosen: Plan, experiment: ExperimentPlan, counted: set[Path], how: How, root: Path
) -> tuple[dict[str, float], dict[str, Any]]:
    """Forward passes, and their hours, of the artifacts that are not yet in ``counted``. They are added to it.

    Hours have a key for each kind of work, and ``stages`` with those of each stage.
    """
    new = [a for a in experiment.artifacts() if a.folder not in counted]
    counted |= {a.folder for a in new}
    shape = image_shape(chosen, experiment.spec.dataset, root)
    counts = by_stage(new, lambda artifact: passes(artifact, math.prod(shape)))
    told = by_work(counts)
    trained = [m.train for m in experiment.models if m.train is not None]
    if how.device is not None:
        return told, _on_device(chosen, new, how.device)
    networks = [a for a in new if STAGES[a.stage].passes and wants_gpu(a, chosen.config.runtime.device)]
    device = "GPU" if networks and has_driver() else "CPU"
    if not trained:
        return told, _by_arithmetic(chosen, new, device)
    largest = trained[-1]
    batch = largest.params["training"]["batch_size"]
    if how.steps_per_second is not None:
        rate, source, device = how.steps_per_second, "given", ""
    elif how.measure:
        from amdiff.leases import gpu
        from amdiff.stages.rates import measured_rate

        runtime = chosen.config.runtime
        with gpu(wants_gpu(largest, runtime.device), together=runtime.jobs_per_device):
            rate, name = measured_rate(largest, shape, runtime)
        source, device = f"measured here, {name}", "CPU" if name == "cpu" else "GPU"
    else:
        store = Store(root)
        # compared by images per second, since small training sets have smaller batches
        made = [(a, store.record(a)["provenance"]) for a in trained if store.complete(a)]
        known = [
            float(steps) * a.params["training"]["batch_size"] / batch
            for a, provenance in made
            if (steps := provenance.get("steps_per_second"))
        ]
        if not known:
            return told, _by_arithmetic(chosen, new, device)
        rate, source = statistics.median(known), "median of the trainings that are done"
        device = "CPU" if all(provenance.get("device") == "cpu" for _, provenance in made) else "GPU"
    stages = {stage: hours(count, rate * batch) for stage, count in counts.items()}
    return told, _hours(stages, device, source, rate)


def _hours(stages: dict[str, float], device: str, source: str, rate: float | None = None) -> dict[str, Any]:
    """Hours of each stage and of each kind of work, and how they were found."""
    return {**by_work(stages), "stages": stages, "steps_per_second": rate, "device": device, "source": source}


def _by_arithmetic(chosen: Plan, artifacts: Sequence[Artifact], device: str) -> dict[str, Any]:
    """Estimate hours from the networks' arithmetic, without any timing. Right within a factor of three."""
    stages = by_stage(artifacts, lambda artifact: cost(chosen, artifact) / 3600)
    return _hours(stages, device, "by arithmetic, within a factor of three")


def _on_device(chosen: Plan, artifacts: Sequence[Artifact], device: Device) -> dict[str, Any]:
    """Estimate hours on a GPU that was timed elsewhere. Closed forms stay on the processor."""
    stages = by_stage(artifacts, lambda artifact: cost(chosen, artifact, wants_gpu(artifact, "cuda"), device) / 3600)
    asked = {
        (STAGES[a.stage].work == "training", precision_of(a)) for a in artifacts if STAGES[a.stage].passes is not None
    }
    lacking = sorted(f"{'training' if t else 'evaluations'} in {p}" for t, p in asked if device.lacks(t, p))
    return {**_hours(stages, "GPU", f"by the rates of an {device.title}, upper limits"), "not_timed": lacking}


def effort_lines(found: dict[str, Any], how: How) -> list[str]:
    """What ``effort`` has found, for people."""
    hour = f"{found['device']} hours".strip()
    if found["steps_per_second"] is not None:
        rate = f"at {found['steps_per_second']:.3g} training steps/s ({found['source']})"
    else:
        timed = found["training"] and how.device is None
        rate = found["source"] + ("; --measure times them here" if timed else "")
    parts = [
        f"{stage} {_short(amount)}"
        for stage, amount in found["stages"].items()
        if STAGES[stage].work == "analyses" and amount
    ]
    lines = [
        f"about {_short(found['training'])} {hour} of training, {_short(found['sampling'])} of sampling, at most "
        f"{_short(found['analyses'])} of analyses, {rate}"
    ]
    if len(parts) > 1:
        lines.append(f"of the analyses: {', '.join(parts)}")
    if how.hourly is not None:
        lines.append(f"{_short(_total(found) * how.hourly)} in all, at {how.hourly:g} an hour")
    return lines


def effort_notes(found: Sequence[dict[str, Any]], how: How) -> list[str]:
    """What must be known about the hours of all experiments, and their total."""
    notes = []
    if how.device is not None:
        notes.append(f"the {how.device.title} was {how.device.measured}")
        if lacking := sorted({kind for hours in found for kind in hours["not_timed"]}):
            notes.append(f"not timed on it, and counted as evaluations in float32: {', '.join(lacking)}")
    if how.hourly is not None:
        total = sum(map(_total, found))
        notes.append(f"{_short(total)} hours at {how.hourly:g} are {_short(total * how.hourly)} in all")
    return notes


def _total(found: dict[str, Any]) -> float:
    return sum(found[kind] for kind in ("training", "sampling", "analyses"))


def _short(number: float) -> str:
    """A number with at least three digits and without powers of ten."""
    return f"{number:,.0f}" if number >= 100 else f"{number:.3g}"
