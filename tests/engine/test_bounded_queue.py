"""The bounded queue does what a naive model of it does, and loses nothing."""

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sluiceway import Batch, Queue
from sluiceway._engine.books import Books
from sluiceway._engine.marks import END
from sluiceway._engine.queue import BoundedQueue
from sluiceway.testing import ManualClock

POLICIES = ("block", "drop_newest", "drop_oldest")


class Model:
    """The queue as one would explain it: lists, and no thought of speed."""

    def __init__(self, capacity, max_bytes, policy):
        self.capacity = capacity
        self.max_bytes = max_bytes
        self.policy = policy
        self.waiting, self.working, self.taken = [], [], []
        self.line, self.dropped = [], []
        self.getters = 0

    @property
    def inside(self):
        return [e for batch in (*self.waiting, *self.working) for e in batch]

    def has_room(self, events, inside=None):
        inside = self.inside if inside is None else inside
        if not inside:
            return True
        size = sum(size for _, size in (*inside, *events))
        count = len(inside) + len(events)
        in_bytes = self.max_bytes is None or size <= self.max_bytes
        return count <= self.capacity and in_bytes

    def put(self, key, events):
        if self.policy == "block":
            self.line.append((key, events))
            return
        events = list(events)
        if self.policy == "drop_oldest":
            working = [e for batch in self.working for e in batch]
            while events and not self.has_room(events, working):
                self.dropped.append(events.pop(0))
            while events and self.waiting and not self.has_room(events):
                self.dropped.append(self.waiting[0].pop(0))
                self.waiting = [batch for batch in self.waiting if batch]
        kept = list(events)
        while kept and not self.has_room(kept):
            place = 0 if self.policy == "drop_oldest" else -1
            self.dropped.append(kept.pop(place))
        if kept:
            self.waiting.append(kept)

    def settle(self):
        while True:
            if self.line and self.has_room(self.line[0][1]):
                self.waiting.append(list(self.line.pop(0)[1]))
            elif self.getters and self.waiting:
                self.getters -= 1
                self.working.append(self.waiting.pop(0))
                self.taken.append(list(self.working[-1]))
            else:
                return


class Real:
    """The queue, with a task for each put and get that waits."""

    def __init__(self, capacity, max_bytes, policy):
        bounds = Queue(capacity, policy, max_bytes, lambda event: event[1])
        self.books = Books()
        self.queue = BoundedQueue(bounds, self.books, ManualClock())
        self.queue.producers = 1
        self.putting, self.getting = {}, []
        self.working, self.taken = [], []

    def put(self, key, events):
        self.putting[key] = asyncio.create_task(self.queue.put(Batch(list(events))))

    async def get(self):
        batch = await self.queue.get()
        self.taken.append(list(batch.events))
        self.working.append(batch)

    def done(self):
        batch = self.working.pop(0)
        self.queue.done(len(batch.events), batch.size)

    async def settle(self):
        for _ in range(8):
            await asyncio.sleep(0)
        self.putting = {k: t for k, t in self.putting.items() if not t.done()}
        self.getting = [task for task in self.getting if not task.done()]

    async def close(self):
        tasks = [*self.putting.values(), *self.getting]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


SIZES = st.lists(st.integers(0, 9), min_size=1, max_size=6)
OPERATIONS = st.lists(
    st.one_of(
        st.tuples(st.just("put"), SIZES),
        st.tuples(st.just("get"), st.none()),
        st.tuples(st.just("done"), st.none()),
        st.tuples(st.just("cancel put"), st.integers(0, 5)),
        st.tuples(st.just("cancel get"), st.none()),
    ),
    max_size=25,
)


