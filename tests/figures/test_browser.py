"""Browsing samples on the page, in a real browser: against the tables, and the pictures themselves."""

from __future__ import annotations

import copy
import itertools
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from playwright.sync_api import Browser as Chromium, Page, Request

from amdiff.commands.audit import audit
from amdiff.commands.audit_configuration import Audit
from amdiff.commands.audit_sides import SideOptions
from amdiff.figures.browser import Browser, Sheet, Sorting, as_png
from amdiff.figures.page import render
from amdiff.phases.classes import CLASSES, class_numbers, ordered
from amdiff.plan import Plan
from amdiff.stages.stored_images import dataset_images, sample_images
from amdiff.store import Store
from tests.conftest import SMALL, run_project
from tests.test_audit import Planted, save


@dataclass
class Opened:
    """A report in a tab, and what went wrong in it or left it."""

    page: Page
    troubles: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def choose(self, **values: str) -> None:
        for name, value in values.items():
            self.page.select_option(f"#browse-{name}", value)

    def numbers(self) -> list[int]:
        items = self.page.locator("#browse-list > li")
        return [int(n) for n in items.evaluate_all("all => all.map(e => e.dataset.number)")]

    def show_all(self) -> None:
        while self.page.locator("#browse-more").is_visible():
            self.page.click("#browse-more")

    def neighbors(self, item: int, row: int) -> list[tuple[int, float]]:
        """(number, distance) in a row of a sample."""
        figures = self.page.locator("#browse-list > li").nth(item).locator(".row").nth(row).locator("figure")
        found = figures.evaluate_all("all => all.map(e => [e.dataset.number, e.innerText])")
        return [(int(number), float(text)) for number, text in found]

    def pixels(self, canvas: str, place: int = 0) -> np.ndarray:
        """What a canvas shows, (height, width, 3)."""
        handle = self.page.locator(canvas).nth(place).element_handle()
        drawn = "e => e.getContext('2d').getImageData(0, 0, 1, 1).data[3] === 255"  # its sheet has been decoded
        self.page.wait_for_function(drawn, arg=handle)
        read = "e => [e.height, e.width, ...e.getContext('2d').getImageData(0, 0, e.width, e.height).data]"
        height, width, *data = self.page.locator(canvas).nth(place).evaluate(read)
        return np.array(data, np.uint8).reshape(height, width, 4)[:, :, :3]


def open_report(chromium: Chromium, path: Path, **options: Any) -> Opened:
    page = chromium.new_page(**options)
    opened = Opened(page)
    page.on("pageerror", lambda error: opened.troubles.append(str(error)))
    page.on("console", lambda message: opened.troubles.append(message.text) if message.type == "error" else None)

    def note(request: Request) -> None:
        if not request.url.startswith("data:"):
            opened.requests.append(request.url)

    page.on("request", note)
    page.goto(path.as_uri())
    return opened


@pytest.fixture(scope="module")
def audited(tmp_path_factory: pytest.TempPathFactory) -> tuple[Planted, Path]:
    """An audit by two metrics; the samples are more than a screen of each class."""
    root = tmp_path_factory.mktemp("audited")
    planted = Planted(200)
    save(root / "train", planted.train[:300])
    save(root / "samples", planted.samples)
    save(root / "held", planted.heldout[:100])
    out = root / "out"
    train, samples, held = (SideOptions(root / name) for name in ("train", "samples", "held"))
    assert audit(Audit(train, samples, held, ("pixels", "stlpips-alex"), out)) == 0
    return planted, out


def written(value: Any) -> Any:
    """A distance as the page writes it, to three digits."""
    return pytest.approx(value, rel=0.006)


