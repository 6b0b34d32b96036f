"""ParentBasedSampler: who decides on a span depends on its parent.

Source: OpenTelemetry specification, ``trace/sdk.md`` (ParentBased).
"""

from __future__ import annotations

from typing import Any

from attrs import field, frozen

from .always import AlwaysOffSampler, AlwaysOnSampler
from .start import SpanStart


@frozen
class ParentBasedSampler:
    """Asks one of five samplers, by whether a span has a parent, and which one.

    Every other sampler that a ``Telemetry`` is given is the ``root`` of one of these:
    spans with a parent follow it. Each argument is a sampler that can decide at the
    head.

    Args:
        root: for spans that begin a trace.
        remote_parent_sampled: for those whose parent is in another process, sampled.
        remote_parent_not_sampled: the same, not sampled.
        local_parent_sampled: for those whose parent is in this process, sampled; what
            is not recorded then leaves a hole in its trace.
        local_parent_not_sampled: the same, not sampled.
    """

    root: Any = field(factory=AlwaysOnSampler)
    remote_parent_sampled: Any = field(factory=AlwaysOnSampler, kw_only=True)
    remote_parent_not_sampled: Any = field(factory=AlwaysOffSampler, kw_only=True)
    local_parent_sampled: Any = field(factory=AlwaysOnSampler, kw_only=True)
    local_parent_not_sampled: Any = field(factory=AlwaysOffSampler, kw_only=True)

    @classmethod
    def for_all(cls, sampler: Any) -> ParentBasedSampler:
        """One that asks ``sampler`` about every span and never follows a parent."""
        return cls(
            sampler,
            remote_parent_sampled=sampler,
            remote_parent_not_sampled=sampler,
            local_parent_sampled=sampler,
            local_parent_not_sampled=sampler,
        )

    @property
    def choices(self) -> tuple[Any, ...]:
        """The five samplers."""
        return (
            self.root,
            self.remote_parent_sampled,
            self.remote_parent_not_sampled,
            self.local_parent_sampled,
            self.local_parent_not_sampled,
        )

    @property
    def follows_parents(self) -> bool:
        """Whether every span with a parent does as the parent did."""
        return self == ParentBasedSampler(self.root)

    @property
    def follows_local_parents(self) -> bool:
        """Whether every span whose parent is in this process does as the parent did."""
        ours = self.local_parent_sampled, self.local_parent_not_sampled
        return ours == (AlwaysOnSampler(), AlwaysOffSampler())

    def choose(self, start: SpanStart) -> Any:
        """The sampler for a span with such a parent."""
        if not start.parent_id:
            return self.root
        if start.parent_is_remote:
            if start.parent_sampled:
                return self.remote_parent_sampled
            return self.remote_parent_not_sampled
        if start.parent_sampled:
            return self.local_parent_sampled
        return self.local_parent_not_sampled
