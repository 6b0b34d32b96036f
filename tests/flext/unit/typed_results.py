"""What mypy makes of results; the errors that it must find are named by their code."""

from __future__ import annotations

from typing import Any, assert_type

from flext_observability.result import FlextFailure, FlextResult, FlextSuccess


def parsed(text: str) -> FlextResult[int]:
    if not text:
        return FlextResult[int].fail("empty", error_code="validation")
    return FlextResult[int].ok(int(text))


def an_early_return(result: FlextResult[int]) -> FlextResult[str]:
    if isinstance(result, FlextFailure):
        assert_type(result.error, str)
        assert_type(result.error_code, str | None)
        return result
    assert_type(result.value, int)
    assert_type(result.unwrap(), int)
    return result.map(str)


def a_look_at_the_outcome(result: FlextResult[int]) -> str:
    outcome = result.outcome
    if outcome.is_failure:
        assert_type(outcome, FlextFailure)
        return outcome.error.upper()
    assert_type(outcome, FlextSuccess[int])
    return str(outcome.value + 1)


def a_success_first(result: FlextResult[int]) -> str:
    outcome = result.outcome
    if outcome.is_success:
        assert_type(outcome, FlextSuccess[int])
        return ""
    assert_type(outcome, FlextFailure)
    return outcome.error


def the_truth_of_the_outcome(result: FlextResult[int]) -> str:
    outcome = result.outcome
    if not outcome:
        assert_type(outcome, FlextFailure)
        return outcome.error
    assert_type(outcome, FlextSuccess[int])
    return ""


def an_exhaustive_match(result: FlextResult[int]) -> str:
    match result.outcome:
        case FlextSuccess(value):
            assert_type(value, int)
            return ""
        case FlextFailure(error, code):
            assert_type(error, str)
            assert_type(code, str | None)
            return error


def a_match_by_attributes(result: FlextResult[int]) -> str:
    match result:
        case FlextResult(is_success=True, value=value):
            assert_type(value, int)
            return ""
        case FlextResult(error=str() as error):
            assert_type(error, str)
            return error
        case _:
            return ""


def an_error_that_is_there(result: FlextResult[int]) -> str:
    if result.error is not None:
        assert_type(result.error, str)
        return result.error
    return ""


def chains(result: FlextResult[int]) -> FlextResult[dict[str, Any]]:
    assert_type(result.map(str), FlextResult[str])
    half = result.flat_map(lambda number: FlextResult[float].ok(number / 2))
    assert_type(half, FlextResult[float])
    assert_type(result.tap(print), FlextResult[int])
    assert_type(result.tap_error(print), FlextResult[int])
    assert_type(result.map_error(str.upper), FlextResult[int])
    assert_type(result.recover(len), FlextResult[int])
    assert_type(result.recover(str.upper), FlextResult[int | str])
    assert_type(result.or_else(parsed), FlextResult[int])
    assert_type(result.unwrap_or(None), int | None)
    assert_type(result.unwrap_or_else(len), int)
    assert_type(result.data, int)
    return FlextResult[dict[str, Any]].fail(result.error, result.error_code)


def made_results() -> FlextResult[object]:
    assert_type(FlextResult.ok(1), FlextResult[int])
    assert_type(FlextResult[float].ok(1), FlextResult[float])
    assert_type(FlextResult[int].fail("no"), FlextResult[int])
    FlextResult[int].ok("text")  # E: arg-type
    FlextResult[int].fail(3)  # E: arg-type
    return parsed("1")


def what_is_refused(result: FlextResult[int]) -> None:
    result.value = 3  # E: misc
    for _ in result:  # E: attr-defined
        pass
    result.unwrap().upper()  # E: attr-defined
    if result.is_failure:
        result.error.upper()  # E: union-attr
