"""Reads a command line by the generated table, and calls the handler of its command.

A parser would still be loading by then. The table understands the plain spellings that scripts use:
whole option names, `--name value` or `--name=value`, positionals in order. For anything else
`parse` returns None, and the real parser is asked; so the table may be incomplete, but where it
answers it must answer alike. A test holds the two against each other on random command lines.

The table is in parts, one with what scripts call in loops, and one for each folder of commands: to
load all of it would cost each command a twentieth of a start. A row is (target, options,
positionals, defaults, interspersed). `options` maps a spelling to (parameter, kind), `positionals`
lists (parameter, how), and `kind` is one of the words below, a tuple of the texts allowed, or a
list of those allowed in upper case, too; a dict `{"many": kind}` is an option that takes several of
a kind, one each time it is given. Of the others only a flag may be given twice. The default of an
option that must be given is `...`.
"""

from aivcs.cli.parse._table import FOLDERS, GLOBALS, ROWS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from aivcs.cli.session.context import Context

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
    name = " ".join(words[:2])
    if len(words) > 1 and name in ROWS:
        return ROWS[name], 2
    folder = FOLDERS.get(words[0]) if words else None
    if folder is None:
        return None
    rows: dict[str, Row] = __import__(f"aivcs.cli.{folder}._table", fromlist=("ROWS",)).ROWS
    if words[0] in rows:
        return rows[words[0]], 1
    return (rows[name], 2) if name in rows else None


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
        if value.isascii() and len(value) < 17 and value.replace(".", "", 1).isdigit():
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


def invoke(context: "Context", target: str, parameters: "dict[str, Any]") -> int:
    """Calls a handler, "noun.module:function" below `aivcs.cli`, and returns its exit code.

    A handler takes the context and the parameters that its command declares; it returns an exit
    code, or None for 0.
    """
    context.json = bool(parameters.get("as_json"))
    _compose_names(parameters)
    module, _, function = target.partition(":")
    handlers = __import__(f"aivcs.cli.{module}", fromlist=[function])
    code = getattr(handlers, function)(context, **parameters)
    return 0 if code is None else int(code)


_NAME_PARAMETERS = (
    "name", "agent", "agents", "spec", "specs", "label", "labels", "target", "to",
    "before", "after",
)  # fmt: skip
"""Parameters whose values are names or begin with a name."""


def _compose_names(parameters: "dict[str, Any]") -> None:
    """Normalises names to NFC: files and keyboards of a Mac spell the same letters as NFD."""
    for key in _NAME_PARAMETERS:
        value = parameters.get(key)
        if value and not (value.isascii() if isinstance(value, str) else "".join(value).isascii()):
            from unicodedata import normalize

            many = isinstance(value, list)
            composed = [normalize("NFC", text) for text in (value if many else [value])]
            parameters[key] = composed if many else composed[0]
