"""The report: self-contained, escaped, and true to its tables."""

from __future__ import annotations

import base64
import csv
import html
import io
from collections.abc import Sequence
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from amdiff.catalogue import FIGURES, SECTIONS
from amdiff.config import parse_config
from amdiff.figures import phases_sentences as words, phases_tables
from amdiff.figures.first_screen import lead, robustness
from amdiff.figures.page import Picture, in_mathematics, in_words, render, with_symbols
from tests.conftest import run_project


class Links(HTMLParser):
    """Everything that a browser would load or open."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, str]] = []
        self.tags: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.found += [(tag, value) for key, value in attrs if key in ("src", "href", "data", "srcset") and value]


def test_every_figure_has_a_title_and_a_caption_of_two_sentences() -> None:
    for figure in FIGURES.values():
        assert figure.title
        assert figure.caption.count(".") >= 2
        assert figure.caption.count("\n") == 1
        assert "`" not in in_words(figure.caption) + in_mathematics(figure.caption)


def test_mathematics_is_set_and_described() -> None:
    text = "where :math:`\\delta_m` < 2 & more"
    assert in_words(text) == "where delta_m < 2 & more"
    set_ = in_mathematics(text)
    assert "<math" in set_
    assert "<mi>δ</mi>" in set_.replace("&#x003B4;", "δ")
    assert "&lt; 2 &amp; more" in set_


def test_thresholds_are_set_as_symbols() -> None:
    assert with_symbols("delta_m < δ_s & x_delta_max") == "δ<sub>m</sub> &lt; δ<sub>s</sub> &amp; x_delta_max"


def test_user_given_strings_are_escaped() -> None:
    evil = "<script>alert(1)</script>"
    page = render(
        title=evil, address="0" * 12, headline=[evil], warnings=[evil],
        groups={"Phases": [Picture("fractions", evil, b"x", "png")]},
        tables=phases_tables.tables([], [], []), configuration=evil, provenance=[(evil, evil)],
    )  # fmt: skip
    assert "<script" not in page
    assert page.count("&lt;script&gt;") >= 7


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """A report of a colour dataset through a small U-Net."""
    root = tmp_path_factory.mktemp("page")
    config: dict[str, Any] = {
        "datasets": {"photos": {"kind": "photos", "tile": 16}},
        "experiments": {
            "colour": {
                "dataset": "photos",
                "sizes": [4, 9],
                "denoiser": {"kind": "unet", "width": 8, "multipliers": [1, 1], "attention_at": [8], "norm_groups": 4},
                "training": {"iterations": 10},
                "sampling": {"sampler": "ddim", "steps": 4, "minimum": 12},
                "neighbors": {"heldout_limit": 100},
                "basin": {"count": 3, "train_count": 2, "copies": 2, "steps": 2, "stride": 400},
                "curvature": {"count": 2, "train_count": 2, "times": [15], "directions": "gaussian",
                              "method": "one-sided", "rows_per_dimension": 1},
                "energy": {"count": 3, "train_count": 2, "points": 3, "references": 2},
                "losses": {"count": 4, "levels": 3},
            }
        },
        "runtime": {"device": "cpu"},
    }  # fmt: skip
    parse_config(config)
    run_project(config, root)
    return (root / "results/colour/report.html").read_text(), root


def test_the_page_needs_no_network(page: tuple[str, Path]) -> None:
    links = Links()
    links.feed(page[0])
    names = [
        f.name for s in ("phases", "losses", "basin", "curvature", "energy", "training") for f in SECTIONS[s].figures
    ]
    # all but those that have nothing to show: a model that was hardly trained copies nothing, and nothing comes again
    shown = [name for name in names if f"<strong>{html.escape(FIGURES[name].title)}.</strong>" in page[0]]
    assert set(names) - set(shown) <= {"panel_memorized", "panel_spurious", "attractors"}
    assert len([tag for tag, _ in links.found if tag == "img"]) == len(shown)
    for name in names:
        assert (page[1] / f"results/colour/figures/{name}.svg").exists()
    assert all(value.startswith(("data:", "#")) for _, value in links.found)
    assert links.tags.count("script") == 2  # the samples to browse, and what shows them; neither is loaded
    assert not {"iframe", "object", "link"} & set(links.tags)
    assert "url(" not in page[0]
    assert "default-src &#39;none&#39;" in page[0]


def test_the_first_screen_says_it_all(page: tuple[str, Path]) -> None:
    text = page[0]
    first = text[text.index('id="summary"') : text.index('id="browse"')]
    assert '<p class="lead">The samples at K = 4, 9 look like no real image' in first  # they were hardly trained
    assert first.count("look like no real image") == 1
    measured = (
        "photos: 2,080 images, 16x16, colour",
        "K from 4 to 9, 2 sizes",
        "U-Net, 8 channels x 1, 1; 10 training steps with batch size",
    )
    for said in (*measured, "pixels", "are spurious. It would be", "The three phases."):
        assert said in first
    assert text.index('id="browse"') < text.index('id="thresholds"') < text.index("<details>")


def test_its_downloads_are_the_tables(page: tuple[str, Path]) -> None:
    links = Links()
    links.feed(page[0])
    content = [
        base64.b64decode(v.split(",", 1)[1]).decode() for t, v in links.found if t == "a" and v.startswith("data:")
    ]
    for name in ("fractions", "thresholds", "attractors", "attractor_counts", "basin", "curvature", "energy"):
        assert (page[1] / f"results/colour/tables/{name}.csv").read_text() in content


def test_an_untrained_models_thresholds_are_doubted(page: tuple[str, Path]) -> None:
    assert "one mode only, hence no valley: fell back to held-out images" in page[0]


def summary(size: int, spurious: tuple[float, float, float], memorized: float = 0.5, **changes: Any) -> dict[str, Any]:
    """What the stage classify says about one K, as far as sentences need it."""
    e = dict(zip(("value", "low", "high"), spurious, strict=True))
    m, g = ({"value": v, "low": v / 2, "high": (1 + v) / 2} for v in (memorized, 1 - memorized - spurious[0]))
    shares = {"memorized": m, "spurious": e, "generalized": g}
    return {
        "size": size, "n_samples": 100, "set_size": 100, "per_image": None, "confidence": 0.95,
        "fractions": shares, "whole": shares,
        "left_out": [], "near_copies": None, "attractors": {"spurious": 0, "table": []}, "plausibility": None,
        **changes,
    }  # fmt: skip


ENDS = (summary(2, (0.1, 0.05, 0.15)), summary(8, (0.0, 0.0, 0.04)))


@pytest.mark.parametrize(
    ("sweep", "said"),
    [
        (
            (ENDS[0], summary(4, (0.3, 0.25, 0.35)), ENDS[1]),
            "is largest at K = 4 with 30.0% [25.0%, 35.0%]. This interval lies above those at the two ends",
        ),
        (
            (ENDS[0], summary(4, (0.16, 0.11, 0.22)), ENDS[1]),
            "This interval overlaps at least one of those at the two ends of the sweep.",
        ),
        (
            (summary(2, (0.2, 0.1, 0.3)), summary(4, (0.1, 0.05, 0.15)), ENDS[1]),
            "is largest at K = 2 with 20.0% [10.0%, 30.0%]. This K is an end of the sweep",
        ),
    ],
)
def test_words_about_a_peak_follow_the_intervals(sweep: Sequence[dict[str, Any]], said: str) -> None:
    assert any(said in line for line in words.headline(sweep))


def test_a_peak_that_other_thresholds_move_is_none() -> None:
    def at(size: int, value: float, without: float) -> dict[str, Any]:
        return summary(size, (value, value, value), left_out=[{"size": 2, "spurious": without}])

    still = [at(2, 0.1, 0.1), at(4, 0.3, 0.2), at(8, 0.2, 0.1)]
    assert words.moved_peaks(still) == {}
    moved = [at(2, 0.1, 0.1), at(4, 0.3, 0.2), at(8, 0.2, 0.25)]
    assert words.moved_peaks(moved) == {2: 8}
    assert any("No single K can be called the peak" in line and "4, 8" in line for line in words.headline(moved))
    assert "at K = 8)" in lead(moved)


def test_recurrent_samples_near_training_images_are_not_called_new() -> None:
    def copies(near: float, nearest: float = 0.9) -> dict[str, Any]:
        estimate = {"low": 0.0, "high": 0.5}
        return {
            "heldout": 90, "nearest": nearest, "percentile": 1.0, "than_most": {"value": 1},
            "spurious": {"near": {"value": near, **estimate}, "new": {"value": 0.3 - near, **estimate}},
        }  # fmt: skip

    near, new = (summary(4, (0.3, 0.2, 0.4), near_copies=copies(share)) for share in (0.25, 0.05))
    assert "near but not at training images" in lead([near])
    assert "not in the training set" in lead([new])
    said = words.near_copies_sentence(near)[0]
    assert "25.0% [0.0%, 50.0%] of the samples are spurious near copies" in said
    assert "any of 90 held-out images" in said
    assert said.endswith("5.0% [0.0%, 50.0%] are spurious and new.")
    doubted = words.near_copies_sentence(summary(4, (0.3, 0.2, 0.4), near_copies=copies(0.05, 0.01)))[0]
    assert "100.0% of all samples lie nearer than 99 % of the held-out images do" in doubted


def test_shares_of_smaller_sets_are_said() -> None:
    whole = {"spurious": {"value": 0.4}}
    (said,) = words.set_size_sentence([summary(4, (0.3, 0.2, 0.4), set_size=16, per_image=4, whole=whole)])
    assert "Shares are those of 4 K samples" in said
    assert "30.0% are spurious in a set of 16 samples and 40.0% in all 100" in said
    assert words.set_size_sentence(ENDS) == []
    (said,) = words.set_size_sentence([summary(64, (0.3, 0.2, 0.4), per_image=4)])
    assert "At K = 64 there are only 100 samples, fewer than 4 K" in said


def test_the_lead_is_one_sentence() -> None:
    sweep = [summary(16, (0, 0, 0), 0.99), summary(128, (0.34, 0.17, 0.67), 0.25), summary(512, (0.01, 0, 0.5), 0)]
    assert lead(sweep) == (
        "99.0% of the samples are copies of training images at K = 16 and 0.0% at K = 512; spurious samples, recurrent "
        "samples that are not in the training set, have their largest share, 34.0% [17.0%, 67.0%], at K = 128."
    )
    assert lead(sweep, "given this one training").endswith("at K = 128 (intervals given this one training).")
    none = [summary(16, (0, 0, 0), 0.99), summary(512, (0, 0, 0), 0)]
    assert lead(none).endswith("; no sample is spurious at any K.")
    assert lead(sweep[1:2]).startswith("Of 100 samples, 25.0% [12.5%, 62.5%] are memorized, 34.0% ")
    far = {**sweep[0], "plausibility": {"implausible": True, "far": {"value": 0.9, "low": 0.8, "high": 1.0}}}
    assert "look like no real image" in lead([far, *sweep[1:]])


def test_how_far_thresholds_decide_is_said() -> None:
    def entry(size: int, spurious: list[float]) -> dict[str, Any]:
        grid = {"memorized": [[0.1] * 3, [0.2] * 3, [0.3 if size == 8 else 0.2] * 3], "spurious": [spurious] * 3}
        return {"size": size, "sensitivity": {"factors": [0.5, 1.0, 2.0], **grid}}

    text = robustness([entry(4, [0.0, 0.1, 0.2]), entry(8, [0.1, 0.251, 0.49])], 8)
    assert text == (
        "Of all samples at K = 8, 25.1% are spurious. It would be 10.0% or 49.0% if δ_s were 0.5 or 2 times as large. "
        "The memorized share at K = 8, where it changes most, is 20.0%. It would be 10.0% or 30.0% if δ_m were "
        "changed in the same way."
    )


def test_tables_are_readable_csv() -> None:
    (fractions, *_) = phases_tables.tables([], [], [])
    assert next(csv.reader(io.StringIO(fractions.csv)))[0] == "K"
