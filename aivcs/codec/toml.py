"""Parses TOML v1.0.0, and simple files without importing tomllib.

tomllib costs more than the start of the interpreter, and every command reads the configuration. So
a file of plain tables (`[core]`, `[policy."prod/*"]`), keys and values is parsed here. If any line
is more complex, tomllib parses the whole file; every error message is its own.
"""

from aivcs.codec.json import parse
from aivcs.errors import SerializationError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_BARE = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-")

_MARKS = ((b"\xef\xbb\xbf", "UTF-8"), (b"\xff\xfe", "UTF-16"), (b"\xfe\xff", "UTF-16"))
"""Byte order marks, which Windows editors and shells write and TOML forbids."""


class TomlError(ValueError):
    """The text is not TOML; the message says where and why."""


def parse_toml(data: bytes) -> "dict[str, Any]":
    """Returns the tables of a TOML file.

    Raises:
        TomlError: The file is not TOML.
    """
    tables = parse_simple(data)
    if tables is not None:
        return tables
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            raise TomlError(
                f"it begins with the byte order mark of {encoding}; save it as UTF-8 without one"
            )
    import tomllib

    try:
        return tomllib.loads(data.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise TomlError(str(error)) from error


def parse_simple(data: bytes) -> "dict[str, Any] | None":
    """Returns the tables of a file of blank lines, comments, `[table]` and `key = value` only.

    Returns None for any other file.
    """
    tables: dict[str, Any] = {}
    table = tables
    if not data.isascii() or b"\r" in data:
        return None
    for line in data.decode("ascii").split("\n"):
        text = line.strip(" \t")
        if not text:
            continue
        if not text.isprintable():
            return None
        if text[0] == "#":
            continue
        if text[0] == "[":
            names = _names(text[1:-1]) if text[-1] == "]" else []
            if not names:
                return None
            above = tables
            for name in names[:-1]:
                above = above.setdefault(name, {})
                if not isinstance(above, dict):
                    return None
            if names[-1] in above:
                return None
            table = above[names[-1]] = {}
            continue
        key, value = _split(text)
        found = _value(value.strip(" "))
        if found is None or key is None or key in table:
            return None
        table[key] = found
    return tables


def _names(text: str) -> "list[str]":
    """The dotted names of a table's heading, bare or in plain quotes; [] for any other heading."""
    names = []
    while True:
        if text[:1] == '"':
            name, quote, text = text[1:].partition('"')
            if not quote or "\\" in name:
                return []
        else:
            name = text.partition(".")[0]
            text = text[len(name) :]
            if not is_bare(name):
                return []
        names.append(name)
        if not text:
            return names
        if text[0] != ".":
            return []
        text = text[1:]


def _split(text: str) -> "tuple[str | None, str]":
    """The key of a setting, bare or in plain quotes, and the text of its value."""
    if text[0] == '"':
        key, quote, rest = text[1:].partition('"')
        rest = rest.lstrip(" ")
        is_plain = bool(quote) and rest[:1] == "=" and "\\" not in key
        return key if is_plain else None, rest[1:]
    key, _, value = text.partition("=")
    key = key.rstrip(" ")
    return key if is_bare(key) else None, value


def is_bare(key: str) -> bool:
    """Tells whether a key needs no quotes."""
    return bool(key) and _BARE.issuperset(key)


def _value(text: str) -> "str | int | float | bool | list[str] | None":
    """The value of a text that TOML and JSON read alike; None for any other text."""
    if "\\" in text or "{" in text:
        return None
    try:
        value = parse(text)
    except SerializationError:
        return None
    if isinstance(value, list):
        return value if all(isinstance(item, str) for item in value) else None
    if isinstance(value, (str, int, float)):
        return value
    return None
