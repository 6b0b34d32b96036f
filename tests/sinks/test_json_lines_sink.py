from __future__ import annotations

import asyncio
import os
import subprocess
import sys

import pytest

from sluiceway.errors import (
    ConfigurationError,
    PermanentError,
    PipelineStateError,
    TransientError,
)
from sluiceway.events import Alert
from sluiceway.formats.json_events import decode_event
from sluiceway.settings import Queue
from sluiceway.sinks import JsonLinesSink
from sluiceway.sources import JsonLinesSource
from sluiceway.testing import check_sink, run, stage_context


def alerts(count):
    return [Alert(name=f"alert {number}") for number in range(count)]


def write(sink, *batches):
    async def main():
        await sink.open(stage_context())
        try:
            for batch in batches:
                await sink.write(batch)
        finally:
            await sink.close()

    asyncio.run(main())


def read(path):
    return [decode_event(line) for line in path.read_bytes().splitlines()]


def test_each_event_is_a_line_in_order(tmp_path):
    path = tmp_path / "out.jsonl"
    events = alerts(1000)
    write(JsonLinesSink(path), events[:600], events[600:])
    assert read(path) == events
    assert path.read_bytes().endswith(b"}\n")


def test_the_source_reads_what_the_sink_wrote(tmp_path):
    path = tmp_path / "out.jsonl"
    write(JsonLinesSink(str(path), fsync=True), alerts(3))
    assert asyncio.run(run(JsonLinesSource(path))).outputs == alerts(3)


def test_a_write_is_in_the_file_when_it_returns(tmp_path):
    path = tmp_path / "out.jsonl"

    async def main():
        sink = JsonLinesSink(path)
        await sink.open(stage_context())
        await sink.write(alerts(1))
        found = read(path)
        await sink.close()
        return found

    assert asyncio.run(main()) == alerts(1)


def test_by_default_it_appends_and_on_demand_it_starts_afresh(tmp_path):
    path = tmp_path / "out.jsonl"
    write(JsonLinesSink(path), alerts(2))
    write(JsonLinesSink(path), alerts(1))
    assert read(path) == [*alerts(2), *alerts(1)]
    write(JsonLinesSink(path, append=False), alerts(1), alerts(1))
    assert read(path) == [*alerts(1), *alerts(1)]


def test_a_line_that_a_crash_cut_off_does_not_spoil_the_next_one(tmp_path):
    path = tmp_path / "out.jsonl"
    path.write_bytes(b'{"type":"alert","na')
    write(JsonLinesSink(path), alerts(1))
    lines = path.read_bytes().splitlines()
    assert len(lines) == 2
    assert decode_event(lines[1]) == alerts(1)[0]


def test_events_that_json_cannot_hold_are_rejected_by_index(tmp_path):
    path = tmp_path / "out.jsonl"
    one, other = alerts(2)
    result = asyncio.run(run(JsonLinesSink(path), [one, object(), other]))
    assert result.outputs == [one, other]
    assert isinstance(result.failures[1], PermanentError)
    assert read(path) == [one, other]


def test_a_full_disk_is_a_transient_error():
    result = asyncio.run(run(JsonLinesSink("/dev/full"), alerts(2)))
    assert isinstance(result.error, TransientError)
    assert result.error.reason == "disk_full"


SMALL_FILE = """
import asyncio, resource, signal, sys
from sluiceway.events import Alert
from sluiceway.sinks import JsonLinesSink
from sluiceway.testing import stage_context

async def main():
    sink = JsonLinesSink(sys.argv[1])
    await sink.open(stage_context())
    await sink.write([Alert(name="first")])
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, resource.RLIM_INFINITY))
    try:
        await sink.write([Alert(name="x" * 50)] * 5)
    except Exception as error:
        print(type(error).__name__, error.reason)
    resource.setrlimit(resource.RLIMIT_FSIZE, (-1, -1))
    await sink.write([Alert(name="last")])
    await sink.close()

asyncio.run(main())
"""


def test_a_write_that_fails_half_way_leaves_nothing_behind(tmp_path):
    path = tmp_path / "out.jsonl"
    done = subprocess.run(
        [sys.executable, "-c", SMALL_FILE, str(path)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "PermanentError os_error\n"
    assert [event.name for event in read(path)] == ["first", "last"]


@pytest.mark.parametrize("place", [".", "no/such/folder/out.jsonl"])
def test_a_file_that_cannot_be_written_is_named_at_open(tmp_path, place):
    with pytest.raises(ConfigurationError, match=r"JsonLinesSink\.path is '.*tmp"):
        write(JsonLinesSink(tmp_path / place))


def test_writing_before_open_and_after_close_is_refused(tmp_path):
    sink = JsonLinesSink(tmp_path / "out.jsonl")

    async def main():
        with pytest.raises(PipelineStateError):
            await sink.write(alerts(1))

    asyncio.run(main())
    write(sink)
    asyncio.run(main())
    assert "closed" in repr(sink)


def test_a_slow_file_does_not_stop_the_loop_and_close_waits_for_it(tmp_path):
    path = tmp_path / "pipe"
    os.mkfifo(path)

    async def main():
        reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        sink = JsonLinesSink(path)
        await sink.open(stage_context())
        writing = asyncio.create_task(sink.write([Alert(name="x" * 500_000)]))
        await readable(reader)
        writing.cancel()
        await asyncio.wait({writing})
        closing = asyncio.create_task(sink.close())
        os.set_blocking(reader, True)
        drained = bytearray()
        while not drained.endswith(b"\n"):
            drained += await asyncio.to_thread(os.read, reader, 1 << 16)
        await closing
        os.close(reader)
        return decode_event(drained)

    assert asyncio.run(main()).name == "x" * 500_000


async def readable(descriptor):
    loop = asyncio.get_running_loop()
    ready = asyncio.Event()
    loop.add_reader(descriptor, ready.set)
    await ready.wait()
    loop.remove_reader(descriptor)


def test_its_settings_are_the_engines(tmp_path):
    sink = JsonLinesSink(tmp_path, name="file", queue=Queue(7), retry=None)
    assert (sink.name, sink.queue.capacity, sink.retry) == ("file", 7, None)
    assert JsonLinesSink(tmp_path).retry is not None


def test_it_conforms(tmp_path):
    paths = iter([tmp_path / "one", tmp_path / "two"])
    check_sink(
        lambda: JsonLinesSink(next(paths)),
        alerts(5),
        arrived=lambda sink: read(sink.path),
    )


@pytest.mark.parametrize("path", [5, None, b"x.jsonl", ["x.jsonl"], "x\0.jsonl"])
def test_what_is_no_path_is_refused_by_name(path):
    with pytest.raises(ConfigurationError) as caught:
        JsonLinesSink(path)
    words = f"JsonLinesSink.path is {path!r}; expected the path of a file"
    assert str(caught.value) == words
