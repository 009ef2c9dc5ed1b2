"""One CUDA graph in place of many kernel launches.

The processor takes longer to launch the kernels of a training step than the GPU takes to compute a small network, or a
U-Net of 36 million parameters. A graph launches all of them at once. It reads and writes the same memory at each
replay, so a function that is replayed takes its inputs from fixed tensors, and leaves its results in fixed tensors.

Everything here does plain calls on a device without graphs.
"""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor

from .transfer import onto

Compute = Callable[[], None]
"""A function that reads and writes fixed tensors, and does not wait for the device."""

Recorder = Callable[[Compute], Compute]
"""A function that records a computation without running it, and returns a function that replays it. Raises
``RuntimeError`` if the computation cannot be recorded."""

Tell = Callable[[str], None]
"""A function that tells the user a sentence."""

WARM_UPS = 3
"""Calls that run as they are, before one is recorded. In them libraries set themselves up, which no graph may hold."""


def warn(text: str) -> None:
    """Tell the user ``text`` as a warning."""
    warnings.warn(text, stacklevel=3)


class Work:
    """The stream of a device on which fast work runs, and the recorder of its graphs.

    All warm-ups, the recording and all replays must run inside ``queue``. On a device without graphs, ``recorder`` is
    None, and ``queue`` does nothing. ``recorder`` is None too once a recording has failed: the memory of graphs is then
    unusable.
    """

    def __init__(self, device: torch.device, *, graphs: bool = True) -> None:
        """``graphs`` says whether to record graphs where the device has them. Default True."""
        self.stream = torch.cuda.Stream(device) if device.type == "cuda" and graphs else None
        self.recorder: Recorder | None = self._record if self.stream is not None else None
        self._pool = torch.cuda.graph_pool_handle() if self.stream is not None else None  # graphs run in turn

    @contextlib.contextmanager
    def queue(self) -> Iterator[None]:
        """Compute after what the caller has started, and let the caller's later work wait for it."""
        if self.stream is None:
            yield
            return
        caller = torch.cuda.current_stream(self.stream.device)
        self.stream.wait_stream(caller)
        try:
            with torch.cuda.stream(self.stream):
                yield
        finally:
            caller.wait_stream(self.stream)

    def _record(self, compute: Compute) -> Compute:
        graph = torch.cuda.CUDAGraph()
        assert self.stream is not None
        generator = torch.cuda.default_generators[self.stream.device.index or 0]
        state = generator.get_state()
        try:
            # other threads may meanwhile allocate pinned memory, which the default mode forbids
            with torch.cuda.graph(graph, self._pool, self.stream, capture_error_mode="thread_local"):
                compute()
        except RuntimeError:
            try:
                torch.empty(1, device=self.stream.device).uniform_()
            except RuntimeError:  # the generator of the device still believes that a graph is recorded
                generator.graphsafe_set_state(torch.Generator(self.stream.device).graphsafe_get_state())
            generator.set_state(state)
            raise
        return graph.replay


class Inputs:
    """What the next run of a computation reads, by name."""

    def __init__(self, device: torch.device, *, fixed: bool) -> None:
        """``fixed`` keeps each input at one place on ``device``, as a recorded computation needs."""
        self._device, self._fixed = device, fixed
        self._held: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        """The input: a tensor on the device; for a number that is not at a fixed place, the number itself."""
        return self._held[name]

    def put(self, name: str, drawn: Tensor) -> None:
        """Bring a tensor from the CPU to the device."""
        moved = onto(self._device, drawn)
        if self._fixed and name in self._held:
            self._held[name].copy_(moved)
        else:
            self._held[name] = moved

    def put_number(self, name: str, value: float) -> None:
        """Keep a number. A recorded computation would repeat a plain number, so it gets a tensor, float32 ()."""
        if not self._fixed:
            self._held[name] = value
        elif name in self._held:
            self._held[name].fill_(value)
        else:
            self._held[name] = torch.full((), value, device=self._device)


class Replayed:
    """Runs a computation at each call: as it is at first, then by replaying one recording of it.

    Where recording fails, it tells so once, and goes on as it is.
    """

    def __init__(self, compute: Compute, work: Work, tell: Tell = warn) -> None:
        """Prepare the computation; nothing runs yet.

        Parameters
        ----------
        compute
            The computation.
        work
            Has the recorder. Without one, the computation runs as it is at each call.
        tell
            Called with a sentence if the computation cannot be recorded. Default: a warning.
        """
        self._compute, self._work, self._tell = compute, work, tell
        self._calls = 0
        self._replay: Compute | None = None

    @property
    def recorded(self) -> bool:
        """Whether calls replay a recording."""
        return self._replay is not None

    def __call__(self) -> None:
        """Run the computation once."""
        if self._replay is None and self._work.recorder is not None and self._calls >= WARM_UPS:
            self._record(self._work.recorder)
        self._calls += 1
        (self._replay or self._compute)()

    def _record(self, recorder: Recorder) -> None:
        try:
            self._replay = recorder(self._compute)
        except torch.OutOfMemoryError:
            raise
        except RuntimeError as error:
            self._work.recorder = None
            self._tell(f"no CUDA graph could be recorded ({one_line(error)}); the kernels are launched one by one")


def one_line(error: BaseException) -> str:
    """The first line of an error's message that says something, or the name of its type."""
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
