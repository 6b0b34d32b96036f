"""AlwaysOnSampler and AlwaysOffSampler: all or nothing, at the head."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attrs import frozen


@frozen
class AlwaysOnSampler:
    """Records every span that it is asked about."""

    def should_sample(
        self,
        trace_id: int,  # noqa: ARG002 - HeadSampler's
        parent_context: Any,  # noqa: ARG002
        name: str,  # noqa: ARG002
        attributes: Mapping[str, Any] | None = None,  # noqa: ARG002
    ) -> bool:
        """Yes."""
        return True


@frozen
class AlwaysOffSampler:
    """Records no span that it is asked about; its trace goes on, not sampled."""

    def should_sample(
        self,
        trace_id: int,  # noqa: ARG002 - HeadSampler's
        parent_context: Any,  # noqa: ARG002
        name: str,  # noqa: ARG002
        attributes: Mapping[str, Any] | None = None,  # noqa: ARG002
    ) -> bool:
        """No."""
        return False
