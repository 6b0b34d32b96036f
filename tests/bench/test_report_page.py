"""The HTML report: self-contained, escaped, and readable in a real browser."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from servers.browsers import dom_of

from sluiceway.bench.page import Report
from sluiceway.bench.plots import Curve, axis, plot

HOSTILE = "<script>alert('x')</script> & \"quoted\""
VOID = {"meta", "link"}

LOOK = """
<script>
const parse = colour => colour.match(/[\\d.]+/g).map(Number);
const light = ([r, g, b]) => {
  const [x, y, z] = [r, g, b].map(c => (c /= 255) <= 0.04045 ? c / 12.92
    : ((c + 0.055) / 1.055) ** 2.4);
  return 0.2126 * x + 0.7152 * y + 0.0722 * z;
};
const behind = e => {
  for (; e; e = e.parentElement) {
    const found = parse(getComputedStyle(e).backgroundColor);
    if (found.length === 3 || found[3] > 0) return found;
  }
  return [255, 255, 255];
};
const bad = [], leaves = [...document.querySelectorAll('body *')].filter(
  e => e.textContent.trim() && !e.children.length && e.tagName !== 'SCRIPT');
for (const e of leaves) {
  const style = getComputedStyle(e), svg = e.namespaceURI.endsWith('svg');
  const [a, b] = [light(parse(svg ? style.fill : style.color)), light(behind(e))];
  const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  if (contrast < 4.5) bad.push(['contrast', contrast, e.textContent]);
  const box = e.getBoundingClientRect();
  const holder = e.closest('.wide, pre');
  if (!holder && (box.right > innerWidth + 1 || box.left < -1))
    bad.push(['overflow', box.left, box.right, e.textContent]);
  if (svg) {
    const room = e.closest('svg').getBoundingClientRect();
    if (box.left < room.left - 1 || box.right > room.right + 1
        || box.top < room.top - 1 || box.bottom > room.bottom + 1)
      bad.push(['outside its plot', e.textContent]);
  }
}
document.body.dataset.look = JSON.stringify({
  bad, leaves: leaves.length, wide: document.documentElement.scrollWidth > innerWidth,
  loaded: performance.getEntriesByType('resource').map(r => r.name),
  page: getComputedStyle(document.body).backgroundColor,
});
</script>
"""


def report(word="gateway.toml"):
    curves = [
        Curve(f"{word} present settings", [(1e4, 20.0), (1.5e5, 95.5)]),
        Curve("collector.batch.max_events=8000", [(1.2e4, 25), (1.9e5, 110.25)]),
    ]
    plots = [plot(f"Latency of {word}", "events/s", "ms", curves)] * 2
    rows = [["stage", "in", "out"], [word, "1,000,000", "1,000,000"]] + [
        [f"a_stage_with_a_rather_long_name_{n}", "1", "2"] for n in range(4)
    ]
    tiles = {"events per second": "123,456", "latency, p99": "1.25 s", word: "3"}
    verdict = [f"{word}: balanced"]
    patch = "[stages.out]\nbatch = { max_events = 4000, flush_interval = 0.2 }"
    return Report(word, [word], tiles, verdict, plots, {"Stages": rows}, patch).html()


class Nesting(HTMLParser):
    """Checks that what is opened is closed, in order, and collects the tags."""

    def __init__(self):
        super().__init__()
        self.open, self.tags = [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


@pytest.mark.parametrize("word", ["gateway.toml", HOSTILE])
def test_a_page_is_well_formed_and_loads_nothing(word):
    page = report(word)
    nesting = Nesting()
    nesting.feed(page)
    assert nesting.open == []
    assert "script" not in {tag for tag, _ in nesting.tags}
    addresses = [a.get("href") or a.get("src") for _, a in nesting.tags]
    assert [address for address in addresses if address] == ["data:,"]
    assert "url(" not in page
    assert "@import" not in page


@given(st.lists(st.floats(1e-9, 1e12), min_size=1))
def test_an_axis_ends_above_all_values_and_names_a_few_of_them(values):
    found = axis("ms", values)
    assert found.top >= max(values) * (1 - 1e-9)
    assert 2 <= len(found.ticks()) <= 12
    assert found.ticks()[0] == 0


def test_the_ticks_of_an_axis_can_be_named():
    marks = {0.0: "none", 2.5: "<some>", 4.0: "all"}
    drawn = plot("title", "x", "y", [Curve("one", [(1, 1)])], marks)
    named = re.findall(r'x="([\d.]+)" y="[\d.]+" class="middle">([^<]*)<', drawn)
    assert [name for _, name in named] == ["none", "&lt;some&gt;", "all"]
    left, middle, right = (float(x) for x, _ in named)
    assert (middle - left) / (right - left) == pytest.approx(2.5 / 4)


@given(st.lists(st.tuples(st.floats(0, 1e9), st.floats(0, 1e9)), max_size=30))
@example([(0.0, 5e-324)])
def test_every_point_stands_inside_its_plot(points):
    drawn = plot("title", "x", "y", [Curve("one", sorted(points))])
    assert len(re.findall("<circle", drawn)) == len(points)
    for x, y in re.findall(r'cx="([\d.-]+)" cy="([\d.-]+)"', drawn):
        assert 0 <= float(x) <= 640
        assert 0 <= float(y) <= 320


@pytest.mark.servers
@pytest.mark.parametrize("width", [1200, 520])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_real_browser_shows_it_readably_in_light_and_dark(tmp_path, scheme, width):
    path = tmp_path / "report.html"
    path.write_text(report().replace("</body>", LOOK + "</body>"))
    document, logged = dom_of(
        path,
        tmp_path / "profile",
        f"--blink-settings=preferredColorScheme={int(scheme == 'light')}",
        f"--window-size={width},1400",
    )
    written = re.search(r'data-look="([^"]*)"', document)
    assert written, document[-2000:] + logged
    look = json.loads(written[1].replace("&quot;", '"').replace("&amp;", "&"))
    assert look["bad"] == []
    assert look["leaves"] > 40
    assert not look["wide"]
    assert look["loaded"] == []
    bright = sum(map(int, re.findall(r"\d+", look["page"]))) > 380
    assert bright == (scheme == "light")
    assert "CONSOLE" not in logged
