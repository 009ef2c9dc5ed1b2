"""Jobs that share no file system: each in an empty folder, as a pod is, with an S3 bucket between them."""

from __future__ import annotations

import copy
import json
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from tests.conftest import SMALL, run_project
from tests.servers import cloud
from tests.workflow_tools import BIN, Project, kill_tree, wait_for

SUBMIT = """#!/bin/bash
pod=$(mktemp -d {pods}/XXXXXX)
cp "$1" $pod/job.sh
cd $pod
setsid bash -c 'bash job.sh > log 2>&1; echo $? > status' > /dev/null 2>&1 &
echo $! > pid
echo $pod
"""

STATUS = """#!/bin/bash
case $(cat $1/status 2> /dev/null) in '') echo running;; 0) echo success;; *) echo failed;; esac
"""


@pytest.fixture(scope="module")
def bucket(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with cloud(tmp_path_factory.mktemp("s3"), "lab") as url:
        key = {"aws_access_key_id": "a", "aws_secret_access_key": "a", "region_name": "us-east-1"}
        yield boto3.resource("s3", endpoint_url=url, **key).Bucket("lab")


def small(iterations: int) -> dict[str, Any]:
    config = copy.deepcopy(SMALL)
    config["experiments"]["tiny"] |= {"sizes": [8], "basin": None, "curvature": None, "energy": None}
    config["experiments"]["tiny"]["training"] |= {"iterations": iterations}
    config["runtime"] |= {"checkpoint_seconds": 0.5}
    return config


def committed(root: Path, config: dict[str, Any]) -> Project:
    """A project whose files git knows: these are what pods are given."""
    root.mkdir(exist_ok=True)
    project = Project(root, config)
    project.run("git", "init", "--quiet")
    project.run("git", "add", "--all")
    return project


@pytest.mark.full
def test_pods_exchange_all_by_a_bucket_and_resume(tmp_path: Path, bucket: Any, request: pytest.FixtureRequest) -> None:
    config = small(iterations=4000)
    project = committed(tmp_path / "project", config)
    pods, volume = tmp_path / "pods", tmp_path / "volume"
    for name, text in (("submit", SUBMIT), ("status", STATUS)):
        (tmp_path / name).write_text(text.format(pods=pods) if name == "submit" else text)
        (tmp_path / name).chmod(0o755)
    pods.mkdir()
    volume.mkdir()
    command = [
        *(str(BIN / "snakemake"), "--jobs", "2", "--retries", "1", "--seconds-between-status-checks", "1"),
        *("--executor", "cluster-generic", "--cluster-generic-submit-cmd", str(tmp_path / "submit")),
        *("--cluster-generic-status-cmd", str(tmp_path / "status")),
        *("--shared-fs-usage", "none", "--job-deploy-sources"),
        *("--default-storage-provider", "s3", "--default-storage-prefix", "s3://lab/amdiff"),
    ]
    secrets = {
        "SNAKEMAKE_STORAGE_S3_ENDPOINT_URL": bucket.meta.client.meta.endpoint_url,
        "SNAKEMAKE_STORAGE_S3_ACCESS_KEY": "a",
        "SNAKEMAKE_STORAGE_S3_SECRET_KEY": "a",
    }
    environment = {k: v for k, v in project.environment.items() if k != "PYTHONPATH"} | secrets  # pods bring their own
    environment["AMDIFF_SCRATCH"] = str(volume)
    run = subprocess.Popen(
        command, cwd=project.root, env=environment, text=True, start_new_session=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    request.addfinalizer(lambda: kill_tree(run))
    wait_for(lambda: run.poll() is not None or list(volume.glob("train/*/state.pt")), 300)
    # the file as it is when the run starts counts: pods have a copy
    (project.root / "config.yaml").write_text("half-written: [")
    training = [pod for pod in pods.iterdir() if "amdiff train" in (pod / "log").read_text()]
    os.killpg(int((training[0] / "pid").read_text()), signal.SIGKILL)
    (training[0] / "status").write_text("137")
    output, _ = run.communicate(timeout=900)
    assert run.returncode == 0, output
    assert any("resumes at step" in (pod / "log").read_text() for pod in pods.iterdir())

    # what lies in the bucket is what one machine makes
    plan = run_project(config, tmp_path / "here")
    found = {item.key: item for item in bucket.objects.filter(Prefix="amdiff/")}
    for folder, artifact in plan.by_folder.items():
        there = json.load(found[f"amdiff/{folder}/spec.json"].get()["Body"])
        here = json.loads((tmp_path / "here" / artifact.spec).read_text())
        if artifact.stage != "report":  # pages name libraries and commits
            assert there["files"] == here["files"], folder
        assert all(f"amdiff/{folder}/{name}" in found for name in there["files"])
    (page,) = plan.pages
    assert {f"amdiff/{path}" for path in page.published} <= found.keys()
    assert not (project.root / "artifacts").exists()


def test_the_profile_of_kubernetes_dry_runs(tmp_path: Path, bucket: Any) -> None:
    project = committed(tmp_path, small(iterations=60))
    profile = tmp_path / "profiles/kubernetes/config.yaml"
    profile.write_text(profile.read_text().replace("s3://bucket/", "s3://lab/dry/"))
    environment = project.environment | {
        "SNAKEMAKE_STORAGE_S3_ENDPOINT_URL": bucket.meta.client.meta.endpoint_url,
        "SNAKEMAKE_STORAGE_S3_ACCESS_KEY": "a",
        "SNAKEMAKE_STORAGE_S3_SECRET_KEY": "a",
    }
    done = subprocess.run(
        [str(BIN / "snakemake"), "--profile", "profiles/kubernetes", "--dry-run"],
        cwd=tmp_path, env=environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    text = done.stdout + done.stderr
    assert "output: s3://lab/dry/amdiff/artifacts/digits/train/" in text
    assert "gpu_manufacturer=nvidia" in text


def test_sizes_that_a_sweep_has_to_find_need_shared_files(tmp_path: Path) -> None:
    config = small(iterations=60)
    config["experiments"]["tiny"]["sizes"] = {"kind": "grid", "largest": 64}
    project = committed(tmp_path, config)
    text = project.snakemake(
        "--dry-run", "--default-storage-provider", "s3", "--default-storage-prefix", "s3://lab/x", check=False
    )
    assert "experiments.tiny.sizes: a sparse sweep cannot decide about jobs that share no file system" in text
