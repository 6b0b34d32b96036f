"""Health checks from a file."""

from __future__ import annotations

import tomllib

import pytest
from jsonschema import Draft202012Validator

from sluiceway.config import InvalidFileError, read
from sluiceway.config.schema import schema
from sluiceway.health import Check, HttpCheck, PipelineCheck, TcpCheck

FILE = """
chains = ["health >> [metrics >> points, alerts >> people]"]

[stages.health]
type = "HealthSource"
only_changes = false
port = 8086

[[stages.health.checks]]
name = "database"
address = "${DATABASE:-localhost:5432}"
interval = 10
critical = true

[[stages.health.checks]]
name = "api"
url = "http://localhost:8080/healthz"
statuses = [200]
headers = { Authorization = "Bearer ${TOKEN:-none}" }
depends_on = ["database"]
failures = 2

[[stages.health.checks]]
name = "disk"
function = "os:getpid"
critical = false

[[stages.health.checks]]
name = "itself"
pipeline = true

[stages.metrics]
type = "HealthMetrics"

[stages.alerts]
type = "HealthAlerts"
degraded = false
labels = { service = "shop" }

[stages.points]
type = "ConsoleSink"

[stages.people]
type = "ConsoleSink"
"""


def test_each_table_is_the_check_that_its_keys_belong_to():
    pipeline = read(FILE, environment={"DATABASE": "db:1"}).pipeline
    (source,) = pipeline.sources()
    checks = source._board.checks
    assert {name: type(check) for name, check in checks.items()} == {
        "database": TcpCheck,
        "api": HttpCheck,
        "disk": Check,
        "itself": PipelineCheck,
    }
    assert (checks["database"].address, checks["database"].interval) == ("db:1", 10)
    assert checks["api"].depends_on == ("database",)
    assert checks["disk"].function.__name__ == "getpid"
    assert not checks["disk"].critical


@pytest.mark.parametrize(
    ("right", "wrong", "told"),
    [
        ("failures = 2", "failure = 2", "did you mean 'failures'?"),
        ("failures = 2", "failures = 0", "is 0; expected a whole number from 1"),
        ('["database"]', '["databse"]', "did you mean 'database'?"),
        ("statuses = [200]", "statuses = [20]", "is [20]; expected a list of statuses"),
        ('"os:getpid"', '"os:getpit"', "did you mean 'getpid'?"),
        ('"os:getpid"', "3", "expected a function, as 'module:name'"),
        ("pipeline = true", "pipeline = false", "is False; expected True: another"),
        ("port = 8086", "port = 80860", "is 80860; expected a whole number"),
        ("degraded = false", "degraded = 3", "is 3; expected a text"),
    ],
)
def test_a_mistake_is_told_where_it_stands(right, wrong, told):
    with pytest.raises(InvalidFileError) as caught:
        read(FILE.replace(right, wrong), environment={})
    line = FILE[: FILE.index(right)].count("\n") + 1
    assert told in str(caught.value)
    near = [f":{number}: " for number in range(line - 16, line + 1)]
    assert any(each in str(caught.value) for each in near)


def test_the_schema_takes_it_and_refuses_what_is_no_check():
    validator = Draft202012Validator(schema())
    assert [*validator.iter_errors(tomllib.loads(FILE))] == []
    wrong = FILE.replace("address =", "adress =")
    assert [*validator.iter_errors(tomllib.loads(wrong))]
