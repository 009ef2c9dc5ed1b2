"""``amdiff paper``: writes a page that shows our figures and tables beside those of the paper."""

from __future__ import annotations

from pathlib import Path

from amdiff.files import write_bytes
from amdiff.project import open_plan

from .telling import show


def paper(configfile: Path, root: Path = Path()) -> Path:
    """Write ``results/paper.html`` below ``root`` and return its path.

    The page lists each figure and table of the paper, with our counterparts that have been made.
    """
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
    show(f"{target}: {made} of {len(chosen.pages)} pages have been made")
    return target
