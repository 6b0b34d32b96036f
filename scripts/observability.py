"""Check the configuration of flext_observability, or run one of its services.

``config`` reads the variables, and the file of ``--config`` or the stack's; ``files``
checks the stack; ``gates`` what the FLEXT document asks of the sources. ``metrics``,
``traces``, ``alerts`` and ``health`` do their service's job once and send what comes of
it to what is configured; what is recorded and lost is a failure.
"""

import argparse
import asyncio
import json
import os
import re
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from socket import create_connection
from urllib.parse import urlencode, urlsplit

import stack_files
from monitoring import DIRECTLY, ROOT, STACK
from yaml import YAMLError

import flext_observability
from flext_observability import (
    FlextAlert,
    FlextAlertService,
    FlextBackend,
    FlextHealthService,
    FlextMetricsService,
    FlextObservabilityConfig,
    FlextResult,
    FlextTracingService,
    flext_create_alert,
    flext_create_trace,
    flext_extract_context,
    flext_inject_context,
)

SOURCE = ROOT / "src"
FORBIDDEN = (
    re.compile("import opentelemetry|import prometheus_client|import logging"),
    re.compile(r"from flext_observability\.[a-z]"),
)
SECONDS = 3.0  # for a server to be reached
TRIES = 30
ALERT = "FlextConfigured"
MEASURED = "flext-observability"
Problems = Iterator[str]


def main() -> None:
    """Do all that the command line asks for; 1 if something is wrong."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("commands", nargs="+", choices=[*CHECKS, *SERVICES])
    parser.add_argument("--config", type=Path, help="a TOML file")
    told = parser.parse_args()
    checks = [
        check
        for name in told.commands
        for check in (CHECKS[name] if name in CHECKS else partial(service, name))(
            told.config
        )
    ]
    wrong = sum(report(name, check()) for name, check in checks)
    print(f"observability: {len(checks)} checks, {wrong} problems")
    sys.exit(1 if wrong or not checks else 0)


def report(name: str, problems: Problems) -> int:
    """Tell what is wrong; how much. A file that cannot be read is a problem, too."""
    told = []
    try:
        told.extend(problems)
    except (OSError, ValueError, LookupError, TypeError, YAMLError) as error:
        told.append(f"{type(error).__name__}: {error}")
    for problem in told:
        print(f"WRONG: {name}: {problem}")
    return len(told)


# Checks.


def configuration(file: Path | None) -> list[stack_files.Check]:
    """The variables, and the file."""
    load = FlextObservabilityConfig.load
    chosen = file or STACK / "flext.toml"
    return [
        ("the variables", lambda: failure(load())),
        (f"{chosen.name} and the variables", lambda: failure(load(chosen))),
    ]


def failure(result: FlextResult) -> Problems:
    """What failed, line by line."""
    yield from (result.error or "").splitlines()


def gates(_: Path | None) -> list[stack_files.Check]:
    """What the document asks of the sources, and that all names can be had."""
    return [
        *((f"no {words.pattern}", partial(found, words)) for words in FORBIDDEN),
        ("the names of the root", names),
        ("the services", services),
    ]


def found(words: re.Pattern[str]) -> Problems:
    """Where words stand that should not."""
    for file in sorted(SOURCE.rglob("*.py")):
        if words.search(file.read_text(encoding="utf-8")):
            yield str(file.relative_to(ROOT))


def names() -> Problems:
    """Names that the root lists and does not have."""
    listed = flext_observability.__all__
    yield from (name for name in listed if not hasattr(flext_observability, name))


def services() -> Problems:
    """Services that cannot be made by a program that knows nothing else."""
    made = [
        name
        for name in flext_observability.__all__
        if re.fullmatch(r"Flext(Metrics|Tracing|Alert|Health)Service", name)
    ]
    lines = [f"flext_observability.{name}()" for name in made]
    program = "; ".join(["import flext_observability", *lines])
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        yield done.stderr.strip()


# Services.


def service(name: str, file: Path | None) -> list[stack_files.Check]:
    """One service's job, as a check."""
    return [(name, partial(run, SERVICES[name], file))]


def run(job: Callable[[FlextBackend], Problems], file: Path | None) -> Problems:
    """Do a service's job on a backend of its own, and see that nothing is lost."""
    config = FlextObservabilityConfig.load(file)
    if config.is_failure:
        yield from failure(config)
        return
    backend = FlextBackend(config.unwrap())
    where = backend.config.endpoints() or "nowhere: no endpoint is configured"
    print(f"observability: sent to {where}")
    try:
        yield from job(backend)
        yield from failure(backend.flush())
    finally:
        backend.stop()
    ledger = backend.ledger()
    if ledger is not None and ledger.lost:
        print(ledger)
        yield f"{ledger.lost} events were lost"


