"""``flext_core`` and ``flext_cli`` can be imported, and what is real stays real."""

import importlib
import importlib.util
import inspect
import pickle
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from flext_observability.compat import PACKAGES, StandIn, install, uninstall
from flext_observability.result import FlextResult

ALL = [f"{package}.{name}" for package, names in PACKAGES.items() for name in names]


def forget():
    for name in [n for n in sys.modules if n.split(".")[0] in PACKAGES]:
        del sys.modules[name]


@pytest.fixture(autouse=True)
def nothing_is_installed():
    forget()
    yield
    uninstall()
    forget()


@pytest.fixture
def written(tmp_path, monkeypatch):
    """Write a package that is really there."""
    monkeypatch.syspath_prepend(tmp_path)

    def write(name, text):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text(text)
        importlib.invalidate_caches()

    return write


def test_missing_packages_are_stood_in_for():
    assert install() == FlextResult.ok(ALL)
    import flext_cli
    import flext_core

    assert flext_core.FlextResult is FlextResult
    assert flext_cli.__all__ == ["CLICommand", "FlextCliApi"]
    assert isinstance(flext_core, StandIn)
    assert "stand-in" in flext_core.__doc__


def test_the_imports_of_the_document_work():
    install()
    space = {}
    exec(
        "from flext_core import FlextResult, FlextLogger, get_logger\n"
        "from flext_core import FlextDomainService, FlextContainer, FlextUtilities\n"
        "from flext_cli import CLICommand, FlextCliApi\n",
        space,
    )
    assert {name.split(".")[1] for name in ALL} <= set(space)


def test_a_star_import_brings_every_name():
    install()
    space = {}
    exec("from flext_core import *", space)
    assert set(PACKAGES["flext_core"]) <= set(space)


def test_installing_again_adds_nothing():
    install()
    module = sys.modules["flext_core"]
    assert install() == FlextResult.ok([])
    assert sys.modules["flext_core"] is module


def test_uninstalling_takes_everything_back():
    install()
    assert uninstall() == FlextResult.ok(ALL)
    assert uninstall() == FlextResult.ok([])
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("flext_core")


def test_threads_that_install_at_once_add_each_name_once():
    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(lambda _: install().unwrap(), range(8)))
    assert sorted(name for added in results for name in added) == sorted(ALL)


def test_a_real_package_gets_only_what_it_lacks(written):
    written("flext_core", "class FlextResult: pass\nget_logger = None\n")
    added = install().unwrap()
    import flext_core

    assert not isinstance(flext_core, StandIn)
    assert flext_core.FlextResult is not FlextResult
    assert flext_core.get_logger is None
    assert flext_core.FlextLogger is PACKAGES["flext_core"]["FlextLogger"]
    assert not {"flext_core.FlextResult", "flext_core.get_logger"} & {*added}
    assert "flext_cli.CLICommand" in added


def test_a_real_package_is_as_it_was_after_uninstalling(written):
    written("flext_core", "class FlextResult: pass\n")
    import flext_core

    before = dict(vars(flext_core))
    install()
    uninstall()
    assert vars(flext_core) == before
    assert sys.modules["flext_core"] is flext_core


def test_a_name_that_a_real_package_makes_when_asked_is_not_replaced(written):
    written(
        "flext_core",
        "def __getattr__(name):\n"
        "    if name == 'FlextLogger': return 'real'\n"
        "    raise AttributeError(name)\n",
    )
    assert "flext_core.FlextLogger" not in install().unwrap()
    import flext_core

    assert flext_core.FlextLogger == "real"


def test_a_name_that_a_real_package_cannot_make_is_told_and_left(written, caplog):
    written("flext_core", "def __getattr__(name):\n    raise OSError(name)\n")
    added = install().unwrap()
    assert not [name for name in added if name.startswith("flext_core")]
    assert "flext_core.FlextLogger cannot be had (OSError: FlextLogger)" in caplog.text


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("import no_such_package", "No module named 'no_such_package'"),
        ("1 / 0", "ZeroDivisionError"),
    ],
)
def test_a_broken_package_is_stood_in_for_and_named(written, caplog, text, told):
    written("flext_core", text)
    assert install() == FlextResult.ok(ALL)
    (message,) = caplog.messages
    assert "flext_core is installed and cannot be imported" in message
    assert told in message


def test_a_package_that_is_missing_is_not_warned_of(caplog):
    install()
    assert caplog.messages == []


def test_a_submodule_of_a_stand_in_is_an_import_error():
    install()
    with pytest.raises(ModuleNotFoundError, match="'flext_core' is not a package"):
        importlib.import_module("flext_core.result")


def test_an_unknown_name_says_what_there_is():
    install()
    with pytest.raises(ImportError, match="cannot import name 'FlextModels'"):
        exec("from flext_core import FlextModels")
    with pytest.raises(AttributeError, match="did you mean 'FlextResult'"):
        _ = sys.modules["flext_core"].FlextResults


def test_a_stand_in_is_a_module_like_any_other():
    install()
    module = sys.modules["flext_core"]
    assert inspect.ismodule(module)
    assert importlib.util.find_spec("flext_core") is module.__spec__
    assert repr(module) == "<module 'flext_core' (flext_observability)>"
    assert pickle.loads(pickle.dumps(module.FlextResult)) is FlextResult
    inspect.getmembers(module)


def test_nothing_is_installed_by_importing_alone():
    code = (
        "import sys, flext_observability.compat;"
        "assert not {'flext_core', 'flext_cli'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
