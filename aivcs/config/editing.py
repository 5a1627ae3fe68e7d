"""Edits the text of a configuration file, and keeps its comments where that is certain to work."""

from aivcs.codec.json import encode_trusted
from aivcs.codec.toml import TomlError, is_bare, parse_toml
from aivcs.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def render(text: bytes | None, path: "list[str]", value: object, *, extend: bool = True) -> bytes:
    """Returns a configuration file with one key set, or removed if the value is None.

    Comments are kept if every setting has a line of its own; otherwise the file is rewritten
    without them.

    Args:
        text: The file, or None.
        path: The names of the tables that hold the key, and the key.
        value: The value.
        extend: Whether a list extends the present value.

    Raises:
        UsageError: The file is not valid TOML.
    """
    try:
        tables = parse_toml(text or b"")
    except TomlError as error:
        raise UsageError(f"the configuration is not valid TOML: {error}") from error
    *path, last = path
    table = tables
    for part in path:
        table = table.setdefault(part, {})
        if not isinstance(table, dict):
            raise UsageError(f"the configuration has {part} as a value, not as a table; mend it")
    if value is None:
        table.pop(last, None)
    elif isinstance(value, list) and extend:
        before = table.get(last)
        kept = before if isinstance(before, list) else []
        table[last] = kept + [item for item in value if item not in kept]
    else:
        table[last] = value
    _drop_empty(tables)
    if text and b"#" in text:
        edited = _edited(text, path, last, table.get(last))
        if _settings_in(edited) == tables:
            return edited
    import tomli_w

    return tomli_w.dumps(tables).encode()


def _drop_empty(table: "dict[str, Any]") -> None:
    for name, content in list(table.items()):
        if isinstance(content, dict):
            _drop_empty(content)
            if not content:
                del table[name]


def _edited(text: bytes, path: "list[str]", key: str, value: object) -> bytes:
    """The file with one key changed, added or removed, line by line.

    The result must be checked: a setting of several lines, for example, is not recognised.
    """
    old = text.decode().rstrip("\n").split("\n")
    lines = _without_table(old, header := _header([*path, key]))
    line = [] if value is None or isinstance(value, dict) else [_setting(key, value)]
    begin, end = _table_in(lines, _header(path))
    if begin is None:
        lines += ["", _header(path), *line] if line else []
    else:
        inside = range(begin + 1, end)
        at = [number for number in inside if _split(lines[number])[0] == key]
        if at and line:
            line[0] += _comment(lines[at[0]])
        # A new setting goes after the table's last one, not after the comments of the next table.
        last = max((n for n in inside if _is_setting(lines[n])), default=begin)
        lines[at[0] if at else last + 1 : at[0] + 1 if at else last + 1] = line
    if isinstance(value, dict):
        lines += ["", header, *(_setting(name, its) for name, its in value.items())]
    return "".join(f"{line}\n" for line in lines).encode()


def _comment(line: str) -> str:
    """The comment after a setting, with the space before it."""
    setting, mark, comment = line.partition("#")
    if not mark or setting.count('"') % 2 or setting.count("'") % 2:  # it may be within a text
        return ""
    return f"{setting[len(setting.rstrip()) :]}#{comment}"


def _without_table(lines: "list[str]", header: str) -> "list[str]":
    """The lines without a table and its settings; comments stay."""
    begin, end = _table_in(lines, header)
    if begin is None:
        return lines
    kept = [line for line in lines[begin + 1 : end] if not _is_setting(line)]
    return lines[:begin] + kept + lines[end:]


def _table_in(lines: "list[str]", header: str) -> "tuple[int | None, int]":
    """The first line of a table and that of the next one; None if there is no such table."""
    headers = [number for number, line in enumerate(lines) if line.strip().startswith("[")]
    plain = {n: {lines[n].strip(), lines[n].partition("#")[0].strip()} for n in headers}
    begin = next((number for number in headers if header in plain[number]), None)
    end = next((n for n in headers if begin is not None and n > begin), len(lines))
    return begin, end


def _is_setting(line: str) -> bool:
    return _split(line)[0] is not None


def _split(line: str) -> "tuple[str | None, str]":
    """The key of a setting, bare or in plain quotes, and the rest; None for any other line."""
    text = line.strip()
    if text[:1] == '"':
        key, quote, rest = text[1:].partition('"')
        rest = rest.lstrip()
        return (key, rest) if quote and rest[:1] == "=" else (None, line)
    key, equals, rest = text.partition("=")
    return (key.rstrip(), rest) if equals and "#" not in key else (None, line)


def _header(path: "list[str]") -> str:
    return f"[{'.'.join(name if is_bare(name) else encode_trusted(name) for name in path)}]"


def _setting(key: str, value: object) -> str:
    return f"{key if is_bare(key) else encode_trusted(key)} = {encode_trusted(value)}"


def _settings_in(text: bytes) -> "dict[str, Any] | None":
    """The tables of a file, without empty ones; None if it is not TOML."""
    try:
        tables = parse_toml(text)
    except TomlError:
        return None
    _drop_empty(tables)
    return tables
