"""Contexts that come and go in headers, whoever propagates them."""

from types import SimpleNamespace

from opentelemetry.context import Context
from opentelemetry.propagators.textmap import TextMapPropagator

from sluiceway.web.propagation import HeadersGetter, Propagation


class Broken(TextMapPropagator):
    """Has a bug."""

    def extract(self, carrier, context=None, getter=None):
        raise ValueError("no")

    def inject(self, carrier, context=None, setter=None):
        raise ValueError("no")

    @property
    def fields(self):
        return set()


def test_a_propagator_with_a_bug_costs_neither_a_request_nor_a_call(caplog):
    propagation = Propagation(SimpleNamespace(propagator=Broken()))
    assert propagation.extract({}, HeadersGetter()) == Context()
    headers = {"accept": "*/*"}
    propagation.inject(headers, Context())
    assert headers == {"accept": "*/*"}
    assert "goes out without its trace" in caplog.text


def test_the_telemetrys_own_propagator_is_asked(caplog):
    class Own(Broken):
        def extract(self, carrier, context=None, getter=None):
            (value,) = getter.get(carrier, "X-Mine")
            return Context({**context, "mine": value})

        def inject(self, carrier, context=None, setter=None):
            carrier["x-mine"] = context["mine"]

    propagation = Propagation(SimpleNamespace(propagator=Own()))
    context = propagation.extract({"x-mine": "7"}, HeadersGetter())
    headers = {}
    propagation.inject(headers, context)
    assert headers == {"x-mine": "7"}


def test_header_names_are_read_in_any_case():
    getter = HeadersGetter()
    headers = {"x-b3-traceid": "1"}
    assert getter.get(headers, "X-B3-TraceId") == ["1"]
    assert getter.get(headers, "X-Other") is None
    assert getter.keys(headers) == ["x-b3-traceid"]