def test_samples_are_those_of_the_table(chromium: Chromium, audited: tuple[Planted, Path]) -> None:
    planted, out = audited
    opened = open_report(chromium, out / "report.html")
    table = pq.read_table(out / "audited.parquet").to_pydict()
    classes = np.array([CLASSES.index(c) for c in table["class"]])
    to_train, to_samples = np.array(table["train_distance_1"]), np.array(table["sample_distance_1"])
    for which, name in enumerate(CLASSES):
        opened.choose(**{"class": name, "sort": "rank"})
        order = ordered(classes.astype(np.int8), to_train, to_samples, which)
        assert len(opened.numbers()) == min(24, len(order))
        opened.show_all()
        numbers = opened.numbers()
        assert f"{len(numbers)} of {len(order)} {name} samples at K = 300" in opened.page.inner_text("#browse-count")
        # the first by each distance and the last of the order, and what another metric has in such places
        assert set(numbers) <= set(order.tolist())
        part = len(order) if len(order) <= 96 else 96 // 5
        for ranked in (order[::-1], *(order[np.argsort(key[order], kind="stable")] for key in (to_train, to_samples))):
            assert set(numbers) >= set(ranked[:part].tolist())
        distances = (to_train if name == "memorized" else to_samples)[numbers]
        assert distances.tolist() == written(sorted(distances, reverse=name == "generalized"))
    opened.choose(**{"class": "all", "sort": "train", "order": "down"})
    numbers = opened.numbers()
    assert to_train[numbers[0]] == max(to_train[i] for i in numbers)
    for item in (0, 3):
        for row, kind in enumerate(("train", "sample")):
            index, distance = zip(*opened.neighbors(item, row), strict=True)
            assert list(index) == [table[f"{kind}_neighbor_{r}"][numbers[item]] for r in range(1, 5)]
            assert list(distance) == written([table[f"{kind}_distance_{r}"][numbers[item]] for r in range(1, 5)])
    assert np.array_equal(opened.pixels("#browse-list canvas")[:, :, 0], planted.samples[numbers[0]])
    ((nearest, _), *_) = opened.neighbors(0, 0)
    assert np.array_equal(opened.pixels("#browse-list li:first-child .row canvas")[:, :, 1], planted.train[nearest])
    opened.choose(**{"class": "generalized"})
    opened.page.click("#browse-more")  # who goes on by keys goes on at the first new one
    assert opened.page.evaluate("document.activeElement.closest('li').dataset.number") == str(opened.numbers()[24])
    assert opened.page.locator("#browse-list .kind").first.inner_text() == "generalized"
    with opened.page.expect_download() as download:
        opened.page.click("summary:text-is('Fractions')")
        opened.page.click("text=fractions.csv")
    assert download.value.path().read_text().startswith("K,memorized")
    assert not opened.troubles
    assert opened.requests == [(out / "report.html").as_uri()]


def test_metrics_are_chosen(chromium: Chromium, audited: tuple[Planted, Path]) -> None:
    _, out = audited
    opened = open_report(chromium, out / "report.html")
    (path,) = [p for p in (out / "work/artifacts/train/classify").glob("*/samples.parquet")
               if '"metric": "stlpips-alex"' in (p.parent / "spec.json").read_text()]  # fmt: skip
    table = pq.read_table(path)
    classes, distance = class_numbers(table["class"].to_pylist()), table["train_distance_1"].to_numpy()
    opened.choose(**{"metric": "stlpips-alex", "class": "memorized", "sort": "train"})
    assert opened.page.locator("#browse-metric option").all_inner_texts() == ["pixels (L2)", "ST-LPIPS (AlexNet)"]
    opened.show_all()
    assert f"of {(classes == 0).sum()} memorized" in opened.page.inner_text("#browse-count")
    assert all(classes[i] == 0 for i in opened.numbers())
    shown = [opened.neighbors(i, 0)[0][1] for i in range(5)]
    assert shown == written(distance[opened.numbers()[:5]].tolist())
    assert shown == sorted(shown)


