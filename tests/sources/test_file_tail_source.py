"""Files are followed as they are written, rotated, truncated and left for a while."""

from __future__ import annotations

import asyncio
import json
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sources.tailing import Tail, append, on_a_loop

from sluiceway import (
    ConfigurationError,
    PermanentError,
    Pipeline,
    Retry,
    TransientError,
    sink,
)
from sluiceway.sources import FileTailSource
from sluiceway.sources.tail_files import FollowedFiles
from sluiceway.sources.tail_lines import LineCutter
from sluiceway.testing import CollectingSink, HangingSink, ManualClock, check_source


@pytest.fixture
def log(tmp_path):
    path = tmp_path / "app.log"
    append(path, "before\n")
    return path


@on_a_loop
async def test_what_is_written_from_now_on_is_sent_line_by_line(log):
    async with Tail(log) as tail:
        assert await tail.lines() == []
        append(log, "one\ntwo\n\r\n\nthree\r\nfo")
        assert await tail.lines() == ["one", "two", "three"]
        append(log, "ur")
        assert await tail.lines() == []
        append(log, "\n")
        assert await tail.lines() == ["four"]


@on_a_loop
async def test_the_beginning_can_be_asked_for(log):
    async with Tail(log, start="beginning") as tail:
        assert await tail.lines() == ["before"]


@on_a_loop
async def test_a_record_tells_its_file_and_when_it_was_seen(log):
    clock = ManualClock()
    async with Tail(log, start="beginning", clock=clock) as tail:
        await tail.pipeline.flush()
        (record,) = tail.sink.events
    assert record.attributes == {"log.file.path": str(log), "log.file.name": "app.log"}
    assert record.observed_time_unix_nano == clock.time_ns()


@on_a_loop
async def test_a_file_that_comes_later_is_read_from_its_beginning(tmp_path):
    async with Tail(tmp_path / "*.log", tmp_path / "**/deep.txt") as tail:
        append(tmp_path / "new.log", "one\n")
        (tmp_path / "sub").mkdir()
        append(tmp_path / "sub" / "deep.txt", "two\n")
        append(tmp_path / "other.txt", "never\n")
        assert await tail.lines() == ["one", "two"]


@on_a_loop
async def test_what_is_excluded_is_not_followed(tmp_path):
    async with Tail(tmp_path / "*", exclude=["*.gz"]) as tail:
        append(tmp_path / "a.gz", "never\n")
        append(tmp_path / "a.log", "one\n")
        assert await tail.lines() == ["one"]


@on_a_loop
async def test_what_is_no_file_is_passed_over(tmp_path, log):
    (tmp_path / "folder.log").mkdir()
    os.mkfifo(tmp_path / "pipe.log")
    (tmp_path / "nowhere.log").symlink_to(tmp_path / "none")
    async with Tail(tmp_path / "*.log") as tail:
        append(log, "one\n")
        assert await tail.lines() == ["one"]


@on_a_loop
async def test_a_rotation_by_rename_loses_and_repeats_nothing(tmp_path, log):
    async with Tail(log) as tail:
        append(log, "one\n")
        assert await tail.lines() == ["one"]
        append(log, "two\n")
        log.rename(tmp_path / "app.log.1")
        append(log, "three\n")
        append(tmp_path / "app.log.1", "late\n")
        assert await tail.lines() == ["two", "late", "three"]
        append(tmp_path / "app.log.1", "later\n")
        append(log, "four\n")
        assert await tail.lines() == ["later", "four"]


@on_a_loop
async def test_a_rotation_into_a_name_that_is_followed_too_repeats_nothing(
    tmp_path, log
):
    async with Tail(tmp_path / "app.log*") as tail:
        append(log, "one\n")
        assert await tail.lines() == ["one"]
        log.rename(tmp_path / "app.log.1")
        append(log, "two\n")
        assert await tail.lines() == ["two"]


