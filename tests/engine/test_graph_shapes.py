"""What a pipeline refuses to be built of, and how it shows what it was built of."""

import re

import pytest

from sluiceway import (
    BatchBy,
    ConfigurationError,
    GraphError,
    Pipeline,
    Processor,
    best_effort,
    merge,
    processor,
    route,
    source,
)
from sluiceway.sources import IterableSource
from sluiceway.testing import CollectingSink


class Passes(Processor):
    """A stage with a name and a state of its own."""

    def __init__(self, name=None):
        self.name = name

    def process(self, events):
        return events


@processor
def same(event):
    return event


def numbers(name="numbers"):
    return IterableSource([1, 2, 3], name=name)


def refusal(*chains):
    with pytest.raises(GraphError) as refused:
        Pipeline(*chains)
    return str(refused.value)


def test_a_cycle_is_refused_and_its_stages_are_named():
    first, second = Passes("first"), Passes("second")
    message = refusal(numbers() >> first >> second >> first >> CollectingSink())
    assert "cycle" in message
    assert "first -> second -> first" in message


def test_a_stage_behind_itself_is_a_cycle():
    alone = Passes("alone")
    assert "alone -> alone" in refusal(numbers() >> alone >> alone >> CollectingSink())


def test_a_cycle_through_a_fan_out_is_refused():
    first, second = Passes("first"), Passes("second")
    message = refusal(numbers() >> first >> [CollectingSink(), second >> first])
    assert "first -> second -> first" in message


@pytest.mark.parametrize("build", [lambda a, b: b >> a, lambda a, b: merge(b) >> a])
def test_a_cycle_through_two_chains_is_refused_and_its_stages_are_named(build):
    first, second = Passes("first"), Passes("second")
    message = refusal(
        numbers() >> first >> second >> CollectingSink(),
        build(first, second) >> CollectingSink(),
    )
    assert message == "the stages form a cycle: first -> second -> first"


def test_stages_that_are_used_twice_side_by_side_form_no_cycle():
    first, second = Passes("first"), Passes("second")
    message = refusal(
        numbers() >> first >> second >> CollectingSink(),
        numbers("others") >> [second >> CollectingSink(), first >> CollectingSink()],
    )
    assert "second has a state of its own and is used twice" in message


def test_a_stage_behind_branches_that_all_end_is_refused_by_their_names():
    ends = [CollectingSink(name="left"), best_effort(CollectingSink(name="right"))]
    message = refusal(numbers() >> ends >> CollectingSink(name="late"))
    assert "left, right are sinks" in message
    assert "late does" in message


def test_a_cycle_is_found_in_a_graph_of_many_ways_and_of_great_depth():
    head = Passes("head")
    ladder = numbers() >> head
    for _ in range(60):
        ladder = ladder >> [Passes(), Passes()] >> same
    for _ in range(1000):
        ladder = ladder >> same
    assert "a cycle: head -> " in refusal(ladder >> head >> CollectingSink())


def test_stages_that_no_source_reaches_are_refused_by_name():
    good = numbers() >> CollectingSink(name="good")
    message = refusal(good, Passes("lonely") >> CollectingSink(name="starved"))
    assert "lonely" in message
    assert "starved" in message
    assert "good" not in message


def test_explicit_names_alike_are_refused_by_name():
    message = refusal(
        numbers() >> [CollectingSink(name="twin"), CollectingSink(name="twin")]
    )
    assert "'twin'" in message


def test_a_function_with_a_chosen_name_in_two_places_is_told_of_its_name():
    hide = processor(name="hide")(lambda event: event)
    message = refusal(numbers() >> hide >> hide >> CollectingSink())
    assert "stands in two places under the one name 'hide'" in message


def test_names_that_stages_get_by_themselves_are_made_unique():
    pipeline = Pipeline(numbers() >> same >> same >> [CollectingSink() for _ in "abc"])
    assert set(pipeline.ledger().stages) == {
        "numbers",
        "same",
        "same_2",
        "collecting_sink",
        "collecting_sink_2",
        "collecting_sink_3",
    }