def test_a_sample_is_looked_at_closer_by_mouse_and_keys(chromium: Chromium, audited: tuple[Planted, Path]) -> None:
    planted, out = audited
    opened = open_report(chromium, out / "report.html")
    opened.choose(**{"class": "memorized", "sort": "number"})
    page, numbers = opened.page, opened.numbers()
    page.locator("#browse-list > li button").nth(1).click()
    assert page.inner_text("#browse-title") == f"Sample {numbers[1]}, {numbers[1]:04}.png"
    assert "memorized" in page.inner_text("#browse-facts")
    nearest = opened.neighbors(1, 0)[0][0]
    assert f"nearest training images: {nearest}, {nearest:04}.png" in page.inner_text("#browse-names")
    page.keyboard.press("ArrowRight")
    assert page.inner_text("#browse-title").startswith(f"Sample {numbers[2]},")
    assert np.array_equal(opened.pixels("#browse-large canvas")[:, :, 0], planted.samples[numbers[2]])
    page.locator("#browse-before").focus()
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    assert page.inner_text("#browse-title").startswith(f"Sample {numbers[0]},")
    assert page.locator("#browse-before").is_disabled()  # and the keys go on
    page.keyboard.press("ArrowRight")
    assert page.inner_text("#browse-title").startswith(f"Sample {numbers[1]},")
    page.keyboard.press("Escape")
    assert not page.locator("#browse-closer").is_visible()
    page.locator("#browse-order").focus()  # from the controls to the first sample, and in
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert page.locator("#browse-closer").is_visible()
    assert not opened.troubles


def test_a_narrow_screen_and_one_without_scripts(chromium: Chromium, audited: tuple[Planted, Path]) -> None:
    _, out = audited
    narrow = open_report(chromium, out / "report.html", viewport={"width": 360, "height": 700})
    assert narrow.page.evaluate("document.documentElement.scrollWidth") <= 360
    narrow.page.locator("#browse-list button").first.click()
    assert narrow.page.evaluate("(e => e.scrollWidth - e.clientWidth)(document.getElementById('browse-closer'))") <= 0
    silent = open_report(chromium, out / "report.html", java_script_enabled=False)
    assert "Browsing needs JavaScript" in silent.page.inner_text("#browse")
    assert not silent.page.locator("#browse-form").is_visible()
    assert silent.page.locator("#samples img").count() == 4


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory) -> tuple[Plan, Path]:
    root = tmp_path_factory.mktemp("swept")
    config = copy.deepcopy(SMALL)
    config["experiments"]["tiny"] |= dict.fromkeys(("basin", "curvature", "energy"))
    config["experiments"]["tiny"]["panels"] |= {"browse": 8, "neighbors": 3}
    return run_project(config, root), root


def test_the_first_page_of_an_audit_is_printed_whole(chromium: Chromium, audited: tuple[Planted, Path]) -> None:
    """On A4 with margins of 12 mm: 186 by 273 mm, 96 pixels an inch."""
    _, out = audited
    opened = open_report(chromium, out / "report.html", viewport={"width": 703, "height": 1032})
    opened.page.emulate_media(media="print")
    summary = opened.page.locator("#summary").bounding_box()
    assert summary is not None
    assert summary["y"] + summary["height"] < 1032
    assert not opened.page.locator("#browse").is_visible()


def brightness(color: str) -> int:
    """Of a colour as the browser says it, rgb(r, g, b)."""
    return sum(map(int, re.findall(r"\d+", color)[:3]))


def test_the_way_about_stays_in_sight(chromium: Chromium, swept: tuple[Plan, Path]) -> None:
    _, root = swept
    for width, scheme in ((1400, "light"), (390, "dark")):
        options = {"viewport": {"width": width, "height": 800}, "color_scheme": scheme}
        opened = open_report(chromium, root / "results/tiny/report.html", **options)
        opened.page.evaluate("scrollTo(0, 3000)")
        box = opened.page.locator("nav").bounding_box()
        assert box is not None
        assert abs(box["y"]) < 1
        assert opened.page.evaluate("document.documentElement.scrollWidth") == width
        ink, paper = opened.page.evaluate("(s => [s.color, s.backgroundColor])(getComputedStyle(document.body))")
        assert (brightness(ink) > brightness(paper)) == (scheme == "dark")


