"""A file and the Python that it stands for make the same pipeline."""

import asyncio
import sys
import textwrap
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluiceway import (
    BatchBy,
    LogRecord,
    Pipeline,
    Processor,
    Queue,
    Sink,
    best_effort,
    merge,
    processor,
    route,
    sink,
    source,
)
from sluiceway.config import InvalidFileError, read
from sluiceway.config.selectors import Entry, kind_of_event
from sluiceway.events import Resource, Span
from sluiceway.samplers import ProbabilitySampler, RateLimitSampler
from sluiceway.sinks import ConsoleSink, JsonLinesSink, OtlpSink
from sluiceway.sources import IterableSource, OtlpSource
from sluiceway.testing import CollectingSink


@processor
def hide_card(event):
    event.attributes.pop("card.number", None)
    return event


@source
async def count(first: int, last: int = 3):
    for number in range(first, last):
        yield number


@sink
def forget(events):
    del events


class Enrich(Processor):
    stateful = False

    def __init__(self, tenants: dict[str, int]):
        self.tenants = tenants

    def process(self, events):
        return events


class Keep(Sink):
    async def write(self, events):
        del events


shared = CollectingSink()


def name_of_body(event):
    return event.body


GATEWAY = """
name = "gateway"
chains = [
  "otlp >> hide_card >> share >> [collector, best_effort(console)]",
  "merge(lines, more >> gather) >> hide_card >> collector",
  "otlp >> by_tenant >> archive",
]

[stages]
otlp = { type = "OtlpSource", port = 0 }
lines = { type = "IterableSource", iterable = [] }
more = { type = "IterableSource", iterable = [] }
hide_card = { type = "HERE:hide_card" }
share = { type = "ProbabilitySampler", probability = 0.25 }
gather = { type = "BatchBy", max_events = 10 }
limit = { type = "RateLimitSampler", per_second = 5 }
console = { type = "ConsoleSink" }
archive = { type = "JsonLinesSink", path = "archive.jsonl" }

[stages.collector]
type = "OtlpSink"
queue.capacity = 100

[routes.by_tenant]
select = "attributes.tenant"
branches = { gold = "share", "silver plate" = "limit" }
default = "console"
"""


def gateway_in_python():
    otlp = OtlpSource(port=0, name="otlp")
    collector = OtlpSink(queue=Queue(capacity=100), name="collector")
    console = ConsoleSink(name="console")
    lines = IterableSource([], name="lines")
    more = IterableSource([], name="more")
    gather = BatchBy(max_events=10)
    share = ProbabilitySampler(0.25, name="share")
    branches = {
        "gold": ProbabilitySampler(0.25, name="share_2"),
        "silver plate": RateLimitSampler(5, name="limit"),
    }
    by_tenant = route(Entry("attributes", "tenant"), branches, default=console)
    return Pipeline(
        otlp >> hide_card >> share >> [collector, best_effort(console)],
        merge(lines, more >> gather) >> hide_card >> collector,
        otlp >> by_tenant >> JsonLinesSink("archive.jsonl", name="archive"),
        name="gateway",
    )


@pytest.mark.parametrize("form", ["text", "mermaid"])
def test_a_file_and_its_python_render_the_same_graph(form):
    from_file = read(GATEWAY.replace("HERE", HERE), environment={}).pipeline
    in_python = gateway_in_python()
    told = in_python.graph(form).replace("batch_by", "gather")
    assert squeezed(from_file.graph(form)) == squeezed(told)
    assert from_file.name == in_python.name


HERE = __name__


def squeezed(graph):
    """The graph without the blanks that align its columns."""
    return [" ".join(line.split()) for line in graph.splitlines()]


def pipeline_of(chain, *stages, **variables):
    return read(
        f'chains = ["{chain}"]\n[stages]\n' + "\n".join(stages), environment=variables
    ).pipeline


LETTERS = 'letters = { type = "IterableSource", iterable = ["a"] }'
OUT = 'out = { type = "ConsoleSink" }'


def run_here(chain, *stages):
    shared.events.clear()
    kept = f'kept = {{ type = "{HERE}:shared" }}'
    pipeline = pipeline_of(chain, *stages, kept)
    asyncio.run(pipeline.run())
    assert pipeline.ledger().balanced
    return list(shared.events)


def test_a_source_of_ones_own_takes_its_arguments_from_the_file():
    call = f'count = {{ type = "{HERE}:count", first = 1 }}'
    assert run_here("count >> kept", call) == [1, 2]
    call = f'count = {{ type = "{HERE}:count", first = 5, last = 9 }}'
    assert run_here("count >> kept", call) == [5, 6, 7, 8]


def test_the_arguments_of_ones_own_source_are_checked():
    with pytest.raises(InvalidFileError) as caught:
        pipeline_of(
            "count >> out", f'count = {{ type = "{HERE}:count", frist = 1 }}', OUT
        )
    assert "did you mean 'first'?" in str(caught.value)
    assert "needs first: a whole number" in str(caught.value)


