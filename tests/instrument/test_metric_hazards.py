"""Measuring where others' metrics have hung: in finalizers, signals, forks."""

from __future__ import annotations

import gc
import logging
import os
import signal
import threading

import pytest
from opentelemetry import metrics as api

from sluiceway.instrument import Telemetry, View


@pytest.fixture(params=["quick", "exponential", "always_on"])
def telemetry(request):
    """The quick way, and the two that take a lock."""
    if request.param == "exponential":
        return Telemetry("shop", exponential_histograms=True)
    return Telemetry("shop", exemplars=request.param.replace("quick", "trace_based"))


def count_of(telemetry, name):
    points = [point for point in telemetry.collect() if point.name == name]
    return sum(getattr(point.value, "count", point.value) for point in points)


def test_a_finalizer_may_measure_whatever_is_being_measured(telemetry):
    meter = telemetry.meter("m")
    counter, histogram = meter.counter("c"), meter.histogram("h")

    class Counted:
        def __init__(self):
            self.itself = self  # only the garbage collector can free it

        def __del__(self):
            counter.add(1, {"n": freed[0] % 50})
            histogram.record(freed[0], {"n": freed[0] % 50})
            freed[0] += 1

    freed = [0]
    threshold = gc.get_threshold()
    gc.set_threshold(7)
    try:
        for number in range(2000):
            Counted()
            counter.add(1, {"n": number % 50, "list": [number % 3]})
            histogram.record(number)
            if number % 100 == 0:
                telemetry.collect()
    finally:
        gc.set_threshold(*threshold)
    gc.collect()
    assert freed == [2000]
    assert count_of(telemetry, "c") == count_of(telemetry, "h") == 4000


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="needs setitimer")
def test_a_signal_handler_may_measure_whatever_is_being_measured(telemetry):
    meter = telemetry.meter("m")
    counter, histogram = meter.counter("c"), meter.histogram("h")
    seen = []

    def handler(*_):
        seen.append(1)
        counter.add(1, {"by": [len(seen) % 5]})
        histogram.record(2.0 ** (len(seen) % 900), {"new": len(seen)})

    before = signal.signal(signal.SIGALRM, handler)
    signal.setitimer(signal.ITIMER_REAL, 0.0002, 0.0002)
    count = 0
    while len(seen) < 200:
        counter.add(1, {"by": [count % 5]})
        histogram.record(count, {"n": count % 1000})
        count += 1
        if count % 50 == 0:
            telemetry.collect()
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)
    wanted = count + len(seen)
    assert count_of(telemetry, "c") == count_of(telemetry, "h") == wanted


class Asking(logging.Handler):
    """Waits, for each line, for another thread that measures."""

    def __init__(self, meter):
        super().__init__()
        self.meter, self.lines, self.hung = meter, [], 0

    def handle(self, record):
        self.emit(record)  # without the lock: the other thread may log, too

    def emit(self, record):
        self.lines.append(record.getMessage())
        thread = threading.Thread(target=self.measure, args=(len(self.lines),))
        thread.start()
        thread.join(20)
        self.hung += thread.is_alive()

    def measure(self, number):
        self.meter.counter("c").add(1, {"line": number})
        self.meter.histogram("h").record(1, {"line": number})
        self.meter.counter(f"another{number}").add(1)


def test_a_log_handler_may_wait_for_a_thread_that_measures():
    telemetry = Telemetry("shop", series_limit=1, views=[View("bad", name="worse")])
    meter = telemetry.meter("m")
    handler = Asking(meter)
    logger = logging.getLogger("sluiceway")
    logger.addHandler(handler)
    try:
        for number in range(3):
            meter.counter("c").add(1, {"n": number})
            meter.histogram("h").record(1, {"n": number})
        meter.counter("c", description="another")
        meter.gauge("c")
        meter.counter("c").add(-1)
        meter.create_counter("1st")
        telemetry.collect()
    finally:
        logger.removeHandler(handler)
    assert len(handler.lines) >= 5
    assert handler.hung == 0


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")  # 3.12 warns
def test_a_child_that_is_forked_while_another_thread_measures_does_not_hang(telemetry):
    meter = telemetry.meter("m")
    counter, histogram = meter.counter("c"), meter.histogram("h")
    meter.observable_gauge("g", lambda _: [api.Observation(1)])
    stopped = threading.Event()

    def work():
        number = 0
        while not stopped.is_set():
            number += 1
            counter.add(1, {"n": [number % 100]})
            histogram.record(number, {"n": [number % 100]})
            meter.counter(f"c{number % 50}")

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    exits = [exit_of_child(telemetry, counter, histogram) for _ in range(10)]
    stopped.set()
    for thread in threads:
        thread.join()
    assert exits == [0] * 10


def exit_of_child(telemetry, counter, histogram):
    """0 if the child can measure and collect; a signal ends one that hangs."""
    child = os.fork()
    if child == 0:
        signal.alarm(20)
        counter.add(1)
        histogram.record(1)
        names = sorted({point.name for point in telemetry.collect()})
        os._exit(0 if names == ["c", "g", "h"] else 1)
    return os.waitpid(child, 0)[1]
