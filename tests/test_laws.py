"""The laws of the house, read off the source itself."""

import ast
import importlib
import inspect
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

import sluiceway

PACKAGE = Path(sluiceway.__file__).parent
SOURCE = PACKAGE.parent
FILES = sorted(SOURCE.rglob("*.py"))
BATTERIES = ("sources", "processors", "samplers", "sinks", "instrument", "bridges")
BATTERIES += ("formats", "alerting", "health", "testing", "web")
HEAVY = ("aiohttp", "grpc", "opentelemetry", "prometheus_client", "google", "anyio.abc")
FORBIDDEN_NAMES = {"utils", "helpers", "common", "manager", "managers", "util", "misc"}


def offenders(find):
    """What ``find(path)`` found in each file, where it found something."""
    found = {str(path.relative_to(SOURCE)): find(path) for path in FILES}
    return {name: wrong for name, wrong in found.items() if wrong}


@cache
def tree_of(path):
    return ast.parse(path.read_text())


def module_of(path):
    parts = path.relative_to(SOURCE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def imports_of(path):
    """The absolute names of the modules that a file imports, each with its line."""
    package = module_of(path).split(".")
    if path.name != "__init__.py":
        package = package[:-1]
    found = []
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import):
            found += [(alias.name, node) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            name = ".".join([*base, *([node.module] if node.module else [])])
            found.append((name, node))
            found += [(f"{name}.{alias.name}", node) for alias in node.names]
    return found


def names_of(path):
    return {name for name, _ in imports_of(path)}


def inside(*folders):
    return [p for p in FILES if p.relative_to(PACKAGE.parent).parts[1] in folders]


def starts(name, module):
    return name == module or name.startswith(module + ".")


def test_the_engine_never_imports_a_battery():
    for path in inside("_engine"):
        wrong = [
            name
            for name in names_of(path)
            if any(starts(name, f"sluiceway.{battery}") for battery in BATTERIES)
        ]
        assert not wrong, f"{path}: {wrong}"
    assert inside("_engine")


def test_a_battery_never_imports_the_engine():
    for path in inside(*BATTERIES):
        wrong = [n for n in names_of(path) if starts(n, "sluiceway._engine")]
        assert not wrong, f"{path}: {wrong}"
    assert len(inside(*BATTERIES)) > 20


def test_the_forbidden_words_stand_nowhere_in_the_source():
    """Write ``from logging import ...``; the seed's own gate looks for the others."""
    words = ("import logging", "import opentelemetry", "import prometheus_client")
    assert not offenders(lambda path: [w for w in words if w in path.read_text()])


READS_TIME = {"datetime.now", "datetime.utcnow", "datetime.today", "date.today"}


def calls_in(path):
    """What a file calls, as it is written there."""
    calls = (node for node in ast.walk(tree_of(path)) if isinstance(node, ast.Call))
    return {ast.unparse(call.func) for call in calls}


def test_only_the_clock_reads_time():
    """Others are told the time, or ask a ``Clock``."""

    def reads(path):
        imported = {name for name in names_of(path) if starts(name, "time")}
        return imported | calls_in(path) & READS_TIME

    assert {*offenders(reads)} == {"sluiceway/clock.py"}


PURE = [
    PACKAGE / "formats",
    PACKAGE / "alerting",
    PACKAGE / "health",
    PACKAGE / "samplers",
    PACKAGE / "batch.py",
    PACKAGE / "batching.py",
    PACKAGE / "delivery.py",
    PACKAGE / "_engine" / "graph.py",
    PACKAGE / "_engine" / "checks.py",
    PACKAGE / "_engine" / "plan.py",
    PACKAGE / "_engine" / "render.py",
]
IO = {"socket", "aiohttp", "requests", "urllib.request", "http", "subprocess", "ssl"}
IO |= {"threading", "os", "io", "pathlib", "tempfile"}


@pytest.mark.parametrize("place", PURE, ids=lambda p: p.stem)
def test_what_only_decides_does_no_io_and_never_reads_the_clock(place):
    files = [p for p in FILES if p == place or place in p.parents]
    for path in files:
        names = names_of(path)
        assert not {n for n in names if any(starts(n, io) for io in IO)}, path
        assert "sluiceway.clock.SYSTEM_CLOCK" not in names, path
        assert not calls_in(path) & {"open", "print", "input"}, path


def test_the_foundation_uses_public_names_only_and_is_used_by_nobody_here():
    for path in FILES:
        names = names_of(path)
        if path.is_relative_to(PACKAGE):
            assert not [n for n in names if starts(n, "flext_observability")], path
        else:
            assert not [n for n in names if "._" in n and n.startswith("sluiceway")], (
                path
            )


def loaded_by(statement):
    code = f"import sys; {statement}; print(*sorted(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    return set(done.stdout.split())


def test_importing_sluiceway_loads_no_library_of_a_battery():
    loaded = loaded_by("import sluiceway")
    assert "sluiceway.pipeline" in loaded
    assert not {n for n in loaded if n.split(".")[0] in HEAVY}
    assert not {
        n for n in loaded if any(starts(n, f"sluiceway.{b}") for b in BATTERIES)
    }


@pytest.mark.parametrize(
    "package",
    ["sources", "processors", "samplers", "sinks", "bridges", "web", "health"],
)
def test_importing_a_package_of_batteries_loads_none_of_their_libraries(package):
    loaded = loaded_by(f"import sluiceway.{package}, sluiceway.testing")
    assert not {n for n in loaded if n.split(".")[0] in HEAVY}


def test_importing_the_instruments_loads_no_sdk():
    loaded = loaded_by("import sluiceway.instrument")
    assert not {n for n in loaded if starts(n, "opentelemetry.sdk")}


def test_only_the_bridges_import_the_sdk():
    def sdk(path):
        return {name for name in names_of(path) if starts(name, "opentelemetry.sdk")}

    assert {Path(name).parts[1] for name in offenders(sdk)} == {"bridges"}


def test_the_asgi_middleware_needs_no_web_framework():
    loaded = loaded_by("from sluiceway.web import AsgiMiddleware")
    frameworks = ("aiohttp", "starlette", "fastapi", "opentelemetry.sdk")
    assert not {n for n in loaded if any(starts(n, f) for f in frameworks)}


def test_files_stay_under_four_hundred_lines():
    lengths = {path: len(path.read_text().splitlines()) for path in FILES}
    assert not offenders(lambda path: lengths[path] > 400 and lengths[path])


def functions(path):
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    return [node for node in ast.walk(tree_of(path)) if isinstance(node, kinds)]


def own_lines(function):
    """Lines of a function without its docstring."""
    total = function.end_lineno - function.lineno + 1
    first = function.body[0]
    documented = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
    return total - (first.end_lineno - first.lineno + 1) * documented


def test_functions_have_forty_lines_at_most():
    def long(path):
        return [
            f"{f.name}: {own_lines(f)}" for f in functions(path) if own_lines(f) > 40
        ]

    assert not offenders(long)


def test_functions_are_mostly_short():
    lengths = sorted(own_lines(f) for path in FILES for f in functions(path))
    assert lengths[len(lengths) // 2] <= 8


def test_a_core_file_opens_with_its_law_in_six_lines_at_most():
    def long_law(path):
        text = ast.get_docstring(tree_of(path)) or ""
        law = text.partition("Law:")[2].split("\n\n")[0]
        return len(law.splitlines()) > 6

    assert not offenders(long_law)


@pytest.mark.parametrize("name", ["pipeline", "delivery", "batch", "stages", "ledger"])
def test_the_core_files_have_a_law(name):
    assert "\nLaw: " in ast.get_docstring(tree_of(PACKAGE / f"{name}.py"))


def is_public(name):
    return not name.startswith("_")


def undocumented(path):
    """The public functions, classes and methods of a file without a docstring."""
    kinds = (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    tops = [node for node in tree_of(path).body if isinstance(node, kinds)]
    inner = [
        node
        for top in tops
        if isinstance(top, ast.ClassDef) and is_public(top.name)
        for node in top.body
        if isinstance(node, kinds[1:])
    ]
    return [
        node.name
        for node in [*tops, *inner]
        if is_public(node.name)
        and not is_overload(node)
        and not ast.get_docstring(node)
    ]


def test_public_names_are_documented():
    assert not offenders(undocumented)


def is_overload(node):
    words = [ast.unparse(each) for each in getattr(node, "decorator_list", [])]
    return any("overload" in word or word.endswith(".setter") for word in words)


def test_all_public_names_exist_and_are_listed():
    listed = sluiceway.__all__
    assert listed == sorted(listed)
    assert len(set(listed)) == len(listed)
    assert all(hasattr(sluiceway, name) for name in listed)
    imported = {
        alias.asname or alias.name
        for node in tree_of(PACKAGE / "__init__.py").body
        if isinstance(node, ast.ImportFrom) and node.level
        for alias in node.names
    }
    assert imported == set(listed)


@pytest.mark.parametrize(
    "package",
    [
        "sources",
        "processors",
        "samplers",
        "sinks",
        "instrument",
        "bridges",
        "testing",
        "web",
        "health",
    ],
)
def test_every_listed_name_of_a_package_can_be_had(package):
    module = importlib.import_module(f"sluiceway.{package}")
    assert module.__all__
    for name in module.__all__:
        assert inspect.getmodule(getattr(module, name)) is not None
    assert not hasattr(module, "no_such_name")


def test_no_module_is_called_after_nothing():
    def nameless(path):
        return {*path.relative_to(SOURCE).with_suffix("").parts} & FORBIDDEN_NAMES

    assert not offenders(nameless)


CHANGES = {"append", "add", "update", "setdefault", "pop", "extend", "clear"}


def state_of(path):
    """The names at a module's top that its code changes, and every ``global``."""
    tops = {
        target.id
        for node in tree_of(path).body
        if isinstance(node, ast.Assign | ast.AnnAssign)
        for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
        if isinstance(target, ast.Name)
    }
    changed = {
        call.rpartition(".")[0] for call in calls_in(path) if ends_in_change(call)
    }
    declared = [n for n in ast.walk(tree_of(path)) if isinstance(n, ast.Global)]
    return tops & changed | {name for node in declared for name in node.names}


def ends_in_change(call):
    return call.rpartition(".")[2] in CHANGES


def test_no_module_holds_state_that_changes():
    """But for one: forks are of the whole process."""
    assert {*offenders(state_of)} <= {"sluiceway/fork.py"}


def test_imports_inside_the_package_are_relative():
    def absolute(path):
        return [
            name
            for name, node in imports_of(path)
            if path.is_relative_to(PACKAGE)
            and isinstance(node, ast.ImportFrom)
            and not node.level
            and starts(name, "sluiceway")
        ]

    assert not offenders(absolute)


def test_annotations_are_lazy_wherever_something_is_defined():
    def eager(path):
        return functions(path) and "__future__.annotations" not in names_of(path)

    assert not offenders(eager)


def test_no_unfinished_work_is_left():
    words = ("TODO", "FIXME", "XXX", "NotImplementedError", "breakpoint(")
    assert not offenders(lambda path: [w for w in words if w in path.read_text()])
