"""Arithmetic of histograms: adding two, and exponential buckets made explicit.

Law: pure, and every result is a new value. Source: OpenTelemetry specification,
``metrics/data-model``, "ExponentialHistogram".
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from ..events import ExponentialBuckets, ExponentialHistogram, Histogram

Span = tuple[int, int]
MOST_BUCKETS = 160
MOST_BOUNDS = 80


def added(older: Any, newer: Any) -> Any:
    """The sum of two values of one series; None where they cannot be added."""
    if isinstance(older, Histogram) and isinstance(newer, Histogram):
        return added_explicit(older, newer)
    if isinstance(older, ExponentialHistogram) and isinstance(
        newer, ExponentialHistogram
    ):
        return added_exponential(older, newer)
    if isinstance(older, int | float) and isinstance(newer, int | float):
        return older + newer
    return None


def added_explicit(older: Histogram, newer: Histogram) -> Histogram | None:
    """The sum of two histograms of the same bounds; None for other bounds."""
    if older.explicit_bounds != newer.explicit_bounds:
        return None
    counts = sums_of(older.bucket_counts, newer.bucket_counts)
    if counts is None:
        return None
    return Histogram(
        count=older.count + newer.count,
        sum=both(older.sum, newer.sum, sum),
        bucket_counts=counts,
        explicit_bounds=older.explicit_bounds,
        min=both(older.min, newer.min, min),
        max=both(older.max, newer.max, max),
    )


def added_exponential(
    older: ExponentialHistogram, newer: ExponentialHistogram
) -> ExponentialHistogram:
    """The sum of two exponential histograms, at a scale where the buckets fit."""
    threshold = max(older.zero_threshold, newer.zero_threshold)
    scale = min(older.scale, newer.scale)
    older, newer = at_scale(older, scale), at_scale(newer, scale)
    # Fit before adding: far offsets would make a huge list of empty buckets.
    spans = [
        union(span(older.positive), span(newer.positive)),
        union(span(older.negative), span(newer.negative)),
    ]
    scale -= steps_to_fit(spans, MOST_BUCKETS)
    first = without_zeros(at_scale(older, scale), threshold)
    second = without_zeros(at_scale(newer, scale), threshold)
    return ExponentialHistogram(
        count=older.count + newer.count,
        sum=both(older.sum, newer.sum, sum),
        scale=scale,
        zero_count=first.zero_count + second.zero_count,
        positive=added_buckets(first.positive, second.positive),
        negative=added_buckets(first.negative, second.negative),
        min=both(older.min, newer.min, min),
        max=both(older.max, newer.max, max),
        zero_threshold=threshold,
    )


def explicit(value: ExponentialHistogram) -> Histogram:
    """The same measurements in explicit buckets, with about ``MOST_BOUNDS`` bounds.

    The scale is lowered until they fit. Bounds of a lower scale are some of the bounds
    of a higher one, so that series of buckets go on when the scale changes.

    Raises:
        OverflowError: a scale that no float can express.
    """
    spans = [span(value.positive), span(value.negative)]
    value = at_scale(value, value.scale - steps_to_fit(spans, MOST_BOUNDS))
    bounds: list[float] = []
    counts: list[int] = []
    overflow = 0
    for bound, count in ladder(value):
        if math.isinf(bound):
            overflow += count
        elif bounds and bound <= bounds[-1]:
            counts[-1] += count
        else:
            bounds.append(bound)
            counts.append(count)
    return Histogram(
        count=value.count,
        sum=value.sum,
        bucket_counts=[*counts, overflow],
        explicit_bounds=bounds,
        min=value.min,
        max=value.max,
    )


def ladder(value: ExponentialHistogram) -> Iterator[tuple[float, int]]:
    """Upper bounds in rising order, and how many measurements lie below each."""
    negative, positive = value.negative, value.positive
    if negative.bucket_counts:
        top = negative.offset + len(negative.bucket_counts)
        yield -power(value.scale, top), 0
        for index, count in enumerate(reversed(negative.bucket_counts)):
            yield -power(value.scale, top - index - 1), count
    yield value.zero_threshold, value.zero_count
    if positive.bucket_counts:
        yield power(value.scale, positive.offset), 0
        for index, count in enumerate(positive.bucket_counts, positive.offset + 1):
            yield power(value.scale, index), count


def bucket_index(value: float, scale: int) -> int:
    """The index of the bucket ``(base ** index, base ** (index + 1)]`` of a value.

    Exact at powers of two, whose mantissa's logarithm is exactly 0; near the other
    bounds the logarithm's rounding may choose the neighbour. Subnormal values have a
    bucket like all others.

    Args:
        value: above 0 and finite.
        scale: how fine the buckets are; the base is ``2 ** (2 ** -scale)``.
    """
    mantissa, exponent = math.frexp(value)
    fine = max(scale, 0)
    part = math.ceil(math.log2(mantissa + mantissa) * (1 << fine))
    return (((exponent - 1) << fine) + part - 1) >> (fine - scale)


def power(scale: int, index: int) -> float:
    """The lower bound of bucket ``index``: ``base ** index``, infinite if too large."""
    exponent = index / 2.0**scale
    return 2.0**exponent if exponent < 1024 else math.inf


def at_scale(value: ExponentialHistogram, scale: int) -> ExponentialHistogram:
    """The histogram at the same or a lower scale: each step joins two buckets."""
    steps = value.scale - scale
    if steps == 0:
        return value
    return msgspec.structs.replace(
        value,
        scale=scale,
        positive=joined(value.positive, steps),
        negative=joined(value.negative, steps),
    )


def joined(buckets: ExponentialBuckets, steps: int) -> ExponentialBuckets:
    """The buckets ``steps`` scales lower."""
    offset = buckets.offset >> steps
    counts = [0] * width(span(buckets), steps)
    for index, count in enumerate(buckets.bucket_counts, buckets.offset):
        counts[(index >> steps) - offset] += count
    return ExponentialBuckets(offset, counts)


def span(buckets: ExponentialBuckets) -> Span | None:
    """The first and the last index of the buckets, where there are any."""
    count = len(buckets.bucket_counts)
    return (buckets.offset, buckets.offset + count - 1) if count else None


def union(first: Span | None, second: Span | None) -> Span | None:
    """The smallest span that holds both."""
    if first is None or second is None:
        return first or second
    return min(first[0], second[0]), max(first[1], second[1])


def width(span: Span | None, steps: int) -> int:
    """How many buckets a span takes ``steps`` scales lower."""
    return 0 if span is None else (span[1] >> steps) - (span[0] >> steps) + 1


def steps_to_fit(spans: list[Span | None], most: int) -> int:
    """How many scales lower the spans together take at most ``most`` buckets."""
    steps = 0
    while sum(width(span, steps) for span in spans) > most:
        steps += 1
    return steps


def without_zeros(
    value: ExponentialHistogram, threshold: float
) -> ExponentialHistogram:
    """The histogram with a wider zero bucket, which takes what it now covers."""
    if threshold == value.zero_threshold:
        return value
    positive, low = above(value.positive, value.scale, threshold)
    negative, high = above(value.negative, value.scale, threshold)
    return msgspec.structs.replace(
        value,
        zero_threshold=threshold,
        zero_count=value.zero_count + low + high,
        positive=positive,
        negative=negative,
    )


def above(
    buckets: ExponentialBuckets, scale: int, threshold: float
) -> tuple[ExponentialBuckets, int]:
    """The buckets that reach above ``threshold``, and the count of the others."""
    covered = 0
    for index in range(len(buckets.bucket_counts)):
        if power(scale, buckets.offset + index + 1) > threshold:
            break
        covered += 1
    counts = buckets.bucket_counts
    kept = ExponentialBuckets(buckets.offset + covered, counts[covered:])
    return kept, sum(counts[:covered])


def added_buckets(
    first: ExponentialBuckets, second: ExponentialBuckets
) -> ExponentialBuckets:
    """The buckets of both, which are of one scale."""
    if not first.bucket_counts or not second.bucket_counts:
        return first if first.bucket_counts else second
    offset = min(first.offset, second.offset)
    end = max(part.offset + len(part.bucket_counts) for part in (first, second))
    counts = [0] * (end - offset)
    for part in (first, second):
        for index, count in enumerate(part.bucket_counts, part.offset - offset):
            counts[index] += count
    return ExponentialBuckets(offset, counts)


def sums_of(first: list[int], second: list[int]) -> list[int] | None:
    """Sums place by place; None for other lengths."""
    if len(first) != len(second):
        return None
    return [left + right for left, right in zip(first, second, strict=True)]


def both(
    first: float | None,
    second: float | None,
    join: Callable[[tuple[float, float]], float],
) -> float | None:
    """``join((first, second))`` where both are known."""
    return None if first is None or second is None else join((first, second))
