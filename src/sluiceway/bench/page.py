"""Reports as one HTML page that opens without a network, in light and in dark.

Law: pure; every text is escaped, and nothing is loaded from anywhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Final

from attrs import frozen

STYLE: Final = """
:root { color-scheme: light dark; --page: #ffffff; --card: #f5f7f9; --text: #1b242c;
  --soft: #51606d; --line: #d3dae0; --s0: #0b62a8; --s1: #b3480c; --s2: #1d7a3e;
  --s3: #8a3ab0; }
@media screen and (prefers-color-scheme: dark) { :root { --page: #12171c;
  --card: #1c242b; --text: #e8edf1; --soft: #a9b6c1; --line: #38444e; --s0: #6cb6f5;
  --s1: #f29d62; --s2: #6fd08f; --s3: #cf9bea; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 24px 20px 48px; max-width: 1080px;
  background: var(--page); color: var(--text);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
h1 { font-size: 24px; line-height: 1.25; margin: 0 0 4px; overflow-wrap: anywhere; }
h2 { font-size: 18px; margin: 32px 0 10px; }
p { margin: 0 0 12px; overflow-wrap: anywhere; }
.soft { color: var(--soft); }
p.soft { margin: 0 0 2px; }
.tiles { display: grid; gap: 12px; margin: 20px 0; padding: 0;
  grid-template-columns: repeat(auto-fit, minmax(150px, 1fr)); }
.tile { background: var(--card); border-radius: 8px; padding: 12px 14px; }
.tile b { display: block; font-size: 21px; line-height: 1.3; overflow-wrap: anywhere; }
.plots { display: grid; gap: 20px;
  grid-template-columns: repeat(auto-fit, minmax(min(420px, 100%), 1fr)); }
figure { margin: 0; background: var(--card); border-radius: 8px; padding: 14px;
  max-width: 760px; break-inside: avoid; }
figcaption { font-weight: 600; margin-bottom: 6px; }
svg { display: block; width: 100%; height: auto; }
svg text { fill: var(--soft); font-size: 16px; }
.middle { text-anchor: middle; } .end { text-anchor: end; }
.grid { stroke: var(--line); fill: none; }
.line { fill: none; stroke-width: 2.5; }
.s0 { --own: var(--s0); } .s1 { --own: var(--s1); }
.s2 { --own: var(--s2); } .s3 { --own: var(--s3); }
.line { stroke: var(--own); } .dot { fill: var(--own); }
.key { background: var(--own); }
.legend { list-style: none; margin: 8px 0 0; padding: 0; }
.legend li { overflow-wrap: anywhere; }
.key { display: inline-block; width: 12px; height: 12px; border-radius: 3px;
  margin-right: 8px; print-color-adjust: exact; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: right; padding: 6px 10px; border-bottom: 1px solid var(--line);
  white-space: nowrap; }
th { color: var(--soft); font-weight: 600; }
th:first-child, td:first-child { text-align: left; white-space: normal;
  overflow-wrap: anywhere; min-width: 140px; }
pre { background: var(--card); border-radius: 8px; padding: 14px; overflow-x: auto; }
@media print { .wide { overflow: visible; } .tile, figure, pre {
  border: 1px solid var(--line); } }
"""


@frozen
class Report:
    """What a page shows, from top to bottom.

    Attributes:
        title: of the page.
        lines: what was done, under the title.
        tiles: the figures to see first, by name.
        verdict: what it comes to.
        patch: settings to copy; empty for none.
        plots: figures, made by ``plot``.
        tables: rows by heading, the first row holds the columns' names.
    """

    title: str
    lines: Sequence[str]
    tiles: Mapping[str, str]
    verdict: Sequence[str]
    plots: Sequence[str]
    tables: Mapping[str, Sequence[Sequence[str]]]
    patch: str = ""

    def html(self) -> str:
        """The page."""
        tiles = [
            f'<div class="tile"><b>{escape(value)}</b>'
            f'<span class="soft">{escape(name)}</span></div>'
            for name, value in self.tiles.items()
        ]
        body = [
            f"<h1>{escape(self.title)}</h1>",
            *(f'<p class="soft">{escape(line)}</p>' for line in self.lines),
            f'<div class="tiles">{"".join(tiles)}</div>',
            *(f"<p>{escape(line)}</p>" for line in self.verdict if line),
        ]
        if self.patch:
            body.append(f"<pre>{escape(self.patch)}</pre>")
        if self.plots:
            body.append(f'<div class="plots">{"".join(self.plots)}</div>')
        for heading, rows in self.tables.items():
            body += [f"<h2>{escape(heading)}</h2>", table_of(rows)]
        return page(self.title, body)


def page(title: str, body: Iterable[str]) -> str:
    """A whole document."""
    return "\n".join(
        [
            '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            '<link rel="icon" href="data:,">',
            f"<title>{escape(title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>",
            *body,
            "</body>\n</html>\n",
        ]
    )


def table_of(rows: Sequence[Sequence[str]]) -> str:
    """Rows as a table that scrolls by itself where it is too wide."""
    head, *others = rows
    names = "".join(f"<th>{escape(cell)}</th>" for cell in head)
    lines = [
        "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>"
        for row in others
    ]
    return (
        f'<div class="wide"><table><thead><tr>{names}</tr></thead>'
        f"<tbody>{''.join(lines)}</tbody></table></div>"
    )
