"""What an artifact was made with: machine, versions and commit. This is recorded, but never hashed."""

from __future__ import annotations

import functools
import importlib.metadata
import platform
import resource
import subprocess
import sys
from typing import Any

_RSS_PER_MIB = 2**20 if sys.platform == "darwin" else 2**10  # macOS counts bytes, other systems KiB
_LIBRARIES = ("amdiff", "numpy", "torch", "faiss-cpu", "h5py", "diffusers", "scikit-learn", "scipy")


def surroundings() -> dict[str, Any]:
    """The machine, its libraries, the peak memory of this process in MiB, and the commit of the working copy."""
    return {
        "peak_memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // _RSS_PER_MIB,
        "host": platform.node(),
        "machine": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "libraries": _libraries(),
        "git": git_revision(),
    }


def _libraries() -> dict[str, str]:
    found = {}
    for name in _LIBRARIES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


@functools.cache
def git_revision() -> str | None:
    """Commit of the working copy, followed by '+' if it has changes. None outside a repository."""

    def ask(*command: str) -> str:
        return subprocess.run(["git", *command], capture_output=True, text=True, check=True, timeout=10).stdout.strip()

    try:
        revision = ask("rev-parse", "HEAD")
        return revision + ("+" if ask("status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.SubprocessError):
        return None
