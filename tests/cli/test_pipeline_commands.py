"""`sluiceway run`, `validate`, `graph` and `schema` as a user calls them."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import textwrap

import pytest
from cli.demo_runs import command, environment

STAGES = """
import asyncio
from sluiceway import Pipeline, PermanentError, sink, source

@source
async def forever():
    yield "first"
    try:
        await asyncio.Event().wait()
    finally:
        print("asked to stop", flush=True)

@source
async def broken():
    yield "first"
    raise RuntimeError("the well is dry")

@sink
async def stuck(events):
    print("writing", flush=True)
    await asyncio.Event().wait()

@sink
async def refuse(events):
    raise PermanentError("never")

@sink
async def show(events):
    print(*events, flush=True)

pipeline = Pipeline(forever >> show)

def make():
    return Pipeline(forever >> show, name="made")

def fail():
    raise RuntimeError("not today")

def leave():
    raise SystemExit(3)

async def later():
    return pipeline

class Shy:
    def __repr__(self):
        raise RuntimeError("not today")

shy = Shy()
"""


CHATTY = """
from logging import getLogger
from sluiceway import Sink

class Chatty(Sink):
    def __init__(self, dsn: str, token: str, at: str, name: str | None = None):
        self.name, self._told, self._dsn = name, (dsn, token, at), dsn

    async def write(self, events):
        logger = getLogger("chatty")
        logger.warning("%s %s %s", *self._told)
        try:
            raise RuntimeError(self._dsn)
        except RuntimeError:
            logger.exception("not today")
