"""The picture of cost against size: an SVG that is readable on a light and on a dark page."""

from __future__ import annotations

from math import ceil, log10

from benchmarks.harness import FLOOR
from benchmarks.subjects.startup import BAR

_WIDTH, _HEIGHT = 760, 400
_LEFT, _RIGHT, _TOP, _BOTTOM = 56, 560, 52, 340
"""The edges of what is plotted; labels of the curves stand right of it."""
_LINE = 17
"""Pixels from one label to the next, at least."""
_STYLE = """
svg { font: 13px system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif; }
text { fill: #57606a; }
.title { font-size: 15px; font-weight: 600; fill: #24292f; }
.grid { stroke: #57606a; stroke-opacity: .18; }
.floor { stroke: #57606a; stroke-width: 1.5; stroke-dasharray: 6 4; }
.bar { stroke: #57606a; stroke-opacity: .7; stroke-dasharray: 1 4; }
.curve { fill: none; stroke-width: 2.25; stroke-linejoin: round; }
.leader { fill: none; stroke-opacity: .45; }
@media (prefers-color-scheme: dark) {
  text { fill: #9198a1; }
  .title { fill: #e6edf3; }
  .grid, .floor, .bar { stroke: #9198a1; }
}
"""
_COLOURS = ("#2f81f7", "#d4752b", "#2da44e", "#a371f7", "#e5534b")


def draw(curves: dict[str, dict[str, float]]) -> str:
    """Returns the picture.

    Args:
        curves: By command, and by how much there is, what a call took in seconds; the bare
            interpreter is one of them.
    """
    ratios = {
        name: {int(size): seconds / curves[FLOOR]["0"] for size, seconds in curve.items()}
        for name, curve in curves.items()
        if name != FLOOR
    }
    milliseconds = curves[FLOOR]["0"] * 1000
    largest = max(size for curve in ratios.values() for size in curve)
    top = ceil(max(BAR, *(each for curve in ratios.values() for each in curve.values())) * 2) / 2
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}">',
            "<title>What one call costs, by how much is stored already</title>",
            f"<style>{_STYLE}</style>",
            *_axes(largest, top),
            _rule(_y(1, top), "floor"),
            _text(_RIGHT - 6, _y(1, top) + 16, f"{FLOOR}: {milliseconds:.1f} ms", anchor="end"),
            _rule(_y(BAR, top), "bar"),
            *_lines(ratios, largest, top),
            "</svg>\n",
        ]
    )


def _axes(largest: int, top: float) -> list[str]:
    parts = [
        _text(_LEFT, 24, "What one call costs, by how much is stored already", "title"),
        _text(_LEFT, 42, f"times {FLOOR}; dotted: the bar for commands in loops, {BAR}"),
    ]
    for step in range(int(top * 2) + 1):
        y = _y(step / 2, top)
        parts += [_rule(y, "grid"), _text(_LEFT - 8, y + 4, f"{step / 2:g}", anchor="end")]
    for power in range(1, round(log10(largest)) + 1):
        parts.append(_text(_x(10**power, largest), _BOTTOM + 20, f"{10**power:,}", anchor="middle"))
    caption = "events in the run, releases of the name, or runs in the store"
    parts.append(_text((_LEFT + _RIGHT) / 2, _BOTTOM + 44, caption, anchor="middle"))
    return parts


def _lines(ratios: dict[str, dict[int, float]], largest: int, top: float) -> list[str]:
    """The curves, each with its name at the right; names keep off each other, from the top down."""
    parts = []
    ends = sorted(ratios, key=lambda name: -ratios[name][max(ratios[name])])
    room = 0.0
    for name in ends:
        curve, colour = ratios[name], _COLOURS[list(ratios).index(name) % len(_COLOURS)]
        points = [(_x(size, largest), _y(ratio, top)) for size, ratio in sorted(curve.items())]
        x, y = points[-1]
        at = max(y, room)
        room = at + _LINE
        leader = [(x, y), (_RIGHT + 6, y), (_RIGHT + 18, at), (_RIGHT + 24, at)]
        parts += [
            _path(points, "curve", colour),
            _path(leader, "leader", colour),
            *(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2.5" fill="{colour}"/>' for x, y in points),
            f'<text x="{_RIGHT + 28}" y="{at + 4:.1f}" style="fill:{colour}">{name}</text>',
        ]
    return parts


def _x(size: int, largest: int) -> float:
    return _LEFT + 12 + (_RIGHT - _LEFT - 24) * (log10(size) - 1) / max(1, log10(largest) - 1)


def _y(ratio: float, top: float) -> float:
    return _BOTTOM - (_BOTTOM - _TOP) * ratio / top


def _rule(y: float, style: str) -> str:
    return f'<line x1="{_LEFT}" x2="{_RIGHT}" y1="{y:.1f}" y2="{y:.1f}" class="{style}"/>'


def _path(points: list[tuple[float, float]], style: str, colour: str) -> str:
    joined = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return f'<polyline points="{joined}" class="{style}" stroke="{colour}"/>'


def _text(x: float, y: float, text: str, style: str = "", anchor: str = "start") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" class="{style}" text-anchor="{anchor}">{text}</text>'
