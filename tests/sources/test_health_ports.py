"""A HealthSource with a port serves ``/healthz`` and ``/readyz`` by itself."""

from __future__ import annotations

import aiohttp
import pytest
from waiting import until

from sluiceway import Pipeline
from sluiceway.config import read
from sluiceway.errors import ConfigurationError
from sluiceway.health import Check, HealthSource, PipelineCheck
from sluiceway.testing import CollectingSink, ManualClock

FILE = """
chains = ["health >> out"]
[stages.health]
type = "HealthSource"
port = 0
checks = [
    { name = "itself", pipeline = true },
    { name = "pid", function = "os:getpid", failures = 1, critical = false },
]
[stages.out]
type = "ConsoleSink"
"""


async def asked(source, path, method="GET"):
    url = f"http://127.0.0.1:{source.port}{path}"
    async with aiohttp.ClientSession() as client, client.request(method, url) as answer:
        body = await answer.read()
        return answer.status, body and await answer.json()


def test_a_file_alone_makes_the_pages(run):
    async def main():
        pipeline = read(FILE).pipeline
        (source,) = pipeline.sources()
        async with pipeline:
            checks = source.report
            await until(lambda: all(c.duration for c in checks().checks.values()))
            return [
                await asked(source, "/healthz"),
                await asked(source, "/readyz"),
                await asked(source, "/readyz", "HEAD"),
                await asked(source, "/readyz", "POST"),
            ]

    alive, ready, head, post = run(main())
    assert alive == (200, {"status": "ok", "state": "running"})
    assert ready[0] == 200
    assert ready[1]["health"] == "degraded"  # a number is no answer of a check
    assert {n: c["status"] for n, c in ready[1]["checks"].items()} == {
        "itself": "healthy",
        "pid": "unhealthy",
    }
    assert head == (200, b"")
    assert post[0] == 405


def test_unready_is_a_503_and_the_port_is_let_go_at_the_end(run):
    async def main():
        clock = ManualClock()
        down = Check("database", lambda: False, failures=1)
        source = HealthSource([down], port=0)
        pipeline = Pipeline(source >> CollectingSink(), clock=clock)
        ports = [source.port]
        for _ in range(2):
            async with pipeline:
                await until(lambda: source.report().status.value == "unhealthy")
                answers.append(await asked(source, "/readyz"))
            ports.append(source.port)
        return ports

    answers = []
    assert run(main()) == [0, 0, 0]
    assert [status for status, _ in answers] == [503, 503]
    assert answers[0][1]["reason"] == "database is unhealthy"


def test_a_port_that_is_taken_keeps_the_pipeline_from_opening(run):
    async def main():
        first = HealthSource([PipelineCheck()], port=0)
        async with Pipeline(first >> CollectingSink()):
            second = HealthSource([PipelineCheck()], port=first.port)
            with pytest.raises(ConfigurationError, match="HealthSource cannot listen"):
                async with Pipeline(second >> CollectingSink()):
                    pass

    run(main())


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"port": -1}, "HealthSource.port is -1; expected a whole number"),
        ({"port": "80"}, "HealthSource.port is '80'"),
        ({"port": 80, "host": 1}, "HealthSource.host is 1; expected an address"),
    ],
)
def test_a_port_or_host_that_cannot_be_is_refused(settings, words):
    with pytest.raises(ConfigurationError) as refused:
        HealthSource([PipelineCheck()], **settings)
    assert words in str(refused.value)
