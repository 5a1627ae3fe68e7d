"""Figures of a store in the text format of OpenMetrics 1.0, which Prometheus reads. No I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    Sample = tuple[Mapping[str, str], float]
    """Labels and value."""

END = "# EOF\n"


def family(name: str, kind: str, about: str, samples: Iterable[Sample]) -> Iterator[str]:
    """Yields the lines of a family of metrics.

    Args:
        name: Its name; a gauge of a unit ends in `_` and the unit.
        kind: `gauge` or `info`; the samples of an `info` have the value 1.
        about: What it says.
        samples: The values.
    """
    yield f"# TYPE {name} {kind}\n"
    yield f"# HELP {name} {_escape(about)}\n"
    suffix = "_info" if kind == "info" else ""
    for labels, value in samples:
        inside = ",".join(f'{label}="{_escape(text)}"' for label, text in labels.items())
        braces = f"{{{inside}}}" if inside else ""
        yield f"{name}{suffix}{braces} {_number(value)}\n"


def _number(value: float) -> str:
    return str(value) if isinstance(value, int) else f"{value:.6f}"


def _escape(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')
