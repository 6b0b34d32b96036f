"""``sluiceway alerts``: look at the alerts of a running pipeline, and answer them."""

from __future__ import annotations

import os
import re
import sys
from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from getpass import getuser
from typing import Any, Final, TypeVar

import msgspec

from ..admin.client import AdminClient, AdminError
from ..admin.messages import AlertState, Count, SilenceState
from ..clock import SYSTEM_CLOCK
from ..errors import ConfigurationError, nearest
from .quantities import one_of

T = TypeVar("T")

EPILOG: Final = """\
Alerts are named by their labels: NAME stands for alertname=NAME, and for any other
there are LABEL=VALUE, LABEL!=VALUE, LABEL=~PATTERN and LABEL!~PATTERN; all must hold.

examples:
  sluiceway run oncall.toml --admin alerts.sock
  sluiceway alerts list --at alerts.sock
  sluiceway alerts ack HighErrorRate service.name=shop
  sluiceway alerts silence HighErrorRate 'zone=~eu-.*' --for 2h --comment "deploying"
  sluiceway alerts unsilence HighErrorRate
  sluiceway alerts resolve HighErrorRate

exit codes:
  0  done
  1  no pipeline answers, or it does not do it
  2  the command line is wrong
  3  nothing matches
"""
ACTIONS: Final = ("list", "ack", "resolve", "silence", "unsilence", "silences")
ADDRESS: Final = "SLUICEWAY_ADMIN"
TOKEN: Final = "SLUICEWAY_ADMIN_TOKEN"  # noqa: S105 - the variable's name
DEFAULT: Final = "alerts.sock"
FAILED: Final = 1
NOTHING: Final = 3
YEAR: Final = 31_556_952  # seconds
UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400}
MATCHER: Final = re.compile(r"([^=!]+)(=~|!~|!=|=)(.*)", re.DOTALL)
DURATION: Final = re.compile(r"(\d+(?:\.\d+)?)([smhd])")


def configure(parser: ArgumentParser) -> None:
    """The command's options."""
    parser.formatter_class = RawDescriptionHelpFormatter
    parser.epilog = EPILOG
    parser.add_argument(
        "action",
        type=one_of(*ACTIONS),
        metavar="ACTION",
        help=f"one of {', '.join(ACTIONS)}",
    )
    parser.add_argument(
        "which",
        nargs="*",
        default=[],
        metavar="NAME|LABEL=VALUE",
        help="which alerts are meant",
    )
    parser.add_argument(
        "--at",
        metavar="ADDRESS",
        default=os.environ.get(ADDRESS) or DEFAULT,
        help=f"the socket or host:port of the pipeline (${ADDRESS}, else {DEFAULT}); "
        f"the token for a port is read from ${TOKEN}",
    )
    parser.add_argument(
        "--for",
        dest="duration",
        metavar="TIME",
        help="how long to silence, such as 30m or 2h; without it until it is ended",
    )
    parser.add_argument("--comment", help="why to silence, for the others")
    parser.add_argument("--author", help="who silences (default: who you are here)")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: Namespace) -> int:
    """Do what is asked; the exit code says whether it was done."""
    matching = checked_matching(arguments.action, arguments.which)
    refuse_idle(arguments)
    client = AdminClient(arguments.at, token=os.environ.get(TOKEN))
    try:
        return ANSWERS[arguments.action](client, matching, arguments)
    except AdminError as error:
        hint = f"; it is read from ${TOKEN}" if "bearer token" in str(error) else ""
        print(f"sluiceway alerts: {error}{hint}", file=sys.stderr)
        return FAILED


def checked_matching(action: str, words: list[str]) -> dict[str, str]:
    """Which alerts an action is for.

    Raises:
        ConfigurationError: it needs to be told, cannot be, or a pattern is none.
    """
    from ..alerting.labels import label_matcher  # noqa: PLC0415 - not for --help

    matching = matching_of(words)
    if action in ("ack", "resolve", "silence", "unsilence") and not matching:
        raise ConfigurationError(f"{action} needs NAME or LABEL=VALUE")
    if action == "silences" and matching:
        raise ConfigurationError(f"silences shows all; {words[0]!r} means nothing here")
    label_matcher("LABEL", matching)
    return matching


