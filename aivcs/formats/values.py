"""Values out of records that strangers wrote: each has the type that was asked for, or is absent.

A reader never trusts a record: a member may be missing, null, or of another type than last week.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from json import JSONDecoder
from typing import Any

from aivcs.codec.json import MAX_DEPTH, not_json
from aivcs.errors import SerializationError
from aivcs.model.record import MAX_NAME, MAX_SEQ, is_safe
from aivcs.model.timestamp import Timestamp

DEPTH = MAX_DEPTH - 8
"""Levels of nesting of a record, at most: its event may put a few levels around it."""
EXCERPT = 600
"""Characters of an excerpt of a long text."""

_ZEROS = str.maketrans("123456789", "000000000")
_DAYS: set[str] = set()
"""Days that were found to be days."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SURROGATES = re.compile("[\ud800-\udfff]")
_EXIT_CODE = re.compile(
    r"(?:^|\n|\\n)\s*(?:Error: )?"
    r"(?:Exit [Cc]ode:?|Process exited with code|Command exited with code|exit status) +(-?\d{1,9})"
    r"\s*(?:\n|\\n|$)"
)
_RETURN_CODE = re.compile(r"\s*<returncode>(-?\d{1,9})</returncode>")
_WRAPPED = re.compile(r"(?:<untrusted_context>\s*)?(?:Command|Output): ")
_NOT_IN_KINDS = re.compile(r"[^A-Za-z0-9._-]+")


def parse_value(text: str) -> Any:
    """Returns the value of a JSON text as it can be stored.

    Half a surrogate pair, which programs in JavaScript write when they cut a text, becomes U+FFFD;
    a number beyond the range of a double becomes a text.

    Raises:
        SerializationError: It is not acceptable JSON; the message says where and why.
    """
    try:
        value = _DECODER.decode(text)
    except (ValueError, RecursionError) as error:
        raise not_json(text) from error
    if text.count("[") + text.count("{") > DEPTH and _is_too_deep(value):
        raise SerializationError(f"nested deeper than {DEPTH} levels")
    return _storable(value) if "\\ud" in text or "\\uD" in text else value


def parsed(value: Any) -> Any:
    """Returns the object or list that a text holds; any other value as it is."""
    if isinstance(value, str) and value.lstrip()[:1] in {"{", "["}:
        try:
            return parse_value(value)
        except SerializationError:
            return value
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a key is there twice")
    return members


def _finite(text: str) -> float | str:
    number = float(text)
    return number if abs(number) <= 1.7976931348623157e308 else text


def _refuse_constant(text: str) -> None:
    raise ValueError(text)


# The strict parser of what is stored refuses too great a number only when it is stored.
_DECODER = JSONDecoder(
    object_pairs_hook=_unique, parse_float=_finite, parse_constant=_refuse_constant
)


def _is_too_deep(value: Any) -> bool:
    """Tells whether arrays and objects are nested deeper than `DEPTH`."""
    layer, depth = [value], 0
    while layer:
        layer = [
            inner
            for node in layer
            if isinstance(node, (dict, list))
            for inner in (node.values() if isinstance(node, dict) else node)
        ]
        depth += bool(layer)
    return depth > DEPTH


def _storable(value: Any) -> Any:
    if isinstance(value, str):
        return value if value.isascii() else _SURROGATES.sub("\ufffd", value)
    if isinstance(value, dict):
        return {_storable(key): _storable(member) for key, member in value.items()}
    if isinstance(value, list):
        return [_storable(member) for member in value]
    return value


def as_dict(value: Any) -> dict[str, Any]:
    """Returns the value if it is an object, else an empty one."""
    return value if isinstance(value, dict) else {}


def as_list(value: Any) -> list[Any]:
    """Returns the value if it is a list, else an empty one."""
    return value if isinstance(value, list) else []


def as_text(value: Any) -> str | None:
    """Returns the value if it is a text with something in it."""
    return value if isinstance(value, str) and value else None


