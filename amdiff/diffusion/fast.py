"""Makes a network fast, for training, sampling and analyses alike: arithmetic, memory layout, compilation and graphs.

On a CPU a network stays as it is, unless the user asks for bfloat16 or for compilation. On CUDA

- a convolutional network is compiled in the layout channels_last, which joins normalisation and activation in one
  kernel: PyTorch's own GroupNorm would turn its input to the other layout and back,
- evaluations are replayed as CUDA graphs.
"""

from __future__ import annotations

import contextlib
import copy
import math
from collections.abc import Callable
from typing import Any, Literal

import torch
from jaxtyping import Float, Num
from torch import Tensor, nn

from .graphs import Replayed, Tell, Work, one_line, warn

LARGEST, SMALLEST = 512, 32
"""Images in one replayed evaluation, at most and at least. Smaller batches are padded to a power of two."""


def arithmetic(precision: str, device: torch.device, *, graphs: bool) -> contextlib.AbstractContextManager[Any]:
    """Return a context in which networks compute in the given precision. Their weights stay float32.

    'tfloat32' needs the flags of PyTorch that ``stages.loading.choose_device`` sets, and nothing here.
    A graph must not keep the rounded weights of one step for the next, so ``graphs`` turns autocast's cache off.
    """
    if precision == "bfloat16":
        return torch.autocast(device.type, dtype=torch.bfloat16, cache_enabled=not graphs)
    return contextlib.nullcontext()


def gains_by_compiling(network: Any, device: torch.device) -> bool:
    """Whether compiling a network pays for the half minute that it takes: on CUDA, if the network is convolutional.

    For other networks a graph alone suffices, since they consist of few kernels.
    """
    return device.type == "cuda" and isinstance(network, nn.Module) and _convolutional(network)


def compiled(network: nn.Module, trial: Callable[[Any], None], tell: Tell = warn, *, one_size: bool = False) -> Any:
    """Compile a network in place, in the layout channels_last if it is convolutional.

    Parameters
    ----------
    network
        The network. Its convolutions keep the new layout, in which they give the same numbers up to rounding.
    trial
        Function that runs the compiled network as it will be used, forth and, in training, back. Compilation happens in
        it.
    tell
        Called with a sentence if compilation fails. Default: a warning.
    one_size
        Compile for each batch size alone. Kernels then do not depend on the sizes that came before, and are faster.
        Default False: after two sizes, one program serves all.

    Returns
    -------
    Any
        The compiled network, or the network itself if it cannot be compiled here.
    """
    layout = torch.channels_last if _convolutional(network) else torch.contiguous_format
    _lay_out(network, layout)

    def evaluate(x: Tensor, t: Tensor) -> Tensor:
        return network(x.contiguous(memory_format=layout) if x.ndim == 4 else x, t)

    try:
        _compile_many()
        found = torch.compile(
            evaluate, fullgraph=True, dynamic=False if one_size else None, options=_same_kernels_on_every_run()
        )
        trial(found)
    except torch.OutOfMemoryError:
        raise
    except Exception as error:  # of torch's compiler, of Triton, or of the C compiler that they call
        _lay_out(network, torch.contiguous_format)
        tell(f"the network could not be compiled ({one_line(error)}); it computes without")
        return network
    return found


def _lay_out(network: nn.Module, layout: torch.memory_format) -> None:
    with torch.inference_mode(mode=False):  # weights made in inference mode could not be differentiated outside it
        network.to(memory_format=layout)


def _compile_many() -> None:
    """Let a process compile many networks and batch sizes. Beyond its limit the compiler would stop in silence."""
    import torch._dynamo.config as dynamo

    for name in ("recompile_limit", "cache_size_limit"):  # the name in newer and in older versions
        if hasattr(dynamo, name):
            setattr(dynamo, name, 256)


def _same_kernels_on_every_run() -> dict[str, Any]:
    """Options of the compiler, so that it chooses no kernel by timing, if the choice could change a bit."""
    import torch._inductor.config as inductor

    return {"deterministic": True} if hasattr(inductor, "deterministic") else {}


def _convolutional(network: nn.Module) -> bool:
    return any(isinstance(module, nn.Conv2d) for module in network.modules())


