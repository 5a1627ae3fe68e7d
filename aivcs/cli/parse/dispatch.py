"""Reads a command line by the generated table, while a parser would still be loading.

It understands the plain spellings that scripts use: whole option names, `--name value` or
`--name=value`, positionals in order. For anything else it returns None, and the real parser is
asked; so it may be incomplete, but where it answers it must answer alike. A test holds the two
against each other on random command lines.

The table is in parts, one for each folder of commands: to load all of it would cost each command a
twentieth of a start. A row is (target, options, positionals, defaults, interspersed). `options`
maps a spelling to (parameter, kind), `positionals` lists (parameter, how), and `kind` is one of the
words below, a tuple of the texts allowed, or a list of those allowed in upper case, too; a dict
`{"many": kind}` is an option that takes several of a kind, one each time it is given. Of the
others only a flag may be given twice. The default of an option that must be given is `...`.
"""

from aivcs.cli.parse._table import FOLDERS, GLOBALS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    Call = tuple[str, dict[str, Any], dict[str, Any]]
    Row = tuple[str, dict[str, tuple[str, Any]], list[tuple[str, str]], dict[str, Any], bool]

FLAG, TEXT, TEXTS, INTEGER, NUMBER = "flag", "text", "texts", "integer", "number"
ONE, MAYBE, MANY, SOME = "one", "maybe", "many", "some"
"""How many words a positional takes: exactly one, at most one, any number, at least one."""


class _UnknownError(Exception):
    """The table does not cover this command line."""


def parse(arguments: "Sequence[str]") -> "Call | None":
    """Returns target, global options and parameters of a command line, or None if unsure."""
    try:
        options: dict[str, Any] = {}
        at = _read_options(arguments, 0, GLOBALS, options, set())
        if at >= len(arguments):
            return None
        found = find_row(arguments[at:])
        if found is None:
            return None
        (target, spellings, positionals, defaults, interspersed), length = found
        parameters = dict(defaults)
        words: list[str] = []
        seen: set[str] = set()
        at += length
        while True:
            at = _read_options(arguments, at, spellings, parameters, seen)
            if at >= len(arguments):
                break
            if arguments[at] == "--":  # the first one ends the options, and is not a word itself
                words += arguments[at + 1 :]
                break
            if not interspersed:
                words += arguments[at:]
                break
            words.append(arguments[at])
            at += 1
        _fill(positionals, words, parameters)
        if ... in parameters.values():
            raise _UnknownError
    except _UnknownError:
        return None
    return target, options, parameters


def find_row(words: "Sequence[str]") -> "tuple[Row, int] | None":
    """Returns the row of the command that begins a list of words, and the length of its name."""
    folder = FOLDERS.get(words[0]) if words else None
    if folder is None:
        return None
    rows = rows_of(folder)
    if words[0] in rows:
        return rows[words[0]], 1
    row = rows.get(" ".join(words[:2]))
    return None if row is None else (row, 2)


def rows_of(folder: str) -> "dict[str, Row]":
    """Returns the rows of a folder of commands by their names."""
    name = f"aivcs.cli.{folder}._table"
    rows: dict[str, Row] = __import__(name, fromlist=("ROWS",)).ROWS
    return rows


def _read_options(
    arguments: "Sequence[str]",
    at: int,
    spellings: "dict[str, tuple[str, Any]]",
    values: "dict[str, Any]",
    seen: "set[str]",
) -> int:
    """Reads options from `at` on into `values`; returns where the first other word stands.

    `seen` holds the parameters that were given before, each of which takes one value.
    """
    while at < len(arguments):
        word = arguments[at]
        if word[:1] != "-" or word in {"-", "--"}:
            break
        name, mark, value = word, "", ""
        if word[:2] == "--":
            name, mark, value = word.partition("=")
        found = spellings.get(name)
        if found is None:
            raise _UnknownError
        parameter, kind = found
        at += 1
        if kind == FLAG:
            if mark:
                raise _UnknownError
            values[parameter] = True
            continue
        if not mark:
            if at >= len(arguments) or arguments[at][:1] == "-" != arguments[at]:
                raise _UnknownError
            value = arguments[at]
            at += 1
        if kind == TEXTS:
            values[parameter] = [*values[parameter], value]
        elif type(kind) is dict:
            values[parameter] = [*values[parameter], _convert(kind["many"], value)]
        elif parameter in seen:
            raise _UnknownError
        else:
            seen.add(parameter)
            values[parameter] = _convert(kind, value)
    return at


def _convert(kind: "Any", value: str) -> "Any":
    if kind == TEXT:
        return value
    if kind == INTEGER:
        if value.isascii() and value.isdigit() and len(value) < 17:
            return int(value)
    elif kind == NUMBER:
        if value.isascii() and value.replace(".", "", 1).isdigit():
            return float(value)
    elif type(kind) is list:
        if value.lower() in kind:
            return value.lower()
    elif value in kind:
        return value
    raise _UnknownError


def _fill(
    positionals: "Sequence[tuple[str, str]]", words: "list[str]", values: "dict[str, Any]"
) -> None:
    for parameter, how in positionals:
        if how in {MANY, SOME}:
            if how == SOME and not words:
                raise _UnknownError
            values[parameter], words = words, []
        elif words:
            values[parameter], words = words[0], words[1:]
        elif how == ONE:
            raise _UnknownError
    if words:
        raise _UnknownError
