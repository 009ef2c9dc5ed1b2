"""Sentences that a reader of a report must know before trusting its shares."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


def warnings(thresholds: Sequence[dict[str, Any]], datasets: Mapping[str, dict[str, Any]]) -> list[str]:
    """Sentences that a reader must know before trusting the numbers.

    ``datasets`` holds for each dataset, by its name, what its artifact records about how its images were read.
    """
    lines = []
    for delta, name in (("delta_m", "δ_m"), ("delta_s", "δ_s")):
        notes: dict[str, list[int]] = {}
        for t in thresholds:
            if t[delta]["note"] and t[delta]["method"] != "fixed":
                notes.setdefault(f"{name}: {t[delta]['note']}", []).append(t["size"])
        for note, sizes in notes.items():
            lines.append(note + ("." if len(sizes) == len(thresholds) else f" (K = {', '.join(map(str, sizes))})."))
    if any(t["false_positives"]["memorized"] is None for t in thresholds):
        sizes = [t["size"] for t in thresholds if t["false_positives"]["memorized"] is None]
        lines.append(
            f"There are no held-out images at K = {', '.join(map(str, sizes))}, so the false-positive rates there are "
            "unknown."
        )
    if any(t.get("stand_in") for t in thresholds):
        lines.append(
            "No held-out images were given. Training images stand in for new real images: each is compared with all "
            "others. Thresholds and false-positive rates therefore hold for images that are as close to the training "
            "set as its own images are. Near duplicates among the training images make the thresholds smaller."
        )
    for name, facts in datasets.items():
        lines += [f"Dataset {name}: {note}." for note in facts.get("notes", ())]
        if duplicates := facts.get("images", {}).get("duplicates"):
            lines.append(f"Dataset {name} holds {duplicates:,} images that are byte-equal to another one.")
    return lines + _spreads(datasets)


SPREAD = 1.6
"""If the standard deviations of two sets' pixels differ by more than this factor, their ranges are doubted."""


def _spreads(datasets: Mapping[str, dict[str, Any]]) -> list[str]:
    """A sentence about two sets of images whose values differ so much that a stated range may be wrong."""
    parts = {
        f"{name}{', held out' if part == 'test' else ''}": values
        for name, facts in datasets.items()
        for part, values in facts.get("values", {}).items()
    }
    if len(parts) < 2:
        return []
    (narrow, least), *_, (wide, most) = sorted(parts.items(), key=lambda item: item[1]["std"])
    if most["std"] <= SPREAD * least["std"]:
        return []
    return [
        f"The pixels of {wide} spread {most['std'] / max(least['std'], 1e-9):.1f} times as widely as those of {narrow} "
        f"(standard deviations {most['std']:.2f} and {least['std']:.2f}, means {most['mean']:.2f} and "
        f"{least['mean']:.2f}, where black is 0 and white is 1). Check the values that mean black and white, for both."
    ]