def test_sizes_are_chosen(chromium: Chromium, swept: tuple[Plan, Path]) -> None:
    plan, root = swept
    experiment, store = plan.experiment("tiny"), Store(root)
    images = dataset_images(store, experiment.dataset)
    opened = open_report(chromium, root / "results/tiny/report.html")
    for model in experiment.models:
        opened.choose(**{"size": str(model.size), "class": "all", "sort": "number"})
        assert f"at K = {model.size}" in opened.page.inner_text("#browse-count")
        number = opened.numbers()[0]
        sample = sample_images(store, model.shards).rows(np.array([number]))[0, 0]
        assert np.array_equal(opened.pixels("#browse-list canvas")[:, :, 0], sample)
        row = opened.neighbors(0, 0)
        assert len(row) == 3
        (nearest,) = images.rows(np.array([row[0][0]]))
        assert np.array_equal(opened.pixels("#browse-list li:first-child .row canvas")[:, :, 2], nearest[0])
    assert not opened.troubles


def test_strings_of_others_are_text(chromium: Chromium, tmp_path: Path) -> None:
    evil = "</script><script>document.title = 'bad'</script><img src=x onerror=\"document.title='bad'\">\u2028.png"
    one = (np.zeros((1, 1), np.int64), np.zeros((1, 1)))
    sorting = Sorting(1.0, 1.0, [1, 0, 0], np.zeros(1, np.int8), np.full(1, np.nan), np.full(1, np.nan), one, one)
    sheet = Sheet(2, 1, np.full((2, 3, 4, 4), 9, np.uint8), 1, np.arange(2), [evil, None], {"pixels": sorting})
    page = render(
        title=evil, address="", headline=[evil], warnings=[], groups={}, tables=[], configuration=evil,
        provenance=[], browser=Browser([sheet], {"pixels": evil}),
    )  # fmt: skip
    (tmp_path / "page.html").write_text(page, encoding="utf-8")
    opened = open_report(chromium, tmp_path / "page.html")
    assert opened.numbers() == [0]
    opened.page.locator("#browse-list button").click()
    assert "<script>" in opened.page.inner_text("#browse-title")
    assert opened.page.title() != "bad"
    assert not opened.troubles
    # even if one came through, the page's policy runs no other script
    (tmp_path / "page.html").write_text(page.replace("</main>", f"{evil[9:]}</main>"), encoding="utf-8")
    opened = open_report(chromium, tmp_path / "page.html")
    assert opened.page.title() != "bad"
    assert any("Content Security Policy" in trouble for trouble in opened.troubles)


def test_a_sheet_holds_its_pictures_row_by_row(rng: np.random.Generator) -> None:
    import io

    from PIL import Image

    for channels in (1, 3):
        images = rng.integers(0, 256, (7, channels, 3, 5), dtype=np.uint8)
        with Image.open(io.BytesIO(as_png(images, 3))) as picture:
            found = np.asarray(picture).reshape(9, 15, channels)
        for i, image in enumerate(images):
            row, column = divmod(i, 3)
            assert np.array_equal(found[3 * row : 3 * row + 3, 5 * column : 5 * column + 5], image.transpose(1, 2, 0))


