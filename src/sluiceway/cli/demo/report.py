"""The end's words: where everything went, and whether all is accounted for.

Law: pure; every number of the books is shown, none is made up here.
"""

from __future__ import annotations

from collections.abc import Mapping

from ...ledger import Ledger, StageLedger, lost_by_reason
from .arrival import Arrival

IN = ("received", "created", "copied")
OUT = ("sent", "filtered", "sampled_out", "merged", "delivered")


def ledger_lines(ledger: Ledger) -> list[str]:
    """A line for each stage: what came in = what became of it."""
    stages = ledger.stages.values()
    name = max(len(stage.name) for stage in stages)
    kind = max(len(stage.kind) for stage in stages)
    return [f"  {s.name:{name}}  {s.kind:{kind}}  {equation(s)}" for s in stages]


def equation(stage: StageLedger) -> str:
    """``5 received + 1 created = 2 sent + 4 merged``; ``!=`` if the books disagree."""
    came = {word: getattr(stage, word) for word in IN}
    went = {word.replace("_", " "): getattr(stage, word) for word in OUT}
    went |= {**lost_by_reason(stage), "held": stage.held}
    if not any((*came.values(), *went.values())):
        return "nothing"
    sign = "=" if stage.balanced else "!="
    return f"{summed(came)} {sign} {summed(went)}"


def summed(counts: Mapping[str, int]) -> str:
    """The counts that are not zero, added up in words."""
    parts = [f"{count:,} {word}" for word, count in counts.items() if count]
    return " + ".join(parts) or "0"


def arrival_lines(arrivals: Mapping[str, Arrival]) -> list[str]:
    """A line for each end."""
    width = max(map(len, arrivals))
    return [
        f"  {title:{width}}  {arrival.words}"
        + (f"; BUT {arrival.complaint}" if arrival.complaint else "")
        for title, arrival in arrivals.items()
    ]


def loss_lines(ledger: Ledger) -> list[str]:
    """A line for each reason of a loss."""
    return [
        f"  {count:,} at {stage}: {reason}"
        for stage, by_reason in ledger.losses.items()
        for reason, count in by_reason.items()
    ]


def verdict(ledger: Ledger) -> str:
    """``balanced, delivered 5, lost 0``."""
    word = "balanced" if ledger.balanced else "NOT BALANCED"
    held = f", held {ledger.held:,}" if ledger.held else ""
    return f"{word}, delivered {ledger.delivered:,}, lost {ledger.lost:,}{held}"
