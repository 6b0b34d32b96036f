from __future__ import annotations

import os
import platform
import sys
import uuid

import pytest

from sluiceway import __version__
from sluiceway.errors import ConfigurationError
from sluiceway.events import Resource
from sluiceway.instrument import Telemetry
from sluiceway.instrument.resource import architecture_attributes

pytestmark = pytest.mark.usefixtures("environment")


def attributes(*args, **options):
    return Telemetry(*args, **options).resource.attributes


def test_the_resource_tells_service_sdk_process_and_host():
    told = attributes("shop")
    assert told["service.name"] == "shop"
    assert uuid.UUID(told["service.instance.id"]).version == 4
    assert told["telemetry.sdk.name"] == "sluiceway"
    assert told["telemetry.sdk.language"] == "python"
    assert told["telemetry.sdk.version"] == __version__
    assert told["process.pid"] == os.getpid()
    assert told["process.parent_pid"] == os.getppid()
    assert told["process.executable.path"] == sys.executable
    assert told["process.command"] == sys.argv[0]
    assert told["process.runtime.name"] == sys.implementation.name
    assert told["process.runtime.description"] == sys.version
    assert told["host.name"]
    assert told["os.type"] == platform.system().lower()
    assert told["os.version"] == platform.release()


def test_what_may_hold_a_secret_is_not_told():
    told = attributes("shop")
    assert not told.keys() & {"process.command_args", "process.command_line", "host.id"}


@pytest.mark.parametrize(
    ("machine", "word"),
    [("x86_64", "amd64"), ("AMD64", "amd64"), ("aarch64", "arm64"), ("i686", "x86")],
)
def test_the_processor_has_the_conventions_name(machine, word):
    assert architecture_attributes(machine) == {"host.arch": word}
    assert architecture_attributes("quantum") == {}


def test_each_telemetry_is_an_instance_of_its_own():
    told = [attributes("shop")["service.instance.id"] for _ in range(2)]
    assert told[0] != told[1]


def test_without_a_name_the_service_is_unknown_and_says_what_runs_it():
    assert attributes()["service.name"].startswith("unknown_service:python")


def test_an_empty_name_of_the_service_counts_as_none(environment):
    environment(OTEL_RESOURCE_ATTRIBUTES="service.name=,team=a")
    assert attributes()["service.name"].startswith("unknown_service:python")
    assert attributes()["team"] == "a"
    environment(OTEL_SERVICE_NAME="shop")
    told = attributes("", resource={"service.name": ""})
    assert told["service.name"] == "shop"


def test_a_name_of_the_service_that_is_no_text_is_refused():
    with pytest.raises(ConfigurationError, match="service_name is 5"):
        Telemetry(5)


def test_code_wins_over_the_environment(environment):
    environment(
        OTEL_SERVICE_NAME=" from-name ",
        OTEL_RESOURCE_ATTRIBUTES="service.name=from-list,team=a%2Cb, x = y ,",
    )
    assert attributes("code")["service.name"] == "code"
    assert attributes(resource={"service.name": "r"})["service.name"] == "r"
    told = attributes(resource={"x": 1})
    assert told["service.name"] == "from-name"
    assert (told["team"], told["x"]) == ("a,b", 1)


def test_a_resource_can_be_given_whole():
    given = Resource({"service.namespace": "eu"}, "https://schema")
    resource = Telemetry("shop", resource=given).resource
    assert resource.schema_url == "https://schema"
    assert resource.attributes["service.namespace"] == "eu"
    assert resource.attributes["service.name"] == "shop"


@pytest.mark.parametrize("text", ["team", "=x", "a=%FF", "a=%zz", "a=100%", "a%2=b"])
def test_a_bad_list_of_attributes_is_named_and_ignored(environment, caplog, text):
    environment(OTEL_RESOURCE_ATTRIBUTES=f"team=a,{text}")
    told = attributes("shop")
    assert "team" not in told
    assert "OTEL_RESOURCE_ATTRIBUTES" in caplog.text
    assert text in caplog.text


def test_the_interval_is_read_in_milliseconds(environment):
    assert Telemetry("shop").metrics.interval == 60
    environment(OTEL_METRIC_EXPORT_INTERVAL="1500")
    assert Telemetry("shop").metrics.interval == 1.5
    assert Telemetry("shop", export_interval=2).metrics.interval == 2


@pytest.mark.parametrize(
    "text", ["1s", "-5", "0", "1.5", "\u0663", "9" * 400, "9" * 5000]
)
def test_a_bad_interval_is_named_and_the_default_used(environment, caplog, text):
    environment(OTEL_METRIC_EXPORT_INTERVAL=text)
    assert Telemetry("shop").metrics.interval == 60
    assert f"OTEL_METRIC_EXPORT_INTERVAL is {text!r}" in caplog.text


@pytest.mark.parametrize("wrong", [0, -1, "5", float("nan"), True])
def test_a_wrong_interval_in_code_is_refused(wrong):
    with pytest.raises(ConfigurationError, match="export_interval"):
        Telemetry("shop", export_interval=wrong)