def test_what_is_shown_fits_the_room() -> None:
    """With little room fewer samples are shown, the ends of each class first."""
    import pyarrow as pa

    from amdiff.config import PanelsSpec
    from amdiff.figures.gallery import Gallery
    from amdiff.neighbors.sets import ArraySource
    from amdiff.stages.browsing import Sized, browser

    n, rng = 120, np.random.default_rng(0)
    table = pa.table({
        "class": pa.DictionaryArray.from_arrays(np.repeat([0, 1, 2], 40).astype(np.int8), list(CLASSES)),
        "attractor": pa.array(np.arange(n), mask=np.ones(n, bool)),
        "train_neighbor_1": rng.integers(50, size=n), "train_distance_1": np.arange(n) + 1.0,
        "train_neighbor_2": rng.integers(50, size=n), "train_distance_2": np.arange(n) + 2.0,
        "sample_neighbor_1": (np.arange(n) + 1) % n, "sample_distance_1": np.arange(n) + 1.0,
    })  # fmt: skip
    images = ArraySource(rng.integers(0, 256, (n, 1, 8, 8), dtype=np.uint8))
    gallery = Gallery(table, images, ArraySource(images.images[:50]))
    sized = {50: Sized({"pixels": gallery}, {"pixels": {"delta_m": 1.0, "delta_s": 1.0}})}

    def nameless(rows: np.ndarray) -> list[str | None]:
        return [None] * len(rows)

    full = browser(sized, PanelsSpec(neighbors=1), nameless, nameless)
    small = browser(sized, PanelsSpec(neighbors=1, browse_mb=60 * 64 / 2**20), nameless, nameless)
    assert full is not None
    assert small is not None
    assert full.sheets[0].samples == 120
    assert len(small.sheets[0].images) <= 60
    numbers = small.sheets[0].number[: small.sheets[0].samples]
    each = small.sheets[0].samples // 3
    assert [sum(40 * c <= i < 40 * (c + 1) for i in numbers) for c in range(3)] == [each] * 3
    assert {0, 39, 40, 79, 80, 119} <= set(numbers.tolist())
    assert np.array_equal(small.sheets[0].images, np.concatenate([
        images.images[small.sheets[0].number[: -len(set(small.sheets[0].sortings["pixels"].train[0].ravel()))]],
        images.images[small.sheets[0].number[-len(set(small.sheets[0].sortings["pixels"].train[0].ravel())) :]],
    ]))  # fmt: skip
    assert browser(sized, PanelsSpec(neighbors=1, browse=0), nameless, nameless) is None


def test_large_pictures_are_reduced(rng: np.random.Generator) -> None:
    from amdiff.figures.browser import reduced
    from amdiff.stages.browsing import LARGEST_SIDE, _ways

    images = rng.integers(0, 256, (2, 3, 7, 9), dtype=np.uint8)
    small = reduced(images, 3)
    assert small.shape == (2, 3, 3, 3)
    assert np.allclose(small[:, :, :2], images[:, :, :6].reshape(2, 3, 2, 3, 3, 3).mean(axis=(3, 5)), atol=1)
    assert np.allclose(small[1, 0, 2, 0], images[1, 0, 6, :3].mean(), atol=1)
    ways = list(_ways(96))
    assert ways[0] == (96, LARGEST_SIDE)
    assert ways[-1] == (1, 32)
    assert all(a >= b and c >= d for (a, c), (b, d) in itertools.pairwise(ways))


def test_the_first_by_every_distance_are_shown_and_nothing_beyond_the_room(rng: np.random.Generator) -> None:
    import pyarrow as pa

    from amdiff.config import PanelsSpec
    from amdiff.figures.gallery import Gallery
    from amdiff.neighbors.sets import ArraySource
    from amdiff.stages.browsing import Sized, browser

    n = 2000
    to_train, second, near = rng.random(n), 1 + rng.random(n), rng.random(n)
    table = pa.table({
        "class": pa.DictionaryArray.from_arrays(np.full(n, 2, np.int8), list(CLASSES)),
        "attractor": pa.array(np.arange(n), mask=np.ones(n, bool)),
        "train_neighbor_1": np.zeros(n, np.int64), "train_distance_1": to_train,
        "train_neighbor_2": np.ones(n, np.int64), "train_distance_2": second,
        "sample_neighbor_1": (np.arange(n) + 1) % n, "sample_distance_1": near,
    })  # fmt: skip
    images = ArraySource(rng.integers(0, 256, (n, 1, 4, 4), dtype=np.uint8))
    sized = {9: Sized({"pixels": Gallery(table, images, images)}, {"pixels": {"delta_m": 1.0, "delta_s": 1.0}})}

    def nameless(rows: np.ndarray) -> list[str | None]:
        return [None] * len(rows)

    found = browser(sized, PanelsSpec(neighbors=1), nameless, nameless)
    assert found is not None
    shown = set(found.sheets[0].number[: found.sheets[0].samples].tolist())
    assert len(shown) == 96
    for key in (to_train, near, -near, to_train / second):
        assert shown >= set(np.argsort(key)[:19].tolist())
    assert browser(sized, PanelsSpec(neighbors=1, browse_mb=1e-6), nameless, nameless) is None
