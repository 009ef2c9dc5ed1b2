"""Broken configurations by the hundred: each refused in one line that names the key, before anything starts."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, example, given, settings, strategies as st

from amdiff.cli import main
from amdiff.config import ConfigError, parse_config, read_config
from tests.conftest import REPO

FILES = [REPO / "config.yaml", *sorted((REPO / "workflow/config").glob("*.yaml"))]
WHOLE = {path.name: yaml.safe_load(path.read_text()) for path in FILES}
FREE = {"datasets", "experiments", "comparisons", "prompts", "backbones", "sources", "iterations_by_size"}
"""Blocks whose keys are names of one's choice."""

Place = tuple[str | int, ...]


def places(block: Any, above: Place = ()) -> Iterator[Place]:
    """Every key and every element of a list, blocks before what is in them."""
    pairs = block.items() if isinstance(block, dict) else enumerate(block) if isinstance(block, list) else ()
    for key, value in pairs:
        yield (*above, key)
        yield from places(value, (*above, key))


PLACES = [(name, place) for name, whole in WHOLE.items() for place in places(whole)]


def at(config: Any, place: Place) -> Any:
    for key in place:
        config = config[key]
    return config


def complaint(read: Callable[[], Any]) -> str | None:
    """What is said against a configuration, one line; None where nothing is."""
    try:
        read()
    except ConfigError as error:
        return str(error)
    return None


def refusal(config: Any) -> str:
    text = complaint(lambda: parse_config(config))
    assert text is not None, "it was accepted"
    assert "\n" not in text
    return text


def written(place: Place) -> str:
    return ".".join(str(key) for key in place)


def leads_to(place: Place, text: str) -> bool:
    """Whether a message names the key, the block that holds it, or its name in the sentence of a rule between keys."""
    last = next(key for key in reversed(place) if isinstance(key, str))
    return written(place) in text or written(place[:-1]) in text or last in text


@settings(max_examples=400)
@given(st.sampled_from([(n, p) for n, p in PLACES if isinstance(at(WHOLE[n], p), dict) and p[-1] not in FREE]), st.text(
    "abcdefghijklmnopqrstuvwxyz_", min_size=1, max_size=12))  # fmt: skip
def test_unknown_keys_are_named(chosen: tuple[str, Place], key: str) -> None:
    name, place = chosen
    config = copy.deepcopy(WHOLE[name])
    block = at(config, place)
    unknown = f"{key}_x"
    block[unknown] = 1
    assert f"{written(place)}.{unknown}: unknown key; " in refusal(config)


WRONG = st.sampled_from([float("nan"), float("inf"), -1e30, [[[]]], {"no": {"such": "block"}}, b"\xff", object])


@settings(max_examples=600, suppress_health_check=[HealthCheck.filter_too_much])
@given(st.sampled_from(PLACES), WRONG)
@example(("config.yaml", ("runtime",)), [])
@example(("config.yaml", ("experiments",)), "digits")
def test_values_of_a_wrong_kind_are_named(chosen: tuple[str, Place], value: Any) -> None:
    """Whatever stands in place of any value of any configuration of ours: the message leads to it."""
    name, place = chosen
    config = copy.deepcopy(WHOLE[name])
    at(config, place[:-1])[place[-1]] = value
    text = refusal(config)
    assert leads_to(place, text)


@settings(max_examples=300)
@given(st.sampled_from(PLACES))
def test_what_is_left_out_is_named_or_has_a_default(chosen: tuple[str, Place]) -> None:
    name, place = chosen
    config = copy.deepcopy(WHOLE[name])
    del at(config, place[:-1])[place[-1]]
    text = complaint(lambda: parse_config(config))
    assert text is None or ("\n" not in text and leads_to(place, text))


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(FILES), st.integers(0, 10_000), st.binary(min_size=1, max_size=4))
def test_bytes_changed_in_a_file_end_in_a_plan_or_one_line(tmp_path: Path, path: Path, where: int, what: bytes) -> None:
    content = path.read_bytes()
    where %= len(content)
    broken = tmp_path / "broken.yaml"
    broken.write_bytes(content[:where] + what + content[where + len(what) :])
    text = complaint(lambda: read_config(broken))
    assert text is None or ("\n" not in text and "broken.yaml" in text)


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["datasets", "experiments", "runtime", "digits", "kind", "sizes"]), inner, max_size=3),
    max_leaves=12,
))  # fmt: skip
def test_anything_else_is_refused(config: Any) -> None:
    refusal(config)


@pytest.mark.parametrize("command", ["plan", "why", "prune", "paper", "train"])
def test_commands_say_it_in_one_line_and_make_nothing(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    broken = copy.deepcopy(WHOLE["config.yaml"])
    broken["experiments"]["digits"]["denoiser"]["width"] = -3
    Path("broken.yaml").write_text(yaml.safe_dump(broken))
    before = sorted(tmp_path.rglob("*"))
    arguments = ["x"] if command in ("why", "train") else []
    monkeypatch.setattr("sys.argv", ["amdiff", command, *arguments, "--configfile", "broken.yaml"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "experiments.digits.denoiser.width: got -3" in said
    assert sorted(tmp_path.rglob("*")) == before
