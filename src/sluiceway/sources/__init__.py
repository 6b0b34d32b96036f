"""Where events come in; each module loads its library when its source is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ..lazy import lazy_names

if TYPE_CHECKING:
    from ..inlet import Inlet
    from .health import HealthSource
    from .host_metrics import HostMetricsSource
    from .iterable import IterableSource
    from .json_lines import JsonLinesSource
    from .otlp import OtlpSource
    from .pipeline_metrics import PipelineMetricsSource
    from .prometheus_scrape import PrometheusScrapeSource
    from .registry import RegistrySource
    from .tail import FileTailSource
    from .webhook import WebhookSource

__all__ = [
    "FileTailSource",
    "HealthSource",
    "HostMetricsSource",
    "Inlet",
    "IterableSource",
    "JsonLinesSource",
    "OtlpSource",
    "PipelineMetricsSource",
    "PrometheusScrapeSource",
    "RegistrySource",
    "WebhookSource",
]

MODULES: Final = {
    "FileTailSource": ".tail",
    "HealthSource": ".health",
    "HostMetricsSource": ".host_metrics",
    "Inlet": "..inlet",
    "IterableSource": ".iterable",
    "JsonLinesSource": ".json_lines",
    "OtlpSource": ".otlp",
    "PipelineMetricsSource": ".pipeline_metrics",
    "PrometheusScrapeSource": ".prometheus_scrape",
    "RegistrySource": ".registry",
    "WebhookSource": ".webhook",
}

__getattr__, __dir__ = lazy_names(__name__, MODULES)
