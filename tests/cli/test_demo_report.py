"""The demo's last words agree with the books, also when the books are wrong."""

from __future__ import annotations

import asyncio
import re
from contextlib import AsyncExitStack

import pytest
from attrs import evolve

from sluiceway import Ledger, StageLedger
from sluiceway.cli.demo.arrival import mismatch
from sluiceway.cli.demo.ends import open_ends
from sluiceway.cli.demo.job import Demo, Options
from sluiceway.cli.demo.receivers import AlertReceiver
from sluiceway.cli.demo.report import equation, ledger_lines, loss_lines, verdict

SINK = StageLedger(
    "otlp", "sink", received=1200, delivered=1000, errored={"http_503": 150},
    dropped={"queue_full": 50},
)  # fmt: skip
OPTIONS = Options(
    duration=1.5, rate=100, shop_port=0, metrics_port=0, seed=1, live=False
)


def test_a_stages_line_is_an_equation_of_its_books():
    assert equation(SINK) == (
        "1,200 received = 1,000 delivered + 50 dropped{queue_full} "
        "+ 150 errored{http_503}"
    )


def test_books_that_disagree_are_shown_as_such():
    wrong = evolve(SINK, delivered=999)
    assert "1,200 received != 999 delivered" in equation(wrong)
    assert verdict(Ledger({"otlp": wrong})).startswith("NOT BALANCED")


def test_names_and_kinds_are_aligned():
    spans = StageLedger("spans", "source", created=5, sent=5)
    assert ledger_lines(Ledger({"spans": spans, "otlp": SINK})) == [
        "  spans  source  5 created = 5 sent",
        f"  otlp   sink    {equation(SINK)}",
    ]


def test_every_loss_is_named_with_stage_and_reason():
    source = StageLedger("spans", "source", created=1200, sent=1200)
    ledger = Ledger({"spans": source, "otlp": SINK})
    assert verdict(ledger) == "balanced, delivered 1,000, lost 200"
    assert loss_lines(ledger) == [
        "  50 at otlp: dropped{queue_full}",
        "  150 at otlp: errored{http_503}",
    ]


@pytest.mark.parametrize(
    ("arrived", "wrong"), [(999, True), (1000, False), (1200, False), (1201, True)]
)
def test_what_was_given_up_may_have_arrived_but_nothing_else_may_differ(arrived, wrong):
    assert bool(mismatch(arrived, SINK, "events")) is wrong


class ForgetfulReceiver(AlertReceiver):
    """Answers 200 and forgets what it was sent."""

    async def _take(self, request):
        answer = await super()._take(request)
        self._alerts.clear()
        return answer


def test_what_was_delivered_and_did_not_arrive_is_said_and_fails(capsys):
    async def run_with_a_forgetful_receiver():
        async with AsyncExitStack() as stack:
            ends = await open_ends(stack, {})
            forgetful = await stack.enter_async_context(ForgetfulReceiver())
            return await Demo(OPTIONS, evolve(ends, alerts=forgetful)).run()

    assert asyncio.run(run_with_a_forgetful_receiver()) == 1
    out = capsys.readouterr().out
    assert re.search("0 alerts; BUT [1-9][0-9]* alerts were delivered", out)
