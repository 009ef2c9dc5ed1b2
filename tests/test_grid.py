"""Sizes that a sparse sweep finds, and thresholds that another experiment lends, as people run them."""

from __future__ import annotations

import copy
import csv
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from amdiff.catalogue import STAGES
from amdiff.config import ConfigError, parse_config
from amdiff.files import read_json, sha256_file, write_json
from amdiff.plan import build_plan
from amdiff.project import prepare
from tests.conftest import SMALL, run_project
from tests.workflow_tools import Project

OPEN: dict[str, Any] = {
    "datasets": {"digits": {"kind": "digits"}},
    "experiments": {
        "found": {
            "dataset": "digits",
            "sizes": {"kind": "grid", "largest": 128, "dense": 4, "sparse": 3},
            "denoiser": {"kind": "mlp", "width": 96},
            "training": {
                "iterations": 1200,
                "batch_size": 64,
                "cap_batch": False,
                "learning_rate": 0.003,
                "schedule": "cosine",
                "ema_decay": 0.99,
                "ema_warmup": True,
            },
            "sampling": {"steps": 40, "minimum": 96, "per_image": 1},
            "thresholds": {"method": "fixed", "delta_m": 0.9, "delta_s": 0.9},
            "basin": None,
            "curvature": None,
            "energy": None,
        }
    },
    "runtime": {"device": "cpu", "progress_seconds": 60},
}


@pytest.mark.full
def test_a_sparse_sweep_finds_the_sizes(tmp_path: Path) -> None:
    project = Project(tmp_path, OPEN)
    listing = project.run("python", "-m", "amdiff", "plan").stdout
    assert "this sparse sweep will find the other sizes; they are listed once it is done" in listing
    project.snakemake()
    (path,) = tmp_path.glob("artifacts/digits/grid/*/grid.json")
    found = read_json(path)
    assert found["sparse"]["sizes"] == [2, 4, 8, 16, 32, 64, 128]
    assert found["fall"] < found["plateau"]
    with (tmp_path / "results/found/tables/fractions.csv").open() as stream:
        assert [int(row["K"]) for row in csv.DictReader(stream)] == found["sizes"]
    # what the sparse sweep trained is not trained again
    trained = [read_json(p)["params"]["size"] for p in tmp_path.glob("artifacts/digits/train/*/spec.json")]
    assert sorted(trained) == sorted({*found["sizes"], *found["sparse"]["sizes"]})

    project.scramble_times()
    shutil.rmtree(tmp_path / ".snakemake")
    assert project.planned() == {}
    given = copy.deepcopy(OPEN)
    given["experiments"]["found"]["sizes"] |= {"fall": found["fall"], "plateau": found["plateau"]}
    project.configure(given)
    assert project.planned() == {"all": 1, "found": 1, "report_found": 1}  # no sweep, the same models
    project.configure(OPEN)
    for stage in ("train", "sample", "neighbors"):
        shutil.rmtree(tmp_path / "artifacts/digits" / stage)
    assert project.planned() == {}


def test_no_transition_is_said_in_one_line(tmp_path: Path) -> None:
    config = copy.deepcopy(OPEN)
    config["experiments"]["found"] |= {"denoiser": {"kind": "exact"}, "sampling": {"steps": 40, "minimum": 24}}
    config["experiments"]["found"]["sizes"]["largest"] = 8
    del config["experiments"]["found"]["training"]
    output = Project(tmp_path, config).snakemake(check=False)
    assert "which is no transition; train longer, or give the grid's 'fall' and 'plateau'" in output
    assert "Traceback" not in output


def two_sizes_of_synthetic_sets(**thresholds: Any) -> dict[str, Any]:
    config = copy.deepcopy(SMALL)
    tiny = config["experiments"]["tiny"] | {"basin": None, "curvature": None, "energy": None}
    twice = copy.deepcopy(tiny) | {"thresholds": {"method": "experiment", "experiment": "tiny", **thresholds}}
    tiny["sampling"], twice["sampling"] = ({"steps": 8, "minimum": m, "shard_largest": 24} for m in (24, 48))
    return {**config, "experiments": {"twice": twice, "tiny": tiny}}


def test_thresholds_are_lent(tmp_path: Path) -> None:
    plan = run_project(two_sizes_of_synthetic_sets(), tmp_path)
    twice, tiny = (plan.experiment(name) for name in ("twice", "tiny"))
    for more, less in zip(twice.models, tiny.models, strict=True):
        assert more.train == less.train
        assert less.shards[0] in more.shards

    def found(name: str) -> list[dict[str, str]]:
        with (tmp_path / f"results/{name}/tables/thresholds.csv").open() as stream:
            return list(csv.DictReader(stream))

    for a, b in zip(found("twice"), found("tiny"), strict=True):
        assert [a["delta_m"], a["delta_s"]] == [b["delta_m"], b["delta_s"]]
    entries = [
        read_json(tmp_path / a.folder / "thresholds.json")["sizes"] for a in twice.thresholds + tiny.thresholds[:1]
    ]
    assert entries[0][0]["delta_m"]["note"].startswith("of another experiment; 0.005 quantile of real images")
    # what they cost is counted on the experiment's own samples
    rates = [entry[0]["false_positives"]["spurious"]["high"] for entry in (entries[0], entries[-1])]
    assert rates[0] > rates[1]


