"""A head sampler is asked wherever a span may start: in handlers, finalizers, forks."""

import os

import pytest
from programs import run_program

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="POSIX only")

PRELUDE = """
import gc, os, signal, sys, threading
from sluiceway.instrument import Telemetry
from sluiceway.samplers import RateLimitSampler

sampler = RateLimitSampler(1000)
tracer = Telemetry("shop", sampler=sampler).tracer("t")

def start(*_):
    with tracer.span("s"):
        pass
"""


def program(code):
    return run_program(PRELUDE + code)


def test_a_span_in_a_signal_handler_waits_for_nobody():
    told = program("""
count = 0
def handler(*_):
    global count
    count += 1
    start()
signal.signal(signal.SIGALRM, handler)
signal.setitimer(signal.ITIMER_REAL, 0.0003, 0.0003)
while count < 500:
    start()
signal.setitimer(signal.ITIMER_REAL, 0)
print("went on")
""")
    assert told == "went on"


def test_a_span_in_a_finalizer_waits_for_nobody():
    told = program("""
class Cycle:
    def __init__(self):
        self.own = self
    __del__ = start
gc.set_threshold(5, 2, 2)
for _ in range(3000):
    Cycle()
    start()
print("went on")
""")
    assert told == "went on"


def test_a_child_that_is_forked_among_starting_spans_starts_its_own():
    told = program("""
import warnings
warnings.simplefilter("ignore", DeprecationWarning)  # of threads, since 3.12
sys.setswitchinterval(1e-6)
stopped = threading.Event()
def work():
    while not stopped.is_set():
        start()
threads = [threading.Thread(target=work) for _ in range(3)]
for thread in threads:
    thread.start()
ends = []
for _ in range(20):
    child = os.fork()
    if child == 0:
        signal.alarm(5)
        start()
        os._exit(0)
    ends.append(os.waitpid(child, 0)[1])
stopped.set()
for thread in threads:
    thread.join()
print(set(ends))
""")
    assert told == "{0}"
