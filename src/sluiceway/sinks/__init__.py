"""Where events go out; each module loads its library when its sink is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ..lazy import lazy_names

if TYPE_CHECKING:
    from .alertmanager import AlertmanagerSink
    from .console import ConsoleSink
    from .json_lines import JsonLinesSink
    from .otlp import OtlpSink
    from .pagerduty import PagerDutySink
    from .prometheus import PrometheusSink
    from .pushgateway import PushgatewaySink
    from .slack import SlackSink
    from .webhook import WebhookSink

__all__ = [
    "AlertmanagerSink",
    "ConsoleSink",
    "JsonLinesSink",
    "OtlpSink",
    "PagerDutySink",
    "PrometheusSink",
    "PushgatewaySink",
    "SlackSink",
    "WebhookSink",
]

MODULES: Final = {
    "AlertmanagerSink": ".alertmanager",
    "ConsoleSink": ".console",
    "JsonLinesSink": ".json_lines",
    "OtlpSink": ".otlp",
    "PagerDutySink": ".pagerduty",
    "PrometheusSink": ".prometheus",
    "PushgatewaySink": ".pushgateway",
    "SlackSink": ".slack",
    "WebhookSink": ".webhook",
}

__getattr__, __dir__ = lazy_names(__name__, MODULES)
