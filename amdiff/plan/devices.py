"""GPUs on which networks were timed, so that a plan can tell hours for a machine that is not at hand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from amdiff.errors import ConfigError


@dataclass(frozen=True)
class Device:
    """How fast a GPU trains and evaluates the paper's U-Net for CIFAR-10, 35.7 million parameters."""

    title: str
    """Its name, for sentences."""
    measured: str
    """With which versions it was timed, and what that means for the version here."""
    training: Mapping[str, float]
    """Floating-point operations a second of a training step with 128 images, by precision."""
    evaluating: Mapping[str, float]
    """The same of forward passes with hundreds of images."""
    step: float
    """Seconds that a training step, or a step of sampling, takes at least, however small the network is."""

    def rate(self, training: bool, precision: str) -> float:
        """Operations a second. A precision that was not timed counts as evaluations in float32, the slowest ones."""
        return (self.training if training else self.evaluating).get(precision, self.evaluating["float32"])

    def lacks(self, training: bool, precision: str) -> bool:
        """Whether it was not timed in this precision."""
        return precision not in (self.training if training else self.evaluating)


OLD = (
    "timed with version 0.2.0 and torch 2.11, which launched kernels one by one; this version replays graphs, "
    "which were not timed yet, so these hours are upper limits"
)

DEVICES = {
    "h100": Device(
        "NVIDIA H100",
        OLD,
        training={"float32": 26e12, "tfloat32": 66e12, "bfloat16": 53e12},
        evaluating={"float32": 20e12},  # 256 images in 20 steps of DDPM took 3.12 s
        step=6.7e-3,
    ),
    "h200": Device(
        "NVIDIA H200",
        OLD,
        training={"bfloat16": 45e12},
        evaluating={"float32": 22e12},  # 512 images took 290 ms
        step=6.7e-3,
    ),
}
"""The devices, by the name that ``amdiff plan --device`` takes. docs/performance.md has the tables."""


def device_named(name: str) -> Device:
    """Return a device of the table. Raises ``ConfigError`` if it is not there."""
    if name not in DEVICES:
        raise ConfigError(
            f"--device: got {name!r}; timed were {', '.join(DEVICES)}. On the machine itself, use --measure"
        )
    return DEVICES[name]
