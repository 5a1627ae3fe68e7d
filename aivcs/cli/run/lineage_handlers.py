"""Handlers of the commands that say where runs come from."""

from __future__ import annotations

from aivcs.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from aivcs.cli.session.context import Context
    from aivcs.commands.run.lineage import Node
    from aivcs.errors import StorageError


def tree(context: Context, run: str, from_root: bool, as_json: bool) -> int:
    """Prints a run and those below it. Exit code 14 or 16 if some cannot be read."""
    from aivcs.cli.exit_codes import report_unread
    from aivcs.cli.render import output as render
    from aivcs.commands.run.lineage import tree

    unread: list[StorageError] = []
    nodes = tree(
        context.repository(),
        context.run_operand(run),
        from_root=from_root,
        unreadable=lambda _, error: unread.append(error),
    )
    with render.output(context) as out:
        for node in nodes:
            if as_json:
                out.write(render.json_line(node.to_json()))
            elif out.for_person:
                out.write(_shown(node, color=out.color))
            else:
                out.write(render.plain_line(_cells(node)))
    return report_unread(context, unread)


def _cells(node: Node) -> tuple[str, ...]:
    record = node.record
    return (
        str(node.depth), record.run_id, record.metadata.agent_name, record.status,
        record.created_at, _origin(node),
    )  # fmt: skip


def _origin(node: Node) -> str:
    if node.origin is None:
        return "-"
    return node.origin.run_id + ("" if node.origin.seq is None else f"@{node.origin.seq}")


def _shown(node: Node, *, color: bool) -> str:
    """Formats a run as a branch, for a person."""
    from aivcs.cli.render.output import escape
    from aivcs.cli.render.table import paint
    from aivcs.cli.render.time_format import age, short_duration
    from aivcs.cli.run.view import STATUS_STYLE
    from aivcs.present.words import short_run

    record, summary = node.record, node.record.summary
    branch = "".join("    " if last else "│   " for last in node.is_last[:-1])
    if node.is_last:
        branch += "└── " if node.is_last[-1] else "├── "
    status = record.status.lower()
    words = [short_run(record.run_id), record.metadata.agent_name]
    words.append(paint(status, STATUS_STYLE[record.status]) if color else status)
    if summary is not None and summary.duration_ms is not None:
        words.append(short_duration(summary.duration_ms * 1000))
    words.append(f"{age(record.created_at)} ago")
    if node.origin is not None and node.origin.seq is not None:
        words.append(f"from {escape(short_run(node.origin.run_id))}@{node.origin.seq}")
    return f"{branch}{'  '.join(words)}\n"


def state(context: Context, action: str, run: str, file: str | None, output: str | None) -> None:
    """Prints the digest of the state that was put, or the bytes of the one that is got."""
    from aivcs.commands.run.state import find_state, put_state

    if action not in {"put", "get"}:
        raise UsageError(f"{action[:40]!a} is neither put nor get: aivcs run state put RUN FILE")
    if action == "put":
        if file is None or output is not None:
            raise UsageError("name the file to store, and no other: aivcs run state put RUN FILE")
        run = context.run_operand(run)
        digest = put_state(context.repository(), run, file, context.stdin())
        context.write(f"{digest}\n")
        return
    if output == "":
        raise UsageError("the FILE of -o is empty; is a variable unset?")
    if file is not None:
        raise UsageError("get takes no FILE; write it to a file with -o FILE")
    from aivcs.commands.blob.get import get, get_to_file

    repo = context.repository()
    if run == "@" or run.startswith("@@"):
        run = context.run_operand("@") + run[1:]
    digest = find_state(repo, run)
    if output is not None:
        get_to_file(repo, digest, output)
        return
    for piece in get(repo, digest):
        context.write(piece)
