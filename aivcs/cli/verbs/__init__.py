"""What each command does at the terminal: reads its surroundings, calls `aivcs.commands`, prints.

A module per noun, a function per verb. Each takes the context and the parameters that the
declaration in `aivcs.cli.declarations` names; it returns an exit code, or None for 0.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from aivcs.cli.session.context import Context


def invoke(context: "Context", target: str, parameters: "dict[str, Any]") -> int:
    """Calls a verb, "module:function" below `aivcs.cli.verbs`, and returns its exit code."""
    context.json = bool(parameters.get("as_json"))
    _compose(parameters)
    module, _, function = target.partition(":")
    verbs = __import__(f"aivcs.cli.verbs.{module}", fromlist=[function])
    code = getattr(verbs, function)(context, **parameters)
    return 0 if code is None else int(code)


_NAMES = (
    "name",
    "agent",
    "agents",
    "spec",
    "specs",
    "label",
    "labels",
    "target",
    "to",
    "before",
    "after",
)
"""Parameters that hold names, or begin with one."""


def _compose(parameters: "dict[str, Any]") -> None:
    """Brings names to the form NFC: a Mac's files and keyboards give the same letters otherwise."""
    for key in _NAMES:
        value = parameters.get(key)
        if value and not (value.isascii() if isinstance(value, str) else "".join(value).isascii()):
            from unicodedata import normalize

            many = isinstance(value, list)
            composed = [normalize("NFC", text) for text in (value if many else [value])]
            parameters[key] = composed if many else composed[0]