def test_ones_own_classes_and_functions_take_what_the_engine_reads():
    pipeline = pipeline_of(
        "letters >> enrich >> [keep, forget]",
        LETTERS,
        f'enrich = {{ type = "{HERE}:Enrich", tenants = {{ a = 1 }}, workers = 2 }}',
        f'keep = {{ type = "{HERE}:Keep", timeout = 3, batch.max_events = 5 }}',
        f'forget = {{ type = "{HERE}:forget", retry.deadline = 5, queue.capacity = 9}}',
    )
    enrich, keep, forgets = (node.stage for node in pipeline._graph.nodes[1:])
    assert (enrich.tenants, enrich.workers) == ({"a": 1}, 2)
    assert (keep.timeout, keep.batch.max_events) == (3, 5)
    assert (forgets.retry.deadline, forgets.queue.capacity) == (5, 9)
    assert (forget.retry, forget.name) == (None, "forget")


def test_the_engines_settings_of_ones_own_stages_are_checked_before_anything_opens():
    with pytest.raises(InvalidFileError) as caught:
        pipeline_of(
            "letters >> enrich >> keep",
            LETTERS,
            f'enrich = {{ type = "{HERE}:Enrich", tenants = {{}}, workers = 0 }}',
            f'keep = {{ type = "{HERE}:Keep", timeout = 0, max_in_flight = 0 }}',
        )
    told = str(caught.value)
    assert "stages.enrich.workers: is 0; expected a whole number from 1" in told
    assert "stages.keep.timeout: is 0; expected seconds above 0, or None" in told
    assert "stages.keep.max_in_flight: is 0; expected a whole number from 1" in told


def test_false_turns_off_what_python_turns_off_with_none():
    pipeline = pipeline_of(
        "letters >> [otlp, page]",
        LETTERS,
        'otlp = { type = "OtlpSink", batch = false, retry = false }',
        'page = { type = "PrometheusSink", port = false }',
    )
    otlp, page = (node.stage for node in pipeline._graph.nodes[1:])
    assert (otlp.batch, otlp.retry, page.port) == (None, None, None)


def test_what_has_a_state_cannot_stand_in_two_places():
    with pytest.raises(InvalidFileError, match="has a state of its own and is used"):
        pipeline_of(
            "letters >> [limit >> out, limit >> out]",
            LETTERS,
            OUT,
            'limit = { type = "RateLimitSampler", per_second = 1 }',
        )


@pytest.mark.parametrize(
    ("chain", "told"),
    [
        ("letters >>", "has the end at character 11; expected a stage's name"),
        ("letters > out", "has '> out' at character 9; expected a stage's name, '>>'"),
        ("letters out", "has 'out' at character 9; expected '>>' or the end"),
        ("letters >> [out", "has the end at character 16; expected ',', '>>' or ']'"),
        ("letters >> []", "has ']' at character 13; expected a stage's name"),
        ("letters >> out]", "has ']' at character 15; expected '>>' or the end"),
        ("[letters] >> out", "a list begins a chain; expected merge(...)"),
        ("letters >> best_effort(out, out)", "has best_effort of 2 branches at"),
        ("letters >> best_effort out", "expected '(' after best_effort"),
        ("letters >> uot", "no stage is called 'uot'; did you mean 'out'?"),
        ("letters >> xyzzy", "no stage is called 'xyzzy'; expected one of letters"),
        ("", "has the end at character 1; expected a stage's name"),
        ("letters >> " + "[" * 60 + "out" + "]" * 60, "brackets more than 50 deep"),
        ("out >> letters", "out is a sink"),
    ],
)
def test_a_text_that_is_no_chain_says_where_it_stops_being_one(chain, told):
    with pytest.raises(InvalidFileError) as caught:
        pipeline_of(chain, LETTERS, OUT)
    assert told in str(caught.value)


@given(st.text(alphabet="ab >[](),merge_best\n", max_size=30))
def test_no_text_of_a_chain_is_more_than_a_mistake(text):
    chain = text.replace("\n", "\\n")
    with suppress(InvalidFileError):
        pipeline_of(chain, LETTERS, OUT)


def test_routes_that_lead_in_a_circle_are_refused():
    text = """
    chains = ["letters >> first"]
    [stages]
    letters = { type = "IterableSource", iterable = [] }
    out = { type = "ConsoleSink" }
    [routes.first]
    select = "kind"
    branches = { a = "second" }
    [routes.second]
    select = "kind"
    branches = { a = "first", b = "out" }
    """
    with pytest.raises(InvalidFileError, match="first >> second >> first"):
        read(text, environment={})


