"""The documentation: examples run as they stand and print what the pages say, the site builds, links lead somewhere."""

from __future__ import annotations

import contextlib
import io
import itertools
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from amdiff.config import parse_config
from tests.conftest import REPO

PAGES = sorted((REPO / "docs").rglob("*.md"))
EXAMPLES = [p for p in PAGES if "```python" in p.read_text()]


@pytest.mark.parametrize("page", EXAMPLES, ids=lambda p: p.name)
def test_examples_print_what_the_page_says(page: Path) -> None:
    """Each block of Python, in the scope of those before it, against the block of text behind it."""
    scope: dict[str, Any] = {}
    blocks = re.findall(r"```(\w+)\n(.*?)```", page.read_text(), re.DOTALL)
    for (kind, code), (following, text) in itertools.pairwise([*blocks, ("", "")]):
        if kind == "python":
            printed = io.StringIO()
            with contextlib.redirect_stdout(printed):
                exec(compile(code, str(page), "exec"), scope)
            assert printed.getvalue() == (text if following == "text" else "")


@pytest.mark.parametrize("page", [*PAGES, *REPO.glob("*.md")], ids=lambda p: p.name)
def test_no_line_is_longer_than_140_characters(page: Path) -> None:
    assert [line for line in page.read_text().splitlines() if len(line) > 140] == []


def test_there_are_five_examples_for_notebooks() -> None:
    assert len([p for p in EXAMPLES if p.parent.name == "examples"]) == 5


def test_the_associative_memory_retrieves_downhill() -> None:
    page = REPO / "docs/associative-memory.md"
    scope: dict[str, Any] = {}
    exec(compile(re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL)[0], str(page), "exec"), scope)
    assert scope["found"].energy.diff(dim=0).max() <= 1e-9  # as the page says


CONFIGURED = [
    p for p in PAGES if "\nexperiments:" in p.read_text() and p.name != "extending.md"
]  # it adds what it asks for


@pytest.mark.parametrize("page", CONFIGURED, ids=lambda p: p.name)
def test_configurations_of_the_pages_are_valid(page: Path) -> None:
    """With datasets where a block leaves them to the reader, and a commit where it says that one is given."""
    for text in re.findall(r"```yaml\n(.*?)```", page.read_text(), re.DOTALL):
        found = yaml.safe_load(text.replace("<commit of 40 digits>", "a" * 40))
        if "experiments" in found:
            named = {experiment["dataset"] for experiment in found["experiments"].values()}
            found["datasets"] = {name: {"kind": "digits"} for name in named} | found.get("datasets", {})
            assert parse_config(found).experiments.keys() == found["experiments"].keys()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built as `make docs` builds it: a link or a name that leads nowhere is an error."""
    target = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(target)]
    done = subprocess.run(command, cwd=REPO, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return target


def test_the_site_has_every_page_and_loads_nothing(site: Path) -> None:
    pages = list(site.rglob("*.html"))
    assert len(pages) == len(PAGES) + 3  # the configuration and the commands are made; and one for what is not found
    outside = re.compile(r"""<(?:script|img|link|iframe)[^>]*?(?:src|href)=["']?(https?:[^"' >]+)""")
    assert [found for page in pages for found in outside.findall(page.read_text())] == []


def test_the_reference_comes_from_the_program(site: Path) -> None:
    reference = (site / "reference/configuration.html").read_text()
    assert "sampling_batch" in reference
    assert "Number of samples that are drawn together" in reference
    assert "--fail-above" in (site / "reference/commands.html").read_text()
    for module in ("neighbors", "phases", "landscape", "diffusion"):
        page = (site / f"reference/{module}.html").read_text()
        stub = (REPO / f"amdiff/{module}/__init__.pyi").read_text()
        for name in re.findall(r" as (\w+)", stub):
            documented = f">{name}<" in page or name in ("CLASSES", "l2")
            assert documented, f"amdiff.{module}.{name} is public, and in no page"


def test_mathematics_needs_no_script(site: Path) -> None:
    method = (site / "method.html").read_text()
    assert method.count("<math") > 20
    assert "arithmatex" not in method


def test_the_site_is_searched_from_its_files(site: Path, chromium: Any) -> None:
    from playwright.sync_api import TimeoutError

    page = chromium.new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"file://{site}/index.html")
    field, told = page.locator("input.md-search__input"), page.get_by_text("matching documents")
    for _ in range(15):  # what is typed before the search has started is lost, until the field is entered anew
        field.blur()
        field.fill("basin")
        with contextlib.suppress(TimeoutError):
            told.wait_for(timeout=2000)
            break
    assert told.count() == 1
    assert page.locator(".md-search-result__item").count() > 1
    assert all(url.startswith(("file:", "data:", "blob:")) for url in asked)
    page.close()
