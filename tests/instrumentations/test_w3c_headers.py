"""A service with OpenTelemetry's instrumentations keeps the W3C's rules on the wire."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from instrumentations.w3c_cases import CASES, SPAN, TRACE
from programs import run_python

from sluiceway.formats.traceparent import parse_traceparent

PROGRAM = Path(__file__).with_name("w3c_service.py")


@pytest.fixture(scope="module")
def sent():
    return json.loads(run_python(str(PROGRAM)))["notes"]["sent"]


@pytest.mark.parametrize("case", CASES)
def test_what_comes_in_decides_what_goes_out(sent, case):
    _, goes_on, state = CASES[case]
    parents = [value for name, value in sent[case] if name == "traceparent"]
    states = [value for name, value in sent[case] if name == "tracestate"]
    (parent,) = parents
    trace_id, span_id, flags = parse_traceparent(parent)
    assert (trace_id == int(TRACE, 16)) is goes_on
    assert span_id != int(SPAN, 16)
    assert flags & 1
    assert states == ([] if state is None else [state])
