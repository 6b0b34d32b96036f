"""Many files, files that are away for a while, and what a tail shares with others."""

from __future__ import annotations

import asyncio
import json
import os
import resource
import time
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sources.tailing import Tail, append, on_a_loop

from sluiceway import ConfigurationError, Pipeline, merge
from sluiceway.sources import FileTailSource
from sluiceway.sources.tail_files import FollowedFiles
from sluiceway.sources.tail_lines import LineCutter
from sluiceway.sources.tail_places import Place
from sluiceway.testing import CollectingSink


def files_open_in(folder):
    """The names of the folder's files that this process has open."""
    names = set()
    for entry in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):  # the listing's own
            path = entry.readlink()
            if path.parent == folder:
                names.add(path.name)
    return names


@pytest.fixture
def logs(tmp_path):
    folder = tmp_path / "logs"
    folder.mkdir()
    for number in range(30):
        append(folder / f"{number:02}.log", f"first of {number}\n")
    return folder


@on_a_loop
async def test_of_many_files_few_are_open_and_all_are_read(logs):
    async with Tail(logs / "*.log", start="beginning", max_open=5) as tail:
        assert sorted(await tail.lines()) == sorted(
            f"first of {number}" for number in range(30)
        )
        assert len(files_open_in(logs)) <= 5
        for number in range(0, 30, 3):
            append(logs / f"{number:02}.log", f"second of {number}\n")
        assert sorted(await tail.lines()) == sorted(
            f"second of {number}" for number in range(0, 30, 3)
        )
        assert len(files_open_in(logs)) <= 5
        assert await tail.lines() == []
    assert files_open_in(logs) == set()


@on_a_loop
async def test_more_files_than_a_process_may_open_leave_it_half_of_them(logs):
    most, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (60, hard))
    try:
        tail = Tail(logs / "*.log", start="beginning")
        for number in range(30, 90):
            append(logs / f"{number}.log", f"first of {number}\n")
        async with tail:
            assert len(await tail.lines()) == 90
            assert len(files_open_in(logs)) <= 30
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


@on_a_loop
async def test_a_file_that_is_closed_meanwhile_is_truncated_and_begins_anew(logs):
    async with Tail(logs / "*.log", max_open=1) as tail:
        assert await tail.lines() == []
        for name in ("03.log", "07.log"):
            os.truncate(logs / name, 0)
            append(logs / name, f"a longer beginning of {name} than it had before\n")
        os.truncate(logs / "05.log", 0)
        append(logs / "05.log", "short\n")
        assert sorted(await tail.lines()) == [
            "a longer beginning of 03.log than it had before",
            "a longer beginning of 07.log than it had before",
            "short",
        ]


@pytest.mark.parametrize("most", [1, None])
@on_a_loop
async def test_a_file_that_is_written_anew_at_the_same_length_is_read(logs, most):
    async with Tail(logs / "*.log", max_open=most) as tail:
        assert await tail.lines() == []
        for number in (3, 7):
            size = (logs / f"0{number}.log").stat().st_size
            (logs / f"0{number}.log").write_text(
                f"again {number}".ljust(size - 1) + "\n"
            )
        found = sorted(line.strip() for line in await tail.lines())
        assert found == ["again 3", "again 7"]
        assert await tail.lines() == []


@on_a_loop
async def test_a_file_that_is_closed_meanwhile_is_renamed_and_read_to_its_end(logs):
    async with Tail(logs / "*.log", max_open=2) as tail:
        assert await tail.lines() == []
        append(logs / "03.log", "last of 3\n")
        (logs / "03.log").rename(logs / "03.old")
        append(logs / "03.log", "first of the next\n")
        assert sorted(await tail.lines()) == ["first of the next", "last of 3"]


