"""Whatever the shape and whatever goes wrong: the books balance and nobody waits.

At least 2,000 random pipelines for each run of the suite.
"""

import asyncio
import os
import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sluiceway import (
    Accumulator,
    BatchBy,
    DeliveryStatus,
    PartialError,
    Pipeline,
    Processed,
    Processor,
    Queue,
    Retry,
    Sampler,
    Sink,
    Source,
    TransientError,
    best_effort,
    merge,
    processor,
    route,
    sink,
)
from sluiceway._engine.accounts import stage_ledger

PIPELINES = int(os.environ.get("SLUICEWAY_PIPELINES", "2000"))


# The stages that a random pipeline is made of.


class Numbers(Source):
    """Sends batches of numbers and keeps what became of them."""

    wants_delivery = True

    def __init__(self, batches, pause):
        self.batches = batches
        self.pause = pause
        self.deliveries = []
        self.told = lambda outcome: None

    async def run(self, send):
        start = 0
        for size in self.batches:
            await self.send_one(send, range(start, start + size))
            start += size
            if self.pause:
                await asyncio.sleep(0)

    async def send_one(self, send, numbers):
        delivery = await send(numbers)
        self.deliveries.append(delivery)
        delivery.add_callback(self.told)


class Beside(Numbers):
    """Sends batches beside each other, calls some off and leaves others alone."""

    async def run(self, send):
        loop = asyncio.get_running_loop()
        self.sends = [
            loop.create_task(self.send_one(send, range(size))) for size in self.batches
        ]
        await asyncio.sleep(0)
        for sending in self.sends[::3]:
            sending.cancel()
        if self.pause:
            await asyncio.sleep(0)


class Tells(Numbers):
    """Sends what is booked apart."""

    tells_of_pipeline = True


class Broken(Source):
    """Fails after its first batch."""

    async def run(self, send):
        await send([1, 2, 3])
        raise OSError("the disk is gone")


class Doubled(Processor):
    """A class that returns more than it was given."""

    mutates = False

    def process(self, events):
        return [event for event in events for _ in range(2)]


class EveryOther(Sampler):
    """Keeps every other one, and fails sometimes."""

    def sample(self, events, now):
        if len(events) % 7 == 6:
            raise ValueError("no sample today")
        return events[::2]


class SomeFail(Processor):
    """Fails by index, keeps the others."""

    async def process(self, events):
        await asyncio.sleep(0)
        failed = {0: TransientError("first")} | dict.fromkeys(
            range(3, len(events), 5), ValueError("fifth")
        )
        raise PartialError(failed, [e for i, e in enumerate(events) if i not in failed])


class Exact(Processor):
    """Keeps exact books itself."""

    def process(self, events):
        kept = [e for e in events if e % 3]
        return Processed([*kept, -1], filtered=len(events) - len(kept), created=1)


class Sums(Accumulator):
    """Makes one event of many."""

    def __init__(self, every):
        self.every = every
        self.seen = 0
        self.total = 0

    def add(self, events, now):
        self.seen += len(events)
        self.total += sum(events)
        return self.flush(now) if self.seen >= self.every else []

    def flush(self, now):
        if not self.seen:
            return []
        total, self.total, self.seen = self.total, 0, 0
        return [total]


class Holds(Accumulator):
    """Holds events and lets half of them out later."""

    left_out = "sampled_out"

    def __init__(self):
        self.kept = []
        self.due = None

    def add(self, events, now):
        self.kept += events
        self.due = now + 0.001 if self.due is None else self.due
        if len(self.kept) % 5 == 4:
            raise RuntimeError("after taking them in")
        return []

    def tick(self, now):
        return self.flush(now)

    def flush(self, now):
        kept, self.kept, self.due = self.kept, [], None
        return kept[::2]

    def next_deadline(self):
        return self.due

    def held(self):
        return len(self.kept)


class Passes(Accumulator):
    """Keeps order, lets most out at once, and fails after taking some in."""

    acknowledge = "on_output"

    def __init__(self):
        self.kept = []

    def add(self, events, now):
        if len(events) % 6 == 5:
            self.kept += events[:2]
            raise TransientError("after two")
        self.kept += events
        return self.let_go(len(self.kept) - 1)

    def flush(self, now):
        return self.let_go(len(self.kept))

    def let_go(self, count):
        released, self.kept = self.kept[:count], self.kept[count:]
        return released

    def held(self):
        return len(self.kept)


class TakesSome(Holds):
    """Refuses the first of a batch, and lets one out that it has held."""

    def add(self, events, now):
        self.kept += events[1:]
        released, self.kept = self.kept[:1], self.kept[1:]
        raise PartialError({0: TransientError("full")}, released)


class Collects(Sink):
    """Takes everything, one loop turn later, and counts what it takes."""

    taken = 0

    def __init__(self, **settings):
        vars(self).update(settings)

    async def write(self, events):
        await asyncio.sleep(0)
        self.taken += len(events)


