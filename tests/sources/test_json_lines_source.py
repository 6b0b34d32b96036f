from __future__ import annotations

import asyncio
import io
import logging
import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from threading import Event

import pytest
from waiting import until

from sluiceway import Pipeline
from sluiceway.errors import ConfigurationError, PipelineStateError
from sluiceway.events import LogRecord
from sluiceway.formats.json_events import encode_event
from sluiceway.sources import JsonLinesSource
from sluiceway.sources.json_lines import TOO_LONG, LineReader, open_on_thread
from sluiceway.testing import (
    CollectingSink,
    ManualClock,
    check_source,
    run,
    stage_context,
)


def write(tmp_path, *lines, end=b"\n"):
    path = tmp_path / "events.jsonl"
    path.write_bytes(b"\n".join(lines) + end)
    return path


def read(source, clock=None):
    return asyncio.run(run(source, clock=clock or ManualClock()))


def test_events_are_read_back_in_order(tmp_path):
    events = [LogRecord(body=f"line {n}", trace_id=b"t" * 16) for n in range(1200)]
    path = write(tmp_path, *map(encode_event, events))
    assert read(JsonLinesSource(path)).outputs == events


def test_plain_objects_are_read_as_dicts(tmp_path):
    path = write(tmp_path, b'{"a": 1}', b"", b'{"b": [2]}', end=b"")
    result = read(JsonLinesSource(str(path), decode="object"))
    assert result.outputs == [{"a": 1}, {"b": [2]}]


@pytest.mark.parametrize(
    "line",
    [
        b'{"a": 1',
        b"nonsense",
        b"[1]",
        b"null",
        b"\xff\xfe",
        b'{"a":' * 5000,
        b'{"a":"' + b"x" * 2000 + b'"}',
    ],
)
def test_a_malformed_line_is_counted_and_does_not_stop_the_others(tmp_path, line):
    path = write(tmp_path, b'{"a":1}', line, b'{"b":2}')
    source = JsonLinesSource(path, decode="object", max_line_bytes=1000)
    assert read(source).outputs == [{"a": 1}, {"b": 2}]
    assert source.refused() == {"malformed": 1}


def test_an_event_of_unknown_type_is_malformed(tmp_path):
    path = write(tmp_path, b'{"type":"spam"}', b'{"type":"log_record","body":"x"}')
    source = JsonLinesSource(path)
    assert read(source).outputs == [LogRecord(body="x")]
    assert source.refused() == {"malformed": 1}


def test_malformed_lines_are_logged_at_most_every_ten_seconds(tmp_path, caplog):
    path = write(tmp_path, b'{"a":1}', *[b"bad"] * 1000)
    with caplog.at_level(logging.WARNING):
        read(JsonLinesSource(path, decode="object", name="file"))
    texts = [entry.getMessage() for entry in caplog.records]
    assert len(texts) == 2
    assert "line 2" in texts[0]
    assert "999 malformed lines" in texts[1]


def test_a_missing_file_is_named_at_open(tmp_path):
    with pytest.raises(ConfigurationError, match=r"nowhere\.jsonl.*No such file"):
        read(JsonLinesSource(tmp_path / "nowhere.jsonl"))


def test_a_folder_is_no_file(tmp_path):
    with pytest.raises(ConfigurationError, match="Is a directory"):
        read(JsonLinesSource(tmp_path))


def test_running_before_open_is_refused(tmp_path):
    async def main():
        with pytest.raises(PipelineStateError):
            await JsonLinesSource(tmp_path).run(None)

    asyncio.run(main())
    assert JsonLinesSource(tmp_path).refused() == {}


def test_a_wrong_decode_is_refused_with_the_nearest_right_word(tmp_path):
    with pytest.raises(ConfigurationError, match="did you mean 'event'"):
        JsonLinesSource(tmp_path, decode="events")


def test_a_large_file_is_read_while_the_loop_goes_on(tmp_path):
    path = write(tmp_path, *[b'{"a":1}'] * 200_000)

    async def main():
        turns = 0

        async def heartbeat():
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        beating = asyncio.create_task(heartbeat())
        result = await run(JsonLinesSource(path, decode="object"))
        beating.cancel()
        await asyncio.wait({beating})
        return len(result.outputs), turns

    count, turns = asyncio.run(main())
    assert count == 200_000
    assert turns > 100


def test_it_conforms(tmp_path):
    path = write(tmp_path, b'{"a":1}', b"bad", b'{"b":2}')
    check_source(lambda: JsonLinesSource(path, decode="object"), [{"a": 1}, {"b": 2}])


