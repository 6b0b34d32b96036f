"""What an encoder remembers between requests."""

from sluiceway.formats.otlp_protobuf.memo import FULL_FOR, Memo

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
