"""Texts and figures in a form that a person can read, whatever they hold. No I/O."""

from __future__ import annotations


def short_run(run_id: str) -> str:
    """Returns the beginning of a run's id that names it among others; of some ids, all of it.

    Random UUIDs differ in their first 8 characters, those that begin with a time in their first 18.
    Other ids come from imported sessions: many begin alike, as with the name of a program.
    """
    if len(run_id) == 36 and run_id[8] == run_id[13] == "-":
        if run_id[14] == "4":
            return run_id[:8]
        if run_id[14] == "7":
            return run_id[:18]
    return run_id


def duration(milliseconds: int | None) -> str:
    """Formats a duration for a person: `850 ms`, `4.2 s`, `3 min 5 s`, `2 h 10 min`."""
    if milliseconds is None:
        return "-"
    if milliseconds < 1000:
        return f"{milliseconds} ms"
    seconds = milliseconds / 1000
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(int(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


def size(number: int) -> str:
    """Formats a number of bytes for a person: `12 B`, `1.2 KiB`, `34 MiB`."""
    if number < 1024:
        return f"{number} B"
    amount, unit = number / 1024, "KiB"
    if amount >= 1024:
        amount, unit = amount / 1024, "MiB"
    return f"{amount:.1f} {unit}" if amount < 10 else f"{amount:.0f} {unit}"


def count(number: int, what: str) -> str:
    """Formats a number of things: `1 step`, `2,000 steps`."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def moment(timestamp: str) -> str:
    """Formats a time for a person: `2026-11-30 06:20:17`, in UTC."""
    return timestamp[:19].replace("T", " ")


def percent(share: float | None) -> str:
    """Formats a share of 1: `97 %`, or `-` without one; 100 % only if nothing is missing."""
    if share is None:
        return "-"
    return f"{min(round(100 * share), 99 if share < 1 else 100)} %"


def cost(dollars: float | None) -> str:
    """Formats an amount of US dollars: `$0.0421`, `$12.30`, or `-` without one."""
    if dollars is None:
        return "-"
    return f"${dollars:.2f}" if dollars >= 1 else f"${dollars:.4f}"


def number(value: float | None) -> str:
    """Formats a number: `1,234`, `0.83`, or `-` without one."""
    if value is None:
        return "-"
    if isinstance(value, int) or value == int(value):
        return f"{int(value):,}"
    return f"{value:.4g}"
