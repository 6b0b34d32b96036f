"""What events say of their size."""

import pytest

from sluiceway import LogRecord, Span
from sluiceway.events import SpanEvent


def span(**fields):
    return Span(name="a", trace_id=b"t" * 16, span_id=b"s" * 8, **fields)


@pytest.mark.parametrize("key", [1, None, b"order", ("a", 1), True])
def test_an_attribute_whose_key_is_no_text_has_a_size_too(key):
    plain, odd = ({name: "value"} for name in ("k" * 5, key))
    for make in (
        lambda found: span(attributes=found),
        lambda found: span(events=[SpanEvent("event", attributes=found)]),
        lambda found: LogRecord(body=found),
    ):
        assert abs(make(odd).size() - make(plain).size()) < 20
