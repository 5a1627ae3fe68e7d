"""Calls the handler of a command, and loads the handler's module only then."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from aivcs.cli.session.context import Context


def invoke(context: "Context", target: str, parameters: "dict[str, Any]") -> int:
    """Calls a handler, "noun.module:function" below `aivcs.cli`, and returns its exit code.

    A handler takes the context and the parameters that its command declares; it returns an exit
    code, or None for 0.
    """
    context.json = bool(parameters.get("as_json"))
    _compose(parameters)
    module, _, function = target.partition(":")
    handlers = __import__(f"aivcs.cli.{module}", fromlist=[function])
    code = getattr(handlers, function)(context, **parameters)
    return 0 if code is None else int(code)


_NAME_PARAMETERS = (
    "name", "agent", "agents", "spec", "specs", "label", "labels", "target", "to",
    "before", "after",
)  # fmt: skip
"""Parameters whose values are names or begin with a name."""


def _compose(parameters: "dict[str, Any]") -> None:
    """Normalises names to NFC: files and keyboards of a Mac spell the same letters as NFD."""
    for key in _NAME_PARAMETERS:
        value = parameters.get(key)
        if value and not (value.isascii() if isinstance(value, str) else "".join(value).isascii()):
            from unicodedata import normalize

            many = isinstance(value, list)
            composed = [normalize("NFC", text) for text in (value if many else [value])]
            parameters[key] = composed if many else composed[0]
