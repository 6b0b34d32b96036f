"""The metrics of a host, out of a /proc whose figures are known, and of this one."""

from __future__ import annotations

import os
import re
import sys
from inspect import getsource

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.semconv._incubating.metrics import process_metrics, system_metrics

from sluiceway import ConfigurationError, Pipeline
from sluiceway.events import MetricKind, Resource
from sluiceway.formats import proc
from sluiceway.formats.prometheus_lint import lint_points
from sluiceway.formats.prometheus_text import exposition
from sluiceway.sources import HostMetricsSource
from sluiceway.testing import CollectingSink, ManualClock, check_source

STAT = """\
cpu  300 10 200 1000 50 0 5 0 0 0
cpu0 100 4 150 600 20 0 3 0 0 0
cpu1 200 6 50 400 30 0 2 0 0 0
ctxt 12345
btime 1700000000
processes 4321
procs_running 2
"""
MEMINFO = """\
MemTotal:        1000 kB
MemFree:          400 kB
MemAvailable:     600 kB
Buffers:           50 kB
Cached:           150 kB
SwapTotal:        100 kB
SwapFree:          30 kB
HugePages_Total:   0
"""
DISKSTATS = """\
   7       0 loop0 0 0 0 0 0 0 0 0 0 0 0
   8       0 sda 10 1 80 500 20 2 160 1500 0 1250 2000 0 0 0 0
"""
NET = """\
Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets
  eth0: 1000      10    1    2    0     0          0         0  2000      20    3    4 0
"""
PROCESS = (
    "42 (a (b) c) S 1 42 42 0 -1 4194304 700 0 3 0 250 50 0 0 20 0 5 0 1000 "
    "8192000 100 18446744073709551615"
)
FILES = {
    "stat": STAT,
    "loadavg": "0.50 1.25 2.00 1/200 999\n",
    "meminfo": MEMINFO,
    "vmstat": "pgfault 1000\npgmajfault 100\n",
    "diskstats": DISKSTATS,
    "net/dev": NET,
    "uptime": "1234.56 4321.00\n",
    "mounts": "proc /proc proc rw 0 0\n/dev/sda1 / ext4 ro,noatime 0 0\n",
    "42/stat": PROCESS,
    "43/stat": PROCESS.replace("42 (a (b) c)", "43 (other)"),
}


@pytest.fixture
def folder(tmp_path):
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def look(run, *, clock=None, resource=None, **settings):
    """The points of one look."""

    async def main():
        sink = CollectingSink()
        source = HostMetricsSource(60, **settings)
        clocks = {} if clock is None else {"clock": clock}
        async with Pipeline(source >> sink, resource=resource, **clocks) as pipeline:
            await pipeline.flush()
            return list(sink.events)

    return run(main())


def values(points, name):
    """The values of a metric by the values of its attributes."""
    found = [point for point in points if point.name == name]
    return {tuple(point.attributes.values()): point.value for point in found}


def test_promtool_would_find_nothing_wrong_with_their_names(run, folder):
    points = look(run, proc=folder, processes=["*"])
    assert {"system.cpu.logical.count", "process.thread.count"} <= {
        point.name for point in points
    }
    assert lint_points(points) == []


def test_the_figures_of_the_host_have_their_names(run, folder):
    points = look(run, proc=folder)
    tick = os.sysconf("SC_CLK_TCK")
    times = values(points, "system.cpu.time")
    assert times["user", 0] == 100 / tick
    assert times["softirq", 1] == 2 / tick
    assert len(times) == 16
    assert values(points, "system.cpu.logical.count") == {(): 2}
    assert values(points, "system.process.created") == {(): 4321}
    assert values(points, "system.cpu.load_average.5m") == {(): 1.25}
    assert values(points, "system.memory.limit") == {(): 1000 * 1024}
    assert values(points, "system.memory.linux.available") == {(): 600 * 1024}
    assert values(points, "system.memory.usage") == {
        ("free",): 400 * 1024,
        ("buffers",): 50 * 1024,
        ("cached",): 150 * 1024,
        ("used",): 400 * 1024,
    }
    assert values(points, "system.paging.usage") == {
        ("free",): 30 * 1024,
        ("used",): 70 * 1024,
    }
    assert values(points, "system.paging.faults") == {("major",): 100, ("minor",): 900}
    assert values(points, "system.uptime") == {(): 1234.56}


