"""The filters of runs that `run list` and `run search` share."""

from aivcs.cli.parse.model import Option
from aivcs.cli.parse.shared_options import AGENTS, SINCE, SPECS, UNTIL, USES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from aivcs.cli.session.context import Context

FILTERS = {
    "agents": AGENTS,
    "specs": SPECS,
    "statuses": Option(
        "--status",
        help="Only runs with this status. Repeatable.",
        choices=("running", "completed", "failed", "cancelled"),
        any_case=True,
        many=True,
    ),
    "tags": Option(
        "--tag",
        help=(
            "Only runs with this tag, of the run or of an annotation. Repeatable: all keys must "
            "match, and of one key any value."
        ),
        metavar="K=V",
        many=True,
    ),
    "since": SINCE,
    "until": UNTIL,
    "uses": USES,
    "parent": Option(
        "--parent",
        help="Only runs that come from this run, by --parent or --from.",
        metavar="RUN",
    ),
    "failed_tools": Option(
        "--failed-tool",
        help="Only runs in which a call of this tool failed. Repeatable.",
        metavar="TOOL",
        many=True,
    ),
    "commit": Option(
        "--commit",
        help=(
            "Only runs that a commit names in its trailer Aivcs-Run, or that recorded it as the "
            "commit of their code: a revision of the git repository here."
        ),
        metavar="REV",
    ),
}
"""The options, by the names that `selection` takes. Some commands have only the first."""


def selection(
    context: "Context",
    *,
    agents: "list[str]",
    specs: "list[str]",
    statuses: "list[str]",
    tags: "list[str]",
    since: "str | None",
    until: "str | None" = None,
    parent: "str | None" = None,
    commit: "str | None" = None,
    **others: "Any",
) -> "dict[str, Any]":
    """Returns the filters as `aivcs.commands.run.list.list_` takes them.

    The arguments are what the options of `FILTERS` were given.

    Raises:
        UsageError: A time is not valid, or `@` means no run.
        NotFoundError: There is no such commit, or no repository.
        BackendError: git is not installed.
    """
    from aivcs.model.run import RunStatus

    if since is not None or until is not None:
        from aivcs.cli.render.time_format import parse_since
    found = None
    if commit is not None:
        from aivcs.commands.git import find_commit

        found = find_commit(context.working_directory(), commit)
    return {
        "agents": agents,
        "specs": specs,
        "statuses": [RunStatus(status.upper()) for status in statuses],
        "tags": tags,
        "since": None if since is None else parse_since(since),
        "until": None if until is None else parse_since(until, "--until"),
        "parent": None if parent is None else context.run_operand(parent),
        "commit": found,
        **others,
    }
