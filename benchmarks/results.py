"""Put a report's figures and plots into RESULTS.md.

``python -m benchmarks.results FILE.json`` takes what ``python -m benchmarks --json
FILE.json`` has written, replaces all between the two marks of ``RESULTS.md`` and draws
the plots anew. What stands outside the marks is written by people.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path

import msgspec

from benchmarks.plots import FOLDER, draw, lines_of
from benchmarks.report import VERDICTS, Figure, shown

RESULTS = Path(__file__).parent / "RESULTS.md"
BEGIN, END = "<!-- measured -->\n", "<!-- end of measured -->\n"
HEAD = """\
| benchmark | figure | ours | peer | unit | ratio | aim | |
|---|---|---:|---:|---|---:|---|---|
"""


class Report(msgspec.Struct):
    """What a run of all benchmarks has left."""

    date: str
    python: str
    machine: str
    processor: str
    load_before: list[float]
    load: list[float]
    versions: dict[str, str]
    short: bool
    figures: list[Figure]


def row_of(figure: Figure) -> str:
    verdict = figure.note or VERDICTS[figure.reached].replace("MISSED", "**missed**")
    cells = (
        f"`{figure.benchmark}`",
        figure.name,
        shown(figure.ours),
        shown(figure.peer),
        figure.unit,
        "" if figure.ratio is None else f"{figure.ratio:.1f}x",
        figure.aim,
        verdict,
    )
    return f"| {' | '.join(cells)} |\n"


def introduction(report: Report) -> str:
    versions = ", ".join(f"{name} {one}" for name, one in report.versions.items())
    before, after = report.load_before[0], report.load[0]
    form = "python -m benchmarks --short" if report.short else "python -m benchmarks"
    return (
        f"`{form}` on {report.date[:10]}: {report.machine}, {report.processor}, load "
        f"{before:g} at the beginning and {after:g} at the end, Python "
        f"{report.python}, {versions}.\n\n"
    )


def measured(report: Report, plots: Iterable[Path]) -> str:
    """What stands between the marks."""
    pictures = "".join(f"![{path.stem}](plots/{path.name})\n" for path in plots)
    rows = "".join(map(row_of, report.figures))
    return f"{introduction(report)}{HEAD}{rows}\n{pictures}"


def main() -> None:
    report = msgspec.json.decode(Path(sys.argv[1]).read_bytes(), type=Report)
    FOLDER.mkdir(exist_ok=True)
    drawn = lines_of(report.figures).items()
    plots = [draw(name, lines, FOLDER) for name, lines in drawn]
    before, _, rest = RESULTS.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    RESULTS.write_text(f"{before}{BEGIN}{measured(report, plots)}{END}{after}")


if __name__ == "__main__":
    main()
