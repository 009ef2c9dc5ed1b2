"""The verdict of an audit: whether the share of copies is surely at most what is allowed, or surely more."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Verdict:
    """What an audit says of a limit."""

    outcome: str
    """'passed', 'failed' or 'undecided'."""
    limit: float
    text: str

    @property
    def status(self) -> int:
        """Exit status; 2 is an error."""
        return {"passed": 0, "failed": 1, "undecided": 3}[self.outcome]

    def as_json(self) -> dict[str, Any]:
        """As plain data."""
        return {**asdict(self), "exit_status": self.status}


def verdict(summary: dict[str, Any], limit: float | None) -> Verdict | None:
    """Compare intervals with the share of copies that is allowed; None where no limit was given.

    Failed where the memorized share is surely above it. Passed where that share, and the share that any metric
    suspects, are surely at most the limit, of samples that look like the data. Undecided else.
    """
    if limit is None:
        return None
    memorized, suspected, plausible = summary["memorized"], summary["suspected"], summary["plausibility"]
    level = f"at {100 * summary['confidence']:g} % confidence"
    if memorized["low"] > limit:
        return Verdict(
            "failed", limit, f"failed: the share of memorized samples is above {limit:g} {level}, {_ends(memorized)}"
        )
    if plausible is not None and plausible["implausible"]:
        return Verdict(
            "undecided", limit, "undecided: the samples look like no real image, so their shares say nothing"
        )
    if memorized["high"] > limit:
        text = f"undecided: the share of memorized samples may be above or below {limit:g} {level}, {_ends(memorized)}"
        return Verdict("undecided", limit, f"{text}; more samples, and more held-out images, narrow it")
    if suspected["high"] > limit:
        text = (
            f"undecided: the share of memorized samples is at most {limit:g} {level}, but other metrics suspect more, "
            f"{_ends(suspected)}; look at candidates.csv"
        )
        return Verdict("undecided", limit, text)
    return Verdict(
        "passed", limit, f"passed: the share of memorized samples is at most {limit:g} {level}, {_ends(memorized)}"
    )


def _ends(share: dict[str, float]) -> str:
    return f"{share['fraction']:.4f} [{share['low']:.4f}, {share['high']:.4f}]"
