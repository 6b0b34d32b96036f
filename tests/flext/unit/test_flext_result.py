"""A result is a value or an error, never changes, and chains."""

import copy
import pickle
import typing
from collections.abc import Mapping
from operator import attrgetter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mypy_runs import found_and_marked

from flext_observability.exceptions import FlextObservabilityError, FlextUnwrapError
from flext_observability.result import FlextFailure, FlextResult, FlextSuccess

KINDS = [int, typing.Dict[str, Any], list[FlextResult], int | None]  # noqa: UP006
FALSY = [0, 0.0, "", None, False, [], {}, ()]
success = st.integers().map(FlextResult[int].ok)
failure = st.builds(
    FlextResult[int].fail, st.text(min_size=1), st.none() | st.text(max_size=5)
)
results = success | failure
steps = st.sampled_from(
    [
        lambda n: FlextResult[int].ok(n + 1),
        lambda n: FlextResult[int].fail(f"{n} is odd") if n % 2 else FlextResult.ok(n),
        lambda n: FlextResult[int].ok(1 // n),
    ]
)


class UnprintableError(Exception):
    def __str__(self):
        raise ValueError


class UnprintableValue:
    def __str__(self):
        raise ValueError


class UnreadableMapping(Mapping):
    __getitem__ = __len__ = None

    def __iter__(self):
        raise ValueError


def test_a_success_holds_its_value_and_no_error():
    result = FlextResult[int].ok(3)
    assert (result.is_success, result.is_failure) == (True, False)
    assert result.value == result.data == result.unwrap() == 3
    assert (result.error, result.error_code, result.error_data) == (None, None, None)


def test_a_failure_holds_its_error_code_and_data():
    result = FlextResult[int].fail("no", "validation", {"field": "name"})
    assert (result.is_success, result.is_failure) == (False, True)
    assert (result.error, result.error_code) == ("no", "validation")
    assert result.error_data == {"field": "name"}


@pytest.mark.parametrize("value", FALSY, ids=repr)
def test_a_falsy_value_is_a_success_like_any_other(value):
    result = FlextResult.ok(value)
    assert result.is_success
    assert bool(result)
    assert result.unwrap() == value
    assert result.unwrap_or("other") == value
    assert result.map(lambda each: [each]).value == [value]


def test_a_failure_is_false():
    assert not FlextResult.fail("no")


@pytest.mark.parametrize("error", [None, ""])
def test_a_failure_without_a_text_gets_one(error):
    assert FlextResult.fail(error).error == "unspecified error"


def test_the_data_of_a_failure_are_copied():
    data = {"a": 1}
    result = FlextResult.fail("no", error_data=data)
    data["a"] = 2
    assert result.error_data == {"a": 1}


@pytest.mark.parametrize("take", [FlextResult.unwrap, attrgetter("value")])
def test_the_value_of_a_failure_raises_what_names_the_error(take):
    result = FlextResult.fail("disc is full", "storage", {"path": "/var"})
    with pytest.raises(FlextUnwrapError, match=r"\[storage\]: disc is full") as caught:
        take(result)
    assert isinstance(caught.value, FlextObservabilityError)
    assert caught.value.error == "disc is full"
    assert caught.value.failure_code == "storage"
    assert caught.value.error_data == {"path": "/var"}


def test_only_the_attribute_of_a_failure_is_an_attribute_error():
    failed = FlextResult.fail("no")
    assert not hasattr(failed, "value")
    assert not hasattr(failed, "data")
    with pytest.raises(FlextUnwrapError) as caught:
        failed.unwrap()
    assert not isinstance(caught.value, AttributeError)


def test_a_failure_has_a_default_instead():
    result = FlextResult[int].fail("four")
    assert result.unwrap_or(7) == 7
    assert result.unwrap_or_else(len) == 4
    assert FlextResult.ok(1).unwrap_or_else(len) == 1


def test_map_changes_the_value_and_leaves_a_failure_itself():
    assert FlextResult.ok(3).map(str) == FlextResult.ok("3")
    failed = FlextResult.fail("no")
    assert failed.map(str) is failed


def test_flat_map_goes_on_with_the_result_of_the_function():
    assert FlextResult.ok(3).flat_map(lambda n: FlextResult.ok(n + 1)).value == 4
    assert FlextResult.ok(3).flat_map(lambda _: FlextResult.fail("no")).error == "no"
    failed = FlextResult.fail("no")
    assert failed.flat_map(FlextResult.ok) is failed


def test_flat_map_says_so_when_the_function_returns_no_result():
    result = FlextResult.ok(3).flat_map(str)
    assert result.error == "the function returned str; expected a FlextResult"
    assert result.error_code == "not_a_result"
    assert FlextResult.fail("no").or_else(len).error_code == "not_a_result"


class OfFlextCore:
    """The form of a result of the real ``flext_core``."""

    def __init__(self, value=None, error=None):
        self.is_failure = error is not None
        self.error, self.error_code, self.error_data = error, "theirs", {}
        self.unwrap = lambda: value


def test_a_result_of_the_real_flext_core_goes_on_as_one_of_ours():
    done = FlextResult.ok(3).flat_map(lambda n: OfFlextCore(value=n + 1))
    assert done == FlextResult.ok(4)
    failed = FlextResult.ok(3).flat_map(lambda _: OfFlextCore(error="no"))
    assert failed == FlextResult.fail("no", "theirs")
    assert failed.or_else(lambda _: OfFlextCore(value=0)).value == 0


@pytest.mark.parametrize("step", ["map", "flat_map", "tap"])
def test_a_function_that_raises_makes_a_failure_that_names_the_exception(step):
    result = getattr(FlextResult.ok("x"), step)(int)
    if step != "flat_map":
        assert result.error.startswith("ValueError: invalid literal for int()")
    assert result.error_code == "exception"
    assert result.error_data == {"exception": "ValueError"}


def test_an_exception_without_a_message_is_named_by_its_class():
    def refuse(_):
        raise UnprintableError

    def stop(_):
        raise TimeoutError

    assert FlextResult.ok(1).map(refuse).error == "UnprintableError"
    assert FlextResult.ok(1).map(stop).error == "TimeoutError"


@pytest.mark.parametrize("step", ["map", "flat_map", "tap"])
def test_an_interrupt_passes_through_a_success(step):
    with pytest.raises(KeyboardInterrupt):
        getattr(FlextResult.ok(1), step)(interrupt)


@pytest.mark.parametrize("step", ["map_error", "tap_error", "recover", "or_else"])
def test_an_interrupt_passes_through_a_failure(step):
    with pytest.raises(KeyboardInterrupt):
        getattr(FlextResult.fail("no"), step)(interrupt)


def interrupt(_):
    raise KeyboardInterrupt


def test_tap_calls_for_the_effect_and_changes_nothing():
    seen = []
    result = FlextResult.ok(3)
    assert result.tap(seen.append) is result
    assert result.tap_error(seen.append) is result
    failed = FlextResult.fail("no")
    assert failed.tap(seen.append) is failed
    assert failed.tap_error(seen.append) is failed
    assert seen == [3, "no"]


def test_map_error_changes_the_text_and_keeps_code_and_data():
    failed = FlextResult.fail("no", "storage", {"a": 1}).map_error(str.upper)
    assert failed == FlextResult.fail("NO", "storage", {"a": 1})
    result = FlextResult.ok(3)
    assert result.map_error(str.upper) is result


def test_recover_makes_a_success_of_a_failure():
    assert FlextResult.fail("four").recover(len) == FlextResult.ok(4)
    result = FlextResult.ok(3)
    assert result.recover(len) is result


def test_or_else_tries_another_way():
    assert FlextResult.fail("four").or_else(lambda e: FlextResult.ok(len(e))).value == 4
    again = FlextResult.fail("first").or_else(lambda e: FlextResult.fail(e + ", last"))
    assert again.error == "first, last"
    result = FlextResult.ok(3)
    assert result.or_else(FlextResult.fail) is result


@pytest.mark.parametrize("step", ["map_error", "tap_error", "recover", "or_else"])
def test_a_treatment_that_raises_loses_nothing_of_the_failure(step):
    def treat(_):
        raise OSError("disc is full")

    result = getattr(FlextResult.fail("no", "storage", {"a": 1}), step)(treat)
    assert result.error == "no (and then OSError: disc is full)"
    assert (result.error_code, result.error_data) == ("storage", {"a": 1})


@given(results, steps)
def test_chaining_begins_with_nothing_of_its_own(result, step):
    """The left and the right identity of a monad."""
    if result.is_success:
        assert result.flat_map(step) == attempt(step, result.value)
    assert result.flat_map(FlextResult.ok) == result


def attempt(step, value):
    return FlextResult.ok(None).flat_map(lambda _: step(value))


@given(results, steps, steps)
def test_chaining_is_associative(result, first, second):
    one = result.flat_map(first).flat_map(second)
    assert one == result.flat_map(lambda n: first(n).flat_map(second))


@given(results)
def test_mapping_is_a_functor(result):
    assert result.map(lambda n: n) == result
    twice = result.map(lambda n: n + 1).map(lambda n: n * 2)
    assert twice == result.map(lambda n: (n + 1) * 2)


@given(results)
def test_a_result_can_be_copied_and_pickled(result):
    for other in (
        copy.copy(result),
        copy.deepcopy(result),
        pickle.loads(pickle.dumps(result)),
    ):
        assert other == result
        assert type(other) is type(result)
        assert hash(other) == hash(result)


def test_results_are_equal_by_content():
    assert FlextResult.ok([1]) == FlextResult.ok([1])
    assert FlextResult.ok(1) != FlextResult.ok(2)
    assert FlextResult.ok("no") != FlextResult.fail("no")
    assert FlextResult.fail("no") != FlextResult.fail("no", "storage")
    assert FlextResult.fail("no") != FlextResult.fail("no", error_data={"a": 1})
    assert FlextResult.ok(1) != 1


def test_a_result_is_hashable_where_its_value_is():
    assert len({FlextResult.ok(1), FlextResult.ok(1), FlextResult.fail("no")}) == 2
    assert hash(FlextResult.fail("no", error_data={"a": [1]}))
    with pytest.raises(TypeError, match="unhashable"):
        hash(FlextResult.ok([1]))


@pytest.mark.parametrize(
    "result", [FlextResult.ok(3), FlextResult.fail("no", "storage", {"a": 1})], ids=repr
)
def test_the_repr_is_how_the_result_is_made(result):
    assert eval(repr(result)) == result


@pytest.mark.parametrize("result", [FlextResult.ok(3), FlextResult.fail("no")])
@pytest.mark.parametrize("name", ["value", "error", "error_code", "is_success", "new"])
def test_a_result_is_frozen(result, name):
    with pytest.raises(AttributeError):
        setattr(result, name, 1)
    with pytest.raises(AttributeError):
        delattr(result, name)
    assert not hasattr(result, "__dict__")


@pytest.mark.parametrize("result", [FlextResult.ok("text"), FlextResult.fail("text")])
def test_a_result_is_not_iterated_or_unpacked(result):
    with pytest.raises(TypeError, match="not iterable"):
        iter(result)


@pytest.mark.parametrize("kind", KINDS)
def test_a_subscribed_result_makes_the_same_results(kind):
    assert FlextResult[kind].ok(3) == FlextResult.ok(3)
    assert FlextResult[kind].fail("no") == FlextResult.fail("no")
    assert FlextResult[kind].__args__ == (kind,)
    assert FlextResult[kind].__origin__ is FlextResult


def test_a_result_is_one_of_two_kinds():
    assert isinstance(FlextResult.ok(1), FlextSuccess)
    assert isinstance(FlextResult.fail("no"), FlextFailure)
    assert FlextResult.ok(1) == FlextSuccess(1)
    assert FlextResult.fail("no") == FlextFailure("no")
    for result in (FlextSuccess(1), FlextFailure("no")):
        assert isinstance(result, FlextResult)
        assert result.outcome is result


def told(result):
    match result:
        case FlextResult(is_success=True, value=value):
            return value
        case FlextFailure(error, None):
            return error
        case FlextFailure(error, code, data):
            return error, code, data


@pytest.mark.parametrize("make", [FlextResult, FlextResult[int]])
def test_a_result_of_neither_kind_is_not_made(make):
    with pytest.raises(TypeError, match="abstract class FlextResult"):
        make()


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (None, "unspecified error"),
        ("", "unspecified error"),
        (404, "404"),
        (ValueError("bad"), "bad"),
        (KeyError(), "KeyError"),
        (UnprintableError(), "UnprintableError"),
        (UnprintableValue(), "unspecified error"),
    ],
)
def test_a_failure_is_made_of_whatever_tells_of_trouble(error, text):
    assert FlextResult.fail(error).error == text


@pytest.mark.parametrize("data", [5, "text", [1], UnreadableMapping()], ids=repr)
def test_data_of_a_failure_that_are_no_mapping_are_kept_as_they_are(data):
    assert FlextResult.fail("no", error_data=data).error_data == {"error_data": data}


def test_a_result_can_be_matched():
    assert told(FlextResult.ok(0)) == 0
    assert told(FlextResult.fail("no")) == "no"
    assert told(FlextResult.fail("no", "storage")) == ("no", "storage", None)


def test_mypy_narrows_a_result(tmp_path):
    """Each line that mypy complains of is marked with the code, and no other is."""
    found, marked = found_and_marked("typed_results.py", tmp_path)
    assert found == marked