def refuse_idle(arguments: Namespace) -> None:
    """Refuse what says something of a silence where none is made.

    Raises:
        ConfigurationError: there is such an option.
    """
    options = {
        "--for": arguments.duration,
        "--comment": arguments.comment,
        "--author": arguments.author,
    }
    idle = [option for option, value in options.items() if value is not None]
    if idle and arguments.action != "silence":
        raise ConfigurationError(f"{idle[0]} is for silence, not {arguments.action}")


def matching_of(words: list[str]) -> dict[str, str]:
    """The labels that words stand for.

    Raises:
        ConfigurationError: one label is meant twice, or none.
    """
    matching: dict[str, str] = {}
    for word in words:
        label, value = matcher_of(word)
        if label in matching:
            raise ConfigurationError(f"{word!r} is a second value of {label}")
        matching[label] = value
    return matching


def matcher_of(word: str) -> tuple[str, str]:
    """The label that a word is about, and what it must be, with a sign if need be.

    Raises:
        ConfigurationError: it is about none.
    """
    if word and "=" not in word and "!~" not in word:
        return "alertname", word
    match = MATCHER.fullmatch(word)
    if match is None:
        raise ConfigurationError(f"{word!r} has no label; expected LABEL=VALUE")
    label, sign, value = match.groups()
    return label, value if sign == "=" else f"{sign} {value}"


def show_alerts(
    client: AdminClient, matching: dict[str, str], arguments: Namespace
) -> int:
    """Print the alerts, all or those of the name and labels given."""
    from ..alerting.labels import label_matcher  # noqa: PLC0415 - only for lists

    is_meant = label_matcher("LABEL", matching)
    alerts = [alert for alert in client.alerts() if is_meant(all_labels(alert))]
    head = ("STATUS", "SEVERITY", "SINCE", "NAME", "LABELS", "MESSAGE")
    return show(alerts, head, alert_row, as_json=arguments.json)


def alert_row(alert: AlertState) -> tuple[str, ...]:
    """An alert in a table."""
    return (
        "silenced" if alert.silenced else alert.status,
        alert.severity,
        age_of(alert.starts_at),
        alert.name,
        labels_text(alert.labels),
        alert.message,
    )


def show(
    found: list[T],
    head: tuple[str, ...],
    row: Callable[[T], tuple[str, ...]],
    *,
    as_json: bool,
) -> int:
    """Print what was found, as a table or as JSON."""
    text = msgspec.json.encode(found).decode()
    print(text if as_json else table(head, [row(each) for each in found]))
    return 0


def all_labels(alert: AlertState) -> dict[str, str]:
    """An alert's labels, its name and severity among them."""
    return {"severity": alert.severity, **alert.labels, "alertname": alert.name}


def acknowledge(
    client: AdminClient, matching: dict[str, str], arguments: Namespace
) -> int:
    """Take alerts on."""
    count = client.acknowledge(matching)
    hint = "" if count else alert_hint(client, matching)
    return told(count, "acknowledged", arguments, hint)


def resolve(client: AdminClient, matching: dict[str, str], arguments: Namespace) -> int:
    """End alerts."""
    count = client.resolve(matching)
    hint = "" if count else alert_hint(client, matching)
    return told(count, "resolved", arguments, hint)


def silence(client: AdminClient, matching: dict[str, str], arguments: Namespace) -> int:
    """Tell nobody of alerts, those to come among them."""
    ends = None
    if arguments.duration is not None:
        ends = SYSTEM_CLOCK.time_ns() / 1e9 + seconds_of(arguments.duration)
    author = user() if arguments.author is None else arguments.author
    asked = SilenceState(matching, None, ends, arguments.comment or "", author)
    count = client.silence(asked)
    say(f"silenced, {count} firing now", count, arguments)
    return 0


def unsilence(
    client: AdminClient, matching: dict[str, str], arguments: Namespace
) -> int:
    """End a silence."""
    return told(client.unsilence(matching), "silences ended", arguments)


def user() -> str:
    """Who runs this; nothing if nobody knows."""
    try:
        return getuser()
    except (KeyError, OSError):  # no name for this number, as in a container
        return ""


def show_silences(
    client: AdminClient,
    matching: dict[str, str],  # noqa: ARG001 - as the others
    arguments: Namespace,
) -> int:
    """Print the silences."""
    head = ("STARTS", "ENDS", "MATCHING", "AUTHOR", "COMMENT")
    return show(client.silences(), head, silence_row, as_json=arguments.json)


