"""Turns Python values into JSON values, by one rule, so that an event is not lost for its type.

A value that is JSON already stays as it is. The others become:

- `datetime` with a time zone: its RFC 3339 text in UTC, as timestamps are written; without one,
  and `date` and `time`: their ISO 8601 text; `timedelta`: seconds;
- paths (whatever has `__fspath__`): their text;
- an `Enum`: its value;
- dataclasses, pydantic models, values of aivcs: an object with their fields;
- numpy and other scalars and arrays (whatever has `dtype` and `tolist`): numbers, texts and lists;
- mappings: objects, with numbers, truth values, None and all of the above as texts where they are
  keys; sets: lists, sorted by their JSON text; other collections: lists;
- `bytes`: their text in UTF-8, and numbers that are not finite: `"NaN"`, `"Infinity"`,
  `"-Infinity"`;
- an exception: its `repr`; everything else: its `str`.

A lone surrogate and a byte that is not UTF-8 become a backslash escape. This module is loaded only
for a value that JSON cannot express.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Set as AbstractSet
from datetime import date, datetime, time, timedelta
from enum import Enum
from math import inf
from typing import Any

from aivcs.codec.json import MAX_DEPTH, encode_trusted
from aivcs.errors import SerializationError
from aivcs.model.timestamp import Timestamp


def to_json_value(value: Any, depth: int = 0) -> Any:
    """Returns the JSON value for a Python value, by the rule in the module's docstring.

    Raises:
        SerializationError: It is nested too deeply or holds itself, or two keys become one text.
    """
    if depth > MAX_DEPTH:
        raise SerializationError(f"nested deeper than {MAX_DEPTH} levels")
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, Enum):
        return to_json_value(value.value, depth + 1)
    if hasattr(value, "dtype") and hasattr(value, "tolist"):
        plain = value.tolist()
        if type(plain) is type(value):  # a number that Python has no type for
            return _text(str(value))
        return to_json_value(plain, depth + 1)
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return _number(value)
    fields = _fields_of(value)
    if fields is not None:
        return _object(fields, depth)
    if isinstance(value, AbstractSet):
        return sorted((to_json_value(item, depth + 1) for item in value), key=encode_trusted)
    if isinstance(value, Collection) and not isinstance(value, (bytes, bytearray, memoryview)):
        return [to_json_value(item, depth + 1) for item in value]
    return _scalar(value)


def _fields_of(value: Any) -> Mapping[Any, Any] | None:
    """The members of a value that becomes an object; None for any other value."""
    if isinstance(value, Mapping):
        return value
    if isinstance(value, type):
        return None
    if hasattr(value, "__dataclass_fields__"):
        from dataclasses import fields

        return {field.name: getattr(value, field.name, None) for field in fields(value)}
    for method in ("model_dump", "to_json"):
        if callable(getattr(value, method, None)):
            found = getattr(value, method)()
            return found if isinstance(found, Mapping) else None
    return None


def _object(fields: Mapping[Any, Any], depth: int) -> dict[str, Any]:
    members: dict[str, Any] = {}
    for key, value in fields.items():
        name = _key(key, depth)
        if name in members:
            raise SerializationError(f"two keys of an object become {ascii(name)[:60]}")
        members[name] = to_json_value(value, depth + 1)
    return members


def _key(key: Any, depth: int) -> str:
    plain = to_json_value(key, depth + 1)
    return plain if isinstance(plain, str) else encode_trusted(plain)


def _number(value: float) -> float | str:
    if value != value:
        return "NaN"
    if value in {inf, -inf}:
        return "Infinity" if value > 0 else "-Infinity"
    return float(value)


def _scalar(value: Any) -> Any:
    """The JSON value for a value without parts."""
    if isinstance(value, datetime):
        return str(Timestamp.from_datetime(value)) if value.tzinfo else value.isoformat()
    if isinstance(value, (date, time)):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    if hasattr(value, "__fspath__"):
        value = value.__fspath__()
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value).decode(errors="backslashreplace")
    try:
        return _text(repr(value) if isinstance(value, BaseException) else str(value))
    except Exception:  # noqa: BLE001 foreign code may raise anything
        return f"<{type(value).__qualname__}>"


def _text(text: str) -> str:
    """The text with everything escaped that UTF-8 cannot express."""
    return str(text).encode(errors="backslashreplace").decode()
