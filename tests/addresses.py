"""Addresses that artifacts have.

``python -m tests.addresses --record`` writes those of today to ``frozen/addresses.json``.

A change of an address throws away what was computed. It is a decision, hence a line in this file's diff.
"""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from pathlib import Path

from amdiff.artifacts import short_digest
from amdiff.project import open_plan

ROOT = Path(__file__).parent.parent
RECORD = Path(__file__).parent / "frozen/addresses.json"
CONFIGURATIONS = ("config.yaml", "workflow/config/smoke.yaml", "workflow/config/paper.yaml")


def addresses(configuration: str) -> dict[str, str]:
    """For each page and stage of a configuration, the number of its artifacts and a digest of their folders."""
    found: dict[str, list[str]] = defaultdict(list)
    for page in open_plan(ROOT / configuration, ROOT).pages:
        for artifact in page.artifacts():
            found[f"{page.name}/{artifact.stage}"].append(artifact.folder.as_posix())
    return {key: f"{len(folders)} {short_digest(sorted(folders))}" for key, folders in sorted(found.items())}


def main() -> None:
    """Print the addresses of today, or record them."""
    text = json.dumps({name: addresses(name) for name in CONFIGURATIONS}, indent=1) + "\n"
    if sys.argv[1:] == ["--record"]:
        RECORD.write_text(text)
    else:
        sys.stdout.write(text)


if __name__ == "__main__":
    main()
