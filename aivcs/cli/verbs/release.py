"""`aivcs release` at the terminal."""

from aivcs.commands import release

TYPE_CHECKING = False
if TYPE_CHECKING:
    from aivcs.cli.context import Context
    from aivcs.model import ReleaseRecord


def promote(
    context: "Context",
    name: str,
    spec: str,
    label: "str | None",
    notes: "str | None",
    by: "str | None",
    expect: "str | None",
    allow_missing_spec: bool,
    github_summary: bool,
) -> None:
    """Prints the digest now live; says what was live and how to undo it."""
    handover = None
    if github_summary:  # before anything is done
        from aivcs.cli.handover import Handover

        handover = Handover.named_by(context, "--github-summary", "GITHUB_STEP_SUMMARY")
    before, after = release.promote(
        context.repository(),
        name,
        spec,
        by=_actor(context, by),
        label=label,
        notes=notes,
        expect=expect,
        allow_missing_spec=allow_missing_spec,
    )
    _announce(context, before, after)
    if handover is not None:
        from aivcs.cli.ci import release_summary

        handover.append(release_summary(before, after))


def rollback(
    context: "Context",
    name: str,
    to: "str | None",
    reason: "str | None",
    by: "str | None",
    expect: "str | None",
) -> None:
    """Prints the digest now live; says what was live and how to undo it."""
    before, after = release.rollback(
        context.repository(), name, by=_actor(context, by), to=to, reason=reason, expect=expect
    )
    _announce(context, before, after)


def current(context: "Context", name: str, default: "str | None", as_json: bool) -> None:
    """Prints the digest that is live."""
    from aivcs.errors import ReleaseNotFoundError, UsageError

    if as_json and default is not None:
        raise UsageError("--default is a text, and --json prints an object; give one of them")

    try:
        record = release.current(context.repository(), name)
    except ReleaseNotFoundError:
        if default is None:
            raise
        context.write(f"{default}\n")
        return
    if as_json:
        from aivcs.cli.render import json_line

        context.write(json_line(record.to_json()))
    else:
        context.write(f"{record.spec_digest}\n")


def history(context: "Context", name: str, limit: "int | None", as_json: bool) -> None:
    """Prints the entries of a name, newest first."""
    records = release.history(context.repository(), name, limit=limit)
    if as_json:
        from aivcs.cli.render import json_line

        for record in records:
            context.write(json_line(record.to_json()))
    elif not context.is_terminal() and context.color != "always":
        # What scripts read: no table, and none of what it takes to draw one.
        for record in records:
            context.write(_history_line(record))
    else:
        from aivcs.cli import render

        live = release.current(context.repository(), name).seq
        render.table(
            context,
            render.HISTORY_COLUMNS,
            (render.history_row(record, is_live=record.seq == live) for record in records),
        )


def diff(
    context: "Context",
    name: str,
    before: "str | None",
    after: "str | None",
    ignored: "list[str]",
    exit_code: bool,
    as_json: bool,
) -> int:
    """Prints how two releases differ; 1 if they do and that was asked for."""
    from aivcs.cli import render
    from aivcs.cli.views import release_comparison as view
    from aivcs.commands.release_comparison import compare_releases

    found = compare_releases(context.repository(), name, before, after, ignored)
    if as_json:
        context.write(render.json_line(view.as_json(found)))
    else:
        render.lines(context, view.plain(found), lambda color: view.shown(found, color=color))
        for record in found.without_run:
            context.tell(
                f"{name}@{record.seq}: no completed run of the spec {record.spec_digest.short}, "
                "so what it does is not compared"
            )
    return int(exit_code and not found.is_equal)


def list_(context: "Context", as_json: bool) -> int:
    """Prints the names, on a terminal also what is live; not 0 if some cannot be read."""
    from aivcs.cli import render
    from aivcs.cli.exits import report_unread

    records, damaged = release.list_(context.repository())
    if as_json:
        for record in records:
            context.write(render.json_line(record.to_json()))
    elif context.is_terminal():
        render.table(context, render.RELEASE_COLUMNS, map(render.release_row, records))
    else:
        for record in records:
            context.write(f"{record.name}\n")
    return report_unread(context, damaged)


def _actor(context: "Context", by: "str | None") -> str:
    if by is not None:
        return by
    from aivcs.cli.identity import actor

    return actor(context)


def _announce(context: "Context", before: "ReleaseRecord | None", after: "ReleaseRecord") -> None:
    context.write(f"{after.spec_digest}\n")
    context.flush()
    name = after.name
    if before is None:
        context.tell(f"{name}: nothing was live, now {_shown(after)}")
        return
    if before.spec_digest == after.spec_digest:
        context.tell(f"{name}: {_shown(after)} was live already; recorded as @{after.seq}")
        return
    context.tell(f"{name}: was {_shown(before)}, now {_shown(after)}")
    undo = "" if after.action == "promote" else f" --to @{before.seq}"
    context.tell(f"undo with: aivcs release rollback {name}{undo}")


def _shown(record: "ReleaseRecord") -> str:
    label = record.metadata.version_label
    return f"{f'{label} ' if label else ''}{record.spec_digest.short} (@{record.seq})"


def _history_line(record: "ReleaseRecord") -> str:
    metadata = record.metadata
    cells = (
        str(record.seq),
        record.action,
        record.spec_digest,
        metadata.version_label or "-",
        record.created_at,
        metadata.promoted_by,
        metadata.notes or "",
    )
    if all(map(str.isprintable, cells)):
        return "\t".join(cells) + "\n"
    from aivcs.cli.render import escape

    return "\t".join(map(escape, cells)) + "\n"
