"""`aivcs release` at the terminal."""

REFUSED = 15
"""The exit code of a trial whose change would be refused, as the change itself would have."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from aivcs.cli.session.context import Context
    from aivcs.commands.release.history import HistoryEntry
    from aivcs.model import ReleaseRecord
    from aivcs.policy.enforce import GuardedReleases
    from aivcs.repository import Repository


def promote(
    context: "Context",
    name: str,
    spec: str,
    label: "str | None",
    notes: "str | None",
    by: "str | None",
    expect: "str | None",
    allow_missing_spec: bool,
    evidence: "list[str]",
    force: bool,
    dry_run: bool,
    sign: bool,
    signing_key: "str | None",
    as_json: bool,
    github_summary: bool,
) -> int:
    """Prints the digest now live; says what was live and how to undo it."""
    from aivcs.commands.release import release

    handover = None
    if github_summary:  # before anything is done
        from aivcs.cli.session.ci_files import Handover

        handover = Handover.named_by(context, "--github-summary", "GITHUB_STEP_SUMMARY")
    repo = context.repository()
    guard = _guard(context, repo, signing_key, sign=sign)
    before, after = release.promote(
        repo,
        name,
        spec,
        by=_actor(context, by),
        label=label,
        notes=notes,
        expect=expect,
        allow_missing_spec=allow_missing_spec,
        evidence=[context.run_operand(run) for run in evidence],
        force=force,
        dry_run=dry_run,
        guard=guard,
    )
    code = _conclude(context, repo, before, after, guard, dry_run=dry_run, as_json=as_json)
    if handover is not None and not dry_run:
        from aivcs.cli.session.ci_tags import release_summary

        handover.append(release_summary(before, after))
    return code


def rollback(
    context: "Context",
    name: str,
    to: "str | None",
    reason: "str | None",
    by: "str | None",
    expect: "str | None",
    block: bool,
    force: bool,
    dry_run: bool,
    sign: bool,
    signing_key: "str | None",
    as_json: bool,
) -> int:
    """Prints the digest now live; says what was live and how to undo it."""
    from aivcs.commands.release import release

    repo = context.repository()
    guard = _guard(context, repo, signing_key, sign=sign)
    before, after = release.rollback(
        repo,
        name,
        by=_actor(context, by),
        to=to,
        reason=reason,
        expect=expect,
        block=block,
        force=force,
        dry_run=dry_run,
        guard=guard,
    )
    return _conclude(context, repo, before, after, guard, dry_run=dry_run, as_json=as_json)


def block(context: "Context", name: str, target: str, reason: str, by: "str | None") -> None:
    """Prints the digest that is blocked now; warns if it is live."""
    from aivcs.commands.release import release

    repo = context.repository()
    mark = release.block(repo, name, target, by=_actor(context, by), reason=reason)
    context.write(f"{mark.spec_digest}\n")
    context.flush()
    context.tell(f"{name}: blocked {mark.spec_digest.short} (@{mark.seq})")
    if release.current(repo, name).spec_digest == mark.spec_digest:
        context.tell(
            f"aivcs: warning: {mark.spec_digest.short} is live as {name}, and stays live until: "
            f"aivcs release rollback {name}"
        )
    context.tell(f"undo with: aivcs release unblock {name} {mark.spec_digest} --reason TEXT")


def unblock(context: "Context", name: str, target: str, reason: str, by: "str | None") -> None:
    """Prints the digest that is blocked no more."""
    from aivcs.commands.release import release

    mark = release.unblock(
        context.repository(), name, target, by=_actor(context, by), reason=reason
    )
    context.write(f"{mark.spec_digest}\n")
    context.flush()
    context.tell(f"{name}: unblocked {mark.spec_digest.short} (@{mark.seq})")


def current(context: "Context", name: str, default: "str | None", as_json: bool) -> None:
    """Prints the digest that is live."""
    from aivcs import errors
    from aivcs.commands.release import release

    if as_json and default is not None:
        raise errors.UsageError(
            "--default is a text, and --json prints an object; give one of them"
        )

    try:
        record = release.current(context.repository(), name)
    except errors.ReleaseNotFoundError:
        if default is None:
            raise
        context.write(f"{default}\n")
        return
    if as_json:
        from aivcs.cli.render.output import json_line

        context.write(json_line(record.to_json()))
    else:
        context.write(f"{record.spec_digest}\n")


def history(
    context: "Context",
    name: str,
    limit: "int | None",
    since: "str | None",
    label: "str | None",
    as_json: bool,
) -> None:
    """Prints the entries of a name, newest first, as they are read."""
    from aivcs.commands.release.history import history

    moment = None
    if since is not None:
        from aivcs.cli.render.time_format import parse_since

        moment = parse_since(since)
    entries = history(context.repository(), name, limit=limit, since=moment, label=label)
    if as_json:
        from aivcs.cli.render.output import json_line

        for told in entries:
            context.write(json_line(told.to_json()))
        return
    if context.is_terminal():
        from aivcs.cli.release.view import write_history

        write_history(context, entries)
        return
    for told in entries:
        context.write(_history_line(told))


def _history_line(told: "HistoryEntry") -> str:
    """An entry for a program; loads nothing where nothing is to be escaped.

    The columns: seq, action, digest, label or `-`, time, actor, notes, state, number of runs that
    are its evidence.
    """
    record = told.record
    metadata = record.metadata
    cells = (
        str(record.seq),
        record.action,
        record.spec_digest,
        metadata.version_label or "-",
        record.created_at,
        metadata.promoted_by,
        metadata.notes or "",
        told.shown_state,
        str(len(record.evidence)),
    )
    if all(map(str.isprintable, cells)):
        return "\t".join(cells) + "\n"
    from aivcs.cli.render.output import escape

    return "\t".join(map(escape, cells)) + "\n"


def show(context: "Context", name: str, target: "str | None", as_json: bool) -> None:
    """Prints everything that is said about an entry."""
    from aivcs.cli.release.view import shown_fields
    from aivcs.cli.render import output as render
    from aivcs.commands.release.history import show

    shown = show(context.repository(), name, target)
    if as_json:
        context.write(render.json_line(shown.to_json()))
    else:
        render.fields(context, shown_fields(shown))


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
    from aivcs.cli.release import comparison_view as view
    from aivcs.cli.render import output as render
    from aivcs.commands.release.diff import compare_releases

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
    from aivcs.cli.exit_codes import report_unread
    from aivcs.cli.release import view
    from aivcs.cli.render import output as render
    from aivcs.commands.release import release

    live, damaged = release.list_(context.repository())
    if as_json:
        for told in live:
            context.write(render.json_line({**told.record.to_json(), "blocked": told.is_blocked}))
    elif context.is_terminal():
        view.write_list(context, live)
    else:
        for told in live:
            context.write(f"{told.record.name}\n")
    return report_unread(context, damaged)


def _guard(
    context: "Context", repo: "Repository", signing_key: "str | None", *, sign: bool
) -> "GuardedReleases | None":
    """What a change has to pass; None, and nothing is loaded, where there is nothing."""
    if not context.policies and not sign and signing_key is None:
        return None
    from aivcs.cli.session.signers import guard

    return guard(context, repo, signing_key, sign=sign)


def _actor(context: "Context", by: "str | None") -> str:
    if by is not None:
        return by
    from aivcs.cli.session.git_identity import actor

    return actor(context)


def _conclude(
    context: "Context",
    repo: "Repository",
    before: "ReleaseRecord | None",
    after: "ReleaseRecord",
    guard: "GuardedReleases | None",
    *,
    dry_run: bool,
    as_json: bool,
) -> int:
    """Says what a change did, or would do."""
    if as_json:
        return _answer(context, after, guard, dry_run=dry_run)
    if dry_run:
        return _announce_trial(context, before, after, guard)
    _announce(context, repo, before, after, guard)
    if guard is not None:
        from aivcs.cli.release.policy_view import tell_passed

        tell_passed(context, guard)
    return 0


def _announce(
    context: "Context",
    repo: "Repository",
    before: "ReleaseRecord | None",
    after: "ReleaseRecord",
    guard: "GuardedReleases | None",
) -> None:
    from aivcs.commands.release.release import is_blocked

    context.write(f"{after.spec_digest}\n")
    context.flush()
    name = after.name
    context.tell(_said(before, after))
    if before is None or before.spec_digest == after.spec_digest:
        return
    if is_blocked(repo, before):
        context.tell(
            f"{before.spec_digest.short} is blocked; if it is good after all: "
            f"aivcs release unblock {name} {before.spec_digest} --reason TEXT"
        )
        return
    undo = "" if after.action == "promote" else f" --to @{before.seq}"
    asked = {verdict.rule for verdict in guard.verdicts} if guard is not None else ()
    undo += " --reason TEXT" if "require_notes" in asked else ""
    undo += " --sign" if "require_signature" in asked else ""
    context.tell(f"undo with: aivcs release rollback {name}{undo}")


def _announce_trial(
    context: "Context",
    before: "ReleaseRecord | None",
    after: "ReleaseRecord",
    guard: "GuardedReleases | None",
) -> int:
    if guard is not None:
        from aivcs.cli.release.policy_view import write_trial

        write_trial(context, after, guard)
        if guard.is_refused:
            return REFUSED
    else:
        context.write(f"{after.spec_digest}\n")
    context.flush()
    was = "nothing is live" if before is None else f"{_shown(before)} is live"
    free = "" if guard is not None and guard.was_forced else ", and nothing stands against it"
    context.tell(f"{after.name}: {was}; {_shown(after)} would be{free}. Nothing was changed")
    return 0


def _answer(
    context: "Context", after: "ReleaseRecord", guard: "GuardedReleases | None", *, dry_run: bool
) -> int:
    """The new entry as JSON; of a trial, with what each rule says of it."""
    from aivcs.cli.render.output import json_line

    fields = after.to_json()
    if dry_run:
        fields["verdicts"] = [verdict._asdict() for verdict in guard.verdicts] if guard else []
    context.write(json_line(fields))
    return REFUSED if dry_run and guard is not None and guard.is_refused else 0


def _said(before: "ReleaseRecord | None", after: "ReleaseRecord") -> str:
    """What a change does, in a line."""
    name = after.name
    if before is None:
        return f"{name}: nothing was live, now {_shown(after)}"
    if before.spec_digest == after.spec_digest:
        return f"{name}: {_shown(after)} was live already; recorded as @{after.seq}"
    return f"{name}: was {_shown(before)}, now {_shown(after)}"


def _shown(record: "ReleaseRecord") -> str:
    label = record.metadata.version_label
    return f"{f'{label} ' if label else ''}{record.spec_digest.short} (@{record.seq})"
