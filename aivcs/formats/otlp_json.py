"""OTLP/JSON without its meaning: the entries of a batch, and the values of attributes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aivcs.formats.values import as_dict, as_int, as_list

if TYPE_CHECKING:
    from collections.abc import Iterator


def entries_of(
    value: dict[str, Any], outer: str, middle: str, inner: str
) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Yields the entries of a batch, each after the attributes of its resource.

    Args:
        value: The batch.
        outer: The member with the groups of a resource, such as `resourceSpans`.
        middle: The member of a group with those of a scope, such as `scopeSpans`.
        inner: The member of these with the entries, such as `spans`.
    """
    for group in map(as_dict, as_list(value.get(outer))):
        resource = attributes_of(as_dict(group.get("resource")).get("attributes"))
        for scope in map(as_dict, as_list(group.get(middle))):
            for entry in as_list(scope.get(inner)):
                yield resource, entry if isinstance(entry, dict) else {"value": entry}


def attributes_of(pairs: Any) -> dict[str, Any]:
    """Returns attributes, a list of pairs, by key."""
    found: dict[str, Any] = {}
    for pair in as_list(pairs):
        key = as_dict(pair).get("key")
        if isinstance(key, str):
            found[key] = value_of(pair.get("value"))
    return found


def value_of(value: Any) -> Any:
    """Returns the value of an `AnyValue`."""
    if not isinstance(value, dict):
        return value
    if "arrayValue" in value:
        return [value_of(item) for item in as_list(as_dict(value["arrayValue"]).get("values"))]
    if "kvlistValue" in value:
        return attributes_of(as_dict(value["kvlistValue"]).get("values"))
    if "intValue" in value:
        number = as_int(value["intValue"])
        return value["intValue"] if number is None else number
    return next(iter(value.values()), None)