async def replay(model, real, operations):
    number = 0
    for operation, argument in operations:
        if operation == "put":
            events = [(number + i, size) for i, size in enumerate(argument)]
            number += len(events)
            model.put(number, events)
            real.put(number, events)
        elif operation == "get":
            model.getters += 1
            real.getting.append(asyncio.create_task(real.get()))
        elif operation == "done" and model.working:
            model.working.pop(0)
            real.done()
        elif operation == "cancel put" and model.line:
            key, _ = model.line.pop(argument % len(model.line))
            real.putting[key].cancel()
        elif operation == "cancel get" and model.getters:
            model.getters -= 1
            real.getting.pop().cancel()
        model.settle()
        await real.settle()
        compare(model, real)
    await real.close()


def compare(model, real):
    assert real.taken == model.taken
    assert real.queue.used == len(model.inside)
    assert real.queue.held() == sum(map(len, model.waiting))
    assert real.books.dropped["queue_full"] == len(model.dropped)
    assert list(real.putting) == [key for key, _ in model.line]
    assert len(real.getting) == model.getters
    assert real.books.received == len(model.dropped) + sum(
        map(len, (*model.taken, *model.waiting))
    )


@pytest.mark.parametrize("policy", POLICIES)
@settings(max_examples=300)
@given(st.integers(1, 8), st.none() | st.integers(1, 30), OPERATIONS)
def test_a_queue_does_what_the_naive_model_does(
    policy, capacity, max_bytes, operations
):
    """Both bounds, exact splits, order among blocked putters, work in flight."""

    async def main():
        model = Model(capacity, max_bytes, policy)
        await replay(model, Real(capacity, max_bytes, policy), operations)

    asyncio.run(main())


def meddle(real, tasks, number, step, choice):
    """One of: put, get, done, cancel a put, cancel a get."""
    if step == "p":
        batch = Batch([(number, 1)])
        tasks[number] = asyncio.create_task(real.queue.put(batch))
    elif step == "g":
        real.getting.append(asyncio.create_task(real.get()))
    elif step == "d" and real.working:
        real.done()
    elif step == "c" and tasks:
        list(tasks.values())[choice % len(tasks)].cancel()
    elif step == "x" and real.getting:
        real.getting[choice % len(real.getting)].cancel()


@given(
    st.integers(1, 5),
    st.lists(st.tuples(st.sampled_from("pgdcx"), st.integers(0, 3)), max_size=40),
)
def test_a_cancelled_put_or_get_loses_nothing_whenever_it_comes(capacity, steps):
    """Cancellation may meet a wake-up that is already under way."""

    async def main():
        real, tasks = Real(capacity, None, "block"), {}
        for number, (step, turns) in enumerate(steps):
            meddle(real, tasks, number, step, turns)
            for _ in range(turns):
                await asyncio.sleep(0)
        for task in (*tasks.values(), *real.getting):
            task.cancel()
        await asyncio.gather(*tasks.values(), *real.getting, return_exceptions=True)
        given_up = [key for key, task in tasks.items() if task.cancelled()]
        kept = [event[0] for batch in real.taken for event in batch]
        while (batch := real.queue.get_nowait()) is not None:
            kept += [event[0] for event in batch.events]
        assert sorted(kept + given_up) == sorted(tasks)
        assert kept == sorted(kept)

    asyncio.run(main())


def queue_of(capacity, when_full="block", **settings):
    books = Books()
    queue = BoundedQueue(Queue(capacity, when_full, **settings), books, ManualClock())
    queue.producers = 1
    return queue, books


def test_an_event_that_can_have_no_room_costs_no_other_its_own(run):
    async def main():
        bounds = Queue(8, "drop_oldest", 10, size=lambda event: event)
        queue = BoundedQueue(bounds, Books(), ManualClock())
        for event in (1, 2, 3):
            await queue.put(Batch([event]))
        taken = queue.get_nowait()
        await queue.put(Batch([99, 4]))
        assert (taken.events, queue.held()) == ([1], 3)
        assert [queue.get_nowait().events for _ in range(3)] == [[2], [3], [4]]

    run(main())


