"""The JSON Canonicalization Scheme (RFC 8785): one text for each JSON value, so one digest.

Members are ordered by the UTF-16 code units of their names, numbers are written as ECMAScript
writes them, strings with as few escapes as JSON allows, and without whitespace. No I/O.

In the scheme, numbers are IEEE doubles. An integer that a double cannot hold exactly is refused,
not rounded: content addressing must never give two values one digest.
"""

from __future__ import annotations

from aivcs.codec.json import MAX_DEPTH, encode_trusted
from aivcs.errors import SerializationError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_INTEGER = 2**53 - 1
"""The largest integer of I-JSON (RFC 7493, 2.2): from here on, doubles skip some."""
_FIXED = 21
"""Digits before the decimal point, at most, without an exponent (ECMAScript, Number::toString)."""
_LEADING = -6
"""Position of the decimal point, relative to the first digit, at which an exponent begins."""


def canonical(value: object) -> bytes:
    """Returns the canonical form of a JSON value: the same bytes for the same value, everywhere.

    Args:
        value: Dictionaries with strings as keys, lists, tuples, strings, integers, floats,
            booleans, None.

    Raises:
        SerializationError: The value holds anything else, a lone surrogate, a number that is not
            finite, or an integer beyond `MAX_INTEGER` that is not how ECMAScript writes a double;
            or it is nested deeper than `MAX_DEPTH`.
    """
    return "".join(_pieces(value, 0)).encode()


def number(value: float) -> str:
    """Returns a number as ECMAScript writes it (ECMA-262, Number::toString), `-0` as `0`.

    Raises:
        SerializationError: The number is not finite, or an integer that ECMAScript would write
            otherwise.
    """
    if isinstance(value, int):
        if abs(value) <= MAX_INTEGER:
            return str(value)
        # Parsing the canonical text of a large double gives such an integer.
        if abs(value) >= 10**_FIXED or number(float(value)) != str(value):
            raise SerializationError(
                "an integer beyond 2^53-1 has no canonical form (many programs would round it); "
                "write it as a string"
            )
        return str(value)
    if value != value or value in {float("inf"), float("-inf")}:
        raise SerializationError(f"{value} is not a JSON number")
    if value == 0:
        return "0"
    # Python and ECMAScript agree on the digits (the fewest that round-trip, and of those the
    # nearest to the double), but not on where an exponent begins.
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
        yield encode_trusted(str(value))  # escapes as RFC 8785 says; refuses lone surrogates
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
    """A key in big-endian UTF-16, which sorts by code units."""
    if not isinstance(key, str):
        raise SerializationError(f"an object's keys must be strings, not {key!r}")
    return key.encode("utf-16-be", "surrogatepass")
