"""Samplers at the head that are foreign or answer something else than a bool."""

from __future__ import annotations

import pytest
from opentelemetry.sdk.trace import sampling

from sluiceway import ConfigurationError
from sluiceway.instrument import Telemetry
from sluiceway.samplers import ParentBasedSampler


class Answering:
    """A head sampler that gives one answer."""

    def __init__(self, answer):
        self.answer = answer

    def should_sample(self, trace_id, parent_context, name, attributes=None):
        return self.answer


class Unclear:
    """An answer that will not say what it means."""

    def __bool__(self):
        raise ValueError("ambiguous")


@pytest.mark.parametrize(
    "foreign",
    [
        sampling.ALWAYS_OFF,
        sampling.TraceIdRatioBased(0.5),
        sampling.ParentBased(sampling.ALWAYS_OFF),
        ParentBasedSampler(sampling.ALWAYS_OFF),
    ],
)
def test_a_sampler_of_the_sdk_is_refused(foreign):
    with pytest.raises(ConfigurationError, match=r"SDK.*sluiceway\.samplers"):
        Telemetry("shop", sampler=foreign)


@pytest.mark.parametrize(
    ("answer", "kept"),
    [(1, True), ("yes", True), (0, False), (None, True), (Unclear(), True)],
)
def test_an_answer_that_is_no_bool_is_said_once(answer, kept, caplog):
    tracer = Telemetry("shop", sampler=Answering(answer)).tracer("t")
    for _ in range(3):
        with tracer.span("s") as span:
            assert span.is_recording() is kept
    (said,) = [line for line in caplog.messages if "head sampler" in line]
    assert "expected True or False" in said


@pytest.mark.parametrize("answer", [True, False])
def test_of_a_bool_nothing_is_said(answer, caplog):
    tracer = Telemetry("shop", sampler=Answering(answer)).tracer("t")
    with tracer.span("s") as span:
        assert span.is_recording() is answer
    assert not caplog.messages