@on_a_loop
async def test_a_file_that_is_closed_meanwhile_and_deleted_is_forgotten(logs, tmp_path):
    place = tmp_path / "places"
    async with Tail(logs / "*.log", max_open=2, checkpoint=place) as tail:
        for path in logs.iterdir():
            path.unlink()
        assert await tail.lines() == []
        await tail.clock.advance(10)  # the two that are open are let go, and make room
        assert await tail.lines() == []
        assert await tail.lines() == []
    assert json.loads(place.read_text())["files"] == []


@on_a_loop
async def test_a_file_that_is_away_for_a_run_is_not_read_again(tmp_path):
    log, place, away = tmp_path / "app.log", tmp_path / "places", tmp_path / "away"
    away.mkdir()
    append(log, "one\n")
    options = {"start": "beginning", "checkpoint": place}
    async with Tail(log, **options) as tail:
        assert await tail.lines() == ["one"]
    log.rename(away / "app.log")
    async with Tail(log, **options) as tail:
        assert await tail.lines() == []
    (away / "app.log").rename(log)
    append(log, "two\n")
    async with Tail(log, **options) as tail:
        assert await tail.lines() == ["two"]


@on_a_loop
async def test_a_file_that_comes_back_goes_on_where_it_was_read_to(tmp_path):
    log, away = tmp_path / "app.log", tmp_path / "away"
    away.mkdir()
    append(log, "one\n")
    async with Tail(log, start="beginning", rotate_wait=5) as tail:
        assert await tail.lines() == ["one"]
        log.rename(away / "app.log")
        assert await tail.lines() == []
        await tail.clock.advance(6)
        assert await tail.lines() == []
        assert files_open_in(tmp_path) == set()
        (away / "app.log").rename(log)
        append(log, "two\n")
        assert await tail.lines() == ["two"]


@on_a_loop
async def test_a_deleted_file_that_is_written_anew_is_read(tmp_path):
    log = tmp_path / "app.log"
    append(log, "one\n")
    async with Tail(log, start="beginning", rotate_wait=5) as tail:
        assert await tail.lines() == ["one"]
        log.unlink()
        assert await tail.lines() == []
        await tail.clock.advance(6)
        assert await tail.lines() == []
        append(log, "one\n")  # the same words, and often the same inode
        assert await tail.lines() == ["one"]


def test_a_folder_is_listed_once_for_all_files_that_are_missing(logs, tmp_path):
    """As often as there are files it would take minutes; here, seconds."""
    for number in range(3000):
        append(logs / f"other{number}", "")
    missing = [Place(str(logs / f"{n}.txt"), 1, 10**9 + n, 5, "x") for n in range(3000)]
    files = FollowedFiles([str(logs / "*.log")], [], LineCutter("utf-8", 1000), 5.0)
    begun = time.process_time()
    try:
        assert len(files.begin(missing, at_end=True)) == 30
    finally:
        files.close()
    assert time.process_time() - begun < 5


def test_a_reading_is_bounded_however_many_files_have_more(logs):
    for path in logs.iterdir():
        append(path, ("x" * 99 + "\n") * 3_000)
    files = FollowedFiles([str(logs / "*.log")], [], LineCutter("utf-8", 1000), 5.0)
    try:
        files.begin(None, at_end=False)
        files.look(1.0)
        readings = [*iter(lambda: files.read(1.0), [])]
    finally:
        files.close()
    sizes = [sum(len(line) for f in found for line in f.lines) for found in readings]
    assert max(sizes) < 2_000_000
    assert sum(len(f.lines) for found in readings for f in found) == 30 * 3_001


@on_a_loop
async def test_a_million_short_lines_let_others_have_their_turn(tmp_path):
    log = tmp_path / "app.log"
    append(log, "a\n" * 200_000)
    turns = 0

    async def count():
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    async with Tail(log, start="beginning") as tail:
        other = asyncio.create_task(count())
        assert len(await tail.lines()) == 200_000
        other.cancel()
    assert turns > 100


