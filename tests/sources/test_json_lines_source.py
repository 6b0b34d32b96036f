from __future__ import annotations

import asyncio
import logging

import pytest

from sluiceway.errors import ConfigurationError, PipelineStateError
from sluiceway.events import LogRecord
from sluiceway.formats.json_events import encode_event
from sluiceway.sources import JsonLinesSource
from sluiceway.testing import ManualClock, check_source, run, stage_context


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


def test_its_file_is_closed_again(tmp_path):
    path = write(tmp_path, b'{"a":1}')
    source = JsonLinesSource(path, decode="object")

    async def main():
        await source.open(stage_context())
        file = source._file
        await source.close()
        await source.close()
        return file.closed

    assert asyncio.run(main())


@pytest.mark.parametrize("path", [5, None, b"x.jsonl", ["x.jsonl"]])
def test_what_is_no_path_is_refused_by_name(path):
    with pytest.raises(ConfigurationError) as caught:
        JsonLinesSource(path)
    words = f"JsonLinesSource.path is {path!r}; expected the path of a file"
    assert str(caught.value) == words
