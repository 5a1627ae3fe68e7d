"""The base of all values: immutable records, heads, and the rules for names. No I/O.

Records are immutable and compare by value. `to_json` gives a record's JSON form, with the names
fixed by the file format.

Written without dataclasses, enum and typing on purpose: each costs more at start-up than a whole
command may.
"""

from aivcs.errors import InvalidNameError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


ALNUM = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789")
_SAFE = ALNUM | frozenset("._-")

MAX_SEQ = 2**53 - 1
"""The largest sequence number: the largest integer that every JSON reader keeps exactly."""
MAX_NAME = 200
"""Characters of a name, label, kind or run id, at most."""
MAX_EVENT = 1 << 20
"""Bytes of an event's payload as stored, at most, unless configured otherwise."""


class Record:
    """An immutable value with the fields in `__slots__`."""

    __slots__: "tuple[str, ...]" = ()
    __hash__ = None  # type: ignore[assignment]  # payloads and tags may be lists

    def _fill(self, *values: object) -> None:
        for name, value in zip(self.__slots__, values, strict=True):
            object.__setattr__(self, name, value)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"{type(self).__name__} is immutable")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"{type(self).__name__} is immutable")

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return all(getattr(self, name) == getattr(other, name) for name in self.__slots__)

    def __repr__(self) -> str:
        fields = ", ".join(f"{name}={getattr(self, name)!r}" for name in self.__slots__)
        return f"{type(self).__name__}({fields})"

    def __reduce__(self) -> "tuple[Any, ...]":
        return _rebuild, (type(self), tuple(getattr(self, name) for name in self.__slots__))

    def to_json(self) -> "dict[str, Any]":
        """Returns the fields by their names in the file format, ready for a JSON encoder."""
        fields = {}
        for name in self.__slots__:
            value = getattr(self, name)
            fields[name] = value.to_json() if isinstance(value, Record) else value
        return fields


def _rebuild(kind: "type[Record]", values: "tuple[object, ...]") -> Record:
    record = object.__new__(kind)
    record._fill(*values)
    return record


class Head(Record):
    """The head of a log: every later state of the log must have this hash at this line.

    Attributes:
        lines: How many lines the log has.
        hash: The hash of the last of them, as 64 hexadecimal characters.
    """

    __slots__ = ("lines", "hash")  # noqa: RUF023 as a reader counts, then compares
    lines: int
    hash: str

    def __init__(self, lines: int, hash: str) -> None:  # noqa: A002 the file format's word
        """Takes the fields as they are."""
        self._fill(lines, hash)


def check_text(what: str, text: str) -> None:
    """Requires a printable text of 1 to `MAX_NAME` characters.

    Raises:
        InvalidNameError: The text is not valid; the message names `what` and the rule.
    """
    if not isinstance(text, str) or not text:
        raise InvalidNameError(f"{what} is empty; is a variable unset?")
    if len(text) > MAX_NAME:
        raise InvalidNameError(
            f"{what} {shown(text)} has {len(text)} characters; the limit is {MAX_NAME}"
        )
    if not text.isprintable():
        raise InvalidNameError(f"{what} {shown(text)} has unprintable characters")


def parse_seq(text: str) -> "int | None":
    """Returns a sequence number from its decimal digits (16 at most), or None for other text."""
    return int(text) if text.isdecimal() and text.isascii() and len(text) <= 16 else None


def check_name(what: str, name: str) -> None:
    """Requires a valid agent name, for runs and releases.

    A name has at most `MAX_NAME` bytes of UTF-8: letters and digits of any script, `.`, `_`, `-`
    and `/`, beginning with a letter or digit. No part between slashes is empty, `.`, `..` or ends
    in `.jsonl`. It is in Unicode's form NFC, so that no two names look alike.

    Raises:
        InvalidNameError: The name breaks one of these rules.
    """
    if not isinstance(name, str) or not name:
        raise InvalidNameError(f"{what} is empty; is a variable unset?")
    if not _is_name(name):
        raise InvalidNameError(
            f"{shown(name)} cannot be {'an' if what[0] in 'aeiou' else 'a'} {what}: at most "
            f"{MAX_NAME} letters, digits, '.', '_', '-' and '/' are needed, beginning with a "
            "letter or digit, with no empty, '.' or '..' part and none ending in .jsonl"
            f"{_nearest_name(name)}"
        )


def _is_name(text: str) -> bool:
    parts = text.split("/")
    return (
        text[:1].isalnum()
        and len(text) <= MAX_NAME
        and not any(part in {"", ".", ".."} or part.endswith(".jsonl") for part in parts)
        and (is_safe("".join(parts)) or _is_safe_in_any_script(text))
    )


def _is_safe_in_any_script(text: str) -> bool:
    """Tells whether a text beyond ASCII has only letters, digits, marks on them, and `._-/`.

    The limit counts bytes, because systems count the length of a file name in bytes.
    """
    if not is_text(text) or len(text.encode()) > MAX_NAME:
        return False
    from unicodedata import category, is_normalized

    return is_normalized("NFC", text) and all(
        character in "._-/" or category(character)[0] in "LMN" for character in text
    )


def _nearest_name(text: str) -> str:
    """A valid name like a text, as a suggestion in a message; invalid characters become dashes."""
    if len(text) > 60 or not text.isprintable():
        return ""
    from unicodedata import normalize

    kept = "".join(c if c.isalnum() or c in "._/" else "-" for c in normalize("NFC", text))
    near = kept.strip("-._/")
    return f"; as in {near}" if _is_name(near) else ""


def is_safe(text: object) -> bool:
    """Tells whether a text can be a file name on every system."""
    return (
        isinstance(text, str)
        and 0 < len(text) <= MAX_NAME
        and text[0] in ALNUM
        and _SAFE.issuperset(text)
    )


def is_text(text: str) -> bool:
    """Tells whether a text can be encoded as UTF-8, that is, has no lone surrogates."""
    try:
        text.encode()
        return isinstance(text, str)
    except (UnicodeEncodeError, AttributeError):
        return False


def shown(text: object) -> str:
    """Returns a text quoted for a message: ASCII only, 60 characters at most."""
    quoted = ascii(text)
    return quoted if len(quoted) <= 60 else quoted[:60] + "…'"
