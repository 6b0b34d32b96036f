"""Services, containers and commands do what little they promise."""

import re
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flext_observability.domain import (
    CLICommand,
    FlextCliApi,
    FlextContainer,
    FlextDomainService,
    FlextUtilities,
)
from flext_observability.result import FlextResult


class Shop(FlextDomainService):
    def __init__(self, service_name):
        super().__init__()
        self._service_name = service_name


class Counter(FlextDomainService):
    def execute(self):
        return FlextResult[int].ok(3)


def test_a_service_needs_to_define_nothing():
    service = Shop("nord")
    assert service._service_name == "nord"
    result = service.execute()
    assert result.error == "Shop defines no execute"
    assert result.error_code == "not_defined"


def test_a_service_may_be_one_operation():
    assert Counter().execute() == FlextResult.ok(3)


def test_a_container_gives_back_what_was_registered():
    container = FlextContainer()
    shop = Shop("nord")
    assert container.register("shop", shop) == FlextResult.ok(shop)
    assert container.get("shop").unwrap() is shop
    assert "shop" in container
    assert len(container) == 1
    assert repr(container) == "FlextContainer(shop)"


def test_a_service_may_be_none():
    container = FlextContainer()
    container.register("nothing", None)
    assert container.get("nothing") == FlextResult.ok(None)


def test_a_name_that_is_taken_is_refused_and_the_first_service_stays():
    container = FlextContainer()
    container.register("shop", 1)
    assert container.register("shop", 2).error == "name 'shop' is taken"
    assert container.register_factory("shop", dict).error_code == "conflict"
    assert container.get("shop").value == 1


@pytest.mark.parametrize("name", ["", None, 3, [], {}])
def test_a_name_must_be_a_text(name):
    container = FlextContainer()
    for result in (
        container.register(name, 1),
        container.register_factory(name, dict),
        container.get(name),
        container.get_typed(name, int),
        container.unregister(name),
    ):
        assert result.error == f"name is {name!r}; expected a text that is not empty"
    assert name not in container


@pytest.mark.parametrize("kind", [5, None, list[int], "int"])
def test_a_service_is_asked_for_by_a_class(kind):
    container = FlextContainer()
    container.register("a", 1)
    failure = container.get_typed("a", kind)
    assert failure.error.endswith("; expected a class")


@pytest.mark.parametrize("wrong", [5, None, print])
def test_what_is_no_command_is_refused(wrong):
    failure = FlextCliApi().register(wrong)
    assert failure.error.startswith("command is ")
    assert failure.error.endswith("; expected a CLICommand")


def test_an_unknown_service_is_named_with_the_nearest_one():
    container = FlextContainer()
    container.register("database", 1)
    result = container.get("databse")
    assert result.error == ("no service is called 'databse'; did you mean 'database'?")
    assert result.error_code == "not_found"


def test_a_factory_is_called_once_and_only_when_it_is_needed():
    calls = []
    container = FlextContainer()
    container.register_factory("shop", lambda: calls.append(1) or Shop("nord"))
    assert calls == []
    assert container.get("shop").value is container.get("shop").value
    assert calls == [1]


def test_a_factory_that_raises_is_asked_again():
    answers = iter([1 / 2])

    def make():
        return next(answers)

    container = FlextContainer()
    container.register_factory("half", make)
    container.register_factory("none", make)
    assert container.get("half").value == 0.5
    assert container.get("none").error == "StopIteration"
    answers = iter([3])
    assert container.get("none").value == 3


def test_a_factory_may_ask_for_other_services():
    container = FlextContainer()
    container.register("name", "nord")
    container.register_factory("shop", lambda: Shop(container.get("name").unwrap()))
    assert container.get("shop").value._service_name == "nord"


def test_a_factory_must_be_callable():
    result = FlextContainer().register_factory("shop", 3)
    assert result.error == "factory of 'shop' is a int; expected a callable"


def test_threads_that_ask_at_once_get_the_same_service():
    container = FlextContainer()
    container.register_factory("shop", lambda: Shop("nord"))
    with ThreadPoolExecutor(8) as pool:
        got = list(pool.map(lambda _: container.get("shop").value, range(200)))
    assert len({id(each) for each in got}) == 1


def test_a_service_can_be_asked_for_by_its_class():
    container = FlextContainer()
    container.register("shop", Shop("nord"))
    assert container.get_typed("shop", Shop).is_success
    result = container.get_typed("shop", Counter)
    assert result.error == "service 'shop' is a Shop; expected a Counter"
    assert container.get_typed("none", Shop).error_code == "not_found"


def test_a_service_can_be_forgotten():
    container = FlextContainer()
    container.register("shop", 1)
    assert container.unregister("shop") == FlextResult.ok("shop")
    assert container.names() == []
    assert container.unregister("shop").error_code == "not_found"


def test_identifiers_are_uuids_that_differ():
    made = {FlextUtilities.generate_id() for _ in range(100)}
    assert len(made) == 100
    assert all(str(uuid.UUID(each)) == each for each in made)


def test_a_timestamp_is_in_nanoseconds():
    first = FlextUtilities.generate_timestamp()
    assert first > 1_700_000_000_000_000_000
    assert FlextUtilities.generate_timestamp() >= first


@given(st.text(), st.integers(-5, 50), st.text(max_size=5))
def test_a_text_is_cut_to_the_length_that_was_asked_for(text, length, suffix):
    cut = FlextUtilities.truncate(text, length, suffix)
    assert len(cut) <= max(0, length)
    if len(text) <= length:
        assert cut == text


def test_a_cut_is_seen():
    assert FlextUtilities.truncate("observability", 8) == "obser..."


def test_a_safe_call_answers_with_a_result_of_whatever_happened():
    assert FlextUtilities.safe_call(int, "12") == FlextResult.ok(12)
    assert FlextUtilities.safe_call(int, "c", base=16) == FlextResult.ok(12)
    assert FlextUtilities.safe_call(int, "x").error.startswith("ValueError: ")
    failed = FlextResult.fail("no")
    assert FlextUtilities.safe_call(lambda: failed) is failed


def test_a_command_runs_by_its_name():
    api = FlextCliApi()
    greet = CLICommand("greet", lambda name: f"hello {name}", "say hello")
    assert api.register(greet) == FlextResult.ok(greet)
    assert api.commands() == ["greet"]
    assert api.execute("greet", name="you") == FlextResult.ok("hello you")
    assert api.register(greet).error == "name 'greet' is taken"


def test_a_command_that_fails_or_is_not_there_is_a_failure():
    api = FlextCliApi()
    api.register(CLICommand("divide", lambda a, b: a / b))
    assert re.match("ZeroDivisionError", api.execute("divide", 1, 0).error)
    assert api.execute("divde").error.endswith("did you mean 'divide'?")