def test_thresholds_of_each_size_are_lent_one_by_one() -> None:
    config = two_sizes_of_synthetic_sets()
    config["experiments"]["tiny"]["thresholds"] = {"method": "valley", "pooled": False}
    config["experiments"]["twice"]["sizes"] = [4, 8]

    def borrower(sizes: list[int]) -> dict[int, str]:
        config["experiments"]["tiny"]["sizes"] = sizes
        plan = build_plan(parse_config(config)).experiment("twice")
        return {m.size: t.address for m, t in zip(plan.models, plan.thresholds, strict=True)}

    first = borrower([4, 8])
    assert borrower([4, 8, 16]) == first  # one more at the lender changes nothing here
    with pytest.raises(ConfigError, match=r"experiments.tiny has thresholds only for its own K, 4, 16.* K = 8"):
        borrower([4, 16])
    config["experiments"]["tiny"]["thresholds"] = {"method": "fixed", "delta_m": 1.0, "delta_s": 1.0}
    assert borrower([4, 16]).keys() == {4, 8}


@pytest.mark.parametrize(
    ("lender", "change", "message"),
    [
        ("none", {}, "got 'none'; name an experiment on images"),
        ("twice", {}, "takes its thresholds from another experiment itself"),
        ("tiny", {"neighbors": {"metric": "stlpips-alex"}}, "'tiny' compares by 'pixels', this experiment by 'stlp"),
    ],
)
def test_wrong_lenders_are_refused(lender: str, change: dict[str, Any], message: str) -> None:
    config = two_sizes_of_synthetic_sets(experiment=lender)
    config["experiments"]["twice"] |= change
    with pytest.raises(ConfigError, match=message):
        parse_config(config)


def test_the_report_of_an_open_grid_knows_how_its_analyses_are_made(monkeypatch: pytest.MonkeyPatch) -> None:
    config = copy.deepcopy(OPEN)
    config["experiments"]["found"] |= {"basin": {"metric": "lpips-vgg", "delta": 0.1}}
    asked = parse_config(config)

    def report(sources: dict[str, str]) -> str:
        found = build_plan(asked.model_copy(update={"sources": sources}), {"found": (2, 8)}).experiment("found")
        return found.report.address

    assert report({}) != report({"backbone:vgg": "0123456789abcdef"})
    before = report({})
    monkeypatch.setitem(STAGES, "basin", replace(STAGES["basin"], version=99))
    assert report({}) != before


def test_nothing_is_removed_while_sizes_are_to_be_found(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from amdiff.commands.pruning import prune

    (tmp_path / "c.yaml").write_text(yaml.safe_dump(OPEN))
    with pytest.raises(ConfigError, match="nothing was removed, since it is not clear what is needed"):
        prune([tmp_path / "c.yaml"], True, root=tmp_path)
    prune([tmp_path / "c.yaml"], False, root=tmp_path)
    assert "the sizes of found are not known yet, nor the artifacts that they will need" in capsys.readouterr().out


def test_a_given_end_that_does_not_fit_the_other_is_refused(tmp_path: Path) -> None:
    from amdiff.plan import Plan
    from amdiff.stages import make

    config = copy.deepcopy(OPEN)
    config["experiments"]["found"]["sizes"] |= {"largest": 32, "fall": 20}
    plan: Plan = prepare(parse_config(config), tmp_path)
    grid = plan.experiment("found").grid
    assert grid is not None
    for artifact, share in zip(grid.parents["classify"], (1.0, 1.0, 0.0, 0.0, 0.0), strict=True):
        summary = {"size": artifact.params["size"], "fractions": {"memorized": {"value": share}}}
        write_json(tmp_path / artifact.folder / artifact.file("summary"), summary)
        digest = sha256_file(tmp_path / artifact.folder / artifact.file("summary"))
        write_json(tmp_path / artifact.spec, {"files": {artifact.file("summary"): digest}, "provenance": {}})
    message = (
        "from K = 4 to 8 in the sparse sweep, which contradicts the value that is given: fall must be less than "
        "plateau, but fall is 20 and plateau is 8; give both or none"
    )
    with pytest.raises(ValueError, match=message):
        make(grid, plan, tmp_path)


def test_a_damaged_grid_is_named_before_any_job(tmp_path: Path) -> None:
    grid = prepare(parse_config(OPEN), tmp_path).experiment("found").grid
    assert grid is not None
    write_json(tmp_path / grid.spec, {"files": {"grid.json": "0" * 64}, "provenance": {}})
    write_json(tmp_path / grid.folder / "grid.json", {"sizes": [2, 4]})
    with pytest.raises(ConfigError, match=r"experiments\.found\.sizes: .*grid\.json is damaged"):
        prepare(parse_config(OPEN), tmp_path)
