"""A run's figures as lines of text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..bench.driving import Progress
    from ..bench.results import Result, StageFigures

DEMANDING = 0.5  # of the time, from which making the load decides how fast it goes
MIB = 1 << 20
UNKNOWN = "not known"
CONTENDED = 1.25  # from which it is said that the machine is busy with other things


def time_text(seconds: float) -> str:
    """A time to three digits: ``1.23 ms``."""
    if not seconds:
        return "0"
    units = ((1, "s"), (1e3, "ms"), (1e6, "us"))
    factor, unit = next((u for u in units if seconds * u[0] >= 1), units[-1])
    value = seconds * factor
    digits = 2 if value < 10 else 1 if value < 100 else 0
    return f"{value:.{digits}f} {unit}"


def size_text(bytes_: int | None) -> str:
    """A size in MiB."""
    return "not known here" if bytes_ is None else f"{bytes_ / MIB:.1f} MiB"


def progress_text(progress: Progress) -> str:
    """One second of a run."""
    return (
        f"{progress.elapsed:5.1f} s  {progress.rate:9,.0f} events/s  "
        f"{progress.sent:11,} sent  fullest queue {progress.fill:4.0%}  "
        f"lost {progress.lost:,}"
    )


def result_lines(result: Result) -> Iterator[str]:
    """Everything that a run has shown."""
    sent = f"{result.sent:,} sent, {result.answered:,} answered for"
    unsent = f", {result.unsent:,} NEVER SENT" if result.unsent else ""
    rate = throughput_text(result)
    yield f"throughput  {rate}{' events/s' * (rate != UNKNOWN)} ({sent}{unsent})"
    yield f"latency     {latency_text(result)}"
    yield (
        f"cpu         {result.cpu_seconds:.2f} s, "
        f"{time_text(result.cpu_per_event)} per event without making it; "
        f"event loop late by {time_text(result.lag)} (p99)"
    )
    grown = size_text(result.memory_growth)
    yield f"memory      grew by {grown} to {size_text(result.memory_peak)} at its peak"
    yield ""
    yield from table(stage_rows(result.stages))
    yield ""
    yield from place_lines(result)
    yield ""
    yield from loss_lines(result)


def throughput_text(result: Result) -> str:
    """The events per second; what arrived in the warm-up tells nothing of them."""
    known = result.throughput or not result.arrived
    return f"{result.throughput:,.0f}" if known else UNKNOWN


def latency_text(result: Result) -> str:
    """The latencies, or why there are none."""
    latency = result.latency
    if not latency.count:
        in_warm_up = "all that arrived was due in the warm-up"
        return f"{UNKNOWN}: {in_warm_up if result.arrived else 'no event arrived'}"
    named = [(f"p{p:g}", latency[p]) for p in (50.0, 90.0, 99.0, 99.9)]
    named.append(("max", latency[100.0]))
    return "  ".join(f"{name} {time_text(seconds)}" for name, seconds in named)


def stage_rows(stages: Sequence[StageFigures]) -> Iterator[list[str]]:
    """A row for each stage, and one of headings."""
    holding = any(stage.holds is not None for stage in stages)
    yield [
        "stage", "in", "out", "call p50", "p99", "wait p50", "p99",
        *(["held p50", "p99"] if holding else []),
        "queue mean", "max", "retries", "lost",
    ]  # fmt: skip
    for stage in stages:
        yield [
            stage.name,
            f"{stage.incoming:,}",
            f"{stage.outgoing:,}",
            *cells(stage.calls if stage.batches else None),
            *cells(stage.waits if stage.queue_capacity else None),
            *(cells(stage.holds) if holding else []),
            "" if stage.queue_mean is None else f"{stage.queue_mean:.0%}",
            "" if stage.queue_max is None else f"{stage.queue_max:.0%}",
            f"{stage.retries:,}" if stage.retries else "",
            f"{stage.lost:,}" if stage.lost else "",
        ]


def cells(times: Mapping[str, float] | None) -> list[str]:
    """The median and the 99th percentile, if there is anything to tell."""
    return [time_text(times[word]) if times else "" for word in ("p50", "p99")]


def table(rows: Iterator[list[str]]) -> Iterator[str]:
    """Rows in columns: the first to the left, the others to the right."""
    cells = list(rows)
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for row in cells:
        first, *others = zip(row, widths, strict=True)
        padded = [first[0].ljust(first[1]), *(text.rjust(w) for text, w in others)]
        yield "  ".join(padded).rstrip()


def place_lines(result: Result) -> Iterator[str]:
    """Where the time goes."""
    yield "where the time goes"
    total = result.cpu_seconds or 1.0
    parts = [("making the load", result.made_seconds)]
    parts += [
        (stage.name, stage.busy / result.contention)
        for stage in result.stages
        if stage.computes
    ]
    parts.append(("engine, event loop and the rest", result.rest_seconds))
    width = max(len(name) for name, _ in parts)
    for name, seconds in parts:
        yield f"  {name.ljust(width)}  {seconds:6.2f} s  {seconds / total:4.0%} of CPU"
    yield from (f"  {line}" for line in hint_lines(result))
    busy = [s for s in result.stages if s.batches and not s.computes]
    for stage in busy:
        yield (
            f"  {stage.name.ljust(width)}  {stage.busy:6.2f} s  in "
            f"{stage.batches:,} call{'s' * (stage.batches != 1)}, waits included"
        )


def hint_lines(result: Result) -> Iterator[str]:
    """What else decided how fast it went."""
    if result.made_share > DEMANDING and result.cpu_per_event:
        yield (
            "making the load decides how fast this goes: your pipeline takes up to "
            f"{1 / result.cpu_per_event:,.0f} events per CPU second of its own"
        )
    if result.contention > CONTENDED:
        yield (
            f"other programs had the CPU in {1 - 1 / result.contention:.0%} of the "
            "time: latencies are theirs too"
        )


def loss_lines(result: Result) -> Iterator[str]:
    """What was lost, and whether the books agree."""
    for stage, reasons in result.losses.items():
        for reason, count in reasons.items():
            yield f"lost at {stage}: {count:,} {reason}"
    for stage, error in result.failures.items():
        yield f"stage {stage} failed: {error}"
    if not result.drained:
        yield f"did not drain in time: {result.ending}"
    if result.unsent:
        yield (
            f"could not keep up: {result.unsent:,} events were due and never sent; "
            "the latencies count how late they were at the end"
        )
    early = "ended early; " if result.interrupted else ""
    verdict = "balanced" if result.balanced else "NOT BALANCED"
    yield f"{early}{result.delivered:,} delivered, {result.lost:,} lost; {verdict}"
