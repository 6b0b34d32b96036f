"""A graph as text for terminals and as Mermaid for pages."""

from __future__ import annotations

from collections.abc import Sequence

from .graph import Arm, Edge, Graph, Node

SHAPES = {
    "source": ('(["', '"])'),
    "processor": ('["', '"]'),
    "sampler": ('{{"', '"}}'),
    "accumulator": ('[/"', '"/]'),
    "sink": ('[("', '")]'),
}


def ways(arms: Sequence[Arm], label: str = "") -> list[tuple[Node, str]]:
    """Each target with the label of the way to it."""
    found: list[tuple[Node, str]] = []
    for arm in arms:
        if isinstance(arm, Edge):
            words = [label] * bool(label) + ["best effort"] * arm.best_effort
            found.append((arm.target, ", ".join(words)))
        else:
            for key, way in arm.ways.items():
                found += ways(way, key)
            found += ways(arm.default or [], "default")
    return found


def as_text(graph: Graph) -> str:
    """One line for each stage, with the stages that it sends to."""
    width = max(len(node.name) for node in graph.nodes)
    lines = []
    for node in graph.nodes:
        targets = ", ".join(
            f"{target.name} ({label})" if label else target.name
            for target, label in ways(node.arms)
        )
        arrow = f" -> {targets}" if targets else ""
        lines.append(f"{node.name:{width}}  {node.kind.value:11}{arrow}".rstrip())
    return "\n".join(lines)


def as_mermaid(graph: Graph) -> str:
    """A Mermaid flowchart, left to right."""
    numbers = {node: f"s{index}" for index, node in enumerate(graph.nodes)}
    lines = ["flowchart LR"]
    for node, number in numbers.items():
        opening, closing = SHAPES[node.kind.value]
        lines.append(f"    {number}{opening}{escaped(node.name)}{closing}")
    for node, number in numbers.items():
        for target, label in ways(node.arms):
            arrow = f"-->|{escaped(label)}|" if label else "-->"
            lines.append(f"    {number} {arrow} {numbers[target]}")
    return "\n".join(lines)


def escaped(text: str) -> str:
    """Text that Mermaid takes as text."""
    return text.replace("&", "#amp;").replace('"', "#quot;").replace("|", "#124;")