def as_count(value: Any) -> int | None:
    """Returns a whole number that is not negative, also where it is written as a text."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 17:
        value = int(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return value if type(value) is int and 0 <= value <= MAX_SEQ else None


def as_int(value: Any) -> int | None:
    """Returns a whole number of 64 bits, also where it is written as a text."""
    if isinstance(value, str) and re.fullmatch(r"-?[0-9]{1,18}", value):
        value = int(value)
    return value if type(value) is int and abs(value) < 1 << 63 else None


def as_number(value: Any) -> float | int | None:
    """Returns a finite number that is not negative, also where it is written as a text."""
    if isinstance(value, str) and re.fullmatch(r"[0-9]{1,15}(\.[0-9]{1,20})?", value):
        value = float(value)
    return value if type(value) in {int, float} and 0 <= value < 1e15 else None


def as_bool(value: Any) -> bool | None:
    """Returns a truth value, also where it is written as a text."""
    if isinstance(value, str):
        return {"true": True, "false": False}.get(value.lower())
    return value if isinstance(value, bool) else None


def as_time(value: Any) -> Timestamp | None:
    """Returns the moment that a text names (RFC 3339), or None."""
    if not isinstance(value, str) or not 19 <= len(value) <= 40:
        return None
    day = value[:10]
    # The form in which programs in JavaScript write times, in a fifth of the time.
    is_common = (
        day in _DAYS
        and value.translate(_ZEROS) == "0000-00-00T00:00:00.000Z"
        and value[11:13] < "24"
        and value[14:16] < "60"
        and value[17:19] < "60"
    )
    if is_common:
        return Timestamp.stored(f"{value[:23]}000Z")
    try:
        time = Timestamp(value)
    except SerializationError:
        return None
    if value[-1] == "Z" and time[:10] == day and len(_DAYS) < 10_000:
        _DAYS.add(day)
    return time


def time_from(value: Any, per_second: int) -> Timestamp | None:
    """Returns the moment that is so many units after 1970-01-01T00:00:00Z.

    Args:
        value: The number, also written as a text; zero means that it is not known.
        per_second: Units of a second.
    """
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 21:
        value = int(value)
    if type(value) not in {int, float} or not 0 < value < 1e11 * per_second:
        return None
    if isinstance(value, int):
        microseconds = value * 1_000_000 // per_second
    else:
        microseconds = round(value * 1_000_000 / per_second)
    return Timestamp.from_datetime(_EPOCH + timedelta(microseconds=microseconds))


def milliseconds_between(begin: Timestamp | None, end: Timestamp | None) -> float | None:
    """Returns how long it took; None where a moment is missing or the clock went back."""
    if begin is None or end is None or end < begin:
        return None
    return (end.microseconds() - begin.microseconds()) / 1000


def text_of(content: Any) -> str | None:
    """Returns the text of content: a text, or a list of parts that all have one."""
    if isinstance(content, str):
        return content
    if isinstance(content, dict):
        content = [content]
    if not isinstance(content, list):
        return None
    texts = [part.get("text") if isinstance(part, dict) else part for part in content]
    known = [text for text in texts if isinstance(text, str)]
    return "\n".join(known) if len(known) == len(texts) else None


def exit_code_in(text: str | None) -> int | None:
    """Returns the exit code that a tool's output names at its beginning or its end, if it does."""
    if not text:
        return None
    found = _EXIT_CODE.search(text[:EXCERPT]) or _EXIT_CODE.search(text[-EXCERPT:])
    return int(found[1]) if found else None


def wrapped_exit_code(text: str | None) -> int | None:
    """Returns the exit code in the text that a program puts around the output of a command.

    So Gemini CLI and mini-swe-agent tell the model of it. An output that is not wrapped so may say
    anything of exit codes.
    """
    if text and (found := _RETURN_CODE.match(text)):
        return int(found[1])
    return exit_code_in(text) if text and _WRAPPED.match(text) else None


class Excerpt(str):
    """The last lines of a text, which is at hand: a secret is masked before it can be cut in two.

    Attributes:
        whole: The text.
    """

    __slots__ = ("whole",)
    whole: str


def last_lines(text: str | None) -> str | None:
    """Returns the last lines of an output: where programs say what went wrong."""
    shown = _last_lines(text or "")
    if not shown or shown == text:
        return shown or None
    excerpt = Excerpt(shown)
    excerpt.whole = text or ""
    return excerpt


def _last_lines(text: str) -> str:
    lines = [line.rstrip() for line in text[-4 * EXCERPT :].splitlines() if line.strip()]
    return "\n".join(lines[-5:])[-EXCERPT:]


def kind_of(*words: Any) -> str:
    """Returns a kind made of some words, whatever they are: `codex.token_count`."""
    parts = [
        (_NOT_IN_KINDS.sub("_", word)[:60] if isinstance(word, str) else "") or "untyped"
        for word in words
    ]
    return ".".join(parts)


def safe_kind(text: str) -> str:
    """Returns a kind that an event can have: the text itself, or one made of it."""
    return text if text.isprintable() and 0 < len(text) <= MAX_NAME else kind_of(text)


def safe_id(text: str) -> str:
    """Returns an id that a run can have: the text itself, or one made of it that no other gives."""
    if is_safe(text) and len(text) > 1 and not text.endswith(".jsonl") and len(text) <= MAX_NAME:
        return text
    digest = sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:12]
    kept = _NOT_IN_KINDS.sub("-", text).strip("-._")[: MAX_NAME - 80]
    return f"{kept}-{digest}" if kept else f"session-{digest}"


def without_nulls(**members: Any) -> dict[str, Any]:
    """Returns an object of the members that are known."""
    return {name: value for name, value in members.items() if value is not None}
