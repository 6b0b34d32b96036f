from __future__ import annotations

from logging import getLogger

import pytest
from opentelemetry import trace
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags

from sluiceway.errors import ConfigurationError
from sluiceway.instrument import Telemetry
from sluiceway.instrument.limits import SpanLimits
from sluiceway.notes import event_of
from sluiceway.samplers import AlwaysOffSampler

SAMPLED = SpanContext(5, 9, is_remote=True, trace_flags=TraceFlags(1))
UNSAMPLED = SpanContext(5, 9, is_remote=True, trace_flags=TraceFlags(0))


pytestmark = pytest.mark.usefixtures("environment")


def kept(telemetry):
    """How many roots, and which parents from elsewhere, are recorded."""
    tracer = telemetry.tracer("t")

    def is_recorded(parent):
        with tracer.span("s", parent=parent) as span:
            return span.is_recording()

    roots = sum(is_recorded(None) for _ in range(400))
    return roots, is_recorded(SAMPLED), is_recorded(UNSAMPLED)


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("always_on", (400, True, True)),
        ("ALWAYS_OFF", (0, False, False)),
        ("parentbased_always_on", (400, True, False)),
        (" parentbased_always_off ", (0, True, False)),
        ("", (400, True, False)),
    ],
)
def test_the_environment_names_a_sampler(environment, word, expected):
    environment(OTEL_TRACES_SAMPLER=word)
    assert kept(Telemetry("shop")) == expected


def test_a_ratio_comes_from_the_argument_and_says_so_in_the_trace(environment):
    environment(OTEL_TRACES_SAMPLER="traceidratio", OTEL_TRACES_SAMPLER_ARG="0.5")
    telemetry = Telemetry("shop")
    roots, *elsewhere = kept(telemetry)
    assert 140 < roots < 260
    assert elsewhere == [False, False]
    spans = [event_of(span) for span in telemetry.spans._buffer]
    assert {span.trace_state for span in spans} == {"ot=th:8"}
    environment(OTEL_TRACES_SAMPLER="parentbased_traceidratio")
    roots, *elsewhere = kept(Telemetry("shop"))
    assert 140 < roots < 260
    assert elsewhere == [True, False]


@pytest.mark.parametrize("text", ["half", "-1", "1.5", "nan", ""])
def test_a_ratio_that_is_none_is_named_and_everything_kept(environment, caplog, text):
    environment(
        OTEL_TRACES_SAMPLER="parentbased_traceidratio", OTEL_TRACES_SAMPLER_ARG=text
    )
    assert kept(Telemetry("shop"))[0] == 400
    assert (f"OTEL_TRACES_SAMPLER_ARG is {text!r}" in caplog.text) is bool(text)


@pytest.mark.parametrize("text", ["1e-40", "5e-324"])
def test_a_ratio_that_is_too_small_to_tell_keeps_next_to_nothing(
    environment, caplog, text
):
    environment(OTEL_TRACES_SAMPLER="traceidratio", OTEL_TRACES_SAMPLER_ARG=text)
    assert kept(Telemetry("shop"))[0] == 0
    assert f"OTEL_TRACES_SAMPLER_ARG is {text!r}" in caplog.text
    assert "2**-56" in caplog.text


@pytest.mark.parametrize(
    ("word", "hint"),
    [
        ("always_of", "did you mean 'always_off'?"),
        ("ParentBased_TraceIdRation", "did you mean 'parentbased_traceidratio'?"),
        ("jaeger_remote", "asks a server"),
        ("xray", "asks a server"),
        ("42", "parentbased_always_on"),
    ],
)
def test_a_word_that_names_none_is_named_and_ignored(environment, caplog, word, hint):
    environment(OTEL_TRACES_SAMPLER=word)
    assert kept(Telemetry("shop")) == (400, True, False)
    assert f"OTEL_TRACES_SAMPLER is {word!r}" in caplog.text
    assert hint in caplog.text


def test_a_sampler_from_code_wins(environment, caplog):
    environment(OTEL_TRACES_SAMPLER="nonsense")
    assert kept(Telemetry("shop", sampler=AlwaysOffSampler()))[0] == 0
    assert not caplog.records


def test_limits_are_those_of_the_specification(environment):
    assert Telemetry("shop").limits == SpanLimits()
    limits = SpanLimits()
    assert limits.attributes == limits.events == limits.links == 128
    assert limits.event_attributes == limits.link_attributes == 128
    assert limits.attribute_length is None