def test_a_chosen_name_is_kept_whatever_others_are_called():
    """A name made up for another stage gives way to a name that somebody chose."""
    chosen = CollectingSink(name="collecting_sink")
    pipeline = Pipeline(numbers() >> [CollectingSink(), chosen])
    nodes = {node.stage: node.name for node in pipeline._graph.nodes}
    assert nodes[chosen] == "collecting_sink"


def test_a_source_in_the_middle_is_refused_by_name():
    message = refusal(numbers("first") >> numbers("second") >> CollectingSink())
    assert "second" in message
    assert "first" in message


def test_a_sink_in_front_is_refused_by_name():
    message = refusal(CollectingSink(name="early") >> same >> CollectingSink())
    assert "early" in message
    assert "same" in message


def test_a_sink_in_the_middle_is_refused_by_name():
    message = refusal(numbers() >> CollectingSink(name="early") >> CollectingSink())
    assert "early" in message


def test_a_stateful_stage_used_twice_is_refused_by_name():
    shared = Passes("shared")
    message = refusal(
        numbers("a") >> shared >> CollectingSink(),
        numbers("b") >> shared >> CollectingSink(),
    )
    assert "shared" in message
    assert "used twice; make a second one, or merge what comes before it" in message


def test_a_stateful_stage_in_two_branches_is_refused_by_name():
    shared = Passes("shared")
    ends = [shared >> CollectingSink(), shared >> CollectingSink()]
    assert "shared" in refusal(numbers() >> ends)


@pytest.mark.parametrize(
    "build",
    [
        lambda: numbers() >> same,
        lambda: numbers() >> [same, CollectingSink()],
        lambda: numbers() >> BatchBy(10),
        numbers,
    ],
)
def test_a_chain_without_a_sink_is_refused_by_name(build):
    message = refusal(build())
    assert "no sink" in message
    assert re.search("same|batch_by|numbers", message)


def test_a_merge_that_holds_a_sink_or_follows_a_stage_is_refused():
    complete = numbers() >> CollectingSink(name="end")
    assert "sink" in refusal(merge(complete) >> CollectingSink())
    assert "numbers" in refusal(numbers() >> merge(same, same) >> CollectingSink())


def test_a_route_without_a_stage_in_front_is_refused():
    assert "route" in refusal(route(str, {"a": CollectingSink()}))


@pytest.mark.parametrize(
    "build",
    [
        lambda: best_effort(IterableSource([1]) >> CollectingSink()),
        lambda: best_effort(IterableSource([1])) >> CollectingSink(),
        lambda: merge(best_effort(IterableSource([1]))) >> CollectingSink(),
    ],
)
def test_a_best_effort_without_a_stage_in_front_is_refused(build):
    with pytest.raises(GraphError, match="needs a stage in front of it"):
        Pipeline(build())


def test_a_pipeline_of_nothing_is_refused():
    assert "at least one chain" in refusal()


@pytest.mark.parametrize("part", [print, CollectingSink, 5, "sink", None])
def test_what_is_no_stage_is_refused_where_it_is_written(part):
    with pytest.raises(ConfigurationError, match="is not a stage"):
        numbers() >> part


@pytest.mark.parametrize("part", [print, CollectingSink, 5, "source", None])
def test_what_is_no_stage_is_refused_at_the_beginning_too(part):
    with pytest.raises(ConfigurationError, match="is not a stage"):
        part >> CollectingSink()


def test_a_list_at_the_beginning_is_told_of_merge():
    with pytest.raises(ConfigurationError, match=r"merge\(a, b\) >> c"):
        [numbers(), numbers()] >> CollectingSink()


def test_a_class_instead_of_an_object_is_recognised():
    with pytest.raises(ConfigurationError, match=r"did you mean CollectingSink\(...\)"):
        numbers() >> CollectingSink


