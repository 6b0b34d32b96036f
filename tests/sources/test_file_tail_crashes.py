"""A tail whose process is killed loses no line, and repeats none that is noted."""

from __future__ import annotations

import json
import signal
import subprocess
from collections import Counter

import pytest
from cli.demo_runs import command, environment
from servers.polling import eventually

FILE = """
chains = ["tail >> out"]

[stages.tail]
type = "FileTailSource"
paths = "${PATHS:-app.log}"
checkpoint = "places.json"
start = "beginning"
interval = 0.02

[stages.out]
type = "JsonLinesSink"
path = "out.jsonl"
"""


class Follower:
    """A process that follows app.log into out.jsonl, and can be killed."""

    def __init__(self, folder):
        self.folder, self.paths = folder, "app.log"
        (folder / "tail.toml").write_text(FILE)
        self.log = folder / "app.log"
        self.log.touch()
        self.start()

    def start(self):
        self.process = subprocess.Popen(
            command("run", "--quiet", "tail.toml"),
            cwd=self.folder,
            env=environment({"PATHS": self.paths}),
            stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )

    def end(self, number):
        self.process.send_signal(number)
        _, self.said = self.process.communicate(timeout=30)
        return self.process.returncode

    def write(self, lines):
        with self.log.open("a") as file:
            file.writelines(f"line {number}\n" for number in lines)

    def rotate(self, number):
        self.log.rename(self.folder / f"app.log.{number}")
        self.log.touch()

    def arrived(self):
        """How often each line has arrived; a crash may leave a half of one."""
        counts = Counter()
        path = self.folder / "out.jsonl"
        for line in path.read_text().splitlines() if path.exists() else []:
            if line.endswith("}"):
                counts[json.loads(line)["body"]] += 1
        return counts

    def is_written_down(self):
        """Whether the checkpoint knows all of the file."""
        path = self.folder / "places.json"
        files = json.loads(path.read_text())["files"] if path.exists() else []
        size, inode = self.log.stat().st_size, self.log.stat().st_ino
        return any((f["inode"], f["offset"]) == (inode, size) for f in files)


@pytest.fixture
def follower(tmp_path):
    follower = Follower(tmp_path)
    yield follower
    follower.process.kill()
    follower.process.communicate()


def expected(count):
    return {f"line {number}" for number in range(count)}


def test_a_kill_after_the_places_were_written_down_repeats_and_loses_nothing(follower):
    for number in range(3):
        follower.write(range(number * 100, number * 100 + 100))
        eventually(follower.is_written_down)
        assert follower.end(signal.SIGKILL) == -signal.SIGKILL
        follower.start()
    follower.write(range(300, 310))
    eventually(lambda: follower.arrived().keys() == expected(310))
    assert follower.end(signal.SIGTERM) == 0, follower.said
    assert set(follower.arrived().values()) == {1}


def test_kills_in_full_flow_with_rotations_lose_nothing(follower):
    """A file that nobody saw under its first name is found under its second one."""
    follower.end(signal.SIGKILL)
    follower.paths = "app.log*"
    follower.start()
    for number in range(40):
        follower.write(range(number * 200, number * 200 + 200))
        if number % 7 == 6:
            follower.rotate(number)
        if number % 10 == 9:
            eventually(follower.arrived)
            follower.end(signal.SIGKILL)
            follower.start()
    eventually(lambda: follower.arrived().keys() == expected(8000))
    assert follower.end(signal.SIGTERM) == 0, follower.said
    assert max(follower.arrived().values()) <= 5


def test_stops_with_rotations_between_them_lose_and_repeat_nothing(follower):
    for number in range(4):
        follower.write(range(number * 100, number * 100 + 50))
        if number:
            eventually(follower.arrived)
        eventually(follower.is_written_down)
        assert follower.end(signal.SIGTERM) == 0, follower.said
        follower.write(range(number * 100 + 50, number * 100 + 100))
        follower.rotate(number)
        follower.start()
    eventually(lambda: follower.arrived().keys() == expected(400))
    assert follower.end(signal.SIGTERM) == 0, follower.said
    assert set(follower.arrived().values()) == {1}