@on_a_loop
async def test_a_rotated_file_is_let_go_once_it_is_quiet_with_its_last_line(
    tmp_path, log
):
    clock = ManualClock()
    async with Tail(log, clock=clock, rotate_wait=5) as tail:
        append(log, "one\nwithout an end")
        old = log.rename(tmp_path / "app.log.1")
        assert await tail.lines() == ["one"]
        await clock.advance(4)
        append(old, ", or with one\nlast")
        assert await tail.lines() == ["without an end, or with one"]
        await clock.advance(5)
        assert await tail.lines() == ["last"]
        append(old, " never\n")
        assert await tail.lines() == []


@on_a_loop
async def test_a_deleted_file_is_read_to_its_end(log):
    async with Tail(log) as tail:
        append(log, "one\n")
        with log.open("a") as still_open:
            log.unlink()
            still_open.write("two\n")
        assert await tail.lines() == ["one", "two"]


@on_a_loop
async def test_a_truncated_file_begins_anew(log):
    async with Tail(log) as tail:
        append(log, "one\ntwo\n")
        assert await tail.lines() == ["one", "two"]
        os.truncate(log, 0)
        append(log, "three\n")
        assert await tail.lines() == ["three"]


@on_a_loop
async def test_a_file_that_was_truncated_and_has_grown_beyond_begins_anew(log):
    async with Tail(log) as tail:
        append(log, "one\n")
        assert await tail.lines() == ["one"]
        os.truncate(log, 0)
        append(log, "a longer beginning than it had before\nand more\n")
        assert await tail.lines() == [
            "a longer beginning than it had before",
            "and more",
        ]


@on_a_loop
async def test_a_copy_and_truncate_rotation_sends_each_line_once(tmp_path, log):
    async with Tail(log) as tail:
        append(log, "one\n")
        assert await tail.lines() == ["one"]
        (tmp_path / "app.log.1").write_bytes(log.read_bytes())
        os.truncate(log, 0)
        assert await tail.lines() == []
        append(log, "two\n")
        assert await tail.lines() == ["two"]


@on_a_loop
async def test_a_line_that_is_too_long_comes_in_pieces_and_nothing_is_held(log):
    async with Tail(log, max_line_bytes=10) as tail:
        append(log, "x" * 25 + "é" * 4 + "\nshort\n")
        lines = await tail.lines()
    assert "".join(lines) == "x" * 25 + "é" * 4 + "short"
    assert all(len(line.encode()) <= 10 for line in lines)
    assert "\ufffd" not in "".join(lines)


@on_a_loop
async def test_an_endless_line_is_sent_before_it_ends(log):
    async with Tail(log, max_line_bytes=1000) as tail:
        append(log, "x" * 2500)
        assert await tail.lines() == ["x" * 1000, "x" * 1000]
        append(log, "y\n")
        assert await tail.lines() == ["x" * 500 + "y"]


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32-le", "latin-1"])
@on_a_loop
async def test_other_encodings_are_read(tmp_path, encoding):
    path = tmp_path / "app.log"
    text = "Ċ one\nzwei é\n" if encoding != "latin-1" else "one\nzwei é\n"
    path.write_bytes(text.encode(encoding))
    async with Tail(path, start="beginning", encoding=encoding) as tail:
        assert await tail.lines() == text.splitlines()


@on_a_loop
async def test_wrong_bytes_cost_themselves_only(tmp_path):
    path = tmp_path / "app.log"
    path.write_bytes(b"\xef\xbb\xbfone\nt\xff\xfewo\nthree\x00\n")
    async with Tail(path, start="beginning") as tail:
        assert await tail.lines() == ["one", "t\ufffd\ufffdwo", "three\x00"]


@on_a_loop
async def test_json_lines_become_objects_and_malformed_ones_are_booked(log):
    async with Tail(log, decode="object") as tail:
        append(log, '{"a": 1}\nno json\n[]\n{"b": 2}\n')
        assert await tail.lines() == [{"a": 1}, {"b": 2}]
        stages = tail.pipeline.ledger().stages
    assert stages["file_tail_source"].dropped == {"malformed": 2}


