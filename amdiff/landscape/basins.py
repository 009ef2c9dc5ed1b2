"""Basins of attraction: how much noise a target survives (eq. 12, algorithm 1).

Noisy copies ``x_t = sqrt(ab_t) x + sqrt(1 - ab_t) n`` of each target are denoised from t to 0 by deterministic DDIM. A
copy keeps the same noise n at all t, so once it is lost at one t it is lost at larger ones, with rare exceptions. The
search stores the distances ``D(x, x_hat)`` between targets and denoised copies. Critical times and volumes follow from
these (``volumes``), for every threshold up to the one that the search used.

``scan`` visits the times in order, and leaves out targets that have stopped; it is the reference. ``bisect`` assumes
that recovery is monotone in t, and so visits only about log2 of the times.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Float32, Float64, Int, Int64
from torch import Tensor

from amdiff.catalogue.metrics import METRICS
from amdiff.diffusion.denoisers import Denoiser
from amdiff.diffusion.processes import Schedule
from amdiff.diffusion.samplers import ddim_steps
from amdiff.diffusion.sampling import reverse
from amdiff.errors import AmdiffError
from amdiff.neighbors.arrays import network_weights
from amdiff.neighbors.embeddings import distance_of
from amdiff.neighbors.pixels import l2

Distance = Callable[[Tensor, Tensor], Tensor]


def pair_distance(
    metric: str,
    weights: Mapping[str, Tensor] | None = None,
    device: torch.device | str = "cpu",
    *,
    backbone: Path | str | None = None,
) -> Distance:
    """Return a function that computes the distance of each pair of images, for ``distance`` of ``find_basins``.

    The function takes two tensors (n, C, H, W) in [-1, 1] on ``device``, and returns the distances (n,).
    ``metric`` is 'pixels' or the name of a perceptual metric, such as 'lpips-alex'. ``weights`` are the tensors of
    the metric's network; None (the default) reads them as ``neighbors.embed`` does. For LPIPS, ``backbone`` may name a
    file with the weights of torchvision's network.

    Raises ``ValueError`` for an unknown metric, and where the weights cannot be read.
    """
    if metric not in METRICS:
        raise AmdiffError(f"no metric {metric!r} of pairs of images; known: {', '.join(METRICS)}")
    return distance_of(metric, weights or network_weights(metric, backbone), device)


def no_denoiser(x: Float[Tensor, "n ..."], t: Float[Tensor, " n"] | Int[Tensor, " n"]) -> Float[Tensor, "n ..."]:
    """A null denoiser: it predicts no noise. A search with it tells which recovery is no work of the model."""
    return torch.zeros_like(x)


@dataclass(frozen=True)
class Search:
    """The settings of a search: how copies are denoised, and when the search of a target stops."""

    denoiser: Denoiser
    """Predicts the noise in x at times t."""
    schedule: Schedule
    """The noise levels of the denoiser."""
    times: Int64[np.ndarray, " times"]
    """Indices of the noise levels that are searched, in increasing order."""
    steps: int
    """Number of DDIM steps from t to 0; at most t steps are taken."""
    delta: float
    """A copy is recovered where its distance to the target is at most this, in the unit of ``distance``."""
    probability: float
    """The search of a target stops at a time where less than this share of its copies is recovered."""
    distance: Distance = l2
    """Computes the distance of each pair of images."""
    clip: bool = True
    """Whether predicted images are clipped to [-1, 1] at each step."""
    batch: int = 4096
    """Number of images that pass the denoiser together."""

    def denoise(self, x: Float[Tensor, "n ..."], time: int) -> Float[Tensor, "n ..."]:
        """Denoise images from noise level ``time`` to 0."""
        steps = ddim_steps(self.schedule, max(1, min(self.steps, time)), start=time)
        parts = [reverse(self.denoiser, part, steps, clip=self.clip) for part in x.split(self.batch)]
        return torch.cat(parts)

    def recovery(
        self, targets: Float[Tensor, "n ..."], noise: Float[Tensor, "n ..."], time: int
    ) -> tuple[Float[Tensor, " n"], Float[Tensor, "n ..."]]:
        """Add ``noise`` of level ``time`` to the targets, denoise them, and compare the results with the targets.

        Returns the distance of each target to its denoised copy (n,), and the denoised copies (n, *shape).
        Raises ``ValueError`` where a distance is not finite.
        """
        signal, sigma = self.schedule.alpha_bar[time] ** 0.5, self.schedule.sigma[time]
        back = self.denoise(float(signal) * targets + float(sigma) * noise, time)
        parts = zip(targets.split(self.batch), back.split(self.batch), strict=True)
        distance = torch.cat([self.distance(x, y) for x, y in parts])
        if not torch.isfinite(distance).all():
            raise AmdiffError("denoised images are NaN or infinite: the model's training diverged")
        return distance, back


def scan(
    search: Search,
    targets: Float[Tensor, "n ..."],
    noise: Float[Tensor, "n copies ..."],
    *,
    watch: int = 0,
    callback: Callable[[int], None] = lambda stopped: None,
) -> tuple[Float32[np.ndarray, "n times copies"], Float32[np.ndarray, "watched times ..."]]:
    """Search all times in increasing order, for each target until it stops.

    Parameters
    ----------
    search
        The settings of the search.
    targets
        Images (n, *shape) in [-1, 1].
    noise
        Standard normal noise (n, copies, *shape). A copy keeps its noise at all times.
    watch
        Number of targets whose first denoised copy is returned. Default 0.
    callback
        Called after each time with the number of targets that have stopped.

    Returns
    -------
    tuple of two arrays
        The distance of each target to its denoised copies (n, times, copies), and the denoised first copy of the first
        ``watch`` targets (watch, times, *shape). Both are NaN at times after a target has stopped.
    """
    n, copies = noise.shape[:2]
    table = np.full((n, len(search.times), copies), np.nan, np.float32)
    watched = np.full((min(watch, n), len(search.times), *targets.shape[1:]), np.nan, np.float32)
    active = torch.arange(n, device=targets.device)
    for j, time in enumerate(search.times.tolist()):
        repeated = targets[active].repeat_interleave(copies, dim=0)
        distance, back = search.recovery(repeated, noise[active].flatten(0, 1), time)
        rows = active.cpu().numpy()
        table[rows, j] = distance.float().view(-1, copies).cpu().numpy()
        seen = rows < watch
        watched[rows[seen], j] = back.view(-1, copies, *targets.shape[1:])[: int(seen.sum()), 0].float().cpu().numpy()
        recovered = (table[rows, j] <= np.float32(search.delta)).mean(axis=1)
        active = active[torch.from_numpy(recovered >= search.probability - 1e-12).to(active.device)]
        callback(n - len(active))
        if len(active) == 0:
            break
    return table, watched


def bisect(
    search: Search, targets: Float[Tensor, "n ..."], noise: Float[Tensor, "n copies ..."]
) -> Float32[np.ndarray, "n times copies"]:
    """Search by bisection, assuming that a copy which is lost at one time is lost at all later times.

    The bisection finds the time at which each target stops, and then the first failure of each copy before it.
    Returns the distance of each target to its denoised copies (n, times, copies), NaN at times that were not visited.
    """
    n, copies = noise.shape[:2]
    table = np.full((n, len(search.times), copies), np.nan, np.float32)

    def evaluate(rows: np.ndarray, columns: np.ndarray, where: np.ndarray) -> None:
        """Compute the entries (target, time, copy) of the table that are still missing."""
        todo = np.isnan(table[rows, where, columns])
        rows, columns, where = rows[todo], columns[todo], where[todo]
        for j in np.unique(where):
            here = where == j
            r, c = (torch.from_numpy(a[here]).to(targets.device) for a in (rows, columns))
            distance, _ = search.recovery(targets[r], noise[r, c], int(search.times[j]))
            table[rows[here], j, columns[here]] = distance.float().cpu().numpy()

    def halve(low: np.ndarray, high: np.ndarray, passes: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> np.ndarray:
        """The first time that fails, for each row.

        At the start ``low`` is a time that passes, or -1. ``high`` is a time that fails, or one beyond the last.
        """
        low, high = low.copy(), high.copy()
        while True:
            wide = np.flatnonzero(high - low > 1)
            if len(wide) == 0:
                return high
            middle = (low[wide] + high[wide]) // 2
            good = passes(wide, middle)
            low[wide[good]] = middle[good]
            high[wide[~good]] = middle[~good]

    def target_passes(rows: np.ndarray, where: np.ndarray) -> np.ndarray:
        pairs = np.repeat(rows, copies), np.tile(np.arange(copies), len(rows))
        evaluate(*pairs, np.repeat(where, copies))
        return (table[rows, where] <= np.float32(search.delta)).mean(axis=1) >= search.probability - 1e-12

    count = len(search.times)
    stop = halve(np.full(n, -1), np.full(n, count), target_passes)
    # some copies were seen to fail before their target stopped: find the first failure of each
    failing = (table > np.float32(search.delta)) & (np.arange(count)[None, :, None] < stop[:, None, None])
    early = np.nonzero(failing.any(axis=1))
    seen = failing.argmax(axis=1)[early]

    def copy_passes(which: np.ndarray, where: np.ndarray) -> np.ndarray:
        evaluate(early[0][which], early[1][which], where)
        return table[early[0][which], where, early[1][which]] <= np.float32(search.delta)

    halve(np.full(len(seen), -1), seen, copy_passes)
    return table


def lengths(
    images: Float[Tensor, "n ..."], noise: Float[Tensor, "n copies ..."]
) -> tuple[Float64[np.ndarray, " n"], Float64[np.ndarray, "n copies"], Float64[np.ndarray, "n copies"]]:
    """Return ``|x|^2`` (n,), ``x.n`` and ``|n|^2`` (n, copies) of images x and noise n.

    ``volumes.radii`` computes the radius of every noise level from them.
    """
    x, n = images.flatten(1).double(), noise.flatten(2).double()
    return (
        x.square().sum(1).cpu().numpy(),
        (n @ x[:, :, None])[:, :, 0].cpu().numpy(),
        n.square().sum(2).cpu().numpy(),
    )
