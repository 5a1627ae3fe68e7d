"""The JSON Canonicalization Scheme (RFC 8785): one text for each JSON value, so one digest.

Members stand in the order of their names' UTF-16 code units, numbers are written as ECMAScript
writes them, texts with as few escapes as JSON allows, and nothing stands between the parts. No I/O.

Numbers are IEEE doubles to the scheme. An integer that a double does not keep is refused rather
than rounded: two values with one digest are what content addressing must never have.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from aivcs.codec.json import encode_trusted
from aivcs.codec.limits import MAX_DEPTH
from aivcs.errors import SerializationError

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_INTEGER = 2**53 - 1
"""The largest integer of I-JSON (RFC 7493, 2.2): from here on, doubles skip some."""
_FIXED = 21
"""Digits before the point from which on ECMAScript writes an exponent (Number::toString)."""
_LEADING = -6
"""Where the first digit stands behind the point when ECMAScript begins to write an exponent."""


def canonical(value: object) -> bytes:
    """Returns the canonical form of a JSON value: the same bytes for the same value, everywhere.

    Args:
        value: Dictionaries with texts as keys, lists, tuples, texts, integers, floats, booleans,
            None.

    Raises:
        SerializationError: It holds anything else, a lone surrogate, a number that is not finite,
            an integer beyond `MAX_INTEGER` that is not how ECMAScript writes a double, or is nested
            deeper than `MAX_DEPTH`.
    """
    return "".join(_pieces(value, 0)).encode()


def number(value: float) -> str:
    """Returns a number as ECMAScript writes it (ECMA-262, Number::toString), `-0` as `0`.

    Raises:
        SerializationError: It is not finite, or an integer that is not how a double is written.
    """
    if isinstance(value, int):
        if abs(value) <= MAX_INTEGER:
            return str(value)
        # What a canonical text of a large double reads as.
        if abs(value) >= 10**_FIXED or number(float(value)) != str(value):
            raise SerializationError(
                "an integer beyond 2^53-1 has no canonical form, since many programs would round "
                "it; write it as a text"
            )
        return str(value)
    if value != value or value in {float("inf"), float("-inf")}:
        raise SerializationError(f"{value} is not a number that JSON has")
    if value == 0:
        return "0"
    # Python and ECMAScript agree on the digits (as few as give the double back, and of those the
    # nearest to it), and differ in where they begin to write an exponent.
    mantissa, _, exponent = f"{value!r}".lstrip("-").partition("e")
    whole, _, fraction = mantissa.partition(".")
    point = len(whole) + int(exponent or 0)
    digits = whole + fraction
    point -= len(digits) - len(digits.lstrip("0"))
    digits = digits.strip("0")
    sign = "-" if value < 0 else ""
    if len(digits) <= point <= _FIXED:
        return f"{sign}{digits:0<{point}}"
    if 0 < point <= _FIXED:
        return f"{sign}{digits[:point]}.{digits[point:]}"
    if _LEADING < point <= 0:
        return f"{sign}0.{'0' * -point}{digits}"
    behind = f".{digits[1:]}" if len(digits) > 1 else ""
    return f"{sign}{digits[0]}{behind}e{point - 1:+d}"


def _pieces(value: object, depth: int) -> Iterator[str]:
    if isinstance(value, str):
        yield encode_trusted(str(value))  # escapes as the scheme asks, and refuses lone surrogates
    elif value is None:
        yield "null"
    elif isinstance(value, bool):
        yield "true" if value else "false"
    elif isinstance(value, (int, float)):
        yield number(value)
    elif not isinstance(value, (dict, list, tuple)):
        raise SerializationError(f"{type(value).__name__} has no JSON form")
    elif depth >= MAX_DEPTH:
        raise SerializationError(f"nested deeper than {MAX_DEPTH} levels")
    elif isinstance(value, dict):
        mark = "{"
        for key in sorted(value, key=_code_units):
            yield f"{mark}{encode_trusted(str(key))}:"
            yield from _pieces(value[key], depth + 1)
            mark = ","
        yield "}" if value else "{}"
    else:
        mark = "["
        for item in value:
            yield mark
            yield from _pieces(item, depth + 1)
            mark = ","
        yield "]" if value else "[]"


def _code_units(key: object) -> bytes:
    """A key's UTF-16 code units, which big-endian bytes sort like."""
    if not isinstance(key, str):
        raise SerializationError(f"an object's keys must be texts, not {key!r}")
    return key.encode("utf-16-be", "surrogatepass")
