"""Every examples/*.toml runs as it stands, by `sluiceway run` in its own process."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import urllib.request
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path

from cli.demo_runs import command, environment
from servers.http_peers import answering, status
from servers.polling import eventually, eventually_async
from servers.processes import free_port

from sluiceway import Alert, LogRecord, MetricPoint, Pipeline, Resource, Retry, Span
from sluiceway.events import SpanKind
from sluiceway.sinks import JsonLinesSink, OtlpSink, WebhookSink
from sluiceway.sources import IterableSource

EXAMPLES = Path(__file__).parents[2] / "examples"
FILES = sorted(path.name for path in EXAMPLES.glob("*.toml"))


def call(*words, **variables):
    return subprocess.run(
        command(*words),
        cwd=EXAMPLES,
        env=environment(variables),
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )


@contextmanager
def serving(name, **variables):
    """The file under way; after the block, drained, with what it said."""
    process = subprocess.Popen(
        command("run", name),
        cwd=EXAMPLES,
        env=environment(variables),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    said = []
    try:
        yield said
        process.send_signal(signal.SIGTERM)
        said += process.communicate(timeout=50)
        assert process.returncode == 0, said[1]
    finally:
        process.kill()
        process.communicate()


def test_every_example_is_valid():
    assert FILES
    done = call("validate", *FILES)
    assert (done.returncode, done.stderr) == (0, "")
    assert len(done.stdout.splitlines()) == len(FILES)


def test_json_lines_are_printed(tmp_path):
    lines = tmp_path / "lines.jsonl"
    lines.write_text('{"a": 1}\n{"b": 2}\n')
    done = call("run", "json_lines.toml", EVENTS=str(lines), FORMAT="json")
    assert (done.returncode, done.stdout) == (0, '{"a":1}\n{"b":2}\n')
    assert "2 delivered, 0 lost; balanced" in done.stderr


def test_what_a_sink_has_written_is_read_back_and_printed(tmp_path):
    path = tmp_path / "events.jsonl"
    record = LogRecord(body="hello", severity_text="INFO")
    asyncio.run(Pipeline(IterableSource([record]) >> JsonLinesSink(path)).run())
    done = call("run", "json_lines.toml", EVENTS=str(path), DECODE="event")
    assert (done.returncode, "INFO" in done.stdout) == (0, True)


def test_the_gateway_sends_on_what_it_takes_to_the_page_of_another():
    gateway, collector, page = free_port(), free_port(), free_port()
    events = [
        MetricPoint(name="soups", value=3.0),
        Span(name="checkout", trace_id=b"t" * 16, span_id=b"s" * 8),
    ]
    there = {"PORT": str(collector), "METRICS_PORT": str(page)}
    here = {"PORT": str(gateway), "COLLECTOR": f"http://127.0.0.1:{collector}"}
    with (
        serving("metrics_page.toml", **there) as shown,
        serving("otlp_gateway.toml", ENVIRONMENT="kitchen", **here) as sent_on,
    ):
        sender = Pipeline(
            IterableSource(events) >> OtlpSink(f"http://127.0.0.1:{gateway}")
        )
        asyncio.run(sender.run())
        assert sender.ledger().delivered == len(events)

        def text():
            address = f"http://127.0.0.1:{page}/metrics"
            with urllib.request.urlopen(address, timeout=5) as answer:
                return answer.read().decode()

        eventually(lambda: "soups" in text())
        told = text()
    assert 'soups{deployment_environment_name="kitchen"} 3.0' in told
    assert "checkout" in shown[0]
    for said in (shown, sent_on):
        assert said[1].splitlines()[-1] == "2 delivered, 0 lost; balanced"


def test_an_alert_is_relayed_to_all_three(run):
    async def relayed():
        port = free_port()
        async with AsyncExitStack() as stack:
            servers = [
                await stack.enter_async_context(answering(status(200)))
                for _ in range(4)
            ]
            names = ("ALERTMANAGER_1", "ALERTMANAGER_2", "SLACK_WEBHOOK", "PAGERDUTY")
            there = {
                name: server.url for name, server in zip(names, servers, strict=True)
            }
            relay = serving("alert_relay.toml", PORT=str(port), TOKEN="mellon", **there)
            said = await asyncio.to_thread(relay.__enter__)
            sink = WebhookSink(
                f"http://127.0.0.1:{port}/",
                headers={"Authorization": "Bearer mellon"},
                retry=Retry(initial=0.1, maximum=0.1),
            )
            try:
                alerts = IterableSource([Alert(name="DiskFull")])
                await Pipeline(alerts >> sink).run()
            finally:
                await asyncio.to_thread(relay.__exit__, None, None, None)
            return said, [server.bodies for server in servers]

    said, bodies = run(relayed(), timeout=60)
    assert all(len(each) == 1 and b"DiskFull" in each[0] for each in bodies)
    assert said[1].splitlines()[-1] == "3 delivered, 0 lost; balanced"


def test_a_port_and_a_page_are_watched_from_outside(run):
    """The database's port is there, then the page fails."""

    async def watched():
        page = free_port()
        async with AsyncExitStack() as stack:
            enter = stack.enter_async_context
            database, api = await enter(answering(status(200))), free_port()
            alertmanager = await enter(answering(status(200)))
            watch = serving(
                "health.toml",
                DATABASE=database.url.removeprefix("http://"),
                API=f"http://127.0.0.1:{api}/healthz",
                INTERVAL="0.1",
                HEALTH_PORT="0",
                METRICS_PORT=str(page),
                ALERTMANAGER=alertmanager.url,
            )
            said = await asyncio.to_thread(watch.__enter__)
            try:
                told = await asyncio.to_thread(eventually, lambda: is_down(page, "api"))
                await eventually_async(lambda: has(alertmanager, b"api is unhealthy"))
            finally:
                await asyncio.to_thread(watch.__exit__, None, None, None)
            return told, said

    told, said = run(watched(), timeout=60)
    state = 'health_check_name="database",health_check_state="healthy"'
    assert f"health_check_status{{{state}}} 1.0" in told
    assert "0 lost; balanced" in said[1]


