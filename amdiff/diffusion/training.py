"""Training a noise-predicting network: DDPM's simple loss (Ho et al. 2020, eq. 14), Adam, EMA.

A ``Trainer`` holds everything that the next step depends on. So a run that is stopped after any step and resumed from
``state`` gives the same bits as a run without a stop. On CUDA a step is one graph. The random numbers of the next steps
are drawn on the CPU meanwhile.
"""

from __future__ import annotations

import contextlib
import copy
import math
from collections.abc import Iterator
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from amdiff.config import TrainingSpec
from amdiff.errors import AmdiffError

from .adam import Adam
from .corruption import draw_pair, noisy
from .ema import average, ema_decay
from .fast import arithmetic, compiled, gains_by_compiling
from .graphs import Inputs, Replayed, Tell, Work, warn
from .processes import Process
from .sampling import from_uint8

LOGGED = frozenset(math.ceil(1.05**i) for i in range(500))
"""Steps at which the log has an entry. They do not depend on the number of steps, so a training that is stopped early
has the log of a longer one up to there."""


class TrainingDiverged(AmdiffError):
    """The loss or the weights are NaN or infinite."""


def learning_rate(spec: TrainingSpec, step: int, iterations: int) -> float:
    """Return the learning rate at ``step`` (0-based): linear warm-up, then constant or a half cosine to 0."""
    if step < spec.warmup:
        return spec.learning_rate * (step + 1) / spec.warmup
    if spec.schedule == "constant":
        return spec.learning_rate
    progress = (step - spec.warmup) / max(iterations - spec.warmup, 1)
    return spec.learning_rate * 0.5 * (1 + math.cos(math.pi * progress))