def silence_row(silence: SilenceState) -> tuple[str, ...]:
    """A silence in a table."""
    starts = "" if silence.starts_at is None else moment(silence.starts_at)
    ends = "never" if silence.ends_at is None else moment(silence.ends_at)
    matching = sorted(matcher_text(*each) for each in silence.matching.items())
    return starts, ends, " ".join(matching), silence.author, silence.comment


def matcher_text(label: str, wanted: Any) -> str:
    """What a label must be, as the command line says it."""
    from ..alerting.matching import SIGN  # noqa: PLC0415 - only for silences

    sign = SIGN.fullmatch(wanted) if isinstance(wanted, str) else None
    if sign is not None:
        return f"{label}{sign[1]}{sign[2]}"
    if isinstance(wanted, list):
        return f"{label}={' or '.join(map(str, wanted))}"
    return f"{label}={wanted}"


ANSWERS: Final = {
    "list": show_alerts,
    "ack": acknowledge,
    "resolve": resolve,
    "silence": silence,
    "unsilence": unsilence,
    "silences": show_silences,
}


def told(count: int, done: str, arguments: Namespace, hint: str = "") -> int:
    """Say how many it were; none is an exit code of its own."""
    say(f"{count} {done}" if count else f"nothing matches{hint}", count, arguments)
    return 0 if count else NOTHING


def say(text: str, count: int, arguments: Namespace) -> None:
    """Print what was done, in words or as JSON."""
    print(msgspec.json.encode(Count(count)).decode() if arguments.json else text)


def alert_hint(client: AdminClient, matching: dict[str, str]) -> str:
    """What may have been meant, if no alert has such a label, or such a value."""
    from ..alerting.labels import label_matcher  # noqa: PLC0415 - likewise
    from ..alerting.matching import SIGN  # noqa: PLC0415 - only for hints

    known: dict[str, set[str]] = {}
    alerts, is_meant = client.alerts(), label_matcher("LABEL", matching)
    meant = {alert.status for alert in alerts if is_meant(all_labels(alert))}
    if meant:
        return f" that fires; it is {' or '.join(sorted(meant))}"
    for alert in alerts:
        for label, value in all_labels(alert).items():
            known.setdefault(label, set()).add(value)
    for label, value in matching.items():
        if label not in known and (hint := nearest(label, known)):
            return hint
        values = known.get(label, set())
        plain = SIGN.fullmatch(value) is None and value not in values
        if plain and (hint := nearest(value, values)):
            return hint
    return ""


def seconds_of(text: str) -> float:
    """Seconds that a duration stands for.

    Raises:
        ConfigurationError: it stands for none.
    """
    parts = DURATION.findall(text)
    if not parts or "".join(map("".join, parts)) != text:
        raise ConfigurationError(
            f"--for is {text!r}; expected a time such as 90s or 2h"
        )
    seconds = float(sum(float(number) * UNITS[unit] for number, unit in parts))
    if not seconds:
        raise ConfigurationError(f"--for is {text!r}; expected a time above 0")
    return seconds


def age_of(starts_at: float) -> str:
    """How long ago that was."""
    seconds = max(0.0, SYSTEM_CLOCK.time_ns() / 1e9 - starts_at)
    for unit in ("d", "h", "m"):
        if seconds >= UNITS[unit]:
            return f"{seconds // UNITS[unit]:.0f}{unit}"
    return f"{seconds:.0f}s"


def moment(seconds: float) -> str:
    """A time of day for people; what no calendar has is told in years."""
    try:
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    except (ValueError, OverflowError, OSError):
        return f"in the year {1970 + seconds / YEAR:.4g}"


def labels_text(labels: dict[str, Any]) -> str:
    """Labels on one line."""
    return " ".join(f"{key}={value}" for key, value in sorted(labels.items()))


def table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    """Rows with a head, in columns; control characters are shown as such."""
    clean = [
        tuple("".join(c if c.isprintable() else "?" for c in cell) for cell in row)
        for row in rows
    ]
    widths = [max(map(len, column)) for column in zip(head, *clean, strict=True)]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        for row in (head, *clean)
    ]
    return "\n".join(line.rstrip() for line in lines)
