"""Long computations over many targets, block by block. Finished blocks survive an interruption."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from amdiff.artifacts import Artifact

from .context import Context
from .resuming import restore_arrays, save_arrays

Arrays = dict[str, np.ndarray]


def in_blocks(
    context: Context,
    artifact: Artifact,
    totals: Mapping[str, int],
    block: int,
    compute: Callable[[str, int, int], Arrays],
) -> dict[str, Arrays]:
    """Compute arrays for all targets of each group, block by block.

    Finished blocks lie in the artifact's scratch folder until the artifact is complete. A later run continues after
    them, even if it uses blocks of another size.

    Parameters
    ----------
    context
        Context of the stage.
    artifact
        The artifact that is being made.
    totals
        Number of targets in each group, at least 1.
    block
        Largest number of targets in a block, at least 1.
    compute
        ``compute(group, start, stop)`` returns the arrays of the targets [start, stop) of a group.

    Returns
    -------
    dict
        The arrays of each group, joined along their first axis.
    """
    folder = context.store.scratch(artifact)
    progress = None
    done = 0
    joined: dict[str, Arrays] = {}
    for group, total in totals.items():
        by_start = {int(p.stem.split("-")[1]): p for p in folder.glob(f"{group}-[0-9]*-[0-9]*.npz")}
        parts: list[Arrays] = []
        start = 0
        while start < total:
            path = by_start.pop(start, None)
            part = None if path is None else restore_arrays(path)
            if path is None or part is None:
                progress = progress or context.progress(artifact, sum(totals.values()), "targets", done)
                stop = min([start + block, total, *(s for s in by_start if s > start)])
                part = compute(group, start, stop)
                save_arrays(folder / f"{group}-{start}-{stop}.npz", **part)
            else:
                stop = int(path.stem.split("-")[2])
            parts.append(part)
            done += stop - start
            start = stop
            if progress is not None:
                progress.update(done)
        joined[group] = {name: np.concatenate([p[name] for p in parts]) for name in parts[0]}
    return joined
