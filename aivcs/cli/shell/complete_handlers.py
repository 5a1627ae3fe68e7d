"""`aivcs __complete`: the candidates for a word, called by the completion files of the shells.

    aivcs __complete KIND WORD... PREFIX

The words are those after `aivcs` on the line that is being completed; the last is the beginning of
the word in question. Each candidate is a line: the value, a tab, its description. Errors print
nothing and offer nothing, and a time limit keeps the keyboard responsive.
"""

import os

from aivcs.cli.parse._names import NAMES
from aivcs.cli.parse._table import GLOBALS
from aivcs.cli.parse.dispatch import find_row

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any

    from aivcs.cli.session.context import Context
    from aivcs.commands.complete import Candidate

_TIMEOUT_S = 2
"""Seconds until completion gives up: the store may be on an unreachable disk."""


def complete(context: "Context", kind: str, words: "list[str]") -> None:
    """Prints the candidates."""
    context.quiet = True
    _give_up_in_time()
    try:
        *before, prefix = words or [""]
        for value, about, moment in _candidates(context, kind, before, _unquoted(prefix)):
            if moment is not None:
                from aivcs.cli.render.time_format import ago

                about = f"{about}, {ago(moment)}"
            # A shell that reads lines would take anything else apart.
            if value.isprintable() and value[:1] != "-":
                shown = "".join(c if c.isprintable() else " " for c in about)
                context.write(f"{value}\t{shown}\n")
        context.flush()
    except Exception:  # noqa: BLE001 a message would garble the line being typed
        pass


def _candidates(
    context: "Context", kind: str, before: "Sequence[str]", prefix: str
) -> "Iterator[Candidate]":
    options, operands = _read([_at_home(_unquoted(word)) for word in before])
    if kind == "command":
        yield from _commands(operands, prefix)
        return
    context.configure(**options)
    if kind in {"run", "running"} and prefix in {"", "@"} and context.environment.get("AIVCS_RUN"):
        yield "@", f"$AIVCS_RUN: {context.environment['AIVCS_RUN']}", None
    if kind == "event" and operands:
        operands[0] = context.run_operand(operands[0])
    from aivcs.commands import complete

    yield from complete.candidates(context.repository(), kind, prefix, operands)


def _commands(operands: "list[str]", prefix: str) -> "Iterator[Candidate]":
    offered = set()
    for name in NAMES:
        words = name.split()
        if words[: len(operands)] == operands != words:
            word = words[len(operands)]
            if word.startswith(prefix) and word not in offered:
                offered.add(word)
                yield word, "", None


def _read(words: "list[str]") -> "tuple[dict[str, Any], list[str]]":
    """Returns the options that lead to the store, and the operands of the command."""
    given, rest = _split(words, GLOBALS)
    options = {name: value for name, value in given.items() if name in {"directory", "store"}}
    found = find_row(rest)
    if found is None:
        return options, []
    row, length = found
    rest = rest[length:]
    operands: list[str] = []
    while rest:
        _, rest = _split(rest, row[1])
        if rest:
            operands.append(rest.pop(0))
        if not row[4]:
            operands += rest
            break
    return options, operands


def _split(
    words: "list[str]", spellings: "dict[str, tuple[str, Any]]"
) -> "tuple[dict[str, str], list[str]]":
    """Splits leading options, with their values, from the words after them."""
    options: dict[str, str] = {}
    at = 0
    while at < len(words) and words[at][:1] == "-" != words[at]:
        name, mark, value = words[at].partition("=")
        parameter, kind = spellings.get(name, ("", "flag"))
        at += 1
        if words[at - 1] == "--":
            break
        if kind != "flag":
            if not mark and at < len(words):
                value = words[at]
                at += 1
            options[parameter] = value
    return options, words[at:]


def _unquoted(word: str) -> str:
    """Returns a word as the shell will pass it on, as far as can be known without running code."""
    if not any(mark in word for mark in "'\"\\"):
        return word
    import shlex

    for end in ("", "'", '"'):  # the quote may still be open
        try:
            return "".join(shlex.split(word + end))
        except ValueError:
            continue
    return word.rstrip("\\")


def _at_home(word: str) -> str:
    return os.path.expanduser(word) if word[:1] == "~" else word


def _give_up_in_time() -> None:
    # Not signal, which makes enumerations of all it has.
    import _signal  # type: ignore[import-not-found]

    _signal.signal(_signal.SIGALRM, lambda *_: os._exit(0))
    _signal.alarm(_TIMEOUT_S)