def open_files_of(path):
    """How many descriptors of this process stand for the file."""
    count = 0
    for each in Path("/proc/self/fd").iterdir():
        with suppress(OSError):  # the folder's own is gone by now
            count += each.readlink() == path
    return count


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="no /proc")
def test_its_file_is_closed_again(tmp_path):
    path = write(tmp_path, b'{"a":1}')
    source = JsonLinesSource(path, decode="object")

    async def main():
        await source.open(stage_context())
        assert open_files_of(path) == 1
        await source.close()
        await source.close()
        assert open_files_of(path) == 0

    asyncio.run(main())


def test_a_byte_order_mark_at_the_beginning_is_passed_over(tmp_path):
    path = write(tmp_path, b'\xef\xbb\xbf{"a":1}', b'{"a":2}')
    result = read(JsonLinesSource(path, decode="object"))
    assert result.outputs == [{"a": 1}, {"a": 2}]


class InPieces(io.BytesIO):
    """A file that gives so many bytes at most."""

    def __init__(self, data, most):
        super().__init__(data)
        self.most = most

    def read(self, size=-1):
        return super().read(self.most)


@pytest.mark.parametrize("longest", [10, 20])
@pytest.mark.parametrize("end", [b"\n", b""])
@pytest.mark.parametrize("most", [1, 2, 3, 7, 11, 100])
def test_lines_and_pieces_need_not_end_together(most, end, longest):
    lines = [b'{"a":%d}' % 10**n for n in range(8)]
    reader = LineReader(InPieces(b"\n".join(lines) + end, most), longest)
    read = [line for piece in iter(reader.read, []) for line in piece]
    assert read == [line if len(line) <= longest else TOO_LONG for line in lines]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes")
def test_the_lines_of_a_pipe_come_at_once_and_a_stop_waits_for_no_more(tmp_path):
    path = tmp_path / "pipe"
    os.mkfifo(path)

    async def main():
        end = CollectingSink()
        pipeline = Pipeline(JsonLinesSource(path, decode="object") >> end)
        starting = asyncio.create_task(pipeline.start())
        with await asyncio.to_thread(path.open, "wb", buffering=0) as writer:
            await starting
            writer.write(b'{"a":1}\n{"a"')
            await end.wait_for(1)
            writer.write(b":2}\n")
            await end.wait_for(2)
            report = await pipeline.stop()
        assert report.drained
        assert end.events == [{"a": 1}, {"a": 2}]
        assert pipeline.ledger().balanced

    asyncio.run(main())


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes")
def test_a_pipe_that_nobody_writes_yet_holds_up_neither_a_start_nor_a_stop(tmp_path):
    def reading(path):
        os.mkfifo(path)
        end = CollectingSink()
        return end, Pipeline(JsonLinesSource(path, decode="object") >> end)

    async def main():
        _, pipeline = reading(tmp_path / "never")
        await pipeline.start()
        report = await pipeline.stop()
        assert report.drained
        end, pipeline = reading(tmp_path / "later")
        async with pipeline:
            await asyncio.to_thread((tmp_path / "later").write_bytes, b'{"a":1}\n')
            await end.wait_for(1)
        assert end.events == [{"a": 1}]
        assert pipeline.ledger().balanced

    asyncio.run(main())


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes")
def test_a_pipe_that_nobody_writes_keeps_no_program_from_ending(tmp_path):
    path = tmp_path / "pipe"
    os.mkfifo(path)
    program = f"""
import asyncio
from sluiceway import Pipeline, PipelineStateError
from sluiceway.sources import JsonLinesSource
from sluiceway.sources.json_lines import TOO_LONG, LineReader, open_on_thread
from sluiceway.testing import CollectingSink

async def main():
    pipeline = Pipeline(JsonLinesSource({str(path)!r}) >> CollectingSink())
    starting = asyncio.create_task(pipeline.start())
    await asyncio.sleep(0)
    await pipeline.abort()
    try:
        await starting
    except PipelineStateError:
        print("stopped")

asyncio.run(main())
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, timeout=20, check=False
    )
    assert done.stdout == b"stopped\n", done.stderr
    assert done.returncode == 0


@pytest.mark.parametrize("path", [5, None, b"x.jsonl", ["x.jsonl"], "x\0.jsonl"])
def test_what_is_no_path_is_refused_by_name(path):
    with pytest.raises(ConfigurationError) as caught:
        JsonLinesSource(path)
    words = f"JsonLinesSource.path is {path!r}; expected the path of a file"
    assert str(caught.value) == words


def test_a_file_that_opens_after_the_loop_has_ended_is_closed_again():
    asked, release, closed = Event(), Event(), Event()

    class Opened:
        def close(self):
            closed.set()

    def opener():
        asked.set()
        release.wait(10)
        return Opened()

    async def main():
        opening = asyncio.create_task(open_on_thread(opener))
        await until(asked.is_set)
        opening.cancel()
        await asyncio.wait({opening})
        assert len(asyncio.all_tasks()) == 1

    asyncio.run(main())
    release.set()
    assert closed.wait(10)
