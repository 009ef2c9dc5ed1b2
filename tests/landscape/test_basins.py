"""Recovery of noisy copies, against the closed-form flow of a small memory."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from amdiff.config import DiffusionSpec
from amdiff.diffusion.exact import FiniteSet, Gaussian
from amdiff.diffusion.processes import Schedule
from amdiff.diffusion.randomness import ANALYSIS, SampleNoise
from amdiff.diffusion.samplers import ddim_steps
from amdiff.diffusion.sampling import draw
from amdiff.landscape.basins import Search, bisect, no_denoiser, pair_distance, scan
from amdiff.landscape.survival import find_basins
from amdiff.landscape.times import fine_times, search_times
from amdiff.landscape.volumes import critical_times

SCHEDULE = Schedule.linear(DiffusionSpec())


def two_memories() -> torch.Tensor:
    """Opposite memories in 12 dimensions."""
    direction = torch.tensor([0.3, -0.5, 0.8, 0.1, 0.9, -0.7, 0.2, 0.4, -0.6, 0.5, 0.3, -0.2], dtype=torch.float64)
    return torch.stack([direction, -direction]).view(2, 1, 3, 4)


def search(memories: torch.Tensor, stride: int = 25, **options) -> Search:
    options = {"steps": 20, "delta": 0.05, "probability": 0.9, **options}
    return Search(FiniteSet(memories, SCHEDULE), SCHEDULE, search_times(SCHEDULE, 1, stride), **options)


def noises(n: int, copies: int = 10, seed: int = 3) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n, copies, 1, 3, 4, generator=generator, dtype=torch.float64)


def test_critical_times_are_where_the_closed_form_flow_stops_returning() -> None:
    """By symmetry the exact flow of +-m ends at m exactly where ``x.m > 0``: ``sqrt(ab)|m|^2 + sigma n.m > 0``."""
    memories = two_memories()
    noise = noises(2, 40)
    plan = search(memories, steps=1000, probability=1e-6)  # every copy to its end
    found = critical_times(scan(plan, memories, noise)[0], plan.delta, plan.probability, plan.delta)
    for target, sign in ((0, 1), (1, -1)):
        m = sign * memories[0].flatten()
        overlap = (noise[target].flatten(1) @ m).numpy()
        side = np.sqrt(SCHEDULE.alpha_bar)[None] * float(m @ m) + SCHEDULE.sigma[None] * overlap[:, None]
        crossing = np.where((side <= 0).any(axis=1), (side <= 0).argmax(axis=1), len(SCHEDULE))
        times = plan.times[found.index[target]]
        ends = crossing < len(SCHEDULE)
        assert ends.sum() >= 10
        assert (np.abs(crossing[ends] - times[ends]) <= 25).all()
        assert (times[~ends] >= plan.times[-1] - 25).all()


def test_a_far_memory_has_the_larger_basin() -> None:
    """Among three memories, the one that stands alone survives more noise than the two that are close."""
    memories = two_memories()
    memories = torch.cat([memories, memories[1:] + 0.15])
    plan = search(memories)
    found = critical_times(scan(plan, memories, noises(3))[0], plan.delta, 0.9, plan.delta)
    times = plan.times[found.index].mean(axis=1)
    assert times[0] > 1.5 * max(times[1:])


def test_targets_that_stop_cost_nothing_more_and_change_nothing() -> None:
    memories = two_memories()
    targets = torch.cat([memories, memories[:1] + 0.3, memories[1:] * 0.5])
    plan, noise = search(memories), noises(4)
    exact, seen = plan.denoiser, []

    def counting(x: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        seen.append((int(t[0]), len(x)))
        return exact(x, t)

    stopped: list[int] = []
    together, _ = scan(replace(plan, denoiser=counting), targets, noise, callback=stopped.append)
    for i in range(4):
        alone, _ = scan(plan, targets[i : i + 1], noise[i : i + 1])
        assert np.allclose(alone[0], together[i], atol=1e-6, equal_nan=True)
    # what lies off the memories stops at once: one time is known, the rest was never computed
    assert (np.isfinite(together).sum(axis=(1, 2)) == 10)[2:].all()
    steps = sum(np.isfinite(together[:, j]).sum() * min(20, t) for j, t in enumerate(plan.times.tolist()))
    assert sum(count for _, count in seen) == steps
    assert stopped[0] == 2
    assert stopped[-1] == 4


def test_a_model_that_diverged_is_an_error() -> None:
    memories = two_memories()
    with pytest.raises(ValueError, match="NaN or infinite"):
        scan(replace(search(memories), denoiser=lambda x, t: x * torch.nan), memories, noises(2))


def test_a_bisection_serves_its_own_threshold_only() -> None:
    generator = torch.Generator().manual_seed(6)
    data = torch.randn(40, 1, 3, 4, generator=generator, dtype=torch.float64) * 0.5
    plan = replace(search(data, stride=5, delta=0.6), denoiser=Gaussian.fitted(data, SCHEDULE))
    noise = noises(6)
    whole, halved = scan(plan, data[:6], noise)[0], bisect(plan, data[:6], noise)
    a, b = (critical_times(t, 0.6, 0.9, 0.6) for t in (whole, halved))
    assert (a.index == b.index).mean() >= 0.95
    with pytest.raises(
        ValueError, match=r"delta = 0\.4 is not 0\.6, the threshold of the search, and a search by bisection"
    ):
        critical_times(halved, 0.4, 0.9, 0.6)
    assert critical_times(whole, 0.4, 0.9, 0.6).index.mean() < a.index.mean()


def test_a_bisection_agrees_with_the_scan_and_asks_less() -> None:
    generator = torch.Generator().manual_seed(5)
    memories = torch.rand(12, 1, 3, 4, generator=generator, dtype=torch.float64) * 2 - 1
    plan, noise = search(memories, stride=5), noises(12)
    whole, halved = scan(plan, memories, noise)[0], bisect(plan, memories, noise)
    known = np.isfinite(halved)
    assert known.sum() < 0.3 * np.isfinite(whole).sum()
    both = known & np.isfinite(whole)
    assert np.allclose(halved[both], whole[both], atol=1e-5)
    a, b = (critical_times(t, plan.delta, 0.9, plan.delta) for t in (whole, halved))
    agree = a.index == b.index
    assert agree.mean() >= 0.95  # the rest came back after a failure
    assert np.abs(a.index - b.index).mean() < 1


def test_what_comes_back_is_kept_for_the_eye() -> None:
    memories = two_memories()
    table, watched = scan(search(memories), memories, noises(2), watch=1)
    assert watched.shape == (1, 40, 1, 3, 4)
    first = np.linalg.norm((watched[0] - memories[0].numpy()[None]).reshape(40, -1), axis=1)
    assert np.allclose(first, table[0, :, 0], atol=1e-5, equal_nan=True)


def test_the_batch_changes_nothing() -> None:
    memories = two_memories()
    small, large = (scan(search(memories, batch=b), memories, noises(2))[0] for b in (3, 4096))
    assert np.allclose(small, large, atol=1e-6, equal_nan=True)


def test_fine_times_are_dense_where_the_noise_is_small() -> None:
    level = SCHEDULE.sigma / np.sqrt(SCHEDULE.alpha_bar)
    times = fine_times(SCHEDULE, 0, 25, 1.25, 0.2, 64)
    assert 8 * level[times[0]] <= 0.2 < 8 * level[times[0] + 1]
    steps = np.diff(times)
    assert steps.max() == 25
    assert (np.diff(steps) >= 0).all()
    assert len(SCHEDULE) - 25 <= times[-1] < len(SCHEDULE)
    fine = times[:-1][steps < 25]
    assert len(fine) > 8
    single = steps[: len(fine)] > 1  # neighbours may be one level apart, which is the least
    assert np.allclose((level[times[1:]] / level[times[:-1]])[: len(fine)][single], 1.25, atol=0.1)
    assert fine_times(SCHEDULE, 3, 25, 1.25, 0.01, 64)[0] == 3  # the noise is never so small: begin at first
    assert fine_times(SCHEDULE, 3, 25, 1.25, None, 64)[0] == 3
    with pytest.raises(ValueError, match=r"above 1, got 1\.0"):
        fine_times(SCHEDULE, 0, 25, 1.0, None, 64)


def test_a_null_denoiser_survives_noise_up_to_delta() -> None:
    """Without clipping its copies lie at the length of the noise over the signal, so its critical times are known."""
    memories, noise = two_memories(), noises(2)
    options = {"stride": 1, "delta": 0.5, "probability": 1e-6, "clip": False}
    plan = replace(search(memories, **options), denoiser=no_denoiser, steps=1)
    found = critical_times(scan(plan, memories, noise)[0], 0.5, 1e-6, 0.5)
    level = np.sqrt(1 / SCHEDULE.alpha_bar[plan.times] - 1)
    expected = (noise.flatten(2).norm(dim=2).numpy()[..., None] * level <= 0.5).sum(axis=2) - 1
    assert (found.index == expected).all()


def test_times_lie_below_the_last() -> None:
    assert search_times(SCHEDULE, 1, 25)[-1] == 976
    with pytest.raises(ValueError, match="0 to 999, got 1000"):
        search_times(SCHEDULE, 1000, 25)


def test_basins_of_any_function_of_x_and_t() -> None:
    """Through the one call: what the parts give, and the radii and volumes of their definition."""
    memories = two_memories().float()
    exact = FiniteSet(memories, SCHEDULE)
    found = find_basins(lambda x, t: exact(x, t), memories, SCHEDULE, delta=0.05, copies=6, seed=4)
    noise = torch.from_numpy(SampleNoise(4, range(ANALYSIS, ANALYSIS + 2))((6, 1, 3, 4)))
    plan = search(memories)
    table, _ = scan(plan, memories, noise)
    assert np.array_equal(found.distance, table, equal_nan=True)
    times = plan.times[critical_times(table, plan.delta, 0.9, plan.delta).index]
    assert np.array_equal(found.critical_time, times)
    assert not found.failed.any()
    for i in range(2):
        for j in range(6):
            signal, sigma = SCHEDULE.levels(times[i, j, None])
            x = memories[i].double()
            radius = float((x - (signal.item() * x + sigma.item() * noise[i, j])).norm())
            assert found.radius[i, j] == pytest.approx(radius, rel=1e-6)
            volume = 6 * np.log(np.pi) + 12 * np.log(radius) - np.log(720)
            assert found.log_volume[i, j] == pytest.approx(volume, rel=1e-6)
    # a target that is none comes back nowhere
    assert find_basins(exact, -0.5 * memories, SCHEDULE, delta=0.05).failed.all()
    with pytest.raises(ValueError, match="positive distance, got 0"):
        find_basins(exact, memories, SCHEDULE, delta=0)


def test_the_noise_of_copies_is_not_that_which_the_image_was_drawn_from() -> None:
    """Seeds are 0 by default; from its own noise a sample comes back from any time, from other noise to any memory."""
    memories = torch.randn(20, 1, 3, 4, generator=torch.Generator().manual_seed(0)).clamp(-1, 1)
    exact = FiniteSet(memories, SCHEDULE)
    drawn = draw(exact, ddim_steps(SCHEDULE, 20, 0.0), SampleNoise(0, range(40)), (1, 3, 4))
    found = find_basins(exact, drawn, SCHEDULE, delta=0.05, copies=1, first=976, stride=999, probability=0.1)
    assert (found.distance <= 0.05).mean() < 0.5


def test_what_cannot_be_searched_is_refused() -> None:
    memories = two_memories().float()
    exact = FiniteSet(memories, SCHEDULE)
    for wrong, message in (
        ({"images": memories[:0]}, "at least one image"),
        ({"images": 200 * memories}, r"lie in \[-1, 1\], got values up to"),
        ({"copies": 0}, "at least one copy"),
        ({"stride": 0}, "stride of at least 1"),
        ({"first": 1000}, "must be one of 0 to 999"),
    ):
        options = {"images": memories, "delta": 0.1, **wrong}
        with pytest.raises(ValueError, match=message):
            find_basins(exact, options.pop("images"), SCHEDULE, **options)
    for name in ("ssim", "values"):
        with pytest.raises(ValueError, match=f"no metric '{name}' of pairs of images; known: pixels, lpips-alex"):
            pair_distance(name)


def test_a_perceptual_metric_brings_its_own_weights() -> None:
    x = torch.rand(3, 1, 32, 32) * 2 - 1
    distance = pair_distance("stlpips-alex")
    assert torch.equal(distance(x, x), torch.zeros(3))
    assert (distance(x, -x) > 0.01).all()
