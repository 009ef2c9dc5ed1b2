"""Servers that tests talk to: a one-node Slurm, sshd, S3. Installed from Debian or PyPI where that is possible."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.workflow_tools import BIN, wait_for


def need(*programs: str, packages: tuple[str, ...]) -> None:
    """Have programs, installing Debian packages where this is root on Debian; else skip the test."""
    if all(shutil.which(p, path=f"{os.environ['PATH']}:/usr/sbin") for p in programs):
        return
    if os.geteuid() == 0 and shutil.which("apt-get"):
        command = ["apt-get", "install", "--yes", "--no-install-recommends", *packages]
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        for attempt in (command, ["apt-get", "update"], command):
            done = subprocess.run(attempt, capture_output=True, env=environment, timeout=600, check=False)
            if done.returncode == 0 and attempt is command:
                return
    pytest.skip(f"{', '.join(packages)} cannot be installed here")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@contextlib.contextmanager
def running(command: list[str], log: Path, **environment: str) -> Iterator[subprocess.Popen[bytes]]:
    """A server in the foreground, ended with the context."""
    with log.open("wb") as stream:
        process = subprocess.Popen(
            command, stdout=stream, stderr=subprocess.STDOUT, env={**os.environ, **environment}, start_new_session=True
        )
    try:
        yield process
    finally:
        process.terminate()
        process.wait(timeout=30)


SLURM_CONF = """\
# made by amdiff's tests
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
CredType=cred/munge
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerType=sched/backfill
SchedulerParameters=sched_interval=1
MpiDefault=none
SwitchType=switch/none
ReturnToService=2
InactiveLimit=0
KillWait=10
GresTypes=gpu
SlurmdParameters=config_overrides
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
NodeName={host} NodeAddr=127.0.0.1 CPUs=8 RealMemory={memory} Gres=gpu:4 State=UNKNOWN
PartitionName=main Nodes={host} Default=YES MaxTime=INFINITE State=UP OverSubscribe=NO
"""


@contextlib.contextmanager
def slurm(folder: Path) -> Iterator[None]:
    """A Slurm of one node with four fake GPUs, on loopback: where its configuration lies in /etc.

    Jobs look for it there alone. A Slurm that is this machine's own is left in peace, and the test skipped.
    """
    if os.geteuid() != 0:
        pytest.skip("Slurm's daemons need root")
    need("slurmctld", "slurmd", "munged", packages=("slurm-wlm", "munge"))
    host = socket.gethostname().split(".")[0]
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2**20
    conf, gres = Path("/etc/slurm/slurm.conf"), Path("/etc/slurm/gres.conf")
    if conf.exists() and not conf.read_text().startswith("# made by amdiff's tests"):
        pytest.skip("this machine has a Slurm of its own")
    if gres.exists() and not conf.exists():
        pytest.skip("this machine has a Slurm of its own")
    conf.parent.mkdir(exist_ok=True)
    conf.write_text(
        SLURM_CONF.format(host=host, ports=(free_port(), free_port()), folder=folder, memory=int(0.9 * pages))
    )
    for name in ("state", "spool"):
        (folder / name).mkdir()
    for i in range(4):
        os.mknod(folder / f"gpu{i}", 0o020666, os.makedev(1, 3))  # /dev/null by another name
    gres.write_text(f"NodeName={host} Name=gpu File={folder}/gpu[0-3]\n")
    _start_munge()
    try:
        with running(["slurmctld", "-D"], folder / "ctld.out"), running(["slurmd", "-D"], folder / "slurmd.out"):
            wait_for(lambda: "idle" in _ask("sinfo", "-h", "-o", "%T"), 60)
            try:
                yield
            finally:
                _ask("scancel", "--user", "root")
                wait_for(lambda: not _ask("squeue", "-h").strip(), 60)
    finally:
        conf.unlink()
        gres.unlink()


def _start_munge() -> None:
    if subprocess.run(["pgrep", "-x", "munged"], capture_output=True, check=False).returncode == 0:
        return
    Path("/run/munge").mkdir(exist_ok=True)
    shutil.chown("/run/munge", "munge", "munge")
    Path("/run/munge").chmod(0o755)
    key = Path("/etc/munge/munge.key")
    if not key.exists() or key.stat().st_size == 0:
        subprocess.run(["/usr/sbin/runuser", "-u", "munge", "--", "/usr/sbin/mungekey"], check=True)
    subprocess.run(["/usr/sbin/runuser", "-u", "munge", "--", "/usr/sbin/munged"], check=True)


def _ask(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout


@contextlib.contextmanager
def sshd(folder: Path) -> Iterator[tuple[int, Path]]:
    """An SSH server on loopback that lets one key in: its port, and the private key."""
    need("sshd", "ssh-keygen", packages=("openssh-server", "openssh-client"))
    for name in ("host", "user"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)], check=True)
    port = free_port()
    (folder / "authorized").write_text((folder / "user.pub").read_text())
    for path in (folder, folder / "authorized"):
        path.chmod(0o700 if path.is_dir() else 0o600)
    Path("/run/sshd").mkdir(exist_ok=True)  # where privileges are separated
    (folder / "sshd_config").write_text(
        f"Port {port}\nListenAddress 127.0.0.1\nHostKey {folder}/host\nPidFile none\nUsePAM no\nStrictModes no\n"
        f"AuthorizedKeysFile {folder}/authorized\nPermitRootLogin prohibit-password\nSubsystem sftp internal-sftp\n"
    )
    with running(["/usr/sbin/sshd", "-D", "-e", "-f", str(folder / "sshd_config")], folder / "sshd.log"):
        wait_for(lambda: answers(port), 30)
        yield port, folder / "user"


@contextlib.contextmanager
def s3(folder: Path) -> Iterator[str]:
    """An S3 server on loopback: its URL. Access by the key 'amdiff', the secret 'amdiff-secret'."""
    port = free_port()
    command = [str(BIN / "nanio"), "serve", "--data-dir", str(folder), "--host", "127.0.0.1", "--port", str(port)]
    with running(command, folder.with_suffix(".log"), NANIO_ACCESS_KEY="amdiff", NANIO_SECRET_KEY="amdiff-secret"):
        wait_for(lambda: answers(port), 30)
        yield f"http://127.0.0.1:{port}"


@contextlib.contextmanager
def cloud(folder: Path, bucket: str) -> Iterator[str]:
    """An S3 server like Amazon's on loopback, with an empty bucket: its URL. Keys are not checked."""
    import boto3

    port = free_port()
    command = [str(BIN / "python"), "-m", "moto.server", "--host", "127.0.0.1", "--port", str(port)]
    with running(command, folder.with_suffix(".log")):
        wait_for(lambda: answers(port), 60)
        url = f"http://127.0.0.1:{port}"
        boto3.client(
            "s3", endpoint_url=url, aws_access_key_id="a", aws_secret_access_key="a", region_name="us-east-1"
        ).create_bucket(Bucket=bucket)
        yield url