def test_disks_and_interfaces_have_both_directions_and_idle_disks_are_left_out(
    run, folder
):
    points = look(run, proc=folder)
    assert values(points, "system.disk.io") == {
        ("sda", "read"): 80 * 512,
        ("sda", "write"): 160 * 512,
    }
    assert values(points, "system.disk.operations") == {
        ("sda", "read"): 10,
        ("sda", "write"): 20,
    }
    assert values(points, "system.disk.operation_time") == {
        ("sda", "read"): 0.5,
        ("sda", "write"): 1.5,
    }
    assert values(points, "system.disk.io_time") == {("sda",): 1.25}
    both = [("eth0", "receive"), ("eth0", "transmit")]
    for name, figures in {
        "io": (1000, 2000),
        "packet.count": (10, 20),
        "errors": (1, 3),
        "packet.dropped": (2, 4),
    }.items():
        found = values(points, f"system.network.{name}")
        assert found == dict(zip(both, figures, strict=True))


def test_file_systems_on_disks_are_measured(run, folder):
    points = look(run, proc=folder)
    told = os.statvfs("/")
    limit = values(points, "system.filesystem.limit")
    assert limit == {("/dev/sda1", "/", "ext4", "ro"): told.f_blocks * told.f_frsize}
    usage = values(points, "system.filesystem.usage")
    states = {key[-1]: value for key, value in usage.items()}
    assert states.keys() == {"used", "free", "reserved"}
    assert sum(states.values()) == sum(limit.values())


def test_counters_begin_with_the_boot_and_gauges_with_nothing(run, folder):
    clock = ManualClock()
    points = look(run, proc=folder, clock=clock, resource=Resource({"host.name": "h"}))
    for point in points:
        counter = point.kind is MetricKind.SUM
        begin = 1_700_000_000_000_000_000 if counter else 0
        assert point.start_time_unix_nano == begin
        assert point.time_unix_nano == clock.time_ns()
        assert point.resource.attributes == {"host.name": "h"}


def test_processes_are_measured_on_request_by_the_names_of_their_programs(run, folder):
    points = look(run, proc=folder, processes=["a (b)*"], resource=Resource({"x": 1}))
    own = [point for point in points if point.name.startswith("process.")]
    tick, page = os.sysconf("SC_CLK_TCK"), os.sysconf("SC_PAGE_SIZE")
    assert {tuple(point.resource.attributes.items()) for point in own} == {
        (("x", 1), ("process.pid", 42), ("process.executable.name", "a (b) c"))
    }
    times = values(own, "process.cpu.time")
    assert times == {("user",): 250 / tick, ("system",): 50 / tick}
    assert values(own, "process.thread.count") == {(): 5}
    assert values(own, "process.memory.virtual") == {(): 8192000}
    assert values(own, "process.memory.usage") == {(): 100 * page}
    assert values(own, "process.paging.faults") == {("major",): 3, ("minor",): 700}
    started = 1_700_000_000 + 1000 / tick
    assert {point.start_time_unix_nano for point in own} == {int(started * 1e9)}
    assert not [p for p in look(run, proc=folder) if p.name.startswith("process.")]


def test_what_cannot_be_read_is_left_out_and_said_once(run, folder, caplog):
    (folder / "diskstats").unlink()
    (folder / "mounts").write_text("/dev/x /no/such/place ext4 rw 0 0\n")

    async def main():
        sink = CollectingSink()
        source = HostMetricsSource(60, proc=folder)
        async with Pipeline(source >> sink) as pipeline:
            await pipeline.flush()
            await pipeline.flush()
        return sink.events

    points = run(main())
    assert values(points, "system.disk.io") == {}
    assert values(points, "system.filesystem.limit") == {}
    assert values(points, "system.uptime")
    assert [record.getMessage() for record in caplog.records] == [
        f"{folder}/diskstats cannot be read; its metrics are left out",
        "/no/such/place cannot be read; its metrics are left out",
    ]