ROUTED = """
chains = ["records >> choose"]
[stages]
records = {{ type = "IterableSource", iterable = "{here}:RECORDS" }}
kept = {{ type = "{here}:shared" }}
console = {{ type = "{here}:forget" }}
[routes.choose]
select = "{select}"
branches = {{ {word} = "kept" }}
default = "console"
"""

HOME = Resource({"region": "eu"})
RECORDS = [
    LogRecord(body="a", attributes={"n": 1, "new": True}),
    LogRecord(body="b", attributes={"n": 2, "new": False}, resource=HOME),
]


@pytest.mark.parametrize(
    ("select", "word", "bodies"),
    [
        ("attributes.n", "2", ["b"]),
        ("attributes.new", "true", ["a"]),
        ("resource.region", "eu", ["b"]),
        ("kind", "log_record", ["a", "b"]),
        (f"{HERE}:name_of_body", "a", ["a"]),
    ],
)
def test_a_route_selects_by_what_its_table_says(select, word, bodies):
    shared.events.clear()
    text = ROUTED.format(here=HERE, select=select, word=word)
    pipeline = read(text, environment={}).pipeline
    asyncio.run(pipeline.run())
    assert [event.body for event in shared.events] == bodies
    assert pipeline.ledger().lost == 0


def test_a_span_and_an_object_of_ones_own_have_a_kind():
    span = Span(name="a", trace_id=b"1" * 16, span_id=b"1" * 8)
    assert kind_of_event(span) == "span"
    assert kind_of_event(shared) == "collecting_sink"


def test_an_event_without_attributes_goes_the_default_way():
    assert Entry("attributes", "x")(object()) == ""
    assert Entry("resource", "x")(object()) == ""


@pytest.mark.parametrize(
    ("select", "told"),
    [
        ("attribute.x", "did you mean 'attributes'?"),
        ("attributes.", "expected 'kind', 'attributes.KEY'"),
        ("json:__name__", "which is no function"),
        ("json:dump_s", "did you mean 'dumps'?"),
    ],
)
def test_what_selects_nothing_is_refused(select, told):
    text = ROUTED.format(here=HERE, select=select, word="a")
    with pytest.raises(InvalidFileError) as caught:
        read(text, environment={})
    assert "routes.choose.select: " in str(caught.value)
    assert told in str(caught.value)


POINTS = """
[sluiceway.stages]
AcmeSink = acme_stages:AcmeSink
Broken = acme_broken:Sink
OtlpSink = acme_stages:AcmeSink
"""
ACME = """
from sluiceway import Sink
class AcmeSink(Sink):
    '''Sends to Acme.

    Args:
        tenant: whose events they are.
    '''
    def __init__(self, tenant: str):
        self.tenant = tenant
    async def write(self, events):
        pass
"""


@pytest.fixture
def acme(tmp_path, monkeypatch):
    """Another package that offers stages, installed."""
    (tmp_path / "acme_stages.py").write_text(textwrap.dedent(ACME))
    (tmp_path / "acme_broken.py").write_text("raise RuntimeError('half built')\n")
    told = tmp_path / "acme-1.0.dist-info"
    told.mkdir()
    (told / "METADATA").write_text("Metadata-Version: 2.1\nName: acme\nVersion: 1.0\n")
    (told / "entry_points.txt").write_text(POINTS)
    monkeypatch.syspath_prepend(tmp_path)
    yield
    sys.modules.pop("acme_stages", None)


@pytest.mark.usefixtures("acme")
def test_a_stage_of_another_package_is_found_by_its_entry_point():
    pipeline = pipeline_of(
        "letters >> out", LETTERS, 'out = { type = "AcmeSink", tenant = "a" }'
    )
    assert pipeline._graph.nodes[1].stage.tenant == "a"
    assert "acme_broken" not in sys.modules
    with pytest.raises(InvalidFileError, match="did you mean 'tenant'"):
        pipeline_of("letters >> out", LETTERS, 'out = { type = "AcmeSink", tenat = 1 }')
    with pytest.raises(InvalidFileError, match="did you mean 'AcmeSink'"):
        pipeline_of("letters >> out", LETTERS, 'out = { type = "AcmSink" }')


@pytest.mark.usefixtures("acme")
def test_an_entry_point_that_cannot_be_loaded_names_its_package():
    with pytest.raises(InvalidFileError) as caught:
        pipeline_of("letters >> out", LETTERS, 'out = { type = "Broken" }')
    assert "type 'Broken' of acme: module acme_broken cannot be imported" in str(
        caught.value
    )


@pytest.mark.usefixtures("acme")
def test_a_name_that_two_packages_offer_is_refused():
    with pytest.raises(InvalidFileError) as caught:
        pipeline_of("letters >> out", LETTERS, 'out = { type = "OtlpSink" }')
    told = "offered by sluiceway.sinks and acme_stages:AcmeSink of acme"
    assert told in str(caught.value)
