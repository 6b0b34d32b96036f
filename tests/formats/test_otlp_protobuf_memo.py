"""What an encoder remembers between requests."""

from sluiceway.events import Resource, Scope
from sluiceway.formats.otlp_protobuf.memo import FULL_FOR, Memo
from sluiceway.formats.otlp_protobuf.tails import LONGEST, MOST
from sluiceway.formats.otlp_protobuf.write_notes import encode_notes
from sluiceway.notes import Provenance

KEY = "user.id"


def kept(memo, value):
    """Whether a value of the key is remembered."""
    return value in memo.attributes[type(value)].get(KEY, {})


def use(memo, *values):
    for value in values:
        memo.pair(KEY, value)


def test_values_that_never_come_again_do_not_drive_out_those_that_do():
    memo = Memo()
    use(memo, 1, "ann")
    use(memo, *range(10, 10 + 2 * Memo.LARGEST))
    assert kept(memo, 1)
    assert kept(memo, "ann")


def test_no_more_is_kept_than_a_memo_may_hold():
    memo = Memo()
    use(memo, *range(20 * Memo.LARGEST))
    use(memo, *map(str, range(20 * Memo.LARGEST)))
    of_all = memo.attributes.values()
    entries = sum(len(values) for by_key in of_all for values in by_key.values())
    assert entries + len(memo.texts) <= Memo.LARGEST


def test_a_memo_that_has_been_full_for_a_while_begins_again():
    memo = Memo()
    use(memo, *range(FULL_FOR * Memo.LARGEST))
    use(memo, "ann")
    use(memo, "bob")
    assert not kept(memo, 1)
    assert kept(memo, "bob")


def test_what_a_full_memo_does_not_keep_is_encoded_all_the_same():
    memo, fresh = Memo(), Memo()
    use(memo, *range(Memo.LARGEST))
    for key, value in ((KEY, 10**9), (KEY, "cyd"), ("new", 5), ("new", -5)):
        assert memo.pair(key, value) == fresh.pair(key, value)
    assert memo.texts["GET /"] == fresh.texts["GET /"] == b"\x05GET /"
    assert not kept(memo, 10**9)


def finish(memo, name, *attributes, parent=b""):
    """Encode a span of the name with each of these attributes."""
    ids, provenance = (b"t" * 16, b"s" * 8, parent), Provenance(Resource(), Scope())
    encode_notes(
        memo,
        [(name, *ids, 1, 2, own, 1, "", 0, None, provenance) for own in attributes],
    )


def test_attributes_that_repeat_are_remembered_as_a_whole_by_the_name_of_their_span():
    memo = Memo()
    finish(memo, "GET", {"a": 1}, {"a": 1}, {"a": 2})
    finish(memo, "GET", {"a": 1}, parent=b"p" * 8)
    assert len(memo.root_tails["GET"]) == 2
    assert len(memo.child_tails["GET"]) == 1


def test_a_name_whose_attributes_never_come_again_is_not_looked_up_any_more():
    memo = Memo()
    finish(memo, "GET", *({"user.id": number} for number in range(MOST + 1)))
    finish(memo, "PUT", {"user.id": 1})
    assert memo.root_tails["GET"] is None
    assert len(memo.root_tails["PUT"]) == 1


def test_long_attributes_and_long_names_are_not_kept():
    memo = Memo()
    finish(memo, "GET", {"text": "x" * LONGEST})
    finish(memo, "x" * 2 * LONGEST, {"a": 1})
    assert memo.root_tails == {"GET": {}}


def test_no_more_spans_are_kept_than_a_memo_may_hold():
    memo = Memo()
    for number in range(2 * Memo.LARGEST):
        finish(memo, f"name {number}", {"a": number}, {"b": number})
    tails = [named for named in memo.root_tails.values() if named is not None]
    assert sum(map(len, tails)) + len(tails) + len(memo.texts) <= Memo.LARGEST


def test_a_memo_that_begins_again_forgets_which_names_do_not_repeat():
    memo = Memo()
    finish(memo, "GET", *({"user.id": number} for number in range(MOST + 1)))
    use(memo, *range(FULL_FOR * Memo.LARGEST))
    finish(memo, "GET", {"user.id": 1})
    assert len(memo.root_tails["GET"]) == 1


def test_a_name_whose_attributes_cannot_be_looked_up_is_left_alone_too():
    memo = Memo()
    for name, odd in (("GET", "/\udcff"), ("PUT", 2**64), ("POST", -(2**64))):
        finish(memo, name, *([{"odd": odd}] * MOST))
        assert memo.root_tails[name] == {}
        finish(memo, name, {"odd": odd})
        assert memo.root_tails[name] is None
