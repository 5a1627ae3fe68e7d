"""Small charts as inline SVG, each with its figures in words. No I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aivcs.web.html import Markup, tag, text

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_HEIGHT = 40
"""The height of the highest bar, in units of the drawing."""
_STEP = 4
_MIN_BARS = 20
"""Number of bars whose width a chart has, at least."""


def bars(
    title: str,
    values: Sequence[float | None],
    styles: Sequence[str],
    shown: Callable[[float], str],
) -> Markup:
    """Returns a bar chart; empty without a value.

    Args:
        title: What is shown.
        values: The values, the oldest first; None leaves a place empty.
        styles: The style of each bar: `bar`, `bad` or `dim`.
        shown: Formats a value.
    """
    known = [value for value in values if value is not None]
    if not known:
        return Markup("")
    highest = max(known)
    paths = dict.fromkeys(("bar", "bad", "dim"), "")
    for place, (value, style) in enumerate(zip(values, styles, strict=True)):
        if value is not None:
            height = max(round(_HEIGHT * value / highest), 1) if highest > 0 and value > 0 else 1
            paths[style] += f"M{place * _STEP + 2} {_HEIGHT + 2}v-{height}"
    ranked = sorted(known)
    said = (
        f"{title}: last {shown(known[-1])}, median {shown(ranked[(len(ranked) - 1) // 2])}, "
        f"highest {shown(highest)}, of {len(known)}"
    )
    drawn = [
        tag("path", d=path, class_=style, stroke_width=_STEP - 1)
        for style, path in paths.items()
        if path
    ]
    width = max(len(values), _MIN_BARS) * _STEP
    drawing = tag(
        "svg", *drawn, role="img", aria_label=said, viewBox=f"0 0 {width} {_HEIGHT + 4}",
        preserveAspectRatio="none",
    )  # fmt: skip
    return tag("figure", drawing, tag("figcaption", text(said)))
