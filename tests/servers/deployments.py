"""Applications under real servers with several workers, and who receives from them."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
from servers.polling import eventually_async
from servers.processes import free_port

from sluiceway import Pipeline
from sluiceway.events import LogRecord, MetricPoint, Span
from sluiceway.sources import OtlpSource
from sluiceway.testing import CollectingSink

EXAMPLES = Path(__file__).parents[2] / "examples"
SOURCE = EXAMPLES.parent / "src"
GRACE = 20  # seconds that a server waits for its workers
STOP_SECONDS = 40.0


class Received:
    """What workers have sent over OTLP."""

    def __init__(self):
        self.source, self._sink = OtlpSource(port=0), CollectingSink()
        self.pipeline = Pipeline(self.source >> self._sink)

    def of(self, kind):
        return [event for event in self._sink.events if isinstance(event, kind)]

    @property
    def spans(self):
        return self.of(Span)

    @property
    def logs(self):
        return self.of(LogRecord)

    def last_points(self, name):
        """The last value of each series of each worker, by ``service.instance.id``."""
        last = {}
        for point in self.of(MetricPoint):
            if point.name == name:
                series = (instance_of(point), str(sorted(point.attributes.items())))
                last[series] = point.value
        return last


@asynccontextmanager
async def receiving():
    received = Received()
    async with received.pipeline:
        yield received


def instance_of(event):
    """Which worker has sent it: its own id and its process."""
    attributes = event.resource.attributes
    return attributes["service.instance.id"], attributes["process.pid"]


class Deployment:
    """A server that runs; it is asked by ``get`` and ended by ``terminate``."""

    def __init__(self, process, url, log):
        self.process, self.url, self._log = process, url, log
        self.output = ""

    async def get(self, session, path):
        """Status and JSON, or None where nobody answered."""
        try:
            async with session.get(self.url + path) as answer:
                return answer.status, await answer.json()
        except (aiohttp.ClientError, OSError):
            return None

    async def is_ready(self, session):
        assert self.process.poll() is None, self._log.read_text()
        answer = await self.get(session, "/readyz")
        return answer is not None and answer[0] == 200

    async def terminate(self):
        """SIGTERM to the server; its exit code once it has ended."""
        self.process.send_signal(signal.SIGTERM)
        return await self.wait()

    async def wait(self):
        code = await asyncio.to_thread(self.process.wait, STOP_SECONDS)
        self.output = self._log.read_text()
        return code


def launch(folder, command, endpoint, environment):
    """The started server, where it listens, and the file that it writes to."""
    port = free_port()
    log = folder / "server.log"
    given = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(map(str, (SOURCE, EXAMPLES, folder))),
        "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint,
        "HOME": str(folder),  # gunicorn keeps a socket there
        **environment,
    }
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", *(word.format(port=port) for word in command)],
            cwd=EXAMPLES,
            env=given,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # so that its workers can be ended with it
        )
    return Deployment(process, f"http://127.0.0.1:{port}", log)


@asynccontextmanager
async def deployed(folder, command, endpoint, **environment):
    """``command`` with ``{port}`` filled in, in examples/, until the block ends."""
    server = launch(folder, command, endpoint, environment)
    try:
        yield server
    finally:
        if server.process.poll() is None:
            os.killpg(server.process.pid, signal.SIGKILL)
            server.process.wait()


async def all_ready(server, session, workers):
    """Wait until so many workers have answered that they are ready."""
    await eventually_async(lambda: server.is_ready(session), seconds=40)
    seen = set()

    async def ask():
        answer = await server.get(session, "/hello/early")
        if answer is not None:
            seen.add(answer[1]["process"])
        return len(seen) >= workers

    await eventually_async(ask, seconds=40)
    return seen
