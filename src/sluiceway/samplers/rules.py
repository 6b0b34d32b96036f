"""RuleSampler: another sampler for some names, kinds or attributes.

Law: the first rule that matches decides; what a rule does not mention matches.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from fnmatch import translate
from typing import Any

from attrs import field, frozen

from ..errors import ConfigurationError, nearest
from ..events import SpanKind
from .always import AlwaysOnSampler
from .start import SpanStart

Wanted = Mapping[str, Any]
ANY_NAME = re.compile(".*", re.DOTALL)


def kind_from(value: Any) -> SpanKind | None:
    """A kind from a kind or its name in any case; None stands for every kind.

    Raises:
        ConfigurationError: there is no such kind.
    """
    if value is None or isinstance(value, SpanKind):
        return value
    names = [kind.name.lower() for kind in SpanKind]
    word = str(value).lower()
    if word in names:
        return SpanKind[word.upper()]
    raise ConfigurationError(
        f"Rule.kind is {value!r}; expected one of {names}{nearest(word, names)}"
    )


def pattern_from(value: Any) -> re.Pattern[str]:
    """A compiled pattern from one in the shell's way; a compiled one stays.

    Raises:
        ConfigurationError: it is no text.
    """
    if isinstance(value, re.Pattern):
        return value
    if isinstance(value, str):
        return re.compile(translate(value))
    raise ConfigurationError(
        f"Rule.name is {value!r}; expected a pattern, such as 'GET /health*'"
    )


def attributes_from(value: Any) -> Wanted:
    """What the attributes must be, texts as patterns.

    Raises:
        ConfigurationError: it is no mapping.
    """
    if not isinstance(value, Mapping):
        raise ConfigurationError(f"Rule.attributes is {value!r}; expected a dict")
    return {
        key: re.compile(translate(wanted)) if isinstance(wanted, str) else wanted
        for key, wanted in value.items()
    }


@frozen
class Rule:
    """Which spans a sampler decides on.

    Args:
        sampler: one that can decide at the head.
        name: a pattern in the shell's way, such as ``"GET /health*"``; case matters. A
            compiled regular expression, which must fit the whole, will do.
        kind: a ``SpanKind`` or its name, such as ``"server"``; every kind by default.
        attributes: values that the span must start with; a text is a pattern.

    Raises:
        ConfigurationError: a pattern that is no text, a kind that does not exist.
    """

    sampler: Any
    name: re.Pattern[str] = field(default=ANY_NAME, converter=pattern_from)
    kind: SpanKind | None = field(default=None, converter=kind_from)
    attributes: Wanted = field(factory=dict, converter=attributes_from)

    def matches(self, start: SpanStart) -> bool:
        """Whether the rule speaks of this span."""
        if self.kind is not None and start.kind is not self.kind:
            return False
        if self.name.fullmatch(start.name) is None:
            return False
        return all(
            key in start.attributes and fits(wanted, start.attributes[key])
            for key, wanted in self.attributes.items()
        )


def fits(wanted: Any, value: Any) -> bool:
    """Whether an attribute is as wanted; True is not 1 here."""
    if isinstance(wanted, re.Pattern):
        return isinstance(value, str) and wanted.fullmatch(value) is not None
    return type(value) is type(wanted) and bool(value == wanted)


def rules_from(value: Any) -> tuple[Rule, ...]:
    """The rules in their order.

    Raises:
        ConfigurationError: one of them is none.
    """
    rules = tuple(value) if isinstance(value, Iterable) else (value,)
    for rule in rules:
        if not isinstance(rule, Rule):
            raise ConfigurationError(
                f"RuleSampler.rules has {rule!r}; expected Rule(sampler, name=...)"
            )
    return rules


@frozen
class RuleSampler:
    """Asks the sampler of the first rule that matches the root span of a trace.

    Args:
        rules: in their order.
        otherwise: asked where none matches; by default everything is recorded.

    Raises:
        ConfigurationError: what stands among the rules is none.
    """

    rules: tuple[Rule, ...] = field(converter=rules_from)
    otherwise: Any = field(factory=AlwaysOnSampler)

    @property
    def choices(self) -> tuple[Any, ...]:
        """The samplers of all rules, and the one for the rest."""
        return (*(rule.sampler for rule in self.rules), self.otherwise)

    def choose(self, start: SpanStart) -> Any:
        """The sampler of the first rule that matches."""
        for rule in self.rules:
            if rule.matches(start):
                return rule.sampler
        return self.otherwise