def fast(
    denoiser: Any,
    device: torch.device,
    *,
    precision: str = "float32",
    compile: bool | Literal["auto"] = "auto",
    graphs: bool = True,
    tell: Tell = warn,
) -> Any:
    """Return a fast denoiser for evaluations without gradients, with the same output up to rounding.

    Parameters
    ----------
    denoiser
        The denoiser. A network must be on ``device``, without gradients of its weights. A denoiser in closed form is
        returned as it is.
    device
        The device on which it computes.
    precision
        'float32', 'tfloat32' or 'bfloat16'. Default 'float32'.
    compile
        Whether to compile the network. Default 'auto': if it gains by it, see ``gains_by_compiling``.
    graphs
        Whether to replay evaluations as CUDA graphs where the device has them. Default True.
    tell
        Called with a sentence about each thing that fails and is left out. Default: a warning.

    Returns
    -------
    Any
        The denoiser. Calls in float64, and calls that are differentiated, use the given network in its own precision.
    """
    if not isinstance(denoiser, nn.Module):
        return denoiser
    if compile == "auto":
        compile = gains_by_compiling(denoiser, device)
    work = Work(device, graphs=graphs)
    if work.recorder is None and not compile and precision != "bfloat16":
        return denoiser
    return FastDenoiser(denoiser, work, device, precision=precision, compile=compile, tell=tell)


def in_double(denoiser: Any) -> Any:
    """Return a copy of a network in float64. A denoiser in closed form is returned as it is."""
    if isinstance(denoiser, FastDenoiser):
        denoiser = denoiser.network
    return copy.deepcopy(denoiser).double() if isinstance(denoiser, nn.Module) else denoiser


class FastDenoiser:
    """A network that evaluates quickly. ``fast`` makes it."""

    def __init__(
        self, network: nn.Module, work: Work, device: torch.device, *, precision: str, compile: bool, tell: Tell
    ) -> None:
        self.network = network
        self._work, self._device, self._precision, self._tell = work, device, precision, tell
        self._graphs = work.recorder is not None
        self._forward: Any = None if compile else network
        self._slots: dict[tuple[Any, ...], _Slot] = {}

    def __call__(self, x: Float[Tensor, "n ..."], t: Num[Tensor, " n"]) -> Float[Tensor, "n ..."]:
        """Predict the noise, as ``Denoiser`` says, in the type of ``x``."""
        if x.dtype == torch.float64 or (torch.is_grad_enabled() and x.requires_grad):
            return self.network(x, t)
        if not self._graphs:
            return self._evaluate(x, t)
        parts = zip(x.split(LARGEST), t.split(LARGEST), strict=True)
        return torch.cat([self._replay(*part) for part in parts])

    def _evaluate(self, x: Tensor, t: Tensor) -> Tensor:
        with arithmetic(self._precision, self._device, graphs=self._graphs):
            if self._forward is None:
                self._forward = compiled(self.network, lambda forward: forward(x, t), self._tell, one_size=self._graphs)
            return self._forward(x, t).to(x.dtype)

    def _replay(self, x: Tensor, t: Tensor) -> Tensor:
        n = len(x)
        size = min(LARGEST, max(SMALLEST, 2 ** math.ceil(math.log2(max(n, 1)))))
        key = (size, x.shape[1:], x.dtype, t.dtype)
        if key not in self._slots:
            self._slots[key] = _Slot(self._evaluate, self._work, size, x, t, self._tell)
        return self._slots[key](x, t)


class _Slot:
    """An evaluation of a fixed number of images, whose input and output have fixed places."""

    def __init__(
        self, evaluate: Callable[[Tensor, Tensor], Tensor], work: Work, size: int, x: Tensor, t: Tensor, tell: Tell
    ) -> None:
        with torch.inference_mode(mode=False):  # tensors of inference mode could not be written outside it
            self._x = torch.zeros((size, *x.shape[1:]), dtype=x.dtype, device=x.device)
            self._t = torch.zeros(size, dtype=t.dtype, device=t.device)
            self._out = torch.zeros_like(self._x)
        self._evaluate, self._work = evaluate, work
        self._run = Replayed(self._compute, work, tell)

    def __call__(self, x: Tensor, t: Tensor) -> Tensor:
        with torch.inference_mode(mode=False), torch.no_grad():
            self._x[: len(x)].copy_(x)
            self._t[: len(t)].copy_(t)
            with self._work.queue():
                self._run()
            return self._out[: len(x)].clone()

    def _compute(self) -> None:
        self._out.copy_(self._evaluate(self._x, self._t))