def test_what_hangs_is_left_out_and_makes_nobody_wait(run, folder, caplog):
    (folder / "meminfo").unlink()
    os.mkfifo(folder / "meminfo")

    async def main():
        sink = CollectingSink()
        source = HostMetricsSource(0.4, proc=folder)
        pipeline = Pipeline(source >> sink, drain_timeout=20)
        async with pipeline:
            await pipeline.flush()
            await pipeline.flush()
        return list(sink.events), pipeline.ledger()

    try:
        points, ledger = run(main())
    finally:
        (folder / "meminfo").write_text(MEMINFO)  # lets the thread go
    assert values(points, "system.uptime")
    assert values(points, "system.memory.usage") == {}
    assert ledger.balanced
    (line,) = (record.getMessage() for record in caplog.records)
    assert f"no answer in time (0.2 s for all of them) from {folder}/meminfo" in line


TOLD = re.compile(
    r'Final = "([\w.]+)"\n"""\n(?:(?!Final).)*?'
    r"Instrument: (\w+)\nUnit: (\S+)\n",
    re.DOTALL,
)


def conventions():
    """Instrument and unit of each metric, as the conventions' package tells them."""
    found = {}
    for module in (system_metrics, process_metrics):
        for match in TOLD.finditer(getsource(module)):
            found[match[1]] = (match[2], match[3])
    return found


INSTRUMENTS = {"counter": "counter", "updowncounter": "level", "gauge": "gauge"}


@pytest.mark.skipif(sys.platform != "linux", reason="needs Linux")
def test_this_host_is_measured_by_the_conventions(run):
    points = look(run, processes=["python*", "pytest*"])
    known = conventions()
    for point in points:
        if "load_average" in point.name:
            continue
        instrument, unit = known[point.name]
        assert point.unit == unit, point.name
        kind = "gauge" if point.kind is MetricKind.GAUGE else "level"
        kind = "counter" if point.is_monotonic else kind
        assert INSTRUMENTS[instrument] == kind, point.name
    names = {point.name for point in points}
    assert {"system.cpu.time", "system.memory.usage", "system.network.io"} <= names
    assert b"system_memory_usage_bytes" in exposition(points).body


READERS = [
    *proc.SYSTEM_FILES.values(),
    lambda text: proc.cpu_times(text, 100),
    lambda text: proc.process(text, 100, 4096),
    lambda text: [proc.boot_time(text), proc.started_after_boot(text, 100)],
    proc.mounts,
    proc.program_of,
]
LINES = st.lists(st.sampled_from([*"".join(FILES.values()).split(), "\n", " ", "-1"]))


@pytest.mark.parametrize("read", READERS)
@given(st.one_of(st.text(), LINES.map(" ".join)))
def test_no_text_breaks_a_reader(read, text):
    for reading in read(text):
        if isinstance(reading, proc.Reading):
            assert reading.value >= 0 or reading.name == "system.paging.faults"


def test_a_mount_point_may_have_blanks_and_a_device_counts_once():
    text = (
        "/dev/sda1 /a\\040b ext4 rw 0 0\n/dev/sda1 /c ext4 rw 0 0\n"
        "overlay / overlay rw 0 0\nserver:/x /nfs nfs4 rw 0 0\n"
    )
    assert [mount.point for mount in proc.mounts(text)] == ["/a b", "/"]


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"interval": 0}, "interval is 0; expected seconds above 0"),
        ({"interval": True}, "interval is True; expected"),
        ({"processes": "nginx"}, "processes is 'nginx'; expected a list of patterns"),
        ({"proc": 3}, "proc is 3; expected the path"),
    ],
)
def test_settings_that_cannot_mean_anything_are_refused(settings, told):
    with pytest.raises(ConfigurationError) as caught:
        HostMetricsSource(**settings)
    assert told in str(caught.value)


def test_a_folder_that_is_no_proc_is_refused_when_it_opens(run, tmp_path):
    with pytest.raises(ConfigurationError, match="expected a Linux system's /proc"):
        look(run, proc=tmp_path)


def test_it_keeps_the_rules_of_a_source(folder):
    check_source(lambda: HostMetricsSource(0.01, proc=folder))
