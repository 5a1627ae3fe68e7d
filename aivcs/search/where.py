"""A condition on a payload: a JSON pointer, an operator and a value, as in `/score < 0.5`. No I/O.

| operator | holds if the value at the pointer |
| --- | --- |
| none | is there |
| `=`, `!=` | is, or is not, the same JSON value |
| `<`, `<=`, `>`, `>=` | is a number (or a text) on that side of the given one |
| `~` | is a text that holds the given one |

A condition on a value that is not there does not hold.
"""

from __future__ import annotations

import operator
import re
from typing import TYPE_CHECKING, Any, NamedTuple

from aivcs.codec.json import parse
from aivcs.codec.json_pointer import pointer_parts, value_at
from aivcs.errors import SerializationError, UsageError
from aivcs.log.run import is_same_json

if TYPE_CHECKING:
    from collections.abc import Callable

_FORM = re.compile(
    r"\s*(/(?:[^\s<>=!~]|~[01])*)\s*(?:(<=|>=|==|!=|=|<|>|~)\s*(.*?))?\s*", re.DOTALL
)
_ORDERS: dict[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip


class Where(NamedTuple):
    """A condition.

    Attributes:
        pointer: The JSON pointer.
        operator: One of the operators; empty if the value only has to be there.
        value: The value to compare with.
    """

    pointer: str
    operator: str
    value: Any

    def holds(self, payload: Any) -> bool:
        """Tells whether the condition holds for a payload."""
        try:
            found = value_at(payload, self.pointer)
        except LookupError:
            return False
        if not self.operator:
            return True
        if self.operator in {"=", "!="}:
            return is_same_json(found, self.value) is (self.operator == "=")
        if self.operator == "~":
            return isinstance(found, str) and self.value in found
        if not (_is_number(found) and _is_number(self.value)) and not (
            isinstance(found, str) and isinstance(self.value, str)
        ):
            return False
        return _ORDERS[self.operator](found, self.value)


def parse_where(text: str) -> Where:
    """Returns the condition that a text spells; a value that is not JSON is a text.

    Raises:
        UsageError: The text is not a condition.
    """
    form = _FORM.fullmatch(text)
    if form is None:
        raise UsageError(
            f"--where {text[:60]!a} is not a condition: write a pointer, one of "
            "= != < <= > >= ~ and a value, as in '/score < 0.5'"
        )
    pointer, sign, given = form.groups()
    pointer_parts(pointer)
    sign = "=" if sign == "==" else sign or ""
    if sign and not given:
        raise UsageError(f"--where {text[:60]!a} has no value; is a variable unset?")
    value: Any = given
    if sign and sign != "~":
        try:
            value = parse(given)
        except SerializationError:
            value = given
        if sign in _ORDERS and not (_is_number(value) or isinstance(value, str)):
            raise UsageError(f"--where {text[:60]!a} compares with neither a number nor a text")
    return Where(pointer, sign, value)


def _is_number(value: Any) -> bool:
    return type(value) in {int, float}
