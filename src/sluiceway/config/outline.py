"""The keys of a file and what each may be: its outermost tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from ..events import Resource
from ..settings import Bounds
from . import forms
from .records import Record, Setting
from .selectors import FORMS

CHAIN: Final = "such as 'otlp >> hide_card >> [collector, console]'"

ROUTE: Final = Record(
    "a route",
    {
        "select": Setting(
            forms.TEXT,
            required=True,
            description=f"what chooses: {FORMS}",
        ),
        "branches": Setting(
            forms.Pairs(forms.TEXT),
            required=True,
            description="a chain for each word that select may find",
        ),
        "default": Setting(
            forms.TEXT,
            description="the chain for other words; without it they are rejected",
        ),
    },
    dict,
    "Sends each event to one of several branches.",
)

OUTLINE: Final = Record(
    "a pipeline",
    {
        "name": Setting(forms.TEXT, description="for log lines and task names"),
        "drain_timeout": Setting(
            forms.bounded(forms.NUMBER, Bounds(0)),
            description="seconds that stopping may take; default 20",
        ),
        "resource": Setting(
            forms.Pairs(forms.Anything()),
            description="attributes of what the telemetry is about, for its stages",
        ),
        "stages": Setting(
            forms.Pairs(forms.Pairs(forms.Anything())),
            required=True,
            description="the stages by name, each with its type and settings",
        ),
        "routes": Setting(
            forms.Pairs(ROUTE), description="the routes by name, to stand in chains"
        ),
        "chains": Setting(
            forms.Members(forms.TEXT),
            required=True,
            description=f"how the stages are connected, {CHAIN}",
        ),
    },
    dict,
    "A sluiceway pipeline.",
)


def pipeline_settings(outline: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of ``Pipeline`` that are not chains."""
    settings = {
        key: outline[key] for key in ("name", "drain_timeout") if key in outline
    }
    if "resource" in outline:
        settings["resource"] = Resource(outline["resource"])
    return settings
