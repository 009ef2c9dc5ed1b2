"""The verdict of an audit: whether the share of copies is surely at most the limit, or surely above it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Verdict:
    """The verdict of an audit for a limit."""

    outcome: str
    """'passed', 'failed' or 'undecided'."""
    limit: float
    """Allowed share of memorized samples, from 0 to 1."""
    text: str
    """The verdict as a sentence, without a full stop."""

    @property
    def status(self) -> int:
        """Exit status of the command; 2 is kept for errors."""
        return {"passed": 0, "failed": 1, "undecided": 3}[self.outcome]

    def as_json(self) -> dict[str, Any]:
        """The verdict as plain data."""
        return {**asdict(self), "exit_status": self.status}


def verdict(summary: dict[str, Any], limit: float | None) -> Verdict | None:
    """Compare the confidence intervals of an audit with the allowed share of copies; None if no limit was given.

    The audit has failed if the interval of the memorized share lies above the limit. It has passed if this interval
    and that of the suspected share lie at or below the limit, and the samples look like the data. Otherwise it is
    undecided.
    """
    if limit is None:
        return None
    memorized, suspected, plausible = summary["memorized"], summary["suspected"], summary["plausibility"]
    share = with_interval(memorized)
    level = f"at {100 * summary['confidence']:g} % confidence"
    if memorized["low"] > limit:
        return Verdict(
            "failed",
            limit,
            f"failed: the share of memorized samples is above {limit:g} {level}, {share}",
        )
    if plausible is not None and plausible["implausible"]:
        return Verdict(
            "undecided",
            limit,
            "undecided: the samples look like no real image, so their shares say nothing about copies",
        )
    if memorized["high"] > limit:
        text = f"undecided: the share of memorized samples may be above or below {limit:g} {level}, {share}"
        return Verdict("undecided", limit, f"{text}; more samples and more held-out images make this interval narrower")
    if suspected["high"] > limit:
        text = (
            f"undecided: the share of memorized samples is at most {limit:g} {level}, but other metrics suspect more: "
            f"the share of suspected samples may be above the limit, {with_interval(suspected)}; look at candidates.csv"
        )
        return Verdict("undecided", limit, text)
    return Verdict(
        "passed",
        limit,
        f"passed: the share of memorized samples is at most {limit:g} {level}, {share}",
    )


def with_interval(share: dict[str, float]) -> str:
    """A share of the samples with its interval, as text."""
    return f"{share['fraction']:.4f} [{share['low']:.4f}, {share['high']:.4f}]"
