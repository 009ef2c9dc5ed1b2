"""What an install of amdiff brings: the distributions that it and its extras ask for, directly or not.

``python -m tests.installs`` prints how many there are and what they weigh in this environment.
"""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Iterable
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).parent.parent


def asked_for(*extras: str) -> list[str]:
    """Requirements of ``pip install amdiff[extras]``, as ``pyproject.toml`` states them."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return [*project["dependencies"], *(r for extra in extras for r in project["optional-dependencies"][extra])]


def brought(requirements: Iterable[str]) -> dict[str, Distribution]:
    """All distributions of this environment that the requirements need, by normalised name."""
    found: dict[str, Distribution] = {}
    waiting = [(Requirement(text), "") for text in requirements]
    while waiting:
        wanted, extra = waiting.pop()
        if wanted.marker is not None and not wanted.marker.evaluate({"extra": extra}):
            continue
        name = re.sub(r"[-_.]+", "-", wanted.name).lower()
        if name in found and not wanted.extras:
            continue
        try:
            found[name] = distribution(wanted.name)
        except PackageNotFoundError:
            continue  # of another platform
        for text in found[name].requires or ():
            waiting += [(Requirement(text), inner) for inner in (wanted.extras or {""})]
            if wanted.extras:
                waiting.append((Requirement(text), ""))
    return found


def weight(distributions: Iterable[Distribution]) -> float:
    """What their files take on the disk, in MB."""
    files = (Path(str(d.locate_file(f))) for d in distributions for f in d.files or ())
    return sum(file.stat().st_size for file in files if file.is_file()) / 1e6


def main() -> None:
    """Print what each install brings."""
    core = brought(asked_for())
    torch = {n: d for n, d in core.items() if n.startswith(("torch", "nvidia", "cuda", "triton"))}
    both = brought(asked_for("workflow"))
    for title, distributions in (
        ("amdiff", core),
        ("  of these PyTorch and its CUDA libraries", torch),
        ("amdiff[workflow]", both),
    ):
        sys.stdout.write(f"{title}: {len(distributions)} packages, {weight(distributions.values()):,.0f} MB\n")


if __name__ == "__main__":
    main()