def metrics(backend: FlextBackend) -> Problems:
    """Measure this machine and this process, once."""
    metrics_service = FlextMetricsService(backend)
    for name, value, unit in measured():
        yield from failure(metrics_service.record(name, value, unit))
    lines = asyncio.run(metrics_service.exposition()).unwrap_or("").splitlines()
    series = [line for line in lines if not line.startswith("#")]
    print("\n".join(series))
    if len(series) < len(measured()):
        yield f"{len(series)} series of {len(measured())} are on the page"


def measured() -> list[tuple[str, float, str]]:
    """What the machine says of itself."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    disk = os.statvfs(ROOT)
    one, five, fifteen = os.getloadavg()
    return [
        ("flext.host.cpus", os.cpu_count() or 1, "{cpu}"),
        ("flext.host.load.1m", one, "{thread}"),
        ("flext.host.load.5m", five, "{thread}"),
        ("flext.host.load.15m", fifteen, "{thread}"),
        ("flext.host.disk.free", disk.f_bavail * disk.f_frsize, "By"),
        ("flext.process.cpu.time", used.ru_utime + used.ru_stime, "s"),
        ("flext.process.memory.highest", used.ru_maxrss * 1024, "By"),
    ]


def traces(backend: FlextBackend) -> Problems:
    """Two services of one trace: the second knows the first by its headers."""
    tracing = FlextTracingService(backend)
    caller = flext_create_trace("make traces-start", f"{MEASURED}.call").flat_map(
        tracing.start
    )
    sent = caller.flat_map(lambda trace: flext_inject_context(trace, {}))
    answer = sent.flat_map(flext_extract_context).flat_map(
        lambda context: flext_create_trace(
            "answer", f"{MEASURED}.answer", parent=context
        )
    )
    ended = answer.flat_map(tracing.start).flat_map(tracing.complete)
    for result in (caller, sent, answer, ended, caller.flat_map(tracing.complete)):
        yield from failure(result)
    if ended.is_success and ended.unwrap().trace_id != caller.unwrap().trace_id:
        yield "the second service began another trace"
    print(f"trace {caller.map(lambda trace: trace.trace_id).unwrap_or('none')}")


def health(backend: FlextBackend) -> Problems:
    """Ask each server that is configured, and the pipeline itself, how it is."""
    checks = FlextHealthService(backend)
    for name, url in backend.config.endpoints().items():
        reach = partial(reachable, url)
        yield from failure(checks.register(name, reach, interval=None))
    results = checks.run_all()
    yield from failure(results)
    for result in results.unwrap_or([]):
        print(f"{result.name}: {result.status} {result.message}")
        if result.status != "healthy":
            yield f"{result.name} is {result.status}: {result.message}"
    print(f"overall: {checks.status().map(lambda told: told.status).unwrap_or('none')}")


def alerts(backend: FlextBackend) -> Problems:
    """Raise, escalate and resolve an alert; Alertmanager has to know each time."""
    desk = FlextAlertService(backend)
    labels = {"source": MEASURED, "run": str(os.getpid())}
    raised = flext_create_alert(
        ALERT,
        "info",
        "make alerts-configure looks whether alerts arrive",
        MEASURED,
        tags={"run": labels["run"]},
    )
    steps: dict[str, Callable[[FlextAlert], FlextResult]] = {
        "raised": desk.process,
        "escalated": lambda alert: desk.escalate(alert, {"severity": "warning"}),
        "resolved": desk.resolve,
    }
    for name, step in steps.items():
        done = raised.flat_map(step).flat_map(lambda _: backend.flush())
        if done.is_failure:
            yield from failure(done)
            return
        if backend.config.alertmanager_url:
            fires = name != "resolved"
            yield from known(backend.config.alertmanager_url, labels, fires=fires)
        print(f"{ALERT}: {name}")


def known(url: str, labels: dict[str, str], *, fires: bool) -> Problems:
    """Whether Alertmanager says the same of our alert: there while it fires only."""
    wanted = {"alertname": ALERT, **labels}
    query = urlencode([("filter", f'{name}="{wanted[name]}"') for name in wanted])
    for _ in range(TRIES):
        if is_there(f"{url.rstrip('/')}/api/v2/alerts?{query}") is fires:
            return
        time.sleep(SECONDS / TRIES)
    yield f"Alertmanager does not know that {ALERT} {'fires' if fires else 'is over'}"


def is_there(url: str) -> bool | None:
    """Whether there is such an alert; None if nobody says."""
    try:
        with DIRECTLY.open(url, timeout=SECONDS) as answer:
            return bool(json.load(answer))
    except (OSError, ValueError):
        return None


def reachable(url: str) -> str:
    """Whether somebody listens there."""
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    with create_connection((parts.hostname, port), SECONDS):
        return f"{parts.hostname}:{port} answers"


CHECKS = {"config": configuration, "files": stack_files.checks, "gates": gates}
SERVICES = {"metrics": metrics, "traces": traces, "alerts": alerts, "health": health}


if __name__ == "__main__":
    main()
