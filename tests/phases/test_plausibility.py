"""Samples that look like no real image are not called generalized without a word."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from amdiff.neighbors import embed
from amdiff.phases import Estimate, plausibility, sort_samples
from amdiff.phases.copying import disagreements


def test_far_samples_are_counted(rng: np.random.Generator) -> None:
    real = np.arange(1, 101, dtype=float)
    found = plausibility(np.array([50.0, 99.5, 150.0, 200.0] * 50), real)
    assert found is not None
    assert found.reach == 100
    assert found.far.value == 0.5
    assert not found.implausible
    assert plausibility(np.full(50, 150.0), real).implausible  # type: ignore[union-attr]
    assert plausibility(np.full(50, 150.0), real[:10]) is None


def test_samples_of_the_datas_own_law_are_plausible(rng: np.random.Generator) -> None:
    far = [plausibility(rng.gamma(9, size=400), rng.gamma(9, size=1000)) for _ in range(50)]
    assert np.mean([f.far.value for f in far if f]) == pytest.approx(0.01, abs=0.004)
    assert not any(f.implausible for f in far if f)


def smooth(rng: np.random.Generator, count: int) -> np.ndarray:
    """Images of one law: sums of a few shared patterns."""
    patterns = np.random.default_rng(7).normal(size=(6, 3 * 8 * 8))
    values = rng.normal(size=(count, 6)) @ patterns
    return np.clip(128 + 20 * values, 0, 255).astype(np.uint8).reshape(count, 3, 8, 8)


def test_what_limits_a_result_is_warned_of_and_shown(rng: np.random.Generator) -> None:
    train, heldout = embed(smooth(rng, 200)), embed(smooth(rng, 200))
    noise = embed(rng.integers(0, 256, (100, 3, 8, 8), dtype=np.uint8))
    with pytest.warns(UserWarning, match="look like no real image of these data: 100.0% of them"):
        found = sort_samples(noise, train, heldout)
    assert found.fractions.generalized.value == 1
    text, page = repr(found), found._repr_html_()
    assert "generalized 100.0% [" in text
    assert text.count("note: ") == len(found.notes) > 0
    assert "delta_m" in text
    assert "by heldout" in text
    assert "<table>" in page
    assert "<script" not in page
    # of samples as the data nothing of that kind is said
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        calm = sort_samples(embed(smooth(rng, 300)), train, heldout)
    assert not any("no real image" in str(w.message) for w in heard)
    assert calm.plausibility is not None
    assert not calm.plausibility.implausible
    with pytest.warns(UserWarning, match="No held-out images were given"):
        sort_samples(embed(smooth(rng, 300)), train)


# -- other measures ---------------------------------------------------------------------------


def share(value: float) -> dict[str, float]:
    return {"share": value, "low": max(value - 0.04, 0), "high": min(value + 0.04, 1)}


def peers(ratio: float, authpct: float, c_t: float | None) -> dict[str, object]:
    score = None if c_t is None else {"value": c_t, "std": 0.5}
    return {
        "ratio": 1 / 3,
        "copies": {"ratio_second": share(ratio), "ratio_next": None, "authpct": share(authpct)},
        "c_t": score,
    }


NONE, SOME = Estimate(0.0, 0.0, 0.01), Estimate(0.3, 0.26, 0.34)


@pytest.mark.parametrize(
    ("memorized", "found", "words"),
    [
        (
            NONE,
            peers(0.28, 0.5, 0.1),
            ["28.0% by the ratio nearest / second nearest < 0.33, but 0.0% [0.0%, 1.0%] by delta_m"],
        ),
        (SOME, peers(0.28, 0.5, -4.0), []),
        (NONE, peers(0.02, 0.6, -1.0), []),
        (NONE, peers(0.02, 0.85, None), ["85.0% of the samples are not authentic"]),
        (SOME, peers(0.3, 0.6, None), []),
        (NONE, peers(0.0, 0.5, -4.0), ["C_T is -4.0"]),
        (SOME, peers(0.0, 0.2, -4.0), ["Measures of copying disagree"]),
    ],
)
def test_measures_that_disagree_strongly_are_named(memorized: Estimate, found: dict, words: list[str]) -> None:
    lines = [one.sentence for one in disagreements(memorized, found)]
    assert len(lines) == len(words)
    for line, word in zip(lines, words, strict=True):
        assert word in line
