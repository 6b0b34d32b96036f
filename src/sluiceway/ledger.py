"""The ledger: where every event went, stage by stage, and whether the books balance.

Law: a snapshot is frozen. For each stage what came in equals what went out plus what is
held, and ``held`` is counted by looking into queues and hands, never computed from the
other columns, so that the sum can fail.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from attrs import field, frozen

Reasons = Mapping[str, int]


def frozen_reasons(reasons: Mapping[str, int]) -> Reasons:
    """An immutable copy, largest count first."""
    ordered = sorted(reasons.items(), key=lambda pair: (-pair[1], pair[0]))
    return MappingProxyType({reason: count for reason, count in ordered if count})


def frozen_stages(stages: Mapping[str, StageLedger]) -> Mapping[str, StageLedger]:
    """An immutable copy, in the same order."""
    return MappingProxyType(dict(stages))


@frozen
class StageLedger:
    """The books of one stage, in events.

    Attributes:
        received: came in from the stages before.
        created: made here: a source's events, or more out than in.
        copied: added by a fan-out; n branches book n - 1 copies.
        sent: handed to the stages after.
        filtered: left out on purpose by a processor.
        sampled_out: left out by a sampler.
        merged: taken up into other events by an accumulator, or superseded by later
            ones before a sink could send them.
        delivered: a sink has delivered them.
        dropped: given up for lack of room or time, or refused, by reason.
        rejected: never to be taken, by reason.
        errored: failed and might succeed later, by reason.
        held: in queues, buffers and hands at this moment, counted by looking.
    """

    name: str
    kind: str
    received: int = 0
    created: int = 0
    copied: int = 0
    sent: int = 0
    filtered: int = 0
    sampled_out: int = 0
    merged: int = 0
    delivered: int = 0
    dropped: Reasons = field(factory=dict, converter=frozen_reasons)
    rejected: Reasons = field(factory=dict, converter=frozen_reasons)
    errored: Reasons = field(factory=dict, converter=frozen_reasons)
    held: int = 0

    @property
    def incoming(self) -> int:
        """Everything this stage must answer for."""
        return self.received + self.created + self.copied

    @property
    def accounted(self) -> int:
        """Everything it has an answer for."""
        left_out = self.filtered + self.sampled_out + self.merged
        return self.sent + left_out + self.delivered + self.lost + self.held

    @property
    def lost(self) -> int:
        """What was meant to arrive and did not."""
        return sum(
            sum(reasons.values())
            for reasons in (self.dropped, self.rejected, self.errored)
        )

    @property
    def balanced(self) -> bool:
        """Whether the books agree."""
        return self.incoming == self.accounted


@frozen
class Ledger:
    """Where every event of a pipeline went.

    Attributes:
        stages: the books of each stage, by its name, sources first.
    """

    stages: Mapping[str, StageLedger] = field(converter=frozen_stages)

    def __getitem__(self, name: str) -> StageLedger:
        return self.stages[name]

    @property
    def delivered(self) -> int:
        """Events that sinks delivered, copies counted."""
        return sum(stage.delivered for stage in self.stages.values())

    @property
    def held(self) -> int:
        """Events that are still on their way."""
        return sum(stage.held for stage in self.stages.values())

    @property
    def lost(self) -> int:
        """What was meant to arrive and did not: dropped, rejected and errored."""
        return sum(stage.lost for stage in self.stages.values())

    @property
    def losses(self) -> Mapping[str, Mapping[str, int]]:
        """The losses by stage, and by ``"dropped{reason}"`` and its like."""
        return MappingProxyType(
            {
                name: MappingProxyType(lost_by_reason(stage))
                for name, stage in self.stages.items()
                if stage.lost
            }
        )

    @property
    def balanced(self) -> bool:
        """Whether every stage's books agree, and what was sent was received."""
        stages = self.stages.values()
        sent = sum(stage.sent for stage in stages)
        received = sum(stage.received for stage in stages)
        return sent == received and all(stage.balanced for stage in stages)

    def __str__(self) -> str:
        lines = [describe(stage) for stage in self.stages.values()]
        verdict = "balanced" if self.balanced else "NOT BALANCED"
        held = f", {self.held} held" if self.held else ""
        lines.append(f"{self.delivered} delivered, {self.lost} lost{held}; {verdict}")
        return "\n".join(lines)


def lost_by_reason(stage: StageLedger) -> dict[str, int]:
    """``{"dropped{queue_full}": 3, ...}``."""
    return {
        f"{word}{{{reason}}}": count
        for word in ("dropped", "rejected", "errored")
        for reason, count in getattr(stage, word).items()
    }


def describe(stage: StageLedger) -> str:
    """One line of the printed ledger: the columns that are not zero."""
    words = [
        "received",
        "created",
        "copied",
        "sent",
        "filtered",
        "sampled_out",
        "merged",
        "delivered",
        "held",
    ]
    figures = [f"{w} {getattr(stage, w)}" for w in words if getattr(stage, w)]
    figures += [f"{word} {count}" for word, count in lost_by_reason(stage).items()]
    if not stage.balanced:
        figures.append(f"NOT BALANCED by {stage.incoming - stage.accounted}")
    return f"{stage.name} ({stage.kind}): {', '.join(figures) or 'nothing'}"
