"""JSON pointers (RFC 6901): paths to a part of a JSON value. No I/O."""

from aivcs.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any


def pointer_parts(pointer: str) -> "list[str]":
    """Returns the names and indices of a pointer; an empty list for the whole value.

    Raises:
        UsageError: The text is not a JSON pointer.
    """
    if pointer and pointer[0] != "/":
        raise UsageError(f"{pointer[:80]!a} is not a JSON pointer: begin it with /, as in /score")
    parts = pointer.split("/")[1:]
    for part in parts:
        if part.replace("~0", "").replace("~1", "").count("~"):
            raise UsageError(
                f"{pointer[:80]!a} is not a JSON pointer: write ~ as ~0, and / in a name as ~1"
            )
    return [part.replace("~1", "/").replace("~0", "~") for part in parts]


def make_pointer(parts: "Iterable[str | int]") -> str:
    """Returns the pointer through some names and indices; the inverse of `pointer_parts`."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in parts)


def value_at(value: "Any", pointer: str) -> "Any":
    """Returns the part of a JSON value that a pointer leads to.

    Raises:
        LookupError: The value has no such part.
        UsageError: The text is not a JSON pointer.
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
    """Whether a part is an index below a length, without leading zeros."""
    is_number = part.isascii() and part.isdecimal() and (part == "0" or part[0] != "0")
    return is_number and len(part) <= len(str(length)) and int(part) < length