def test_a_file_that_is_truncated_in_the_middle_of_a_look_is_left_to_the_next(log):
    files = FollowedFiles([str(log)], [], LineCutter("utf-8", 1000), 5.0)
    try:
        files.begin(None, at_end=True)
        append(log, "one\n")
        files.look(1.0)
        os.truncate(log, 0)
        append(log, "a longer beginning than it had before\n")
        assert files.read(1.0) == []
        files.look(2.0)
        (found,) = files.read(2.0)
        assert found.lines == ["a longer beginning than it had before"]
    finally:
        files.close()


TEXTS = st.text(alphabet="ab\n\ré€😀", max_size=40)


@given(
    TEXTS,
    st.lists(st.integers(1, 30), max_size=10),
    st.integers(4, 12),
    st.sampled_from(["utf-8", "utf-16-le", "utf-32-be"]),
)
def test_however_a_text_is_written_its_lines_are_the_same(text, steps, longest, code):
    cutter = LineCutter(code, longest)
    data, lines, at, seen = text.encode(code), [], 0, 0
    for step in [*steps, len(data)]:
        seen = min(len(data), seen + step)
        found, used = cutter.cut(data[at:seen], last=seen == len(data))
        lines += found
        at += used
        assert seen - at <= cutter.longest or seen == len(data)
    assert at == len(data)
    joined = "".join(lines).replace("\r", "")
    assert joined == text.replace("\n", "").replace("\r", "")
    assert all(len(line.encode(code)) <= cutter.longest for line in lines)


# Restarts.


@pytest.fixture
def place(tmp_path):
    return tmp_path / "state.json"


@on_a_loop
async def test_a_restart_goes_on_where_it_was(tmp_path, log, place):
    async with Tail(log, checkpoint=place) as tail:
        append(log, "one\nhal")
        assert await tail.lines() == ["one"]
    append(log, "f\ntwo\n")
    append(tmp_path / "new.log", "three\n")
    async with Tail(log, tmp_path / "new.log", checkpoint=place) as tail:
        assert await tail.lines() == ["half", "two", "three"]
    async with Tail(log, tmp_path / "new.log", checkpoint=place) as tail:
        assert await tail.lines() == []


@on_a_loop
async def test_a_first_start_is_remembered_even_if_nothing_comes(log, place):
    async with Tail(log, checkpoint=place):
        pass
    append(log, "one\n")
    async with Tail(log, checkpoint=place) as tail:
        assert await tail.lines() == ["one"]


@on_a_loop
async def test_a_second_run_of_one_pipeline_goes_on_without_a_checkpoint(log):
    tail = Tail(log)
    async with tail:
        pass
    append(log, "one\n")
    async with tail:
        assert await tail.lines() == ["one"]


@on_a_loop
async def test_rotations_while_nobody_reads_lose_nothing(tmp_path, log, place):
    async with Tail(log, checkpoint=place) as tail:
        append(log, "one\n")
        assert await tail.lines() == ["one"]
    append(log, "two\n")
    log.rename(tmp_path / "app.log.1")
    append(log, "three\n")
    async with Tail(log, checkpoint=place) as tail:
        assert sorted(await tail.lines()) == ["three", "two"]


@on_a_loop
async def test_a_truncation_while_nobody_reads_is_seen(log, place):
    async with Tail(log, checkpoint=place) as tail:
        append(log, "one\n")
        assert await tail.lines() == ["one"]
    os.truncate(log, 0)
    append(log, "a longer beginning than it had before\n")
    async with Tail(log, checkpoint=place) as tail:
        assert await tail.lines() == ["a longer beginning than it had before"]


