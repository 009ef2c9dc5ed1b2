"""What is seen of a run: lines of jobs, notes, progress, and the sentence that matters where something failed."""

from __future__ import annotations

import io
import re
import shutil
from pathlib import Path

import pytest

from amdiff import screen
from amdiff.jobs import Job, clock, duration, failure
from amdiff.screen import Screen
from tests.workflow_tools import Project


class Terminal(io.StringIO):
    """A stream on which a line can be replaced."""

    def isatty(self) -> bool:
        return True


def followed(stream: io.StringIO, monkeypatch: pytest.MonkeyPatch, now: list[float]) -> Screen:
    monkeypatch.setattr(screen.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(screen.threading.Thread, "start", lambda thread: None)
    return Screen(stream)


def test_the_time_left_follows_what_jobs_of_a_stage_took(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    seen = followed(io.StringIO(), monkeypatch, now)
    seen.expect({str(i): Job(f"train {i}", "train", 10.0) for i in range(4)} | {"r": Job("report", "report", 5.0)})
    assert seen.seconds_left() is None
    seen.begin("0")
    now[0] = 40.0
    seen.end("0")
    # three trainings that take 40 s each; a report as much longer than expected as all else was
    assert seen.seconds_left() == pytest.approx(3 * 40 + 4 * 5)
    assert seen.summary == "1 of 5 jobs done, 22% of the work, about 2 min left"
    seen.begin("1")
    seen.begin("2")
    now[0] = 80.0
    seen.end("1")
    seen.end("2")
    # 120 s of work in 80 s
    assert seen.seconds_left() == pytest.approx((40 + 20) / 1.5)


def test_what_runs_is_followed_in_its_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now, stream, log = [0.0], Terminal(), tmp_path / "train.log"
    seen = followed(stream, monkeypatch, now)
    seen.expect({"1": Job("train digits K=4", "train", 100.0)})
    seen.begin("1", Job("", "", log=log))
    log.write_text("train digits K00004: 500/2,000 steps, loss 0.1, 9 steps/s, 1:00 left\nnote: digits: odd\nhalf a li")
    now[0] = 20.0
    seen._follow(seen.running["1"])
    seen._progress()
    assert seen.running["1"].share == 0.25
    assert stream.getvalue().endswith("\r  0:20  0 of 1 job done, 25% of the work, about 60 s left")
    assert "note: digits: odd\n" in stream.getvalue()
    seen.line("more")
    assert stream.getvalue().endswith("\r\033[Kmore\n")
    seen._follow(seen.running["1"])
    assert stream.getvalue().count("odd") == 1


def test_a_file_gets_a_line_of_progress_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    now, stream = [0.0], io.StringIO()
    seen = followed(stream, monkeypatch, now)
    seen.expect({"1": Job("a", "train", 1.0)})
    for second in range(0, 65):
        now[0] = float(second)
        seen._progress()
    assert stream.getvalue().count("0 of 1 job done") == 2


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("train: 1/2 steps\namdiff: weights are damaged\ntrailing\n", "amdiff: weights are damaged"),
        ("Traceback (most recent call last):\n  File\nTypeError: no\n\n", "TypeError: no"),
        ("", "it ended without a message; it may have been killed, for lack of memory or by a person"),
    ],
)
def test_the_sentence_that_matters(text: str, sentence: str, tmp_path: Path) -> None:
    (tmp_path / "log").write_text(text)
    assert failure(Job("a", "train", log=tmp_path / "log")) == sentence


def test_a_killed_job_is_no_line_of_progress(tmp_path: Path) -> None:
    """What ran the job says why; its log ends where it was."""
    log, other = tmp_path / "log", tmp_path / "slurm.log"
    log.write_text("train d: 20/2,000 steps, 9 steps/s, 1:00 left\n")
    job = Job("train", "train", log=log)
    assert failure(job, reason="SLURM status is: 'OUT_OF_MEMORY'") == "SLURM status is: 'OUT_OF_MEMORY'"
    assert failure(job).startswith("it ended without a message")
    other.write_text("amdiff: all GPUs are gone\n")
    assert failure(job, [log, other]) == "amdiff: all GPUs are gone"
    assert failure(Job("train", "train", log=Path("no/such.log"))) == "it failed, and its log is not here"


