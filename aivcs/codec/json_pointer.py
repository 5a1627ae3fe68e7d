"""JSON pointers (RFC 6901): where in a JSON value something stands. No I/O."""

from aivcs.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def pointer_parts(pointer: str) -> "list[str]":
    """Returns the names and indices that a pointer goes through; none for the whole value.

    Raises:
        UsageError: It is no pointer.
    """
    if pointer and pointer[0] != "/":
        raise UsageError(f"{pointer[:80]!a} is no JSON pointer: it begins with /, as in /score")
    parts = pointer.split("/")[1:]
    for part in parts:
        if part.replace("~0", "").replace("~1", "").count("~"):
            raise UsageError(
                f"{pointer[:80]!a} is no JSON pointer: ~ is written as ~0 in it, and / as ~1"
            )
    return [part.replace("~1", "/").replace("~0", "~") for part in parts]


def value_at(value: "Any", pointer: str) -> "Any":
    """Returns what a pointer leads to in a JSON value.

    Raises:
        LookupError: There is nothing.
        UsageError: It is no pointer.
    """
    for part in pointer_parts(pointer):
        if isinstance(value, dict):
            value = value[part]
        elif isinstance(value, list) and _is_index(part, len(value)):
            value = value[int(part)]
        else:
            raise LookupError(part)
    return value


def _is_index(part: str, length: int) -> bool:
    """Whether a part is a number without leading zeros below a length."""
    is_number = part.isascii() and part.isdecimal() and (part == "0" or part[0] != "0")
    return is_number and len(part) <= len(str(length)) and int(part) < length