class Fails(Collects):
    """Fails all, some or the first times."""

    def __init__(self, how, **settings):
        super().__init__(**settings)
        self.how = how
        self.calls = 0

    async def write(self, events):
        self.calls += 1
        if self.how == "out of bounds":
            raise PartialError({0: TransientError("one"), len(events): ValueError()})
        if self.how == "partly":
            self.taken += len(events) - 1
            raise PartialError({0: TransientError("one")})
        if self.how == "transient" or (self.how == "at first" and self.calls % 2):
            raise TransientError("later", retry_after=0.0)
        if self.how == "bug":
            raise ZeroDivisionError("a bug")
        if self.how == "own cancel":
            raise asyncio.CancelledError
        self.taken += len(events)


class Hangs(Collects):
    """Never returns from its third write."""

    calls = 0

    async def write(self, events):
        self.calls += 1
        if self.calls > 2:
            await asyncio.Event().wait()
        self.taken += len(events)


class Stubborn(Collects):
    """Swallows its cancellation and delivers all the same, a little later."""

    async def write(self, events):
        try:
            await asyncio.sleep(0.004)
        except asyncio.CancelledError:
            await asyncio.sleep(0.001)
        self.taken += len(events)


class Blocks(Collects):
    """Works on a thread."""

    blocking = True

    def write(self, events):
        threading.Event().wait(0.0001)
        self.taken += len(events)


@processor
def odd_only(event):
    return event if event % 2 else []


@processor
def three_of_each(event):
    return [event, event, event]


@processor
def often_wrong(event):
    if event % 5 == 0:
        raise ValueError(event)
    return None if event % 5 == 1 else event


@processor
async def slowly(event):
    await asyncio.sleep(0)
    if event % 11 == 0:
        raise TransientError("eleven")
    return event


# Random descriptions of pipelines.

QUEUES = st.builds(
    Queue,
    capacity=st.integers(1, 20),
    when_full=st.sampled_from(["block", "drop_newest", "drop_oldest"]),
    max_bytes=st.none() | st.integers(8, 200),
    size=st.just(lambda event: 8),
)
BATCHES = st.builds(
    BatchBy,
    max_events=st.integers(1, 15),
    max_bytes=st.none() | st.integers(1, 100),
    flush_interval=st.floats(0, 0.003),
    size=st.just(lambda event: 8),
)
SINK_SETTINGS = st.fixed_dictionaries(
    {"max_in_flight": st.integers(1, 3)},
    optional={
        "queue": QUEUES,
        "batch": BATCHES,
        "retry": st.just(Retry(initial=0.0005, maximum=0.001, deadline=0.003)),
        "timeout": st.just(0.002),
    },
)
FAULTS = ["partly", "out of bounds", "transient", "at first", "bug", "own cancel"]
SINKS = st.one_of(
    st.builds(lambda s: Collects(**s), SINK_SETTINGS),
    st.builds(
        lambda how, s: Fails(how, **s),
        st.sampled_from(FAULTS),
        SINK_SETTINGS,
    ),
    st.builds(lambda s: Hangs(**s), SINK_SETTINGS),
    st.builds(lambda s: Stubborn(**s), SINK_SETTINGS),
    st.builds(lambda s: Blocks(**(s | {"timeout": None})), SINK_SETTINGS),
)


def configured(stage, queue, workers):
    if queue is not None:
        stage.queue = queue
    if not isinstance(stage, Accumulator):
        stage.workers = workers
    return stage


STAGES = st.one_of(
    st.sampled_from([odd_only, three_of_each, often_wrong, slowly]),
    st.builds(
        configured,
        st.one_of(
            st.builds(Doubled),
            st.builds(EveryOther),
            st.builds(SomeFail),
            st.builds(Exact),
            st.builds(Sums, st.integers(1, 20)),
            st.builds(Holds),
            st.builds(Passes),
            st.builds(TakesSome),
        ),
        st.none() | QUEUES,
        st.integers(1, 3),
    ),
    BATCHES,
)


def chained(stages, end):
    chain = end
    for stage in reversed(stages):
        chain = stage >> chain
    return chain


def way_of(event):
    if event % 13 == 12:
        raise KeyError(event)
    return ("a", "b", "c")[event % 3]


def branched(first, other, shed):
    """A fork inside a branch, where one way may shed, and some events have none."""
    return [route(way_of, {"a": best_effort(first) if shed else first, "b": other})]


ENDS = st.recursive(
    SINKS,
    lambda ends: st.builds(
        chained,
        st.lists(STAGES, max_size=2),
        st.one_of(
            ends,
            st.lists(ends, min_size=1, max_size=3),
            st.builds(branched, ends, ends, st.booleans()),
        ),
    ),
    max_leaves=4,
)


