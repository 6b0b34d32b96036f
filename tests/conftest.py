"""What every test gets: no task, thread or socket may be left behind."""

import asyncio
import gc
import os
import signal
import threading

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile(
    "sluiceway", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("sluiceway")

LASTING = ("sluiceway-blocking", "ThreadPoolExecutor", "AnyIO worker", "asyncio_")
GRPC_POLLER = "(_poll_wrapper)"  # grpcio's own; it ends with the last object of grpcio


def pytest_configure():
    """What tests start heeds Ctrl-C, even if a shell runs us in the background."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_finish():
    """Whatever is there before the first test need not be looked at after each."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True, scope="module")
def what_others_have_left_is_not_looked_at():
    """Nor need what earlier files have loaded, and what pytest keeps of their tests."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def nothing_is_left_behind():
    """Threads that a test started end with it; leaks of others warn, and fail."""
    before = set(threading.enumerate())
    yield
    gc.collect()
    left = [
        thread
        for thread in set(threading.enumerate()) - before
        if thread.is_alive()
        and not thread.name.startswith(LASTING)
        and not thread.name.endswith(GRPC_POLLER)
    ]
    for thread in left:
        thread.join(2.0)
    assert [thread for thread in left if thread.is_alive()] == []


@pytest.fixture
def run():
    """Run a coroutine on a fresh loop and check that it leaves no task behind."""

    def run(coroutine, timeout=30.0):
        async def bounded():
            async with asyncio.timeout(timeout):
                result = await coroutine
            left = asyncio.all_tasks() - {asyncio.current_task()}
            assert not left, f"tasks left behind: {left}"
            return result

        return asyncio.run(bounded(), debug=True)

    return run


def pytest_unconfigure(config):
    """The last lines name the real servers that were not there."""
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    skipped = [] if reporter is None else reporter.stats.get("skipped", [])
    reasons = {r.longrepr[2] for r in skipped if isinstance(r.longrepr, tuple)}
    for reason in sorted(reason for reason in reasons if "server" in reason):
        text = f"NOT TESTED: {reason.removeprefix('Skipped: ')}"
        reporter.write_line(text, yellow=True)


@pytest.fixture
def environment(monkeypatch):
    """No OTEL_* variable of the machine; a function that sets some."""
    for name in list(os.environ):
        if name.startswith("OTEL_"):
            monkeypatch.delenv(name)

    def set_variables(**variables):
        for name, value in variables.items():
            monkeypatch.setenv(name, value)

    return set_variables