@on_a_loop
async def test_what_a_cut_off_drain_has_left_is_read_again(log, place):
    hanging = HangingSink()
    tail = Tail(log, checkpoint=place, sink=hanging)
    await tail.pipeline.start()
    append(log, "one\ntwo\n")
    await tail.source.flush()
    await tail.pipeline.stop(timeout=0.05)
    async with Tail(log, checkpoint=place) as tail:
        assert await tail.lines() == ["one", "two"]


@on_a_loop
async def test_what_a_receiver_could_not_take_at_the_end_is_read_again(log, place):
    @sink(retry=Retry(initial=1000, deadline=1000))
    async def down(events):
        raise TransientError("down")

    tail = Tail(log, checkpoint=place, sink=down)
    await tail.pipeline.start()
    append(log, "one\n")
    await tail.source.flush()
    await tail.pipeline.stop(timeout=0.5)
    async with Tail(log, checkpoint=place) as tail:
        assert await tail.lines() == ["one"]


@on_a_loop
async def test_what_was_rejected_is_not_read_again(log, place):
    @sink
    async def never(events):
        raise PermanentError("never")

    async with Tail(log, checkpoint=place, sink=never):
        append(log, "one\n")
    async with Tail(log, checkpoint=place) as tail:
        assert await tail.lines() == []


@pytest.mark.parametrize("content", ["", "{}", "[1]", '{"version": 1, "files": [{}]}'])
@on_a_loop
async def test_a_checkpoint_that_is_none_is_refused_and_kept(log, place, content):
    place.write_text(content)
    with pytest.raises(ConfigurationError, match="FileTailSource has written, or no"):
        await Tail(log, checkpoint=place).pipeline.start()
    assert place.read_text() == content


@on_a_loop
async def test_a_checkpoint_that_cannot_be_written_is_refused_at_the_start(log):
    with pytest.raises(ConfigurationError, match="expected a file that can be written"):
        await Tail(log, checkpoint="/no/folder/state.json").pipeline.start()


@on_a_loop
async def test_a_checkpoint_holds_only_places_and_is_replaced_as_a_whole(log, place):
    async with Tail(log, checkpoint=place) as tail:
        append(log, "secret words\n")
        await tail.lines()
    (entry,) = json.loads(place.read_text())["files"]
    assert (entry["path"], entry["offset"]) == (str(log), log.stat().st_size)
    assert "secret" not in place.read_text()
    assert {path.name for path in log.parent.iterdir()} == {"app.log", "state.json"}


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"paths": []}, "paths is []; expected paths or patterns"),
        ({"paths": 3}, "paths is 3; expected"),
        ({"paths": [3]}, "paths is 3; expected the path"),
        ({"paths": "x", "start": "begining"}, "did you mean 'beginning'?"),
        ({"paths": "x", "decode": "json"}, "decode is 'json'; expected 'text' or"),
        ({"paths": "x", "encoding": "utf-99"}, "encoding is 'utf-99'; expected an"),
        ({"paths": "x", "encoding": "utf-16"}, "expected 'utf-16-le' or 'utf-16-be'"),
        ({"paths": "x", "interval": 0}, "interval is 0; expected a number from"),
        ({"paths": "x", "batch_size": 0}, "batch_size is 0; expected a whole number"),
        ({"paths": "x", "max_line_bytes": 1.5}, "max_line_bytes is 1.5; expected"),
    ],
)
def test_settings_that_cannot_mean_anything_are_refused(settings, told):
    with pytest.raises(ConfigurationError) as caught:
        FileTailSource(**settings)
    assert told in str(caught.value)


@on_a_loop
async def test_looks_follow_the_interval(log):
    clock = ManualClock()
    collected = CollectingSink()
    source = FileTailSource(log, interval=0.5)
    async with Pipeline(source >> collected, clock=clock):
        append(log, "one\n")
        async with asyncio.timeout(20):
            while not collected.events:
                await clock.advance(0.5)
    assert [event.body for event in collected.events] == ["one"]


def test_it_keeps_the_rules_of_a_source(log):
    check_source(lambda: FileTailSource(log, start="beginning", interval=0.01))
