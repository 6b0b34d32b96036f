"""Plugins are found by their entry points, and a broken one breaks no other."""

import importlib
import shutil
import subprocess
import sys
import zipfile
from importlib.metadata import EntryPoint

import pytest

from flext_observability import (
    FlextAlertService,
    FlextHealthService,
    flext_create_alert,
    flext_create_health_check,
)
from flext_observability.exceptions import FlextConfigurationError
from flext_observability.plugins import GROUP, load_plugins
from flext_observability.process import PROCESS
from sluiceway.testing import CollectingSink

SETS_UP = "def setup(registry):\n    registry.add_health_check({!r}, lambda: True)\n"


class Registry:
    """What plugins added, by its name."""

    def __init__(self):
        self.added = {}

    def add_sink(self, signal, stage):
        if signal not in {"traces", "metrics", "alerts", "health"}:
            raise FlextConfigurationError("signal", signal, "a signal", ["metrics"])
        self.added[signal] = stage

    def add_alert_channel(self, name, sink):
        self.added[name] = sink

    def add_health_check(self, name, check):
        self.added[name] = check


@pytest.fixture
def registry():
    return Registry()


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Put a distribution with one module and its entry points where Python looks."""
    monkeypatch.syspath_prepend(tmp_path)
    modules = []

    def install(distribution, text, **points):
        module = distribution.replace("-", "_")
        (tmp_path / f"{module}.py").write_text(text)
        info = tmp_path / f"{module}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n"
        )
        lines = [f"{name} = {module}:{what}" for name, what in points.items()]
        (info / "entry_points.txt").write_text("\n".join([f"[{GROUP}]", *lines]))
        importlib.invalidate_caches()
        modules.append(module)

    yield install
    for module in modules:
        sys.modules.pop(module, None)


def test_without_plugins_nothing_happens(registry):
    assert load_plugins(registry) == []
    assert registry.added == {}


def test_a_function_is_a_plugin(registry, install):
    install("our-tickets", SETS_UP.format("queue"), tickets="setup")
    (result,) = load_plugins(registry)
    assert result.unwrap() == "tickets"
    assert registry.added["queue"]()


@pytest.mark.parametrize("what", ["Plugin", "instance"])
def test_a_class_and_an_object_with_a_setup_are_plugins(registry, install, what):
    install(
        "our-tickets",
        "class Plugin:\n"
        "    def setup(self, registry):\n"
        "        registry.add_alert_channel('tickets', self)\n"
        "instance = Plugin()\n",
        tickets=what,
    )
    assert load_plugins(registry)[0].is_success
    assert type(registry.added["tickets"]).__name__ == "Plugin"


def test_a_plugin_may_add_a_sink(registry, install):
    install(
        "our-sinks",
        "from sluiceway.testing import CollectingSink\n"
        "def setup(registry):\n"
        "    registry.add_sink('metrics', CollectingSink())\n",
        collecting="setup",
    )
    assert load_plugins(registry)[0].is_success
    assert isinstance(registry.added["metrics"], CollectingSink)


BROKEN = {
    "import no_such_module": "ModuleNotFoundError: No module named 'no_such_module'",
    "raise SystemExit(3)": "SystemExit: 3",
    "def setup(: pass": "SyntaxError",
    "stop = 3": "AttributeError: module 'bad_plugin' has no attribute 'setup'",
    "setup = 3": "TypeError: int is not callable and has no method setup",
    "def setup(): pass": "TypeError: setup() takes 0 positional arguments",
    "def setup(registry): 1 / 0": "ZeroDivisionError: division by zero",
    "class setup:\n def __init__(self, x): pass": "TypeError: ",
    "class setup:\n def setp(self, r): pass": "is not callable and has no method setup",
    "async def setup(registry): pass": "setup is a coroutine; expected a plain",
    "def setup(registry): yield": "setup is a generator; expected a plain",
    "async def setup(registry): yield": "setup is an async generator; expected",
    "def setup(r): r.add_sink('metrix', 1)": "did you mean 'metrics'?",
    "from flext_observability import FlextResult\n"
    "def setup(r): return FlextResult.fail('no licence')": "no licence",
}


@pytest.mark.parametrize("text", BROKEN)
def test_a_broken_plugin_is_named_and_the_others_are_set_up(registry, install, text):
    install("a-plugin", SETS_UP.format("first"), a="setup")
    install("bad-plugin", text, bad="setup")
    install("z-plugin", SETS_UP.format("last"), z="setup")
    first, failed, last = load_plugins(registry)
    assert (first.value, last.value) == ("a", "z")
    assert {*registry.added} == {"first", "last"}
    assert failed.error.startswith("plugin 'bad' (bad_plugin:setup, from bad-plugin): ")
    assert BROKEN[text] in failed.error
    assert failed.error_code == "plugin"
    assert failed.error_data == {"plugin": "bad"}


def test_an_interrupt_during_a_set_up_passes(registry, install):
    install("bad-plugin", "def setup(r): raise KeyboardInterrupt", bad="setup")
    with pytest.raises(KeyboardInterrupt):
        load_plugins(registry)


def test_of_two_plugins_of_one_name_the_first_distribution_wins(registry, install):
    install("b-dist", SETS_UP.format("second"), tickets="setup")
    install("a-dist", SETS_UP.format("first"), tickets="setup")
    first, second = load_plugins(registry)
    assert first.value == "tickets"
    assert second.error.endswith(
        "(b_dist:setup, from b-dist): a-dist has one of that name"
    )
    assert {*registry.added} == {"first"}


def test_an_entry_point_of_no_distribution_can_be_given(registry):
    found = [EntryPoint("tickets", "no_such_module:setup", GROUP)]
    (result,) = load_plugins(registry, found)
    assert "from an unknown distribution" in result.error


@pytest.mark.parametrize("metadata", ["Metadata-Version: 2.1\n", "", None])
def test_the_plugins_of_a_distribution_without_a_name_are_set_up(
    registry, install, tmp_path, metadata
):
    install("our-tickets", SETS_UP.format("queue"), tickets="setup")
    file = tmp_path / "our_tickets-1.0.dist-info" / "METADATA"
    file.unlink()
    if metadata is not None:
        file.write_text(metadata)
    (result,) = load_plugins(registry)
    assert result.is_success


@pytest.mark.parametrize("text", [b"just text\n", b"\xff\xfe = 1\n"])
def test_a_list_of_plugins_that_cannot_be_read_hides_no_other(
    registry, install, tmp_path, text
):
    install("bad-plugin", "", bad="setup")
    install("our-tickets", SETS_UP.format("queue"), tickets="setup")
    points = tmp_path / "bad_plugin-1.0.dist-info" / "entry_points.txt"
    points.write_bytes(f"[{GROUP}]\n".encode() + text)
    failed, done = load_plugins(registry)
    assert failed.error.startswith("the plugins of bad-plugin cannot be listed: ")
    assert failed.error_code == "plugin"
    assert done.value == "tickets"


@pytest.mark.parametrize("value", ["", "b c d:e"])
def test_an_entry_point_that_names_nothing_is_named(registry, install, tmp_path, value):
    install("bad-plugin", "", bad="setup")
    points = tmp_path / "bad_plugin-1.0.dist-info" / "entry_points.txt"
    points.write_text(f"[{GROUP}]\nbad = {value}\n")
    (result,) = load_plugins(registry)
    assert result.error.startswith(f"plugin 'bad' ({value}, from bad-plugin): ")
    assert result.error.endswith("expected the form module:name")


def test_a_distribution_that_is_there_twice_is_set_up_once(
    registry, install, tmp_path, monkeypatch
):
    install("our-tickets", SETS_UP.format("queue"), tickets="setup")
    other = tmp_path / "other"
    shutil.copytree(
        tmp_path / "our_tickets-1.0.dist-info", other / "Our.Tickets-0.9.dist-info"
    )
    monkeypatch.syspath_prepend(other)
    assert [result.value for result in load_plugins(registry)] == ["tickets"]


def test_a_wheel_that_pip_has_installed_is_found(tmp_path):
    """The real thing, once, in an interpreter of its own."""
    wheel = tmp_path / "our_tickets-1.0-py3-none-any.whl"
    info = "our_tickets-1.0.dist-info"
    files = {
        "our_tickets.py": SETS_UP.format("queue"),
        f"{info}/METADATA": "Metadata-Version: 2.1\nName: our-tickets\nVersion: 1.0\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\n"
        "Tag: py3-none-any\n",
        f"{info}/entry_points.txt": f"[{GROUP}]\ntickets = our_tickets:setup\n",
    }
    names = [*files, f"{info}/RECORD"]
    files[f"{info}/RECORD"] = "".join(f"{name},,\n" for name in names)
    with zipfile.ZipFile(wheel, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    place = tmp_path / "place"
    pip = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-index"]
    subprocess.run([*pip, f"--target={place}", str(wheel)], check=True)
    code = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from flext_observability.plugins import load_plugins\n"
        "class Registry:\n"
        "    def add_health_check(self, name, check): print(name, check())\n"
        "print([result.value for result in load_plugins(Registry())])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(place)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split("\n")[:2] == ["queue True", "['tickets']"]


@pytest.fixture
def process_wide():
    """The backend of the process, made anew for the test."""
    before = PROCESS.use(None)
    yield PROCESS.get
    PROCESS.use(before).stop()


def test_the_backend_of_the_process_has_all_plugins(install, process_wide):
    install(
        "our-tickets",
        "from sluiceway.testing import CollectingSink\n"
        "tickets, health = CollectingSink(), CollectingSink()\n"
        "def setup(registry):\n"
        "    registry.add_alert_channel('tickets', tickets)\n"
        "    registry.add_sink('health', health)\n"
        "    registry.add_health_check('queue', lambda: True)\n",
        tickets="setup",
    )
    backend = process_wide()
    fires = flext_create_alert("disc", message="full").unwrap()
    assert FlextAlertService().process(fires).is_success
    run = FlextHealthService().execute(flext_create_health_check("queue").unwrap())
    assert run.unwrap().status == "healthy"
    assert backend.flush().is_success
    plugin = sys.modules["our_tickets"]
    assert [each.name for each in plugin.tickets.events] == ["disc"]
    assert "queue" in {each.name for each in plugin.health.events}


def test_a_broken_plugin_is_logged_by_its_name(install, process_wide, caplog):
    install("bad-plugin", "def setup(r): r.add_health_check('', None)", bad="setup")
    install("worse-plugin", "1 / 0", worse="setup")
    install("z-plugin", SETS_UP.format("last"), z="setup")
    assert process_wide().checks.names() == ["last"]
    first, second = [record.getMessage() for record in caplog.records]
    assert first.startswith("plugin 'bad' (bad_plugin:setup, from bad-plugin): ")
    assert "name is ''" in first
    assert "ZeroDivisionError" in second


def test_a_plugin_that_asks_for_the_backend_of_the_process_gets_the_one_it_extends(
    install, process_wide
):
    install(
        "our-tickets",
        "from flext_observability import get_global_factory\n"
        "def setup(registry):\n"
        "    assert get_global_factory().backend is registry\n",
        tickets="setup",
    )
    backend = process_wide()
    assert process_wide() is backend