def test_a_job_that_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It keeps its name and its cost; what the first attempt left in the log is not taken for the second's."""
    now, stream, log = [0.0], io.StringIO(), tmp_path / "train.log"
    seen = followed(stream, monkeypatch, now)
    seen.expect({"1": Job("train digits K=4", "train", 100.0), "2": Job("train digits K=8", "train", 100.0)})
    told = Job("train digits K00004-ab", "train", log=log)
    seen.begin("1", told)
    log.write_text("train digits: 1,900/2,000 steps, 1 steps/s, 1:00 left\nnote: once\n")
    now[0] = 50.0
    seen.fail("1", [log])
    seen.begin("1", told)
    seen._follow(seen.running["1"])
    assert (seen.running["1"].label, seen.running["1"].cost, seen.running["1"].share) == (
        "train digits K=4",
        100.0,
        0.0,
    )
    log.write_text("train digits: 500/2,000 steps, 1 steps/s, 1:00 left\n")
    seen._follow(seen.running["1"])
    assert seen.running["1"].share == 0.25
    now[0] = 90.0
    seen.end("1")
    assert not seen.failed
    assert stream.getvalue().count("once") == 1
    assert seen.seconds_left() == pytest.approx(100 * 40 / 100)


def test_what_did_not_finish_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    seen = followed(stream, monkeypatch, [0.0])
    seen.expect({name: Job(name, "train") for name in "abcd"})
    for name in "ab":
        seen.begin(name)
    seen.fail("a", reason="no")
    seen.close()
    seen.close()
    assert stream.getvalue().endswith(
        "not finished: b\n1 job failed, 2 more did not begin; fix the cause, and the same command goes on from here\n"
        "a failed: no\n"
    )


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.2, "1 s"), (80, "80 s"), (300, "5 min"), (7200, "2.0 h"), (260_000, "3.0 days")]
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_clock() -> None:
    assert (clock(5), clock(65), clock(3_700)) == ("  0:05", "  1:05", "1:01:40")


def test_a_run_shows_its_jobs_and_ends_in_what_failed(project: Project) -> None:
    """The one place at which Snakemake itself runs with our logger; its text is in its log."""
    shutil.rmtree(project.root / "results")
    for stage in ("sample", "neighbors", "thresholds", "classify", "basin", "curvature", "energy", "report"):
        for spec in project.root.glob(f"artifacts/digits/{stage}/*/spec.json"):
            spec.unlink()
    (weights,) = project.root.glob("artifacts/digits/train/K00004-*/weights.safetensors")
    weights.write_bytes(weights.read_bytes()[:-1] + b"x")
    output = project.snakemake(check=False)
    lines = output.splitlines()
    assert "begins  sample digits K=16" in output
    assert re.search(r"\d:\d\d  done    sample digits K=16, \d+ s", output)
    assert re.search(r"\d+ jobs, about .* of work; all details are in .*\.snakemake\.log", output)
    assert "1 job failed, " in lines[-2]
    assert lines[-1].startswith("sample digits K=4 failed (all it said: logs/digits/sample/")
    assert f"amdiff: {weights.relative_to(project.root)} is damaged" in lines[-1]
    assert output.count("is damaged") == 2  # when it fails, and at the end
    for noise in ("RuleException", "Select jobs", "Finished jobid", "localrule", "wildcards:", "Exiting because"):
        assert noise not in output
    (log, *_) = sorted((project.root / ".snakemake/log").iterdir(), reverse=True)
    assert "Error in rule sample" in log.read_text()
    detailed = project.snakemake("--verbose", check=False)
    assert "Error in rule sample" in detailed


def test_a_target_after_configfile_is_explained(finished: Project) -> None:
    output = finished.snakemake("--configfile", "config.yaml", "tiny", check=False)
    assert (
        "tiny: there is no such configuration file; all that follows --configfile is read as configuration files, "
        "so give targets before it"
    ) in output
    assert "Traceback" not in output