def test_limits_of_spans_win_over_the_general_ones(environment):
    environment(
        OTEL_ATTRIBUTE_COUNT_LIMIT="10",
        OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT="100",
        OTEL_SPAN_EVENT_COUNT_LIMIT="5",
        OTEL_SPAN_LINK_COUNT_LIMIT="0",
        OTEL_LINK_ATTRIBUTE_COUNT_LIMIT="2",
    )
    assert Telemetry("shop").limits == SpanLimits(
        attributes=10,
        attribute_length=100,
        events=5,
        links=0,
        event_attributes=10,
        link_attributes=2,
    )
    environment(
        OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT="20",
        OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT="50",
        OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT="3",
    )
    limits = Telemetry("shop").limits
    assert (limits.attributes, limits.attribute_length) == (20, 50)
    assert limits.event_attributes == 3
    own = SpanLimits(attributes=1)
    assert Telemetry("shop", limits=own).limits is own


@pytest.mark.parametrize("text", ["-1", "many", "1.5", "\u0663", "9" * 5000])
def test_a_limit_that_is_none_is_named_and_ignored(environment, caplog, text):
    environment(OTEL_SPAN_LINK_COUNT_LIMIT=text)
    assert Telemetry("shop").limits.links == 128
    assert f"OTEL_SPAN_LINK_COUNT_LIMIT is {text!r}" in caplog.text


@pytest.mark.parametrize("wrong", [-1, 1.5, "5", True, None])
def test_a_wrong_limit_in_code_is_refused(wrong):
    with pytest.raises(ConfigurationError, match=r"SpanLimits\.events"):
        SpanLimits(events=wrong)


@pytest.mark.parametrize("wrong", [128, {"events": 1}, False])
def test_what_are_no_limits_is_refused(wrong):
    with pytest.raises(ConfigurationError, match=r"Telemetry\.limits"):
        Telemetry("shop", limits=wrong)


def test_a_configuration_file_is_not_read_and_that_is_said(environment, caplog):
    environment(OTEL_CONFIG_FILE="otel.yaml", OTEL_SERVICE_NAME="shop")
    assert Telemetry().resource.attributes["service.name"] == "shop"
    assert "OTEL_CONFIG_FILE is 'otel.yaml' and is not read" in caplog.text


@pytest.mark.parametrize("word", ["true", "TRUE", " True "])
def test_switched_off_it_records_nothing_and_works(environment, word):
    environment(OTEL_SDK_DISABLED=word)
    telemetry = Telemetry("shop")
    assert telemetry.disabled
    tracer, meter = telemetry.tracer("t"), telemetry.meter("m")
    with tracer.span("a", attributes={"a": 1}) as span:
        span.set_attribute("b", 2)
        span.add_event("e")
        span.record_exception(ValueError())
        assert not span.is_recording()
    meter.counter("c").add(1)
    logger = getLogger("test.disabled")
    logger.addHandler(telemetry.log_handler)
    logger.warning("lost")
    logger.removeHandler(telemetry.log_handler)
    assert not telemetry.spans._buffer
    assert not telemetry.logs._buffer
    assert telemetry.collect() == []


def test_switched_off_it_passes_traces_through_as_they_came(environment):
    environment(OTEL_SDK_DISABLED="true")
    telemetry = Telemetry("shop")
    tracer = telemetry.tracer("t")
    headers = {"traceparent": f"00-{5:032x}-{9:016x}-01", "tracestate": "a=b"}
    headers["baggage"] = "k=v"
    context = telemetry.propagator.extract(headers)

    @tracer.span("decorated")
    def work():
        sent = {}
        with tracer.span("b"), tracer.start_as_current_span("c", end_on_exit=False):
            telemetry.propagator.inject(sent)
        return sent

    @tracer.span("generator")
    def generate():
        yield work()

    with tracer.span("a", parent=context) as span:
        sent = work()
        assert list(generate()) == [sent]
        assert tracer.start_span("d").get_span_context() == span.get_span_context()
    assert sent == {name: headers[name] for name in ("traceparent", "tracestate")}
    assert not trace.get_current_span().get_span_context().is_valid


def test_switched_off_it_begins_no_trace(environment):
    environment(OTEL_SDK_DISABLED="true")
    telemetry = Telemetry("shop")
    sent = {}
    with telemetry.tracer("t").span("a") as span:
        telemetry.propagator.inject(sent)
        assert not span.get_span_context().is_valid
    assert sent == {}
    above = NonRecordingSpan(SAMPLED)
    with telemetry.tracer("t").span("a", parent=above) as span:
        told = span.get_span_context()
        assert (told.trace_id, told.span_id, told.trace_flags) == (5, 9, 1)


@pytest.mark.parametrize(("text", "said"), [("false", False), ("", False), ("1", True)])
def test_only_the_word_true_switches_it_off(environment, caplog, text, said):
    environment(OTEL_SDK_DISABLED=text)
    assert not Telemetry("shop").disabled
    assert (f"OTEL_SDK_DISABLED is {text!r}" in caplog.text) is said
