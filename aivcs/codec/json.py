"""Strict JSON in, compact JSON out: the only parser and encoder of stored data.

The parser accepts RFC 8259 and nothing beyond it, restricted as I-JSON (RFC 7493) does: no
duplicate keys, no lone surrogates, no number outside the range of a double. Limits make every
Python version accept the same texts: `MAX_DEPTH` levels, integers of `MAX_DIGITS` digits. The order
of keys is kept; numbers keep their value, not their spelling.

It uses the interpreter's C scanner and encoder directly, because importing json costs as much as
starting Python. `aivcs.codec.json_errors` explains why a text was refused.
"""

from aivcs.errors import SerializationError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

MAX_DEPTH = 200
"""Levels of nested arrays and objects in a value, at most."""
MAX_DIGITS = 4300
"""Digits of an integer, at most: the default limit of CPython."""


def _unique(pairs: "list[tuple[str, Any]]") -> "dict[str, Any]":
    mapping = dict(pairs)
    if len(mapping) != len(pairs):
        raise ValueError("duplicate key")
    return mapping


def _short_int(text: str) -> int:
    if len(text.lstrip("-")) > MAX_DIGITS:
        raise ValueError(text)
    return int(text)


def _refuse_constant(text: str) -> None:
    raise ValueError(text)


def _refuse_value(value: object) -> None:
    raise ValueError(f"{type(value).__name__} has no JSON form")


class _Strict:
    """The attributes that the C scanner reads from its context."""

    strict = True
    object_hook = None
    object_pairs_hook = staticmethod(_unique)
    parse_float = float
    parse_constant = staticmethod(_refuse_constant)
    memo: "dict[str, str]" = {}  # noqa: RUF012 the pure-Python scanner wants it, the C one ignores it

    def __init__(self, parse_int: "Callable[[str], int]") -> None:
        self.parse_int = parse_int


class _Plain(_Strict):
    """A context for texts whose keys are compared otherwise."""

    object_pairs_hook = None  # type: ignore[assignment]


if TYPE_CHECKING:
    _scan: Callable[[str, int], tuple[Any, int]]
    _scan_long: Callable[[str, int], tuple[Any, int]]
    scan_plain: Callable[[str, int], tuple[Any, int]]
    _encode: Callable[[Any, int], tuple[str, ...]]
    encode_tree: Callable[[Any, int], tuple[str, ...]]
else:
    try:
        from _json import encode_basestring, make_encoder, make_scanner

        _scan = make_scanner(_Strict(int))
        _scan_long = make_scanner(_Strict(_short_int))
        scan_plain = make_scanner(_Plain(int))

        def _encoder(seen):
            return make_encoder(
                seen, _refuse_value, encode_basestring, None, ":", ",", False, False, False
            )

        def _encode(value, level):
            # A new dictionary for each call: the encoder detects cycles with it.
            return _encoder({})(value, level)

        encode_tree = _encoder(None)

    except ImportError:  # an interpreter without CPython's accelerator
        from json import JSONEncoder
        from json.scanner import py_make_scanner

        _scan = py_make_scanner(_Strict(int))
        _scan_long = py_make_scanner(_Strict(_short_int))
        scan_plain = py_make_scanner(_Plain(int))

        def _encode(value, level):  # noqa: ARG001
            return JSONEncoder(
                ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=_refuse_value
            ).encode(value)

        encode_tree = _encode


_SPACE = " \t\n\r"


def parse(text: str, *, max_depth: int = MAX_DEPTH) -> "Any":
    """Returns the value of a JSON text.

    It accepts a number beyond the range of a double and a lone surrogate; `encode` refuses them
    before anything is stored, and `compact` does both.

    Raises:
        SerializationError: The text is not JSON, has a duplicate key, or exceeds a limit; the
            message begins with line and column.
    """
    scan = _scan if len(text) <= MAX_DIGITS else _scan_long
    try:
        value, end = scan(text, len(text) - len(text.lstrip(_SPACE)))
    except Exception as error:
        if _allow_digits():
            return parse(text, max_depth=max_depth)
        raise not_json(text) from error
    if end != len(text) and text[end:].strip(_SPACE):
        raise not_json(text)
    if text.count("[") + text.count("{") > max_depth:
        try:
            _check(value, max_depth)
        except SerializationError as error:
            raise not_json(text) from error
    return value


