"""``amdiff paper``: the paper's figures and tables beside ours."""

from __future__ import annotations

from pathlib import Path

from amdiff.files import write_bytes
from amdiff.project import open_plan

from .telling import show


def paper(configfile: Path, root: Path = Path()) -> Path:
    """Write ``results/paper.html``: each figure and table of the paper, and ours where it has been made."""
    from amdiff.figures.paper import Entry, Item, counterparts, render

    chosen = open_plan(configfile, root)
    entries = []
    for theirs in counterparts():
        shown: list[Item] = []
        missing: list[str] = []
        for page in chosen.pages:
            files = [path for section, path in theirs.files if section in page.sections]
            if not files:
                continue
            if (root / page.stamp).exists():
                shown += [Item(page.name, f"{page.name}/{f}") for f in files]
            else:
                missing.append(page.name)
        entries.append(Entry(theirs.number, theirs.title, shown, missing))
    made = sum((root / page.stamp).exists() for page in chosen.pages)
    target = root / "results/paper.html"
    text = render(entries, configuration=str(configfile), made=made, total=len(chosen.pages))
    write_bytes(target, text.encode())
    show(f"{target}: {made} of {len(chosen.pages)} pages are made")
    return target