def test_a_bare_function_is_told_which_decorators_there_are():
    with pytest.raises(ConfigurationError, match="@processor"):
        numbers() >> len


def test_a_chain_is_never_changed_by_what_is_built_of_it():
    """``>>`` returns a new chain."""
    start = numbers() >> same
    one, two = start >> CollectingSink(), start >> CollectingSink()
    assert len(start.parts) == 2
    assert len(one.parts) == len(two.parts) == 3


def test_a_decorated_function_is_a_new_node_at_each_use():
    pipeline = Pipeline(numbers() >> same >> same >> CollectingSink())
    assert {"same", "same_2"} <= set(pipeline.ledger().stages)


def test_sources_and_sinks_are_one_node_wherever_they_appear():
    begin, end = numbers(), CollectingSink()
    pipeline = Pipeline(begin >> end, begin >> same >> end, numbers("other") >> end)
    assert sorted(pipeline.ledger().stages) == [
        "collecting_sink",
        "numbers",
        "other",
        "same",
    ]


def test_a_sink_with_three_producers_gets_the_events_of_all_three(run):
    end = CollectingSink()
    chains = [IterableSource([n], name=f"s{n}") >> end for n in range(3)]
    run(Pipeline(*chains).run())
    assert sorted(end.events) == [0, 1, 2]


def test_a_source_in_two_chains_fans_out(run):
    begin, left, right = numbers(), CollectingSink(), CollectingSink()
    pipeline = Pipeline(begin >> left, begin >> right)
    run(pipeline.run())
    assert left.events == right.events == [1, 2, 3]
    assert pipeline.ledger()["numbers"].copied == 3


def test_one_decorated_source_called_with_two_arguments_is_two_sources(run):
    @source
    async def counted(start):
        yield [start, start + 1]

    end = CollectingSink()
    run(Pipeline(counted(1) >> end, counted(10) >> end).run())
    assert sorted(end.events) == [1, 2, 10, 11]


def everything():
    return Pipeline(
        merge(numbers("a"), numbers("b"))
        >> same
        >> [
            BatchBy(5) >> CollectingSink(name="gathered"),
            best_effort(CollectingSink(name="spare")),
            route(str, {"1": CollectingSink(name="one")}, default=same >> spare_end()),
        ]
    )


def spare_end():
    return CollectingSink(name="others")


def test_a_graph_renders_as_text_with_every_stage_and_way():
    text = everything().graph()
    lines = {line.split()[0]: line for line in text.splitlines()}
    assert set(lines) == {
        "a",
        "b",
        "same",
        "batch_by",
        "gathered",
        "spare",
        "one",
        "same_2",
        "others",
    }
    assert lines["a"].endswith("-> same")
    for way in ("batch_by", "spare (best effort)", "one (1)", "same_2 (default)"):
        assert way in lines["same"]
    assert "sink" in lines["gathered"]


def test_a_graph_renders_as_mermaid_with_every_stage_and_way():
    text = everything().graph("mermaid")
    assert text.startswith("flowchart LR\n")
    names = dict(re.findall(r'(s\d+)[^\n"]*"([^"]+)"', text))
    ways = {
        (names[a], names[b], label)
        for a, label, b in re.findall(r"(s\d+) -->(?:\|([^|]+)\|)? (s\d+)", text)
    }
    assert ("a", "same", "") in ways
    assert ("same", "spare", "best effort") in ways
    assert ("same", "one", "1") in ways
    assert ("same", "same_2", "default") in ways
    assert ("same_2", "others", "") in ways
    assert len(ways) == 8


def test_names_that_mermaid_would_misread_are_escaped():
    odd = CollectingSink(name='say "hi" | <b> & end')
    text = Pipeline(numbers() >> odd).graph("mermaid")
    assert text.count('"') == 4
    assert "|" not in text


def test_another_form_of_graph_is_refused():
    with pytest.raises(ConfigurationError, match=r"'dot'.*'text' or 'mermaid'"):
        everything().graph("dot")
