"""Basins of attraction: how much noise a target survives (eq. 12, algorithm 1).

Noisy copies ``x_t = sqrt(ab_t) x + sqrt(1 - ab_t) n`` of each target are denoised from t to 0 by deterministic DDIM;
a copy has one noise for all t, so that its path is monotone in t but for rare exceptions. What
is kept are the distances ``D(x, x_hat)``; critical times and volumes follow from them
(``volumes``), for every threshold up to the one at which the search stopped.

``scan`` visits the times in order with an active set, which shrinks as targets stop: it is the
reference. ``bisect`` assumes that recovery is monotone in t, and evaluates about log2 of the times.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Float32, Float64, Int64
from torch import Tensor

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
    """A metric between images in [-1, 1], pair by pair: 'pixels', or a perceptual one by its name.

    ``weights`` are those of its network; None reads them as ``neighbors.embed`` does, LPIPS's from ``backbone`` if
    given. Raises ``ValueError`` for an unknown metric, and where there are no weights.
    """
    return distance_of(metric, weights or network_weights(metric, backbone), device)


def search_times(schedule: Schedule, first: int, stride: int) -> Int64[np.ndarray, " times"]:
    """Times first, first + stride, ... below T. Raises ``ValueError`` where there is none, or for stride < 1."""
    if stride < 1:
        raise AmdiffError(f"the times of a search increase by a stride of at least 1, got {stride}")
    if not 0 <= first < len(schedule):
        raise AmdiffError(f"the first time must be one of 0 to {len(schedule) - 1}, got {first}")
    return np.arange(first, len(schedule), stride)


@dataclass(frozen=True)
class Search:
    """How copies are denoised, and when a target stops."""

    denoiser: Denoiser
    schedule: Schedule
    times: Int64[np.ndarray, " times"]
    """Increasing indices of noise levels."""
    steps: int
    """DDIM steps from t to 0; fewer where t is smaller."""
    delta: float
    """A copy with a distance up to this is recovered."""
    probability: float
    """A target stops where less than this share of its copies is recovered."""
    distance: Distance = l2
    clip: bool = True
    """Clip the predicted image to [-1, 1] at each step."""
    batch: int = 4096
    """Images that pass the denoiser together."""

    def denoise(self, x: Float[Tensor, "n ..."], time: int) -> Float[Tensor, "n ..."]:
        """Images at noise level ``time`` taken back to 0."""
        steps = ddim_steps(self.schedule, max(1, min(self.steps, time)), start=time)
        parts = [reverse(self.denoiser, part, steps, clip=self.clip) for part in x.split(self.batch)]
        return torch.cat(parts)

    def recovery(
        self, targets: Float[Tensor, "n ..."], noise: Float[Tensor, "n ..."], time: int
    ) -> tuple[Float[Tensor, " n"], Float[Tensor, "n ..."]]:
        """Distance of each target to what comes back from ``time``, and what comes back.

        Raises ``ValueError`` where that is not finite.
        """
        signal, sigma = self.schedule.alpha_bar[time] ** 0.5, self.schedule.sigma[time]
        back = self.denoise(float(signal) * targets + float(sigma) * noise, time)
        parts = zip(targets.split(self.batch), back.split(self.batch), strict=True)
        distance = torch.cat([self.distance(x, y) for x, y in parts])
        if not torch.isfinite(distance).all():
            raise AmdiffError("what comes back from noise is NaN or infinite: the model's training diverged")
        return distance, back


def scan(
    search: Search,
    targets: Float[Tensor, "n ..."],
    noise: Float[Tensor, "n copies ..."],
    *,
    watch: int = 0,
    callback: Callable[[int], None] = lambda stopped: None,
) -> tuple[Float32[np.ndarray, "n times copies"], Float32[np.ndarray, "watched times ..."]]:
    """Distances at every time up to the one at which a target stops, NaN beyond.

    Also what comes back of the first copy of the first ``watch`` targets, to be looked at; NaN where
    a target has stopped. ``callback`` hears how many targets have stopped.
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
    """Distances at the times that a bisection visits, NaN elsewhere; each target's stop, then each copy's."""
    n, copies = noise.shape[:2]
    table = np.full((n, len(search.times), copies), np.nan, np.float32)

    def evaluate(rows: np.ndarray, columns: np.ndarray, where: np.ndarray) -> None:
        """Fill in entries (target, time, copy) that are still missing."""
        todo = np.isnan(table[rows, where, columns])
        rows, columns, where = rows[todo], columns[todo], where[todo]
        for j in np.unique(where):
            here = where == j
            r, c = (torch.from_numpy(a[here]).to(targets.device) for a in (rows, columns))
            distance, _ = search.recovery(targets[r], noise[r, c], int(search.times[j]))
            table[rows[here], j, columns[here]] = distance.float().cpu().numpy()

    def halve(low: np.ndarray, high: np.ndarray, passes: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> np.ndarray:
        """The first times that fail: ``low`` passes, or is -1; ``high`` fails, or lies beyond the last."""
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
    # copies that were seen to fail before their target's stop: where did each fail first?
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
    """``|x|^2``, ``x.n`` and ``|n|^2``, from which the radii of all noise levels follow (``volumes.radii``)."""
    x, n = images.flatten(1).double(), noise.flatten(2).double()
    return (
        x.square().sum(1).cpu().numpy(),
        (n @ x[:, :, None])[:, :, 0].cpu().numpy(),
        n.square().sum(2).cpu().numpy(),
    )
