"""Formats and parses times for people: "2d", "2026-01-31", "3 hours ago"."""

from __future__ import annotations

from time import time

from aivcs.errors import SerializationError, UsageError
from aivcs.model.timestamp import Timestamp

_UNIT_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
"""Seconds of each unit."""


def parse_since(text: str, option: str = "--since") -> Timestamp:
    """Parses `2d` (s, m, h, d, w ago), a date in UTC, or RFC 3339.

    Args:
        text: The text.
        option: The option it was given to, for the message.

    Raises:
        UsageError: The text has none of these forms.
    """
    seconds = _seconds(text)
    if seconds is not None:
        from datetime import UTC, datetime, timedelta

        try:
            return Timestamp.from_datetime(datetime.now(UTC) - timedelta(seconds=seconds))
        except OverflowError:
            return Timestamp("0001-01-01T00:00:00Z")
    if len(text) == 10 and text.count("-") == 2:
        text += "T00:00:00Z"
    try:
        return Timestamp(text)
    except SerializationError as error:
        raise UsageError(f"{option}: {error}; or write 30m, 12h, 2d, 1w") from error


def parse_duration(option: str, text: str) -> int:
    """Parses a duration and returns seconds: `0s`, `30m`, `12h`, `2d`, `2w`.

    Raises:
        UsageError: The text has none of these forms.
    """
    seconds = _seconds(text) if text.isascii() else None
    if seconds is None:
        raise UsageError(f"{option} {text[:40]!a} is not a duration: write 0s, 30m, 12h, 2d or 2w")
    return seconds


def _seconds(text: str) -> int | None:
    """Returns the seconds of a number with a unit; None for any other text."""
    number, unit = text.strip()[:-1].rstrip(), text.strip()[-1:]
    if unit not in _UNIT_SECONDS or not number.isdecimal() or len(number) > 6:
        return None
    return int(number) * _UNIT_SECONDS[unit]


def ago(moment: Timestamp) -> str:
    """Formats how long ago a time was, for a person; a time in the future as it is."""
    seconds = time() - moment.microseconds() / 1e6
    if seconds < 0:
        return moment[:16].replace("T", " ")
    for limit, size, unit in (
        (60, 1, "second"), (3600, 60, "minute"), (86400, 3600, "hour"), (30 * 86400, 86400, "day"),
    ):  # fmt: skip
        if seconds < limit:
            count = int(seconds // size)
            return f"{count} {unit}{'' if count == 1 else 's'} ago"
    return moment[:10]


def short_duration(microseconds: int) -> str:
    """Formats a duration for a column, in 6 characters: `850ms`, `4.2s`, `3m05s`, `3d04h`."""
    milliseconds = microseconds // 1000
    if milliseconds < 1000:
        return f"{milliseconds}ms"
    if milliseconds < 59_950:  # above that it would be rounded to 60
        return f"{milliseconds / 1000:.1f}s"
    minutes, seconds = divmod(milliseconds // 1000, 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{days}d{hours:02}h" if days < 100 else f"{days}d"
    return f"{hours}h{minutes:02}m" if hours else f"{minutes}m{seconds:02}s"


def age(moment: Timestamp) -> str:
    """Formats how long ago a time was, for a column: `40s`, `3h`, `45d`; or its date."""
    seconds = int(time() - moment.microseconds() / 1e6)
    if seconds < 0:
        return moment[:10]
    for limit, size, unit in ((60, 1, "s"), (3600, 60, "m"), (86400, 3600, "h")):
        if seconds < limit:
            return f"{seconds // size}{unit}"
    return f"{seconds // 86400}d"