def _allow_digits() -> bool:
    """Lets the interpreter convert integers up to the format's limit; False if it already does.

    The environment may forbid it (PYTHONINTMAXSTRDIGITS). Called only after a failure, because the
    setting is for the whole process and hardly any store has such numbers.
    """
    from sys import get_int_max_str_digits, set_int_max_str_digits

    if not 0 < get_int_max_str_digits() < MAX_DIGITS:
        return False
    set_int_max_str_digits(MAX_DIGITS)
    return True


def compact(text: str) -> str:
    """Returns a JSON text in its stored form.

    Raises:
        SerializationError: The text is not JSON, has a duplicate key, a lone surrogate or a number
            that is not finite, or exceeds a limit.
    """
    value = parse(text)
    try:
        encoded = "".join(_encode(value, 0))
        encoded.encode()
    except ValueError as error:
        raise not_json(text) from error
    return encoded


def encode(value: "Any") -> str:
    """Returns a value as compact JSON: no spaces, keys in their order, non-ASCII characters as is.

    Raises:
        SerializationError: The value holds a key that is not a string, a number that is not finite,
            an object of another type, a lone surrogate or a cycle, or exceeds the limits of
            nesting or digits.
    """
    encoded = encode_trusted(value)
    _check(value)
    return encoded


def encode_trusted(value: "Any") -> str:
    """Encodes a value that `parse` or this package made, without checking limits and keys.

    Raises:
        SerializationError: A string holds a lone surrogate, or a number is not finite.
    """
    try:
        encoded = "".join(_encode(value, 0))
        encoded.encode()
    except UnicodeEncodeError as error:
        raise SerializationError(
            f"a string holds {value_excerpt(error.object[error.start])}, which is not a character "
            "(a lone surrogate, or a byte that is not UTF-8)"
        ) from error
    except (TypeError, ValueError, RecursionError) as error:
        if _allow_digits():
            return encode_trusted(value)
        raise SerializationError(f"not a JSON value: {error}") from error
    return encoded


def value_excerpt(text: str) -> str:
    """Returns the start of a text for a message, with everything unprintable escaped."""
    return ascii(text if len(text) <= 40 else text[:40] + "…")


def not_json(text: str) -> SerializationError:
    """Returns the error that says where and why a text is not acceptable JSON."""
    from aivcs.codec.json_errors import find_fault

    return SerializationError(find_fault(text) or "not acceptable JSON")


def _check(value: "Any", max_depth: int = MAX_DEPTH) -> None:
    """Checks keys and limits, which the C code does not; assumes no cycles (encode first)."""
    layer, depth = [value], 0
    while layer:
        containers: list[Any] = []
        for node in layer:
            if isinstance(node, (dict, list, tuple)):
                containers.append(node)
            elif (
                isinstance(node, int)
                # The cheap test first: fewer bits mean fewer digits.
                and node.bit_length() > 3 * MAX_DIGITS
                and abs(node) >= 10**MAX_DIGITS
            ):
                raise SerializationError(f"an integer has more than {MAX_DIGITS} digits")
        depth += bool(containers)
        if depth > max_depth:
            raise SerializationError(f"nested deeper than {max_depth} levels")
        layer = []
        for node in containers:
            if isinstance(node, dict):
                for key in node:
                    if not isinstance(key, str):
                        raise SerializationError(f"an object's keys must be strings, not {key!r}")
                layer.extend(node.values())
            else:
                layer.extend(node)