@st.composite
def pipelines(draw):
    sources = [
        draw(st.sampled_from([Numbers, Numbers, Beside]))(
            draw(st.lists(st.integers(0, 12), max_size=8)), draw(st.booleans())
        )
        for _ in range(draw(st.integers(1, 2)))
    ]
    if draw(st.booleans()):
        sources.append(
            Tells(draw(st.lists(st.integers(0, 30), max_size=4)), pause=True)
        )
    heads = draw(st.permutations(sources))
    if draw(st.integers(0, 9)) == 0:
        heads.append(Broken())
    start = merge(*heads) if len(heads) > 1 else heads[0]
    for stage in draw(st.lists(STAGES, max_size=3)):
        start = start >> stage
    ends = draw(st.lists(ENDS, min_size=1, max_size=3))
    shape = draw(st.sampled_from(["fan-out", "best effort", "route", "one"]))
    if shape == "one":
        chain = start >> ends[0]
    elif shape == "best effort":
        chain = start >> [best_effort(ends[0]), *ends[1:]]
    elif shape == "route":
        ways = dict(zip("ab", ends, strict=False))
        default = ends[2] if len(ends) > 2 else None
        chain = start >> route(way_of, ways, default=default)
    else:
        chain = start >> list(ends)
    return Pipeline(chain, drain_timeout=0.01), sources


ENDINGS = st.tuples(
    st.sampled_from(["wait", "stop", "abort", "cancel", "flush", "leave"]),
    st.integers(0, 12),
)


async def live(pipeline, ending, turns):
    """Run a pipeline and end it in one of six ways after so many loop turns."""
    if ending == "cancel":
        body = asyncio.create_task(stay(pipeline))
        await turn(turns)
        body.cancel()
        await asyncio.wait({body})
        return
    async with pipeline:
        await turn(turns)
        check_now(pipeline)
        if ending == "wait":
            async with asyncio.timeout(0.02):
                await pipeline.wait()
        elif ending == "abort":
            await pipeline.abort()
        elif ending == "flush":
            await pipeline.flush(0.005)
        elif ending == "stop":
            await pipeline.stop(0.005)


async def stay(pipeline):
    async with pipeline:
        await asyncio.Event().wait()


async def turn(turns):
    for _ in range(turns):
        await asyncio.sleep(0)


def check_now(pipeline):
    """The books balance at any moment, not only in the end."""
    ledger = pipeline.ledger()
    assert ledger.balanced, f"\n{ledger}\n{pipeline.graph()}"


def check_books(pipeline, sources):
    ledger = pipeline.ledger()
    assert set(pipeline.health().failures) <= {"broken"}, pipeline.health()
    assert ledger.balanced, f"\n{ledger}\n{pipeline.graph()}"
    assert ledger.held == 0, f"\n{ledger}\n{pipeline.graph()}"
    for node in pipeline._graph.nodes:
        apart = stage_ledger(node, pipeline._runtime, with_own=False)
        assert apart.balanced, f"\n{apart}\n{ledger}\n{pipeline.graph()}"
    for name, stage in pipeline.stages.items():
        if isinstance(stage, Collects):
            delivered = ledger[name].delivered
            certain = not isinstance(stage, Stubborn | Blocks)
            assert delivered == stage.taken if certain else delivered <= stage.taken
    for source in sources:
        for delivery in source.deliveries:
            assert delivery.outcome is not None, f"{delivery}\n{ledger}"


@pytest.mark.timeout(900)
@settings(max_examples=PIPELINES)
@given(pipelines(), ENDINGS)
def test_books_balance_and_every_delivery_resolves_once(described, ending):
    """A delivery settled twice raises, one never settled is found."""
    pipeline, sources = described
    unbalanced = []

    def look(outcome):
        ledger = pipeline.ledger()
        if not ledger.balanced:
            unbalanced.append(ledger)

    for source in sources:
        source.told = look

    async def main():
        try:
            await live(pipeline, *ending)
        except TimeoutError:
            assert ending[0] == "wait"
        left = asyncio.all_tasks() - {asyncio.current_task()}
        assert not left

    asyncio.run(main())
    assert not unbalanced, f"\n{unbalanced[0]}\n{pipeline.graph()}"
    check_books(pipeline, sources)


def test_the_worst_part_of_a_batch_is_its_status(run):
    """A fan-out to a good and a failing sink rejects, and counts both."""

    @sink
    async def good(events):
        pass

    @sink
    async def bad(events):
        raise ValueError("never")

    source = Numbers([10], pause=False)
    run(Pipeline(source >> [good, bad]).run())
    outcome = source.deliveries[0].outcome
    assert outcome.status is DeliveryStatus.REJECTED
    assert (outcome.delivered, outcome.rejected) == (10, 10)
    assert isinstance(outcome.error, ValueError)
