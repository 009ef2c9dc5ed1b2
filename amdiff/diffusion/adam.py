"""Adam (Kingma and Ba 2015), which calls the function ``torch.optim.adam.adam``.

The class ``torch.optim.Adam`` does the same, but it imports torch's compiler, which costs each training process a
second. The steps and the states here are equal to those of that class.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.optim.adam import adam


class Adam:
    """The Adam optimiser. Parameters without a gradient stay as they are."""

    def __init__(self, parameters: Sequence[Tensor], *, fused: bool) -> None:
        """``fused`` updates all parameters in one kernel; the device must support that."""
        self.parameters, self.fused = list(parameters), fused
        self._steps = [torch.zeros((), device=p.device if fused else "cpu") for p in self.parameters]
        self._means = [torch.zeros_like(p) for p in self.parameters]
        self._squares = [torch.zeros_like(p) for p in self.parameters]

    def zero_grad(self) -> None:
        """Remove all gradients."""
        for parameter in self.parameters:
            parameter.grad = None

    @torch.no_grad()
    def step(self, rate: float | Tensor) -> None:
        """Take one step at the learning rate ``rate``.

        A rate that is a tensor, float32 () on the device of the parameters, may change between the replays of a graph.
        """
        used = [(i, p.grad) for i, p in enumerate(self.parameters) if p.grad is not None]
        places = [i for i, _ in used]
        adam(
            [self.parameters[i] for i in places],
            [gradient for _, gradient in used],
            [self._means[i] for i in places],
            [self._squares[i] for i in places],
            [],
            [self._steps[i] for i in places],
            fused=self.fused,
            amsgrad=False,
            beta1=0.9,
            beta2=0.999,
            lr=rate,
            weight_decay=0.0,
            eps=1e-8,
            maximize=False,
        )

    def state_dict(self) -> dict[str, Any]:
        """Return the state that the next step depends on, in the layout of ``torch.optim.Adam``."""
        moments = zip(self._steps, self._means, self._squares, strict=True)
        return {"state": {i: {"step": s, "exp_avg": m, "exp_avg_sq": v} for i, (s, m, v) in enumerate(moments)}}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Load a state of this class or of ``torch.optim.Adam``, and continue from it."""
        for place, moments in state["state"].items():
            for kept, name in ((self._steps, "step"), (self._means, "exp_avg"), (self._squares, "exp_avg_sq")):
                kept[place].copy_(moments[name])
