"""Requests by the rules of the W3C's test suite for trace contexts.

Each has the headers that are sent, whether the trace goes on, and the tracestate that
must come out; None is none.
"""

TRACE, SPAN = "12345678901234567890123456789012", "1234567890123456"
PARENT = f"00-{TRACE}-{SPAN}-01"
OTHER = f"00-{TRACE[:-1]}1-{SPAN}-01"


def parent(text):
    return [("traceparent", text)]


def state(*texts, name="tracestate"):
    return [*parent(PARENT), *((name, text) for text in texts)]


MEMBERS = ",".join(f"bar{i:02d}={i}" for i in range(32))

CASES = {
    "nothing": ([], False, None),
    "a parent": (parent(PARENT), True, None),
    "two parents": (parent(PARENT) + parent(OTHER), False, None),
    "the same parent twice": (parent(PARENT) * 2, False, None),
    "a name with a dash": ([("trace-parent", PARENT)], False, None),
    "a name with a dot": ([("trace.parent", PARENT)], False, None),
    "a name in any case": ([("TrAcEpArEnT", PARENT)], True, None),
    "version 00 and more": (parent(PARENT + "-more"), False, None),
    "version 00 and a dot": (parent(PARENT + "."), False, None),
    "a later version": (parent("cc" + PARENT[2:]), True, None),
    "a later version and more": (parent("cc" + PARENT[2:] + "-more"), True, None),
    "a later version and a dot": (parent("cc" + PARENT[2:] + ".more"), False, None),
    "version ff": (parent("ff" + PARENT[2:]), False, None),
    "a short version": (parent(PARENT[1:]), False, None),
    "a long version": (parent("0" + PARENT), False, None),
    "no trace id": (parent(f"00-{'0' * 32}-{SPAN}-01"), False, None),
    "no span id": (parent(f"00-{TRACE}-{'0' * 16}-01"), False, None),
    "capitals": (parent(f"00-{'A' + TRACE[1:]}-{SPAN}-01"), False, None),
    "a short trace id": (parent(f"00-{TRACE[1:]}-{SPAN}-01"), False, None),
    "a long span id": (parent(f"00-{TRACE}-{SPAN}7-01"), False, None),
    "flags of one digit": (parent(f"00-{TRACE}-{SPAN}-1"), False, None),
    "space round the parent": (parent(f"\t {PARENT} \t"), True, None),
    "a state alone": ([("tracestate", "foo=1")], False, None),
    "a bad parent with a state": (
        [("traceparent", PARENT + "."), ("tracestate", "foo=1")],
        False,
        None,
    ),
    "a state": (state("foo=1,bar=2"), True, "foo=1,bar=2"),
    "a state in any case": (state("foo=1", name="TRACESTATE"), True, "foo=1"),
    "a state of another name": (state("foo=1", name="trace-state"), True, None),
    "an empty state": (state(""), True, None),
    "empty states beside one": (state("", "foo=1", ""), True, "foo=1"),
    "several states": (state("foo=1,bar=2", "baz=3"), True, "foo=1,bar=2,baz=3"),
    "space round members": (state("foo=1 \t , \t bar=2"), True, "foo=1,bar=2"),
    "a key twice": (state("foo=1,foo=2"), True, "foo=1"),
    "a key in capitals": (state("FOO=1,bar=2"), True, None),
    "a key with a space": (state("foo =1,bar=2"), True, None),
    "a key that starts with @": (state("@foo=1,bar=2"), True, None),
    "a value with an equals sign": (state("foo=bar=baz,bar=2"), True, None),
    "a value that is empty": (state("foo=,bar=2"), True, None),
    "32 members": (state(MEMBERS), True, MEMBERS),
    "33 members": (state(MEMBERS + ",bar32=32"), True, None),
    "a key of 256 characters": (state("k" * 256 + "=1"), True, "k" * 256 + "=1"),
    "a key of 257 characters": (state("k" * 257 + "=1"), True, None),
    "a value of 256 characters": (state("k=" + "v" * 256), True, "k=" + "v" * 256),
    "a value of 257 characters": (state("k=" + "v" * 257), True, None),
}