"""


def file_of(source, sink, **more):
    lines = [f"{key} = {value}" for key, value in more.items()]
    chain = [f'chains = ["{source} >> {sink}"]', "[stages]"]
    stages = [f'{name} = {{ type = "own_stages:{name}" }}' for name in (source, sink)]
    return "\n".join([*lines, *chain, *stages])


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "own_stages.py").write_text(STAGES)
    (tmp_path / "own_program.py").write_text("raise SystemExit(3)")
    return tmp_path


def write(folder, text, name="pipeline.toml"):
    (folder / name).write_text(textwrap.dedent(text))
    return name


def call(folder, *words, **further):
    return subprocess.run(
        command(*words),
        cwd=folder,
        env=environment(further),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )


class Running:
    """A command that runs, and is sent signals when it has printed something."""

    def __init__(self, folder, *words):
        self.process = subprocess.Popen(
            command(*words),
            cwd=folder,
            env=environment({}),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.communicate()

    def after(self, line, number):
        """Send the signal once that line is there."""
        assert self.process.stdout.readline().strip() == line
        self.process.send_signal(number)

    def ended(self):
        out, err = self.process.communicate(timeout=50)
        return self.process.returncode, out, err


def test_a_pipeline_whose_sources_end_is_drained_and_its_ledger_is_told(folder):
    name = write(
        folder,
        """
        chains = ["letters >> out"]
        [stages]
        letters = { type = "IterableSource", iterable = ["a", "b"] }
        out = { type = "ConsoleSink", format = "${FORMAT:-line}" }
        """,
    )
    done = call(folder, "run", name, FORMAT="json")
    assert (done.returncode, done.stdout) == (0, '"a"\n"b"\n')
    assert done.stderr.splitlines()[-1] == "2 delivered, 0 lost; balanced"
    quiet = call(folder, "run", "--quiet", name, FORMAT="json")
    assert (quiet.returncode, quiet.stdout, quiet.stderr) == (0, '"a"\n"b"\n', "")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("target", ["pipeline.toml", "own_stages:pipeline"])
def test_a_signal_drains(folder, target, number):
    write(folder, file_of("forever", "show"))
    with Running(folder, "run", target) as running:
        running.after("first", number)
        code, out, err = running.ended()
    assert (code, out) == (0, "asked to stop\n")
    assert err.splitlines()[-1] == "1 delivered, 0 lost; balanced"


def test_a_second_signal_cuts_off_and_the_exit_code_says_so(folder):
    name = write(folder, file_of("forever", "stuck"))
    with Running(folder, "run", name) as running:
        running.after("writing", signal.SIGTERM)
        running.after("asked to stop", signal.SIGTERM)
        code, _, err = running.ended()
    assert code == 3
    assert "cut off; still busy with events: stuck (1)" in err
    assert "dropped{aborted} 1" in err
    assert err.splitlines()[-1] == "0 delivered, 1 lost; balanced"


def test_a_drain_that_takes_too_long_is_cut_off(folder):
    name = write(folder, file_of("forever", "stuck", drain_timeout=0.05))
    with Running(folder, "run", name) as running:
        running.after("writing", signal.SIGTERM)
        code, _, err = running.ended()
    assert (code, "dropped{drain_timeout} 1" in err) == (3, True)


def test_a_source_that_fails_for_good_is_named(folder):
    done = call(folder, "run", write(folder, file_of("broken", "show")))
    assert (done.returncode, done.stdout) == (1, "first\n")
    assert "sluiceway run: stage broken failed: the well is dry" in done.stderr
    assert done.stderr.splitlines()[-1] == "1 delivered, 0 lost; balanced"


@pytest.mark.parametrize(("words", "code"), [([], 0), (["--strict"], 4)])
def test_strict_tells_of_losses(folder, words, code):
    name = write(
        folder,
        """
        chains = ["letters >> refuse"]
        [stages]
        letters = { type = "IterableSource", iterable = ["a"] }
        refuse = { type = "own_stages:refuse" }
        """,
    )
    done = call(folder, "run", *words, name)
    assert (done.returncode, "0 delivered, 1 lost" in done.stderr) == (code, True)


def test_a_stage_that_cannot_be_opened_is_named_and_no_variable_shown(folder):
    text = """
    chains = ["otlp >> out"]
    [stages]
    otlp = { type = "OtlpSource", port = "${PORT}" }
    out = { type = "JsonLinesSink", path = "${FOLDER}/out.jsonl" }
    """
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        name = write(folder, text)
        done = call(folder, "run", name, PORT=port, FOLDER=".")
        assert (done.returncode, "Traceback" in done.stderr) == (1, False)
        assert "cannot start" in done.stderr
        assert "ddress already in use" in done.stderr
    done = call(folder, "run", name, PORT="0", FOLDER="/no/s3cret/there")
    assert done.returncode == 1
    assert "'${FOLDER}/out.jsonl'; expected a file that can be written" in done.stderr
    assert "s3cret" not in done.stderr


def test_no_secret_of_a_variable_stands_in_what_a_stage_logs(folder):
    (folder / "chatty.py").write_text(CHATTY)
    text = """
    chains = ["words >> out"]
    [stages]
    words = { type = "IterableSource", iterable = ["a"] }
    out = { type = "chatty:Chatty", dsn = "${DSN}", token = "${TOKEN}", at = "${AT}" }
    """
    done = call(
        folder,
        "run",
        write(folder, text),
        DSN="db://user:s3cret@host/shop",
        TOKEN="s3same",
        AT="http://here:80",
    )
    assert done.returncode == 0
    assert "WARNING chatty: ${DSN} ${TOKEN} http://here:80" in done.stderr
    assert "RuntimeError: ${DSN}" in done.stderr
    assert "s3" not in done.stderr


@pytest.mark.parametrize("name", ["run", "graph", "validate"])
def test_all_that_is_wrong_with_a_file_is_told_a_line_each(folder, name):
    text = 'chains = ["in >> out"]\n[stages.in]\ntype = "OtlpSorce"\n'
    write(folder, text)
    done = call(folder, name, "pipeline.toml")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.splitlines() == [
        "pipeline.toml:1: chains[0]: no stage is called 'out'; expected one of in",
        (
            "pipeline.toml:3: stages.in.type: no stage is of type 'OtlpSorce'; "
            "did you mean 'OtlpSource'?"
        ),
    ]


@pytest.mark.parametrize(
    ("target", "told"),
    [
        ("pipelin.tml", "'pipelin.tml' is no file; expected a TOML file, or"),
        ("pipeline.tml", "did you mean 'pipeline.toml'?"),
        ("none.toml", "'none.toml' is no file; expected a TOML file, or"),
        ("own_stage:pipeline", "there is no module 'own_stage'"),
        ("own_stages:pipelin", "did you mean 'pipeline'?"),
        ("own_stages:asyncio", "expected a Pipeline, or a function of no arguments"),
        ("own_stages:fail", "cannot be called (RuntimeError: not today)"),
        ("own_stages:leave", "cannot be called (SystemExit: 3)"),
        ("own_stages:later", "own_stages:later is a coroutine function; expected a"),
        ("own_stages:shy", "own_stages:shy is <Shy instance at 0x"),
        ("own_program:pipeline", "own_program cannot be imported (SystemExit: 3)"),
    ],
)
def test_a_target_that_is_none_says_what_it_should_be(folder, target, told):
    write(folder, file_of("forever", "show"))
    done = call(folder, "graph", target)
    assert (done.returncode, done.stdout) == (2, "")
    assert told in done.stderr
    assert "Traceback" not in done.stderr


def test_a_folder_is_never_the_file_that_was_meant(folder):
    (folder / "folder.toml").mkdir()
    done = call(folder, "run", "folder.toml")
    assert (done.returncode, done.stdout) == (2, "")
    assert "folder.toml: cannot be read (Is a directory)" in done.stderr


def test_validate_goes_on_to_the_next_file(folder):
    write(folder, file_of("forever", "show"))
    write(folder, "chains = [", "half.toml")
    done = call(folder, "validate", "half.toml", "pipeline.toml", "own_stages:make")
    assert done.returncode == 2
    assert done.stdout.splitlines() == [
        "pipeline.toml: a pipeline of 2 stages",
        "own_stages:make: a pipeline of 2 stages",
    ]
    assert done.stderr.startswith("half.toml: is no TOML") or (
        done.stderr.startswith("half.toml:1: is no TOML")
    )


def test_a_file_and_a_pipeline_in_python_show_the_same_graph(folder):
    name = write(folder, file_of("forever", "show"))
    for options in ([], ["--mermaid"]):
        from_file = call(folder, "graph", *options, name)
        in_python = call(folder, "graph", *options, "own_stages:make")
        assert from_file.stdout == in_python.stdout
        assert from_file.stdout
    assert call(folder, "graph", name).stdout == (
        "forever  source      -> show\nshow     sink\n"
    )


def test_the_schema_is_json(folder):
    done = call(folder, "schema")
    assert "OtlpSink" in json.loads(done.stdout)["$defs"]


@pytest.mark.parametrize("name", ["run", "validate"])
def test_help_has_a_table_of_the_exit_codes(folder, name):
    done = call(folder, name, "--help")
    assert "exit codes:\n  0" in done.stdout