def test_an_empty_queue_admits_one_oversized_batch(run):
    async def main():
        queue, books = queue_of(2)
        await queue.put(Batch([*range(10)]))
        second = asyncio.create_task(queue.put(Batch([10])))
        await asyncio.sleep(0)
        assert not second.done()
        batch = await queue.get()
        await asyncio.sleep(0)
        assert not second.done(), "what is worked on still takes up room"
        queue.done(len(batch.events))
        await second
        assert (await queue.get()).events == [10]
        assert not books.dropped

    run(main())


def test_blocked_putters_go_in_the_order_in_which_they_came(run):
    async def main():
        queue, _ = queue_of(3)
        await queue.put(Batch([0, 0, 0]))
        sizes = [3, 1, 2, 1]
        tasks = [
            asyncio.create_task(queue.put(Batch([n] * size)))
            for n, size in enumerate(sizes, 1)
        ]
        order = []
        for _ in range(5):
            await asyncio.sleep(0)
            batch = await queue.get()
            order.append(batch.events[0])
            queue.done(len(batch.events))
        await asyncio.gather(*tasks)
        assert order == [0, 1, 2, 3, 4]

    run(main())


def test_a_small_put_does_not_overtake_a_large_one_that_waits(run):
    async def main():
        queue, _ = queue_of(4)
        await queue.put(Batch([1, 2]))
        large = asyncio.create_task(queue.put(Batch([3, 4, 5, 6])))
        await asyncio.sleep(0)
        small = asyncio.create_task(queue.put(Batch([7])))
        await asyncio.sleep(0)
        assert not small.done()
        assert not queue.put_nowait(Batch([8]))
        queue.done(len((await queue.get()).events))
        await asyncio.gather(large)
        queue.done(len((await queue.get()).events))
        await small

    run(main())


def test_shedding_never_waits(run):
    async def main():
        queue, books = queue_of(1)
        await queue.put(Batch([1]))
        await queue.put(Batch([2]), shed=True)
        assert books.dropped == {"queue_full": 1}

    run(main())


def test_get_gives_end_only_when_the_last_producer_has_finished_and_all_is_taken(run):
    async def main():
        queue, _ = queue_of(5)
        queue.producers = 2
        await queue.put(Batch([1]))
        queue.producer_finished()
        queue.producer_finished()
        assert (await queue.get()).events == [1]
        assert await queue.get() is END
        assert await queue.get() is END

    run(main())


def test_the_last_producer_wakes_every_worker_that_waits(run):
    async def main():
        queue, _ = queue_of(5)
        getting = [asyncio.create_task(queue.get()) for _ in range(3)]
        await asyncio.sleep(0)
        queue.producer_finished()
        assert await asyncio.gather(*getting) == [END, END, END]

    run(main())


def test_get_returns_at_its_deadline_with_nothing(run):
    async def main():
        clock = ManualClock()
        queue = BoundedQueue(Queue(), Books(), clock)
        queue.producers = 1
        getting = asyncio.create_task(queue.get(deadline=5.0))
        await clock.advance(4.9)
        assert not getting.done()
        await clock.advance(0.1)
        assert await getting is None

    run(main())


def test_a_size_that_raises_rejects_its_batch_and_nothing_else(run):
    def size(event):
        if event == "bad":
            raise ZeroDivisionError
        return 1

    async def main():
        queue, books = queue_of(10, max_bytes=100, size=size)
        await queue.put(Batch(["good"]))
        await queue.put(Batch(["fine", "bad"]))
        await queue.put(Batch(["last"]))
        assert books.rejected == {"ZeroDivisionError": 2}
        assert books.received == 4
        assert (await queue.get()).events == ["good"]
        assert (await queue.get()).events == ["last"]

    run(main())


def test_breaking_off_drops_what_waits_and_whatever_comes(run):
    async def main():
        queue, books = queue_of(2)
        await queue.put(Batch([1, 2]))
        blocked = asyncio.create_task(queue.put(Batch([3])))
        await asyncio.sleep(0)
        queue.break_off("aborted")
        await blocked
        await queue.put(Batch([4]))
        assert books.dropped == {"aborted": 4}
        assert books.received == 4

    run(main())
