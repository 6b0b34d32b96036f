"""What `sluiceway` answers to right and wrong words."""

from __future__ import annotations

import re
import socket
import subprocess
import sys

import pytest
from cli.demo_runs import run

from sluiceway import __version__
from sluiceway.cli import COMMANDS, main


def test_the_version_is_the_packages():
    done = run("--version")
    assert (done.code, done.out) == (0, f"sluiceway {__version__}\n")


def test_help_has_one_line_for_each_command(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0
    out = capsys.readouterr().out
    for name, line in COMMANDS.items():
        assert re.search(rf"^ +{name} +{line}$", out, re.MULTILINE)


def test_without_a_command_help_goes_to_stderr_and_it_is_an_error(capsys):
    assert main([]) == 2
    told = capsys.readouterr()
    assert (told.out, "demo" in told.err) == ("", True)


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        (["demmo"], "no command is called 'demmo'; did you mean 'demo'?"),
        (["xyzzy"], "no command is called 'xyzzy'; expected one of alerts, bench"),
        (
            ["--quiet", "run", "x"],
            "unknown argument '--quiet' before 'run'; the options",
        ),
        (["run", "x", "y"], "sluiceway run: error: one argument too many: 'y'"),
        (["schema", "x"], "sluiceway schema: error: one argument too many: 'x'"),
        (["--verison"], "unknown argument '--verison'; did you mean '--version'?"),
        (
            ["demo", "--dur", "1"],
            "unknown argument '--dur'; did you mean '--duration'?",
        ),
        (["demo", "--duratoin=1"], "'--duratoin'; did you mean '--duration'?"),
        (["demo", "--duration", "soon"], "--duration: 'soon' is not a number above 0"),
        (["demo", "--duration", "0"], "--duration: '0' is not a number above 0"),
        (["demo", "--duration", "nan"], "--duration: 'nan' is not a number above 0"),
        (["demo", "--duration", "inf"], "--duration: 'inf' is not a number above 0"),
        (["demo", "--rate", "-1"], "--rate: '-1' is not a number above 0"),
        (["demo", "--port", "65536"], "--port: '65536' is not a port from 0 to 65535"),
        (["run", "--log-level", "warn", "x"], "did you mean 'warning'?"),
        (["demo", "--seed", "x"], "--seed: invalid int value: 'x'"),
    ],
)
def test_wrong_words_are_named_with_the_nearest_right_one(words, answer, capsys):
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 2
    assert answer in capsys.readouterr().err


def test_help_loads_no_web_library_and_no_command():
    program = """
import sys
from sluiceway.cli import main
try:
    main(["--help"])
except SystemExit:
    loaded = {"aiohttp", "rich", "opentelemetry", "prometheus_client"} & {*sys.modules}
    assert not loaded, loaded
    assert "sluiceway.cli.demo" not in sys.modules
"""
    done = subprocess.run(
        [sys.executable, "-c", program], check=False, capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("option", ["--port", "--metrics-port"])
def test_a_port_that_is_in_use_is_named(option):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = run("demo", "--duration", "1", option, str(port))
    assert done.code == 2
    assert f"127.0.0.1:{port}" in done.err
    assert "ddress already in use" in done.err
    assert "Traceback" not in done.err


@pytest.mark.parametrize(
    "name",
    ["OTEL_EXPORTER_OTLP_ENDPOINT", "PROMETHEUS_PUSH_GATEWAY", "ALERTMANAGER_URL"],
)
def test_a_variable_without_an_address_is_named_and_its_secret_is_not_shown(name):
    done = run("demo", "--duration", "1", **{name: "ftp://me:hunter22@example"})
    assert done.code == 2
    assert f"{name} is 'ftp://***@example'; expected an address" in done.err
    assert "hunter22" not in done.out + done.err