async def has(server, words):
    return any(words in body for body in server.bodies)


def is_down(port, name):
    """The page of metrics, once it says so."""
    address = f"http://127.0.0.1:{port}/metrics"
    try:
        with urllib.request.urlopen(address, timeout=5) as answer:
            page = answer.read().decode()
    except OSError:
        return ""
    state = f'health_check_name="{name}",health_check_state="unhealthy"'
    return page if f"health_check_status{{{state}}} 1.0" in page else ""


def append(path, text):
    with path.open("a") as file:
        file.write(text)


def inode(path):
    return path.stat().st_ino if path.exists() else 0


def test_a_host_sends_its_metrics_and_log_lines_and_remembers_where_it_was(tmp_path):
    collector, page = free_port(), free_port()
    log, places = tmp_path / "app.log", tmp_path / "places.json"
    there = {"PORT": str(collector), "METRICS_PORT": str(page)}
    here = {
        "COLLECTOR": f"http://127.0.0.1:{collector}",
        "INTERVAL": "0.2",
        "HOST_NAME": "kitchen",
        "LOGS": str(log),
        "PLACES": str(places),
    }

    def metrics():
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{page}/metrics") as answer:
                return answer.read().decode()
        except OSError:
            return ""

    append(log, "old\n")
    with serving("metrics_page.toml", **there) as shown:
        for word in ("first", "second"):
            before = inode(places)
            with serving("host.toml", **here):
                eventually(lambda before=before: inode(places) not in (0, before))
                append(log, f"{word} while it runs\n")
                eventually(lambda: "system_memory_limit_bytes" in metrics())
            append(log, f"{word} while it does not\n")
        assert 'host_name="kitchen"' in metrics()
    lines = ["first while it runs", "first while it does not", "second while it runs"]
    assert [shown[0].count(line) for line in [*lines, "old"]] == [1, 1, 1, 0]
    assert "0 lost; balanced" in shown[1]


def test_telemetry_becomes_an_alert_that_a_chat_is_told(run, tmp_path):
    spans = [
        Span(
            name="GET /pay",
            trace_id=b"t" * 16,
            span_id=b"s" * 8,
            kind=SpanKind.SERVER,
            attributes={"http.response.status_code": 500 if n % 2 else 200},
            resource=Resource({"service.name": "shop"}),
        )
        for n in range(30)
    ]

    async def told():
        port = free_port()
        async with answering(status(200)) as chat:
            there = {"SLACK_WEBHOOK": chat.url, "STATE": str(tmp_path / "oncall.db")}
            here = {"PORT": str(port), "FOR": "0", "GROUP_WAIT": "0"}
            oncall = serving("oncall.toml", **there, **here)
            said = await asyncio.to_thread(oncall.__enter__)
            try:
                sink = OtlpSink(f"http://127.0.0.1:{port}")
                await Pipeline(IterableSource(spans) >> sink).run()
                await asyncio.to_thread(eventually, lambda: chat.bodies)
            finally:
                await asyncio.to_thread(oncall.__exit__, None, None, None)
            return said, chat.bodies

    said, bodies = run(told(), timeout=60)
    (message,) = bodies
    assert b"[ERROR] HighErrorRate" in message
    assert b"50.0% of the requests of shop fail" in message
    assert said[1].splitlines()[-1] == "1 delivered, 0 lost; balanced"
    assert (tmp_path / "oncall.db").exists()
