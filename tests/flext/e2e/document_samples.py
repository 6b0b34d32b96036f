"""The samples of the FLEXT document, as they stand there, made to run.

``samples/`` holds the document's own code, word for word, and so belongs to its style
and not to ours. Each block runs from its first line with a check mark to the next one
with a cross; what it uses and does not import is put beside it.
"""

import typing
from pathlib import Path

from flext_observability import FlextMetricsService, FlextResult

SAMPLES = Path(__file__).parent / "samples"
RIGHT, WRONG = "✅", "❌"


async def evaluate_alert_thresholds(metrics, thresholds):
    """The names of the metrics above their thresholds."""
    high = [each.name for each in metrics if each.value > thresholds.get(each.name, 0)]
    return FlextResult[list[str]].ok(high)


async def execute_business_logic(data):
    """Whatever the sample's business is."""
    return {"done": data}


BESIDE = {name: getattr(typing, name) for name in ("Any", "Dict", "List", "Optional")}
BESIDE |= {
    "FlextMetricsService": FlextMetricsService,
    "FlextResult": FlextResult,
    "evaluate_alert_thresholds": evaluate_alert_thresholds,
    "execute_business_logic": execute_business_logic,
}


def text_of(name):
    """A block of the document."""
    return (SAMPLES / f"{name}.txt").read_text()


def right_part(text):
    """The lines of a block that the document calls right."""
    lines = text.splitlines()
    first = next(n for n, line in enumerate(lines) if RIGHT in line)
    wrong = (n for n, line in enumerate(lines) if WRONG in line and n > first)
    return "\n".join(lines[first : next(wrong, len(lines))]) + "\n"


def names_of(name):
    """The names that a block leaves behind once it has run."""
    names = {"__name__": name, **BESIDE}
    exec(compile(right_part(text_of(name)), f"{name}.txt", "exec"), names)
    return names