class Trainer:
    """Trains ``network`` on ``data``. ``ema`` is the moving average of the weights, which is used for sampling.

    ``recording`` tells whether a step is recorded as a graph, after ``graphs.WARM_UPS`` steps.
    """

    def __init__(
        self,
        network: nn.Module,
        data: UInt8[Tensor, "k ..."] | Float[Tensor, "k ..."],
        spec: TrainingSpec,
        process: Process,
        *,
        iterations: int,
        log_every: int | None = None,
        compile: bool | Literal["auto"] = "auto",
        work: Work | None = None,
        tell: Tell = warn,
    ) -> None:
        """Prepare a training run; ``run`` begins it.

        Parameters
        ----------
        network
            The network that predicts the noise, on the device that trains.
        data
            The K training images as uint8 (K, C, H, W), or points as floats, on the same device.
        spec
            Learning rate, batch size and moving average.
        process
            The forward process.
        iterations
            Total number of steps.
        log_every
            Number of steps between two entries of the log. Default None: entries are at the steps ``LOGGED``.
        compile
            Whether to compile the network. Default 'auto': on CUDA, if it is convolutional.
        work
            The stream of the device and the recorder of its graphs. Default None: on CUDA a step is one graph.
        tell
            Called with a sentence about each thing that fails and is left out. Default: a warning.
        """
        self.network, self.data, self.spec, self.process = network, data, spec, process
        self.iterations, self.log_every = iterations, log_every
        self.device = data.device
        self.generator = torch.Generator().manual_seed(spec.seed)  # on the CPU: the same draws on every device
        self.step = 0
        self.log: list[dict[str, float]] = []
        self._parameters = list(network.parameters())
        self._batch = spec.batch_for(len(data))
        self._has_dropout = any(isinstance(m, nn.Dropout) and m.p > 0 for m in network.modules())
        self._work = work or Work(self.device)
        self.recording = self._work.recorder is not None
        network.train()
        self._forward: Any = network
        if gains_by_compiling(network, self.device) if compile == "auto" else compile:
            with self._work.queue(), self._dropout_stream():
                self._forward = compiled(network, self._trial, tell, one_size=True)
        self.ema = copy.deepcopy(network).requires_grad_(False).eval()
        self.optimizer = Adam(self._parameters, fused=self.device.type in ("cpu", "cuda"))
        self._averages = list(self.ema.parameters())
        self._loss_sum = torch.zeros((), device=self.device)
        self._norm = torch.zeros((), device=self.device)
        self._inputs = Inputs(self.device, fixed=self.recording)
        self._update = Replayed(self._compute, self._work, tell)

    def run(self, steps: int) -> None:
        """Take ``steps`` steps, or fewer if the run ends before. Raises ``TrainingDiverged``."""
        with self._work.queue():
            for _ in range(min(steps, self.iterations - self.step)):
                self._take_step()

    @property
    def finished(self) -> bool:
        return self.step >= self.iterations

    def check(self) -> None:
        """Raise ``TrainingDiverged`` if an averaged weight is NaN or infinite."""
        if not all(torch.isfinite(p).all() for p in self._averages):
            raise TrainingDiverged("the averaged weights are NaN or infinite; lower training.learning_rate")

    def state(self) -> dict[str, Any]:
        """Return everything that the next step depends on, as tensors, numbers, strings, lists and dicts."""
        return {
            "step": self.step,
            "network": self.network.state_dict(),
            "ema": self.ema.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "generator": self.generator.get_state(),
            "loss_sum": self._loss_sum,
            "norm": self._norm,
            "metrics": self.log,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Load ``state``, and continue from it."""
        self.network.load_state_dict(state["network"])
        self.ema.load_state_dict(state["ema"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.generator.set_state(state["generator"].cpu())
        self._loss_sum.copy_(state["loss_sum"])
        if (norm := state.get("norm")) is not None:  # states of older versions lack it
            self._norm.copy_(norm)
        self.log, self.step = list(state["metrics"]), state["step"]

    def _take_step(self) -> None:
        self._inputs.put("rows", torch.randint(len(self.data), (self._batch,), generator=self.generator))
        t, noise = draw_pair(self.process, torch.Size((self._batch, *self.data.shape[1:])), self.generator)
        self._inputs.put("t", t)
        self._inputs.put("noise", noise)
        self._inputs.put_number("rate", learning_rate(self.spec, self.step, self.iterations))
        self._inputs.put_number("new", 1 - ema_decay(self.spec, self.step))
        with self._dropout_stream():
            self._update()
        self.step += 1
        if self.step % self.log_every == 0 if self.log_every else self.step in LOGGED:
            self.log.append(self._entry())
            self._loss_sum.zero_()

    def _compute(self) -> None:
        """What a step computes on the device, from ``_inputs``."""
        chosen = self.data[self._inputs["rows"]]
        x0 = from_uint8(chosen) if chosen.dtype == torch.uint8 else chosen
        t, noise = self._inputs["t"], self._inputs["noise"]
        x = noisy(self.process, x0, t, noise)
        with self._arithmetic():
            loss = nn.functional.mse_loss(self._forward(x, t).float(), noise)
        self.optimizer.zero_grad()
        loss.backward()
        if self.spec.clip_norm is not None:
            self._norm.copy_(nn.utils.clip_grad_norm_(self._parameters, self.spec.clip_norm))
        self.optimizer.step(self._inputs["rate"])
        average(self._averages, self._parameters, self._inputs["new"])
        self._loss_sum += loss.detach()

    def _trial(self, forward: Any) -> None:
        """Run the network forth and back as a step does, on zeros, and change nothing."""
        x = torch.zeros(self._batch, *self.data.shape[1:], device=self.device)
        t = self.process.draw_times(self._batch, torch.Generator()).to(self.device)
        with self._arithmetic():
            loss = forward(x, t).float().square().mean()
        loss.backward()
        self.network.zero_grad()

    @property
    def whole_log(self) -> list[dict[str, float]]:
        """The log, with an entry for the last step. Raises ``TrainingDiverged``.

        This entry is not part of the state. So a longer run that goes on from here has the log of an undisturbed one.
        """
        return self.log if self.step == self._last_entry else [*self.log, self._entry()]

    @property
    def _last_entry(self) -> int:
        return int(self.log[-1]["step"]) if self.log else 0

    def _entry(self) -> dict[str, float]:
        """Mean loss since the last entry, learning rate and gradient norm."""
        loss = float(self._loss_sum) / (self.step - self._last_entry)
        if not math.isfinite(loss):
            raise TrainingDiverged(
                f"the loss is {loss} at step {self.step}; lower training.learning_rate, or set training.clip_norm"
            )
        rate = learning_rate(self.spec, self.step - 1, self.iterations)
        entry = {"step": self.step, "loss": loss, "learning_rate": rate}
        if self.spec.clip_norm is not None:
            entry["gradient_norm"] = float(self._norm)
        return entry

    @contextlib.contextmanager
    def _dropout_stream(self) -> Iterator[None]:
        """Seed the global generator, from which dropout draws, by (seed, step) only; restore it afterwards."""
        if not self._has_dropout:
            yield
            return
        devices = [self.device] if self.device.type == "cuda" else []
        with torch.random.fork_rng(devices=devices):
            key = np.random.SeedSequence([self.spec.seed, self.step]).generate_state(1, np.uint64)[0]
            torch.manual_seed(int(key >> np.uint64(1)))
            yield

    def _arithmetic(self) -> contextlib.AbstractContextManager[Any]:
        return arithmetic(self.spec.precision, self.device, graphs=self.recording)
