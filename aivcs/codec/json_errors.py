"""Finds the first fault in a JSON text and explains it with line and column.

The rules are those of `aivcs.codec.json`. This scanner does not depend on the interpreter's
version, recursion limit or number limits. It is slow and runs only on a text that was refused.
"""

import re

from aivcs.codec.json import MAX_DEPTH, MAX_DIGITS

_TOKEN = re.compile(
    r"""[ \t\n\r]*(?:
      (?P<string>"(?:[^"\\\x00-\x1f]|\\["\\/bfnrt]|\\u[0-9A-Fa-f]{4})*")
    | (?P<number>-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?)
    | (?P<word>true|false|null)
    | (?P<mark>[\[\]{},:])
    | (?P<end>\Z)
    )""",
    re.VERBOSE,
)
_STRING_PART = re.compile(r'"(?:[^"\\\x00-\x1f]|\\["\\/bfnrt]|\\u[0-9A-Fa-f]{4})*')
_ESCAPED_HALF = re.compile(
    r"\\u[dD][89abAB][0-9A-Fa-f]{2}\\u[dD][c-fC-F][0-9A-Fa-f]{2}"
    r"|(?P<half>\\u[dD][89a-fA-F][0-9A-Fa-f]{2})|\\[^u]|\\u"
)
_RAW_HALF = re.compile("[\ud800-\udfff]")


class _FaultError(Exception):
    def __init__(self, position: int, reason: str) -> None:
        self.position = position
        self.reason = reason
        super().__init__(reason)


def find_fault(text: str) -> str | None:
    """Returns "line L, column C: why" for the first fault of a text, or None if it is acceptable.

    Lines are counted by line feeds and columns by characters, both from 1.
    """
    try:
        _scan(text)
    except _FaultError as fault:
        line = text.count("\n", 0, fault.position) + 1
        column = fault.position - text.rfind("\n", 0, fault.position)
        return f"line {line}, column {column}: {fault.reason}"
    return None


def find_byte_fault(data: bytes) -> str | None:
    """Returns "line L, column C: why" for the first byte that is not UTF-8, or None."""
    try:
        data.decode()
    except UnicodeDecodeError as error:
        if data[:2] in {b"\xff\xfe", b"\xfe\xff"}:
            return "line 1, column 1: the byte order mark of UTF-16; UTF-8 without one is expected"
        before = data[: error.start]
        line = before.count(b"\n") + 1
        column = len(before[before.rfind(b"\n") + 1 :].decode(errors="replace")) + 1
        return f"line {line}, column {column}: byte 0x{data[error.start]:02x} is not UTF-8"
    return None


def _scan(text: str) -> None:  # noqa: C901 one state machine reads better in one piece
    if text.startswith("\ufeff"):
        raise _FaultError(0, "a byte order mark; JSON begins without one")
    position = 0
    open_marks: list[str] = []
    keys: list[set[str]] = []
    state = "value"  # value, first value, key, first key, colon, after
    while True:
        match = _TOKEN.match(text, position)
        if match is None:
            raise _unreadable(text, position)
        kind = match.lastgroup
        token = match[kind or 0]
        position = match.start(kind or 0)
        if kind == "end":
            if state == "after" and not open_marks:
                return
            raise _FaultError(position, f"the text ends where {_wanted(state, open_marks)}")
        if state in {"key", "first key"} and kind == "string":
            key = _check_string(token, position)
            if key in keys[-1]:
                raise _FaultError(position, f"duplicate key {token[:40]}")
            keys[-1].add(key)
            state = "colon"
        elif state == "colon" and token == ":":
            state = "value"
        elif state in {"value", "first value"} and token in {"[", "{"}:
            open_marks.append(token)
            if len(open_marks) > MAX_DEPTH:
                raise _FaultError(position, f"nested deeper than {MAX_DEPTH} levels")
            keys.append(set())
            state = "first value" if token == "[" else "first key"
        elif state in {"value", "first value"} and kind in {"string", "number", "word"}:
            if kind == "string":
                _check_string(token, position)
            elif kind == "number":
                _check_number(token, position)
            state = "after"
        elif open_marks and (
            (token == "]" and open_marks[-1] == "[" and state in {"after", "first value"})
            or (token == "}" and open_marks[-1] == "{" and state in {"after", "first key"})
        ):
            open_marks.pop()
            keys.pop()
            state = "after"
        elif state == "after" and open_marks and token == ",":
            state = "value" if open_marks[-1] == "[" else "key"
        else:
            raise _FaultError(position, f"{token[:40]} where {_wanted(state, open_marks)}")
        position = match.end()


def _wanted(state: str, open_marks: list[str]) -> str:
    if state == "after":
        if not open_marks:
            return "the text should end: one JSON value is expected"
        return f"',' or {']' if open_marks[-1] == '[' else '}'!r} is expected"
    return {
        "value": "a value is expected",
        "first value": "a value or ']' is expected",
        "key": "a key in double quotes is expected",
        "first key": "a key in double quotes or '}' is expected",
        "colon": "':' is expected",
    }[state]


def _check_string(token: str, position: int) -> str:
    half = _RAW_HALF.search(token)
    if half is None:
        half = next((m for m in _ESCAPED_HALF.finditer(token) if m["half"]), None)
    if half is not None:
        raise _FaultError(
            position + half.start(),
            "half of a surrogate pair is not a character (or a byte that is not UTF-8)",
        )
    if "\\" not in token:
        return token[1:-1]
    import json

    value = json.loads(token)
    assert isinstance(value, str)
    return value


def _check_number(token: str, position: int) -> None:
    if token.lstrip("-").isdigit():
        digits = len(token.lstrip("-"))
        if digits > MAX_DIGITS:
            raise _FaultError(position, f"an integer of {digits} digits; the limit is {MAX_DIGITS}")
    elif abs(float(token)) == float("inf"):
        raise _FaultError(position, f"{token[:40]} is beyond the range of a double")


def _unreadable(text: str, position: int) -> _FaultError:
    position += len(text[position:]) - len(text[position:].lstrip(" \t\n\r"))
    rest = text[position:]
    for word in ("NaN", "Infinity", "-Infinity"):
        if rest.startswith(word):
            return _FaultError(position, f"{word} is not JSON; use null or a string")
    if rest.startswith('"'):
        part = _STRING_PART.match(rest)
        assert part is not None
        at = position + part.end()
        if at >= len(text):
            return _FaultError(position, "a string without its closing quote")
        if text[at] == "\\":
            return _FaultError(at, f"{ascii(text[at : at + 2])[1:-1]} is not a JSON escape")
        return _FaultError(at, f"{text[at]!a} must be escaped inside a string")
    if rest.startswith("'"):
        return _FaultError(position, "JSON strings need double quotes")
    return _FaultError(position, f"{rest[:12]!a} is not JSON")