@on_a_loop
async def test_a_checkpoint_has_one_source(tmp_path):
    append(tmp_path / "a.log", "one\n")
    append(tmp_path / "b.log", "two\n")
    place = tmp_path / "places"
    first, second = (
        FileTailSource(str(tmp_path / name), checkpoint=place, name=name[0])
        for name in ("a.log", "b.log")
    )
    pipeline = Pipeline(merge(first, second) >> CollectingSink())
    with pytest.raises(ConfigurationError, match="which another FileTailSource writes"):
        await pipeline.start()
    async with Tail(tmp_path / "a.log", checkpoint=place, start="beginning") as tail:
        assert await tail.lines() == ["one"]
    async with Tail(tmp_path / "a.log", checkpoint=place) as tail:
        assert await tail.lines() == []


@on_a_loop
async def test_a_checkpoint_that_is_no_file_is_refused(tmp_path):
    with pytest.raises(ConfigurationError, match="FileTailSource has written, or no"):
        await Tail(tmp_path / "a.log", checkpoint="/dev/zero").pipeline.start()


@pytest.mark.parametrize(
    ("given_settings", "told"),
    [
        ({"exclude": "*.gz"}, "exclude is '*.gz'; expected paths or patterns"),
        ({"exclude": [3]}, "exclude is 3; expected the path of a file"),
        ({"max_open": 0}, "max_open is 0; expected a whole number from 1"),
        ({"paths": []}, "paths is []; expected paths or patterns"),
    ],
)
def test_settings_that_would_follow_nothing_are_refused(given_settings, told):
    with pytest.raises(ConfigurationError) as caught:
        FileTailSource(**{"paths": "x", **given_settings})
    assert told in str(caught.value)


class Shift:
    """A folder of logs, what happens to it, and what was written and read of it."""

    def __init__(self, folder, max_open):
        self.folder = folder
        self.options = {
            "start": "beginning",
            "checkpoint": folder / "places",
            "max_open": max_open,
        }
        self.written, self.read, self.renamed = [], [], 0
        self.known = set()  # the inodes that a look has seen

    async def work(self, steps):
        """Take the steps, and look until nothing more can come."""
        await self.start()
        for what, name in steps:
            await getattr(self, what)(self.folder / f"{name}.log")
        for _ in range(4):
            await self.wait(None)
        await self.stop()

    async def start(self):
        self.see()
        self.tail = Tail(self.folder / "*.log", **self.options)
        await self.tail.__aenter__()

    async def stop(self):
        self.see()
        await self.tail.__aexit__()
        self.read += [event.body for event in self.tail.sink.events]

    async def restart(self, _):
        await self.stop()
        await self.start()

    def see(self):
        self.known |= {path.stat().st_ino for path in self.folder.glob("*.log")}

    async def look(self, _):
        self.see()
        self.read += await self.tail.lines()

    async def wait(self, path):
        """Longer than a file without a name is read."""
        await self.tail.clock.advance(6)
        await self.look(path)

    async def write(self, path):
        count = 1 + len(self.written) % 3
        lines = [f"line {len(self.written) + n}" for n in range(count)]
        append(path, "".join(f"{line}\n" for line in lines))
        self.written += lines

    async def rename(self, path):
        if path.exists() and path.stat().st_ino in self.known:
            self.renamed += 1
            path.rename(f"{path}.{self.renamed}")

    async def truncate(self, path):
        if path.exists():
            await self.look(path)
            os.truncate(path, 0)
            await self.look(path)

    async def delete(self, path):
        if path.exists():
            await self.look(path)
            self.known.discard(path.stat().st_ino)
            path.unlink()


STEPS = ["write", "write", "write", "look", "rename", "truncate", "delete"]


@settings(max_examples=50)
@given(
    st.lists(
        st.tuples(st.sampled_from([*STEPS, "wait", "restart"]), st.sampled_from("abc")),
        max_size=30,
    ),
    st.sampled_from([None, 1, 2]),
)
def test_whatever_happens_between_looks_each_line_comes_once(steps, max_open):
    with TemporaryDirectory() as folder:
        shift = Shift(Path(folder), max_open)
        asyncio.run(shift.work(steps))
    assert sorted(shift.read) == sorted(shift.written)
