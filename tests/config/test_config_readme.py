"""The README's file is a pipeline."""

import re
from pathlib import Path

import pytest

from sluiceway.config import InvalidFileError, read

README = (Path(__file__).parents[2] / "README.md").read_text()
FILE, ROUTE = re.findall(r"```toml\n(.*?)```", README, flags=re.DOTALL)
STAGES = """
chains = ["lines >> by_tenant"]
[stages]
lines = { type = "IterableSource", iterable = [] }
sign = { type = "SetAttributes", attributes = { a = 1 } }
gold = { type = "ConsoleSink" }
silver = { type = "ConsoleSink" }
rest = { type = "ConsoleSink" }
"""


def test_the_readmes_file_is_a_pipeline_and_its_mistake_is_told_as_it_says(
    tmp_path, monkeypatch
):
    rules = "from sluiceway import processor\n@processor\ndef hide_card(e): return e\n"
    (tmp_path / "rules.py").write_text(rules)
    monkeypatch.syspath_prepend(tmp_path)
    graph = read(FILE, environment={"TOKEN": "secret"}).pipeline.graph()
    assert "hide_card  processor   -> collector, console (best effort)" in graph
    wrong = FILE.replace("endpoint", "endpont")
    with pytest.raises(InvalidFileError) as caught:
        read(wrong, "gateway.toml", {"TOKEN": "secret"})
    told = re.search(r"`(gateway\.toml:\d+: .*?)`;\n", README)
    assert told is not None
    assert told[1] == str(caught.value)


def test_the_readmes_route_is_a_route():
    graph = read(STAGES + ROUTE, environment={}).pipeline.graph()
    assert (
        "lines   source      -> sign (gold), silver (silver), rest (default)" in graph
    )
