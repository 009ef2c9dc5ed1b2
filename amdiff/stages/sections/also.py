"""The same samples, classified by other metrics."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from amdiff.artifacts import Artifact
from amdiff.config import ExperimentSpec
from amdiff.figures.curves import triple
from amdiff.figures.page import make_table
from amdiff.phases.classes import CLASSES

from ..context import Context
from ..stored_tables import read_classes, read_summaries
from . import Part


def also(context: Context, artifact: Artifact, spec: ExperimentSpec) -> Part:
    """Shares of the classes by each metric, and the number of samples on which it agrees with the first metric."""
    found = [*artifact.reads["classify"], *artifact.reads["also"]]
    first: dict[int, np.ndarray] = {}
    rows: list[list[Any]] = []
    for made, summary in zip(found, read_summaries(context, found), strict=True):
        classes = read_classes(context, made)
        ours = first.setdefault(summary["size"], classes)
        both = [int(((classes == c) & (ours == c)).sum()) for c in range(len(CLASSES))]
        shares = (summary["fractions"][name][key] for name in CLASSES for key in ("value", "low", "high"))
        rows.append([summary["size"], made.params["metric"], *shares, summary["delta_m"], summary["delta_s"],
                     float((classes == ours).mean()), *both, summary["set_size"]])  # fmt: skip
    names = itertools.chain.from_iterable(map(triple, CLASSES))
    return Part(
        tables=[
            make_table(
                "metrics", "Other metrics",
                ["K", "metric", *names, "delta_m", "delta_s", "agreement", *(f"both_{name}" for name in CLASSES),
                 "set_size"],
                sorted(rows, key=lambda row: row[0]),
                note="The shares are those of set_size samples. Each metric has its own thresholds. The column "
                "agreement is the share of the samples that this metric and the first metric put into the same class. "
                "The columns both_* count the samples that both metrics put into that class.",
            )
        ],
    )  # fmt: skip
