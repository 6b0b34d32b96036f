"""What needs a process of its own: imports and forks."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap

import pytest


def run(program):
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        check=True,
        capture_output=True,
        text=True,
        timeout=30,
    )
    return done.stdout


def test_importing_loads_opentelemetrys_api_and_not_its_sdk():
    told = run(
        """
        import sys
        from sluiceway.instrument import Telemetry
        loaded = {"opentelemetry.trace", "opentelemetry.sdk", "aiohttp", "grpc",
                  "prometheus_client"} & set(sys.modules)
        print(sorted(loaded))
        """
    )
    assert told.strip() == "['opentelemetry.trace']"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_is_another_instance_that_has_seen_nothing():
    told = run(
        """
        import os, random
        from sluiceway.instrument import Telemetry

        telemetry = Telemetry("shop")
        tracer, counter = telemetry.tracer("t"), telemetry.meter("m").counter("c")
        tracer.start_span("parent's").end()
        counter.add(5)

        def look():
            span = tracer.start_span("own")
            span.end()
            counter.add(1)
            (point,) = telemetry.collect()
            told = telemetry.resource.attributes
            assert point.resource is telemetry.resource
            return [told["service.instance.id"], told["process.pid"] == os.getpid(),
                    span.get_span_context().trace_id, len(telemetry.spans), point.value]

        read, write = os.pipe()
        if os.fork() == 0:
            os.write(write, repr(look()).encode())
            os._exit(0)
        os.wait()
        print(eval(os.read(read, 10_000)))
        print(look())
        """
    )
    child, parent = (eval(line) for line in told.splitlines())
    assert child[0] != parent[0]
    assert child[1] is parent[1] is True
    assert child[2] != parent[2]
    assert (child[3], parent[3]) == (1, 2)
    assert (child[4], parent[4]) == (1, 6)
