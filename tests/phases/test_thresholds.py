"""Thresholds on planted distances: where the valley is, what is said when there is none, what held-out images cost."""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
import pytest
from scipy.spatial import cKDTree

from amdiff.config import FixedThresholds, HeldoutThresholds, ValleyThresholds
from amdiff.data.subsets import heldout_subset
from amdiff.phases.costs import as_json, false_positives, sensitivity
from amdiff.phases.density import Histogram, SoftLog, modes, valley
from amdiff.phases.distances import CALIBRATION, REST, Distances
from amdiff.phases.heldout import lower_quantile
from amdiff.phases.thresholds import find_thresholds
from amdiff.phases.valleys import _flat

VALLEY = ValleyThresholds(method="valley", bootstrap=50)


def lognormal(rng: np.random.Generator, centre: float, spread: float, n: int) -> np.ndarray:
    return centre * np.exp(spread * rng.standard_normal(n))


def bimodal(rng: np.random.Generator, copies: int, rest: int, size: int = 10) -> Distances:
    """Copies around 0.03, the rest around 2, held-out images around 2 as real images are."""
    to_train = np.concatenate([lognormal(rng, 0.03, 0.5, copies), lognormal(rng, 2.0, 0.2, rest)])
    heldout = lognormal(rng, 2.1, 0.2, 600), lognormal(rng, 2.0, 0.2, 600)
    return planted(size, to_train, to_train.copy(), *heldout)


def planted(
    size: int, to_train: np.ndarray, to_samples: np.ndarray, h_train: np.ndarray, h_within: np.ndarray
) -> Distances:
    return Distances(size, to_train, to_samples, h_train, h_within, h_within, np.arange(len(h_train)))


def cloud(rng: np.random.Generator, size: int, samples: int, heldout: int, d: int = 6) -> Distances:
    """S, S' and held-out points all drawn from one Gaussian in d dimensions: nothing is a copy of anything."""
    s, synthetic, rest = (rng.standard_normal((n, d)) for n in (size, samples, heldout))
    within = np.empty(heldout)
    for half in (CALIBRATION, REST):
        within[half] = cKDTree(rest[half]).query(rest[half], 2)[0][:, 1]
    return Distances(
        size,
        cKDTree(s).query(synthetic)[0],
        cKDTree(synthetic).query(synthetic, 2)[0][:, 1],
        cKDTree(s).query(rest)[0],
        within,
        cKDTree(rest).query(rest, 2)[0][:, 1],
        np.arange(heldout),
    )


def test_the_soft_logarithm_is_inverted() -> None:
    scale = SoftLog(0.12)
    d = np.array([0.0, 0.01, 0.5, 3.0])
    assert np.allclose(scale.inverse(scale(d)), d, atol=1e-8)
    assert scale.inverse(np.log(0.12) - 1) == 0
    assert scale(np.array(100.0)) == pytest.approx(np.log(100), abs=1e-5)


def test_the_valley_of_a_known_mixture() -> None:
    grid = np.linspace(-4, 4, 801)
    density = 0.5 * np.exp(-0.5 * ((grid + 2) / 0.5) ** 2) + 0.5 * np.exp(-0.5 * ((grid - 2) / 0.5) ** 2)
    assert [round(grid[m], 6) for m in modes(density, 0.02)] == [-2, 2]
    found = valley(density, 0.02)
    assert found is not None
    assert grid[found] == pytest.approx(0, abs=0.011)
    assert valley(np.exp(-0.5 * grid**2), 0.02) is None


def test_an_empty_stretch_is_cut_in_its_middle() -> None:
    density = np.zeros(101)
    density[10] = density[90] = 1
    assert valley(density, 0.02) == 50


@pytest.mark.parametrize("share", [0.5, 0.1, 0.9])
def test_two_modes_are_separated(rng: np.random.Generator, share: float) -> None:
    d = bimodal(rng, int(2000 * share), int(2000 * (1 - share)))
    (pair,) = find_thresholds([d], VALLEY)
    for threshold in (pair.delta_m, pair.delta_s):
        assert threshold.method == "valley"
        assert 0.12 < threshold.value < 1.3
        assert threshold.low <= threshold.value <= threshold.high
        assert len(threshold.modes) >= 2
        assert threshold.dip_p_value is not None
        assert threshold.dip_p_value < 0.05
        assert ((d.to_train <= threshold.value).mean()) == pytest.approx(share, abs=0.01)
    assert pair.d0 == pytest.approx(0.06 * np.median(d.heldout_nearest))


