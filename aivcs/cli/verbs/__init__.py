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
    module, _, function = target.partition(":")
    verbs = __import__(f"aivcs.cli.verbs.{module}", fromlist=[function])
    code = getattr(verbs, function)(context, **parameters)
    return 0 if code is None else int(code)
