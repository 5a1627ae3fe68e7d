"""The figures as a table for people, as Markdown for the documentation, and as JSON."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from typing import TYPE_CHECKING, Any

from benchmarks.harness import Row
from benchmarks.subjects.peers import PACKAGES

if TYPE_CHECKING:
    from benchmarks.harness import Bench

HEADER = ("what", "measured", "against what", "ratio", "bar", "aim", "reached")
_WIDTHS = (58, 16, 58, 7, 8, 8, 7)
_BEGIN, _END = "<!-- figures -->\n", "<!-- end of figures -->\n"
_TOOLS = ("git", "openssl", "bash", "zsh", "git-annex")


def line(cells: tuple[str, ...]) -> str:
    """Returns a line of the table; its columns are as wide in every run."""
    return "  ".join(cell.ljust(width) for cell, width in zip(cells, _WIDTHS, strict=True)).rstrip()


def cells(row: Row) -> tuple[str, ...]:
    """Returns what stands in the columns of a row."""
    mark = "≥" if row.least else "≤"
    bar, aim = ("-" if limit is None else f"{mark} {limit:g}" for limit in (row.bar, row.aim))
    against = f"{row.against}: {amount(row.reference, row.unit)}"
    measured = amount(row.measured, row.unit)
    return row.what, measured, against, f"{row.ratio:.3g}", bar, aim, row.verdict or "-"


def amount(value: float, unit: str) -> str:
    """Returns a figure with its unit, in the order of magnitude that reads best."""
    if unit == "s" and abs(value) < 1:
        return f"{value * 1000:.1f} ms"
    return f"{value:,.0f} {unit}" if abs(value) >= 100 else f"{value:.2f} {unit}"


def markdown(figures: dict[str, Any]) -> str:
    """Returns the table, by subject, and the machine it was measured on."""
    machine = ", ".join(f"{name} {value}" for name, value in figures["machine"].items())
    parts = [f"Measured on {figures['date']}: {machine}."]
    if float(figures["machine"].get("load before", 0)) > 1:
        parts.append("The machine was doing other things as well: times are long, ratios unsure.")
    for subject, rows in figures["subjects"].items():
        shown = [HEADER, ("---",) * len(HEADER), *(cells(read_row(row)) for row in rows)]
        table = "\n".join(f"| {' | '.join(each)} |" for each in shown)
        parts.append(f"**{subject}**\n\n{table}" if rows else f"**{subject}**: skipped.")
    parts += [f"Skipped: {why}." for why in figures["skipped"]]
    parts += [f"Failed: {why}." for why in figures["failed"]]
    return "\n\n".join(parts)


def insert(text: str, figures: dict[str, Any]) -> str:
    """Returns a page with these figures in place of those between its two marks.

    Raises:
        ValueError: The page has no marks.
    """
    if not 0 <= text.find(_BEGIN) < text.find(_END):
        raise ValueError(f"the page has no lines {_BEGIN.strip()} and {_END.strip()}")
    begin, end = text.index(_BEGIN) + len(_BEGIN), text.index(_END)
    return f"{text[:begin]}\n{markdown(figures)}\n\n{text[end:]}"


def read_row(fields: dict[str, Any]) -> Row:
    """Returns the row that `Row.as_json` described."""
    given = {name: value for name, value in fields.items() if name not in {"ratio", "verdict"}}
    return Row(**given)


def as_json(figures: dict[str, Any]) -> str:
    """Returns the figures as JSON."""
    return json.dumps(figures, indent=1, ensure_ascii=False)


def machine(bench: Bench) -> dict[str, str]:
    """Returns what the figures depend on, by name."""
    found = {
        "processors": str(os.cpu_count()),
        "model": _processor(),
        "system": f"{platform.system()} {platform.release()}",
        "file system": _first("stat", "-f", "-c", "%T", str(bench.folder)),
        "Python": _first(bench.python, "-c", "import platform; print(platform.python_version())"),
        "aivcs": _first(bench.aivcs, "--version").removeprefix("aivcs "),
        "load before": f"{os.getloadavg()[0]:.1f}",
    }
    for tool in _TOOLS:
        version = _first(tool, "version" if tool in {"openssl", "git-annex"} else "--version")
        words = [word for word in version.split() if word[0].isdigit()]
        found[tool] = words[0] if words else "not installed"
    if bench.peers:
        for package in PACKAGES:
            script = f"import importlib.metadata as m; print(m.version({package!r}))"
            found[package] = _first(str(bench.peers / "python"), "-c", script) or "not installed"
    return found


def _processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            return next(each for each in file if each.startswith("model name"))[12:].strip(" \t:\n")
    except (OSError, StopIteration):
        return platform.machine()


def _first(*command: str) -> str:
    """The first line that a program prints; empty if it is not there."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError:
        return ""
    return done.stdout.partition("\n")[0]