def test_one_mode_is_said_and_falls_back(rng: np.random.Generator) -> None:
    d = bimodal(rng, 0, 2000)
    (pair,) = find_thresholds([d], VALLEY)
    assert (pair.delta_m.method, pair.delta_s.method) == ("heldout", "heldout")
    assert "one mode only" in pair.delta_m.note


def test_pooling_gives_one_threshold_and_weighs_each_size_equally(rng: np.random.Generator) -> None:
    few, many = bimodal(rng, 400, 0, 10), bimodal(rng, 0, 8000, 1000)
    pairs = find_thresholds([few, many], VALLEY)
    assert pairs[0] == pairs[1]
    assert pairs[0].delta_m.method == "valley"
    apart = find_thresholds([few, many], ValleyThresholds(method="valley", pooled=False, bootstrap=20))
    assert [p.delta_m.method for p in apart] == ["heldout", "heldout"]
    histogram = Histogram.of([np.zeros(10), np.full(1000, 1.0)], margin=1)
    density = histogram.density(0.05)
    assert density[: len(density) // 2].sum() == pytest.approx(density[len(density) // 2 :].sum())
    assert density.sum() * 0.01 == pytest.approx(1)


def sliding(rng: np.random.Generator, *centres: float) -> list[Distances]:
    """A sweep in which each K has one mode, at a distance that grows with K."""
    heldout = lognormal(rng, 2.1, 0.2, 600), lognormal(rng, 2.0, 0.2, 600)
    found = []
    for i, centre in enumerate(centres):
        distances = lognormal(rng, centre, 0.3, 1000)
        found.append(planted(2 ** (4 + i), distances, distances.copy(), *heldout))
    return found


def test_a_valley_from_mixing_sizes_is_no_valley_of_any(rng: np.random.Generator) -> None:
    centres = (0.03, 0.04, 0.06, 0.15, 0.5, 1.2, 1.6, 2.0)
    pair = find_thresholds(sliding(rng, *centres), VALLEY)[0]
    threshold = pair.delta_m
    assert threshold.method == "valley"
    assert [one.size for one in threshold.sizes] == [2 ** (4 + i) for i in range(8)]
    assert not any(one.separated for one in threshold.sizes)
    assert "the valley comes from mixing K" in threshold.note
    without = [one.without for one in threshold.sizes if one.without is not None]
    assert max(without) > 1.5 * min(without)
    assert threshold.low <= min(without)
    assert threshold.high >= max(without)
    assert threshold.reservation == threshold.note


def test_a_valley_of_one_size_counts(rng: np.random.Generator) -> None:
    sweep = [bimodal(rng, 1000, 0, 16), bimodal(rng, 500, 500, 64), bimodal(rng, 0, 1000, 256)]
    threshold = find_thresholds(sweep, VALLEY)[0].delta_m
    assert [one.separated for one in threshold.sizes] == [False, True, False]
    assert threshold.sizes[1].dip_p_value < 0.01
    assert "mixing" not in threshold.note
    assert "flat" not in threshold.note


def test_a_flat_valley_has_its_whole_flat_part_as_range(rng: np.random.Generator) -> None:
    """Copies and new samples are joined by a plateau: the threshold may be anywhere in it."""
    plateau = np.exp(rng.uniform(np.log(0.03), np.log(2.0), 1200))
    distances = np.concatenate([lognormal(rng, 0.03, 0.2, 1000), plateau, lognormal(rng, 2.0, 0.2, 1000)])
    heldout = lognormal(rng, 2.1, 0.2, 600), lognormal(rng, 2.0, 0.2, 600)
    threshold = find_thresholds([planted(16, distances, distances.copy(), *heldout)], VALLEY)[0].delta_m
    assert "the density is flat from" in threshold.note
    assert threshold.sizes[0].separated
    assert threshold.high > 1.3 * threshold.low


def test_a_mode_that_hardly_rises_does_not_stop_the_search(rng: np.random.Generator) -> None:
    """The outer mode is within 10 % of the valley, so that the flat part has no end on that side."""
    density = np.array([0.0, 1.0, 0.93, 1.3, 0.0])
    histogram = Histogram(np.arange(5.0), density[None])
    assert _flat(histogram, np.array([0.95, 1.0, 0.93, 0.97, 0.95]), 2)[0] == (0.0, 4.0)
    assert _flat(histogram, np.array([2.0, 1.5, 0.93, 1.3, 0.0]), 2)[0] == (2.0, 2.0)


def test_a_tiny_set_does_not_hide_the_modes_of_a_sweep(rng: np.random.Generator) -> None:
    """K = 2 has eight samples; the dip test looks at what the other K have all the same."""
    tiny = bimodal(rng, 8, 0, 2)
    sweep = [tiny, *(bimodal(rng, 50, 950, size) for size in (256, 512, 1024, 2048))]
    pair = find_thresholds(sweep, VALLEY)[0]
    assert pair.delta_m.method == "valley"
    assert pair.delta_m.dip_p_value is not None
    assert pair.delta_m.dip_p_value < 0.01


def test_what_calibrates_at_one_size_reports_at_none(rng: np.random.Generator) -> None:
    """The held-out images of a larger K are the first of those of a smaller one."""
    count, sizes = 500, (16, 100, 400)
    rows = [heldout_subset(count, 60, size, 0, 2000) for size in sizes]
    calibrating = set(np.concatenate([r[CALIBRATION] for r in rows]).tolist())
    assert calibrating.isdisjoint(np.concatenate([r[REST] for r in rows]).tolist())


def test_the_interval_of_near_held_out_images_knows_that_they_come_in_pairs() -> None:
    """Random points in a square: what is near another one has it near in turn."""
    rng, far = np.random.default_rng(0), np.full(500, 9.0)
    nearest = [cKDTree(points).query(points, 2)[0][:, 1] for points in rng.random((300, 1000, 2))]
    truth = float(np.mean([(d <= 0.005).mean() for d in nearest]))
    covered = []
    for d in nearest:
        distances = planted(10, far, far, d, d)  # as many samples as held-out images in each half
        (pair,) = find_thresholds([distances], FixedThresholds(method="fixed", delta_m=0.005, delta_s=0.005))
        found = false_positives(distances, pair, 0.95)["spurious"]
        covered.append(found["low"] <= truth <= found["high"])
    assert 0.92 < np.mean(covered) < 0.99


def test_exact_copies_do_not_hide_the_valley(rng: np.random.Generator) -> None:
    """Copies of several sharpnesses, some exact: several modes in log distance, one in soft log distance."""
    sweep = []
    for size, sharpness in ((10, 1e-4), (20, 0.01), (40, 0.06)):
        copies = np.concatenate([np.zeros(200), lognormal(rng, sharpness, 0.3, 400)])
        values = np.concatenate([copies, lognormal(rng, 2.0, 0.25, 400)])
        sweep.append(planted(size, values, values, lognormal(rng, 2, 0.2, 400), lognormal(rng, 2, 0.2, 400)))
    pair = find_thresholds(sweep, VALLEY)[0]
    assert 0.15 < pair.delta_m.value < 1.2


def test_fixed_thresholds_are_taken_as_given(rng: np.random.Generator) -> None:
    spec = FixedThresholds(method="fixed", delta_m=0.03, delta_s=0.02)
    for pair in find_thresholds([bimodal(rng, 5, 5)] * 2, spec):
        assert (pair.delta_m.value, pair.delta_s.value) == (0.03, 0.02)


def test_heldout_thresholds_have_their_false_positive_rate() -> None:
    """Over repetitions: the share flagged on the half that did not calibrate is q on average."""
    rng = np.random.default_rng(3)
    spec = HeldoutThresholds(method="heldout", quantile=0.05, bootstrap=10)
    rates = []
    for _ in range(100):
        d = bimodal(rng, 0, 301)
        (pair,) = find_thresholds([d], spec)
        rates.append((d.heldout_to_train[300:] <= pair.delta_m.value).mean())
    assert np.mean(rates) == pytest.approx(0.05, abs=0.008)


def test_the_level_of_delta_s_is_scaled_to_the_synthetic_set(rng: np.random.Generator) -> None:
    spec = HeldoutThresholds(method="heldout", quantile=0.1, bootstrap=10)
    d = bimodal(rng, 0, 2000)
    (pair,) = find_thresholds([d], spec)
    calibration = d.heldout_within[CALIBRATION]
    assert pair.delta_s.value == pytest.approx(np.quantile(calibration, 0.1 * 299 / 1999, method="weibull"))
    assert pair.delta_m.value == pytest.approx(np.quantile(d.heldout_to_train[CALIBRATION], 0.1, method="weibull"))


@pytest.mark.parametrize("ratio", [4, 16, 64])
def test_delta_s_keeps_its_level_when_samples_outnumber_held_out_images(ratio: int) -> None:
    """Samples that are as far apart as real images: about q of them are flagged, however many there are."""
    rng = np.random.default_rng(ratio)
    spec = HeldoutThresholds(method="heldout", quantile=0.005, bootstrap=10)
    flagged = []
    for _ in range(24):  # what lies beyond the held-out images is extrapolated, now and then by far
        d = cloud(rng, 50, 500 * ratio, 1000)
        (pair,) = find_thresholds([d], spec)
        flagged.append((d.to_samples <= pair.delta_s.value).mean())
    assert 0.001 < np.mean(flagged) < 0.02


def test_a_low_quantile_is_extrapolated_by_the_power_of_the_dimension() -> None:
    rng = np.random.default_rng(1)
    found = [lower_quantile([rng.random(1000) ** (1 / 5)], 1e-5) for _ in range(200)]
    assert all(extrapolated for _, extrapolated in found)
    assert np.median([value for value, _ in found]) == pytest.approx(1e-5 ** (1 / 5), rel=0.05)
    assert lower_quantile([np.linspace(0, 1, 1001)], 0.1) == (pytest.approx(0.1, abs=1e-3), False)


def test_pooled_intervals_draw_images_not_sizes() -> None:
    """The same held-out images at eight K are no eight samples: the interval covers as that of one K does."""
    rng = np.random.default_rng(2)
    truth, covered = 2.0 * np.exp(0.2 * NormalDist().inv_cdf(0.05)), []
    spec = HeldoutThresholds(method="heldout", quantile=0.05, bootstrap=100, pooled=True)
    for _ in range(60):
        values = lognormal(rng, 2.0, 0.2, 1000)
        sweep = [planted(k, values[:300], values[:300], values, values) for k in range(1, 9)]
        threshold = find_thresholds(sweep, spec)[0].delta_m
        covered.append(threshold.low <= truth <= threshold.high)
    assert np.mean(covered) >= 0.85


def test_a_valley_among_real_images_is_refused() -> None:
    """Without any copies, distances at K = 2 and K = 4000 have two modes; held-out images show that both are real."""
    rng = np.random.default_rng(4)
    sweep = [cloud(rng, 2, 1000, 600), cloud(rng, 4000, 1000, 600)]
    pair = find_thresholds(sweep, VALLEY)[0]
    assert pair.delta_m.method == "heldout"
    assert "of real images would be memorized at K = 4000" in pair.delta_m.note
    assert (sweep[1].to_train <= pair.delta_m.value).mean() < 0.05


@pytest.mark.parametrize("method", ["heldout", "valley"])
def test_too_few_held_out_images(rng: np.random.Generator, method: str) -> None:
    d = bimodal(rng, 50, 50)
    d = planted(d.size, d.to_train, d.to_samples, d.heldout_to_train[:5], d.heldout_within[:5])
    spec = HeldoutThresholds(method="heldout") if method == "heldout" else VALLEY
    with pytest.raises(ValueError, match=r"held-out images.*'fixed'"):
        find_thresholds([d], spec)


def test_sensitivity_at_factor_one_is_the_classification(rng: np.random.Generator) -> None:
    d = bimodal(rng, 300, 700)
    (pair,) = find_thresholds([d], FixedThresholds(method="fixed", delta_m=0.02, delta_s=0.3))
    grid = sensitivity(d, pair, (0.5, 1.0, 2.0))
    assert grid["memorized"][1][1] == (d.to_train <= 0.02).mean()
    assert grid["spurious"][1][1] == ((d.to_train > 0.02) & (d.to_samples <= 0.3)).mean()
    assert np.all(np.diff(np.array(grid["memorized"])[:, 0]) >= 0)


def test_false_positives_are_reported_for_every_method(rng: np.random.Generator) -> None:
    d = bimodal(rng, 300, 700)
    spec = FixedThresholds(method="fixed", delta_m=1.7, delta_s=1.0)
    (pair,) = find_thresholds([d], spec)
    found = false_positives(d, pair, 0.95)
    assert found["n"] == 600
    assert found["memorized"]["value"] == (d.heldout_to_train <= 1.7).mean()
    assert found["memorized"]["low"] < found["memorized"]["value"] < found["memorized"]["high"]
    entry = as_json(d, pair, spec)
    assert entry["delta_m"]["method"] == "fixed"
    assert found["spurious"]["value"] == pytest.approx((d.heldout_within <= 1.0).mean() * 999 / 299)
    nothing = planted(d.size, d.to_train, d.to_samples, np.empty(0), np.empty(0))
    assert false_positives(nothing, pair, 0.95) == {"n": 0, "memorized": None, "spurious": None}
