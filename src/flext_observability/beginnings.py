"""What a backend begins with: configuration, instruments, channels, log level."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from logging import getLogger
from typing import Any, Final

from sluiceway import Sink
from sluiceway.instrument import Telemetry

from .alert_channels import AlertChannels
from .config import FlextObservabilityConfig
from .environment import ENVIRONMENT
from .escalation import FlextEscalationPolicy
from .exceptions import of_kind
from .result import FlextResult

LOGGERS: Final = ("flext_observability", "sluiceway")


def configured(
    config: FlextObservabilityConfig | None,
) -> FlextResult[FlextObservabilityConfig]:
    """The configuration that was given, or what the environment says."""
    expected = "a FlextObservabilityConfig, or None for what the environment says"
    told = of_kind(FlextObservabilityConfig | None, "config", config, expected)
    if told is None:
        return FlextObservabilityConfig.from_environment()
    return FlextResult.ok(told)


def alert_channels(
    config: FlextObservabilityConfig,
    channels: Mapping[str, Sink[Any]] | None,
    policies: Sequence[FlextEscalationPolicy],
) -> AlertChannels:
    """Those of the configuration, and those that are given."""
    expected = "a mapping of names to sinks, or None"
    added = of_kind(Mapping | None, "channels", channels, expected) or {}
    further = of_kind(Sequence, "policies", policies, "a list of policies")
    return AlertChannels({**channels_of(config), **added}, (*config.policies, *further))


def channels_of(config: FlextObservabilityConfig) -> dict[str, Sink[Any]]:
    """The sinks of the channels, by their names."""
    return {channel.name: channel.sink() for channel in config.channels}


def set_log_level(level: str) -> None:
    """The level of what is logged here and below; ``""`` leaves it."""
    for name in LOGGERS if level else ():
        getLogger(name).setLevel(int(level) if level.isdecimal() else level)


def telemetry_of(config: FlextObservabilityConfig) -> Telemetry:
    """The instruments; sums are cumulative, as Prometheus wants them."""
    about = dict(config.resource_attributes)
    if config.environment:
        about[ENVIRONMENT] = config.environment
    return Telemetry(
        config.service_name or None,
        resource=about,
        export_interval=config.export_interval,
        temporality="cumulative",
        series_limit=config.series_limit,
    )
