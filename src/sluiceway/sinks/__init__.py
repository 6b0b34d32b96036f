"""Where events go out; each module loads its library when its sink is asked for."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from .console import ConsoleSink
    from .json_lines import JsonLinesSink
    from .otlp import OtlpSink
    from .prometheus import PrometheusSink
    from .pushgateway import PushgatewaySink
    from .webhook import WebhookSink

__all__ = [
    "ConsoleSink",
    "JsonLinesSink",
    "OtlpSink",
    "PrometheusSink",
    "PushgatewaySink",
    "WebhookSink",
]

MODULES: Final = {
    "ConsoleSink": ".console",
    "JsonLinesSink": ".json_lines",
    "OtlpSink": ".otlp",
    "PrometheusSink": ".prometheus",
    "PushgatewaySink": ".pushgateway",
    "WebhookSink": ".webhook",
}


def __getattr__(name: str) -> Any:
    if name not in MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(MODULES[name], __name__), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
