"""Identifiers are made many at once, and nobody may notice."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from random import Random

from sluiceway.instrument.identity import AT_ONCE, Identifiers


def test_ids_have_their_lengths_and_never_repeat():
    ids = Identifiers(Random(7))
    traces = [ids.trace_id() for _ in range(5 * AT_ONCE)]
    spans = [ids.span_id() for _ in range(5 * AT_ONCE)]
    assert {*map(len, traces)} == {16}
    assert {*map(len, spans)} == {8}
    assert len({*traces}) == len({*spans}) == 5 * AT_ONCE


def test_every_byte_of_an_id_is_random():
    ids = Identifiers(Random(7))
    columns = zip(*(ids.span_id() for _ in range(2000)), strict=True)
    assert all(len({*column}) > 200 for column in columns)


def test_threads_never_get_the_same_id():
    ids = Identifiers(Random(7))

    def take(_):
        return [ids.span_id() for _ in range(5000)]

    with ThreadPoolExecutor(8) as pool:
        found = [one for taken in pool.map(take, range(8)) for one in taken]
    assert len({*found}) == 8 * 5000


def test_what_was_made_in_advance_is_forgotten_in_a_forked_child():
    random = Random(7)
    child, parent = Identifiers(random), Identifiers(Random(7))
    assert child.span_id() == parent.span_id()
    random.seed(8)
    child.after_fork()
    rest = {child.span_id() for _ in range(AT_ONCE)}
    assert not rest & {parent.span_id() for _ in range(AT_ONCE)}
