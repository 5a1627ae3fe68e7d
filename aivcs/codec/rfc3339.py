"""Parses RFC 3339 strictly: `datetime.fromisoformat` accepts other forms, and not all of these.

Date and time may be separated by `T`, `t` or a space, and UTC may be `Z` or `z` (RFC 3339, section
5.6). A second 60 is accepted only where a leap second can be: at 23:59 UTC.
"""

from datetime import UTC, datetime, timedelta

_ZEROS = dict.fromkeys(map(ord, "123456789"), "0")


def parse(text: str) -> datetime:
    """Returns the time in an RFC 3339 text with an offset, cut to microseconds.

    A leap second becomes the first second of the next minute, as POSIX counts.

    Raises:
        ValueError: The text is not RFC 3339 with an offset.
        TypeError: It is not a string.
    """
    if not isinstance(text, str):
        raise TypeError(text)
    date, clock, rest = text[:10], text[11:19], text[19:]
    fraction = ""
    if rest[:1] == ".":
        zone = rest[1:].lstrip("0123456789")
        fraction = rest[1 : len(rest) - len(zone)]
        if not fraction:
            raise ValueError(text)
    else:
        zone = rest
    if (
        (date + clock).translate(_ZEROS) != "0000-00-0000:00:00"
        or text[10] not in "Tt "
        or clock[:2] > "23"
        or not _is_zone(zone)
    ):
        raise ValueError(text)
    is_leap = clock[6:] == "60"
    moment = datetime.fromisoformat(
        f"{date}T{clock[:6]}{'59' if is_leap else clock[6:]}.{fraction[:6]:0<6}{zone.upper()}"
    )
    if is_leap:
        moment = moment.astimezone(UTC)
        if (moment.hour, moment.minute) != (23, 59):
            raise ValueError(text)
        moment += timedelta(seconds=1)
    return moment


def _is_zone(text: str) -> bool:
    if text in {"Z", "z"}:
        return True
    shape = text[:1] in {"+", "-"} and text[1:].translate(_ZEROS) == "00:00"
    return shape and text[1:3] <= "23" and text[4:] <= "59"
