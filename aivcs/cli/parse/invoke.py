"""Calls the handler of a command, loading its module only then."""

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
    module, _, function = target.partition(":")
    handlers = __import__(f"aivcs.cli.{module}", fromlist=[function])
    code = getattr(handlers, function)(context, **parameters)
    return 0 if code is None else int(code)
