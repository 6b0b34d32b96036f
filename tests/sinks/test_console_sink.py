from __future__ import annotations

import asyncio
import io
import json
import os

import pytest

from sluiceway.errors import ConfigurationError, PermanentError
from sluiceway.events import (
    Alert,
    AlertStatus,
    HealthCheck,
    HealthStatus,
    Histogram,
    LogRecord,
    MetricKind,
    MetricPoint,
    Span,
    SpanKind,
    StatusCode,
)
from sluiceway.sinks import ConsoleSink
from sluiceway.testing import check_sink, run

NOON = 1_700_000_000_123_456_789


def printed(*events, **settings):
    stream = io.StringIO()
    result = asyncio.run(run(ConsoleSink(stream=stream, **settings), events))
    return stream.getvalue().splitlines(), result


def test_each_kind_of_event_is_one_readable_line():
    lines, _ = printed(
        Span(
            name="GET /x",
            trace_id=b"\xab" * 16,
            span_id=b"\xcd" * 8,
            start_time_unix_nano=NOON,
            end_time_unix_nano=NOON + 12_345_678,
            kind=SpanKind.SERVER,
            status_code=StatusCode.ERROR,
            status_message="boom",
            attributes={"user": "ann lee", "ok": True},
        ),
        LogRecord(time_unix_nano=NOON, severity_text="ERROR", body="it broke"),
        MetricPoint(name="load", value=0.5, unit="1", time_unix_nano=NOON),
        Alert(name="Down", severity="critical", status=AlertStatus.RESOLVED),
        HealthCheck(name="db", status=HealthStatus.DEGRADED, duration=0.25),
    )
    span, *others = lines
    assert span == (
        '2023-11-14T22:13:20.123Z span "GET /x" 12.346ms SERVER ERROR boom '
        f'trace={"ab" * 16} span={"cd" * 8} user="ann lee" ok=True'
    )
    assert others == [
        '2023-11-14T22:13:20.123Z log ERROR "it broke"',
        "2023-11-14T22:13:20.123Z metric load 0.5 1",
        "alert RESOLVED critical Down",
        "health DEGRADED db 250.000ms",
    ]


def test_unknown_numbers_and_histograms_are_shown_too():
    lines, _ = printed(
        Span(name="s", trace_id=b"", span_id=b"", kind=77),
        MetricPoint(name="h", value=Histogram(count=2), kind=MetricKind.HISTOGRAM),
        LogRecord(body=b"\x01\xff", severity_number=9, trace_id=b"\x01"),
    )
    assert lines[0].startswith("span s 77")
    assert lines[1] == "metric h {'count': 2}"
    assert lines[2] == "log severity=9 01ff trace=01"


@pytest.mark.parametrize("form", ["line", "json"])
def test_an_event_cannot_break_its_line_or_command_the_terminal(form):
    nasty = "a\nb\r\x1b[31m\x9b\u202e\u2028"
    lines, _ = printed(LogRecord(body=nasty, attributes={nasty: nasty}), format=form)
    assert len(lines) == 1
    assert lines[0].isprintable()


def test_other_objects_say_what_they_are():
    lines, _ = printed({"a": 1}, "plain text", 5)
    assert lines == ["{'a': 1}", "plain text", "5"]


def test_json_lines_are_what_the_file_would_hold():
    lines, _ = printed(Alert(name="ü"), format="json")
    assert json.loads(lines[0]) == {"type": "alert", "name": "ü"}
    assert "ü" in lines[0]


def test_what_json_cannot_hold_is_rejected_by_index_and_the_rest_is_printed():
    lines, result = printed(Alert(name="a"), object(), Alert(name="b"), format="json")
    assert len(lines) == 2
    assert list(result.failures) == [1]
    assert result.failures[1].reason == "unencodable"


def test_an_object_whose_repr_fails_costs_itself_only():
    class Odd:
        def __repr__(self):
            raise ValueError("no")

    lines, result = printed(Odd(), "good")
    assert lines == ["good"]
    assert list(result.failures) == [0]


def test_without_a_stream_it_prints_to_what_stdout_is_then(capsys):
    asyncio.run(run(ConsoleSink(), ["hello"]))
    assert capsys.readouterr().out == "hello\n"


def test_what_the_streams_encoding_lacks_is_escaped():
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="ascii")
    asyncio.run(run(ConsoleSink(stream=stream), ["grün"]))
    assert raw.getvalue() == b"gr\\xfcn\n"
    stream.close()


def test_a_closed_stream_is_a_permanent_error():
    stream = io.StringIO()
    stream.close()
    result = asyncio.run(run(ConsoleSink(stream=stream), ["x"]))
    assert isinstance(result.error, PermanentError)
    assert result.error.reason == "closed_stream"


def test_a_terminal_that_stalls_does_not_stop_the_loop():
    read_end, write_end = os.pipe()

    async def main():
        writing = asyncio.create_task(sink.write(["x" * 1_000_000]))
        for _ in range(50):
            await asyncio.sleep(0)
        stalled = not writing.done()
        drained = 0
        while drained < 1_000_001:
            drained += len(await asyncio.to_thread(os.read, read_end, 1 << 20))
        await writing
        return stalled

    with os.fdopen(write_end, "w") as stream:
        sink = ConsoleSink(stream=stream)
        assert asyncio.run(main())
    os.close(read_end)


def test_an_unknown_format_is_refused_with_the_nearest_right_word():
    with pytest.raises(ConfigurationError, match="did you mean 'json'"):
        ConsoleSink(format="jsn")


@pytest.mark.parametrize("wrong", [None, ["json"], {}])
def test_what_is_no_format_is_refused_by_name(wrong):
    with pytest.raises(ConfigurationError, match=r"ConsoleSink\.format is"):
        ConsoleSink(format=wrong)


def test_it_conforms():
    check_sink(
        lambda: ConsoleSink(stream=io.StringIO(), name="out"),
        [Alert(name="a"), Alert(name="b")],
        arrived=lambda sink: [
            Alert(name=line.split()[-1])
            for line in sink._stream.getvalue().splitlines()
        ],
    )
