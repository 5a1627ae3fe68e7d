"""Handlers of the commands of `aivcs release` that scripts call in loops, and of blocks."""

REFUSED = 15
"""The exit code of a trial whose change would be refused: that of the refusal."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from aivcs.cli.session.context import Context
    from aivcs.commands.release.history import HistoryEntry
    from aivcs.model.release import ReleaseRecord
    from aivcs.model.release_entries import Mark
    from aivcs.policy.enforce import Outcome, PolicyContext
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
    evidence_where: "list[str]",
    force: bool,
    dry_run: bool,
    sign: bool,
    signing_keys: "list[str]",
    move_label: bool,
    if_changed: bool,
    as_json: bool,
    github_summary: bool,
    markdown: bool,
) -> int:
    """Prints the digest that is live now. On stderr, what was live and how to undo it."""
    from aivcs.policy import enforce

    if markdown:
        _require_trial(dry_run=dry_run, as_json=as_json)
    ci_file = None
    if github_summary:  # before anything is done
        from aivcs.cli.session.ci_files import CiFile

        ci_file = CiFile.named_by(context, "--github-summary", "GITHUB_STEP_SUMMARY")
    repo = context.repository()
    if "://" in repo.path and context.acting is None:
        context.push_spooled(evidence)
    request = None
    if "@" in name or not _is_digest(spec) or if_changed:
        from aivcs.commands.release.promote import Request

        request = Request(repo, name, spec, label, allow_missing_spec=allow_missing_spec)
        spec = request.spec
    if evidence_where:
        from aivcs.commands.release.promote import find_evidence

        evidence = [*evidence, *find_evidence(repo, spec, evidence_where)]
    home = context.release_home(name)
    if home is not None:
        from aivcs.cli.remote.home import acting_at, sent

        with acting_at(context, home, name) as there:
            return promote(
                context, name, there.send_spec(spec), label, notes, by, expect,
                allow_missing_spec, sent(context, there, evidence), [], force, dry_run,
                sign, signing_keys, move_label, if_changed, as_json, github_summary, markdown,
            )  # fmt: skip
    live = request.unchanged(expect) if request is not None and if_changed else None
    if live is not None:
        return _print_unchanged(context, live, as_json=as_json)
    terms = _policy_context(context, signing_keys, sign=sign)
    outcome = enforce.promote(
        repo,
        name,
        spec,
        by=_actor(context, by),
        label=label,
        notes=notes,
        expect=expect,
        move_label=move_label,
        allow_missing_spec=allow_missing_spec,
        evidence=[context.run_operand(run) for run in evidence],
        force=force,
        dry_run=dry_run,
        context=terms,
    )
    if dry_run and (markdown or ci_file is not None):
        from aivcs.cli.release.comparison_markdown import trial

        text = trial(outcome)
        if ci_file is not None:
            ci_file.append(text)
        if markdown:
            context.write(text)
            return REFUSED if outcome.is_refused else 0
    code = _conclude(context, outcome, dry_run=dry_run, as_json=as_json)
    if ci_file is not None and not dry_run:
        from aivcs.cli.session.ci_tags import release_summary

        ci_file.append(release_summary(outcome.before, outcome.release))
    return code


def rollback(
    context: "Context",
    name: str,
    target: "str | None",
    to: "str | None",
    reason: "str | None",
    by: "str | None",
    expect: "str | None",
    block: bool,
    allow_missing_spec: bool,
    force: bool,
    dry_run: bool,
    sign: bool,
    signing_keys: "list[str]",
    as_json: bool,
) -> int:
    """Prints the digest that is live now. On stderr, what was live and how to undo it."""
    from aivcs.cli.release.operand import split_release
    from aivcs.policy import enforce

    name, to = split_release(name, target, to)
    repo = context.repository()
    home = context.release_home(name)
    if home is not None:
        from aivcs.cli.remote.home import acting_at

        with acting_at(context, home, name):
            return rollback(
                context, name, None, to, reason, by, expect, block, allow_missing_spec, force,
                dry_run, sign, signing_keys, as_json,
            )  # fmt: skip
    terms = _policy_context(context, signing_keys, sign=sign)
    outcome = enforce.rollback(
        repo,
        name,
        by=_actor(context, by),
        to=to,
        reason=reason,
        expect=expect,
        block=block,
        allow_missing_spec=allow_missing_spec,
        force=force,
        dry_run=dry_run,
        context=terms,
    )
    return _conclude(context, outcome, dry_run=dry_run, as_json=as_json)


def block(
    context: "Context",
    name: str,
    reason: str,
    target: "str | None",
    to: "str | None",
    by: "str | None",
) -> None:
    """Prints the blocked digest. Warns if it is live."""
    from aivcs.commands.release.block import block as block_spec
    from aivcs.commands.release.current import current

    name, target = _require_release("block", name, target, to)
    repo = context.repository()
    home = context.release_home(name)
    if home is not None:
        from aivcs.cli.remote.home import acting_at

        with acting_at(context, home, name):
            block(context, name, reason, target, None, by)
        return
    mark = block_spec(repo, name, target, by=_actor(context, by), reason=reason)
    context.write(f"{mark.spec_digest}\n")
    context.flush()
    context.warn(f"{name}: blocked {mark.spec_digest.short} (@{mark.seq})")
    if current(repo, name).spec_digest == mark.spec_digest:
        context.warn(
            f"aivcs: warning: {mark.spec_digest.short} is live as {name}, and stays live until: "
            f"aivcs release rollback {name}"
        )
    context.warn(f"undo with: aivcs release unblock {name} {mark.spec_digest.short} --reason TEXT")


def unblock(
    context: "Context",
    name: str,
    reason: str,
    target: "str | None",
    to: "str | None",
    by: "str | None",
) -> None:
    """Prints the digest whose block ended."""
    from aivcs.commands.release.unblock import unblock as unblock_spec

    name, target = _require_release("unblock", name, target, to)
    repo = context.repository()
    home = context.release_home(name)
    if home is not None:
        from aivcs.cli.remote.home import acting_at

        with acting_at(context, home, name):
            unblock(context, name, reason, target, None, by)
        return
    mark = unblock_spec(repo, name, target, by=_actor(context, by), reason=reason)
    context.write(f"{mark.spec_digest}\n")
    context.flush()
    context.warn(f"{name}: unblocked {mark.spec_digest.short} (@{mark.seq})")


def current(
    context: "Context",
    name: str,
    default: "str | None",
    at: "str | None",
    at_home: bool,
    as_json: bool,
) -> None:
    """Prints the digest that is live, or was at a time."""
    from aivcs import errors
    from aivcs.commands.release.current import current

    if as_json and default is not None:
        raise errors.UsageError(
            "--default is a text, and --json prints an object; give one of them"
        )

    if "@" in name:
        from aivcs.cli.release.operand import require_bare

        require_bare(name, "release current")
    moment = None
    if at is not None:
        from aivcs.cli.render.time_format import parse_since

        moment = parse_since(at, "--at")
    try:
        record = current(*context.releases_of(name, at_home=at_home), at=moment)
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
    until: "str | None",
    labels: "list[str]",
    no_marks: bool,
    interactive: bool,
    as_json: bool,
) -> int:
    """Prints the entries of a name, newest first, as they are read."""
    from aivcs.commands.release.history import history

    if "@" in name:
        from aivcs.cli.release.operand import require_bare

        require_bare(name, "release history")
    if interactive:
        from aivcs.cli.browse.handlers import browse_history
        from aivcs.errors import UsageError

        if as_json or limit is not None or since or until or labels:
            raise UsageError("-i opens the whole history; it takes no filters and no --json")
        return browse_history(context, name)
    moment = end = None
    if since is not None or until is not None:
        from aivcs.cli.render.time_format import parse_since

        moment = None if since is None else parse_since(since)
        end = None if until is None else parse_since(until, "--until")
    repo, name = context.releases_of(name)
    if context.for_person() and not as_json:
        from aivcs.cli.release.view import write_history

        marks: "list[Mark] | None" = None if no_marks or labels else []
        shown = history(
            repo, name, limit=limit, since=moment, until=end, labels=labels,
            mark=None if marks is None else marks.append,
        )  # fmt: skip
        if not write_history(context, shown, marks, moment) and labels:
            _explain_missing_label(context, repo, name, labels)
        return 0
    entries = history(repo, name, limit=limit, since=moment, until=end, labels=labels)
    if as_json:
        from aivcs.cli.render.output import json_line

        for told in entries:
            context.write(json_line(told.to_json()))
        return 0
    shown_any = False
    for told in entries:
        context.write(_history_line(told))
        shown_any = True
    if labels and not shown_any:
        _explain_missing_label(context, repo, name, labels)
    return 0


def _explain_missing_label(
    context: "Context", repo: "Repository", name: str, labels: "list[str]"
) -> None:
    """Explains an empty history, where no release of the name has a label asked for."""
    from aivcs.cli.hints import about_label
    from aivcs.cli.render.output import escape

    for label in labels:
        said = about_label(repo, name, label)
        if said:
            context.warn(f"hint: {escape(said)}")


def _history_line(told: "HistoryEntry") -> str:
    """Formats an entry for a program. Loads no further module if nothing needs escaping.

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
        metadata.notes or "-",
        told.shown_state,
        str(len(record.evidence)),
    )
    if all(map(str.isprintable, cells)):
        return "\t".join(cells) + "\n"
    from aivcs.cli.render.output import escape

    return "\t".join(map(escape, cells)) + "\n"


def _require_trial(*, dry_run: bool, as_json: bool) -> None:
    from aivcs.errors import UsageError

    if not dry_run:
        raise UsageError("--markdown shows the verdicts of a trial; add --dry-run")
    if as_json:
        raise UsageError("--markdown and --json are two formats; give one of them")


def _is_digest(text: str) -> bool:
    """Whether a text is a digest or a prefix of one, and so cannot be a label."""
    return len(text) > 3 and not text.lower().strip("0123456789abcdef")


def _print_unchanged(context: "Context", live: "ReleaseRecord", *, as_json: bool) -> int:
    from aivcs.cli.render.output import json_line

    context.write(json_line(live.to_json()) if as_json else f"{live.spec_digest}\n")
    context.flush()
    if not as_json:
        context.warn(f"{live.name}: {_shown(live)} is live already; nothing was recorded")
    return 0


def _require_release(
    verb: str, name: str, target: "str | None", to: "str | None"
) -> "tuple[str, str]":
    from aivcs.cli.release.operand import split_release
    from aivcs.errors import UsageError

    name, found = split_release(name, target, to)
    if found is None:
        raise UsageError(f"TARGET is missing: aivcs release {verb} NAME TARGET --reason TEXT")
    return name, found


def _policy_context(
    context: "Context", signing_keys: "list[str]", *, sign: bool
) -> "PolicyContext | None":
    """Returns the policies and keys for a release; None, and loads nothing, without any."""
    if not (context.policies or sign or signing_keys) and not any(
        "signing.allowed_erasers" in values for _, values in context.layers
    ):
        return None
    from aivcs.config.signers import policy_context

    return policy_context(context.layers, context.environment, signing_keys, sign=sign)


def _actor(context: "Context", by: "str | None") -> str:
    if by is not None:
        return by
    from aivcs.cli.session.git_identity import actor

    return actor(context)


def _conclude(context: "Context", outcome: "Outcome", *, dry_run: bool, as_json: bool) -> int:
    """Prints the result of a change, or of its trial."""
    for run_id in outcome.unproven:
        context.warn(
            f"aivcs: warning: run {run_id} has redacted lines. Whoever can write to the store "
            "could have made their records, and changed the lines before them; "
            "signing.allowed_erasers is not set, which would tell",
            is_error=True,
        )
    if as_json:
        return _answer(context, outcome, dry_run=dry_run)
    if dry_run:
        return _announce_trial(context, outcome)
    _announce(context, outcome)
    if outcome.is_forced or outcome.signed_by:
        from aivcs.cli.release.policy_view import tell_passed

        tell_passed(context, outcome)
    return 0


def _announce(context: "Context", outcome: "Outcome") -> None:
    before, after = outcome.before, outcome.release
    context.write(f"{after.spec_digest}\n")
    context.flush()
    name = after.name
    context.warn(_said(before, after))
    if before is None or before.spec_digest == after.spec_digest:
        return
    if outcome.change.is_before_blocked:
        context.warn(
            f"{before.spec_digest.short} is blocked; if it is good after all: "
            f"aivcs release unblock {name} {before.spec_digest.short} --reason TEXT"
        )
        return
    undo = "" if after.action == "promote" else f" --to @{before.seq}"
    if outcome.verdicts:
        from aivcs.policy.registry import rollback_options

        undo += rollback_options(outcome.verdicts)
    context.warn(f"undo with: aivcs release rollback {name}{undo}")


def _announce_trial(context: "Context", outcome: "Outcome") -> int:
    before, after = outcome.before, outcome.release
    if outcome.verdicts:
        from aivcs.cli.release.policy_view import write_trial

        write_trial(context, outcome)
        if outcome.is_refused:
            return REFUSED
    else:
        context.write(f"{after.spec_digest}\n")
    context.flush()
    was = "nothing is live" if before is None else f"{_shown(before)} is live"
    free = "" if outcome.is_forced else ", and no rule forbids it"
    context.warn(f"{after.name}: {was}; {_shown(after)} would be{free}. Nothing was changed")
    return 0


def _answer(context: "Context", outcome: "Outcome", *, dry_run: bool) -> int:
    """Prints the new entry as JSON; after a trial, with the verdict of each rule."""
    from aivcs.cli.render.output import json_line

    fields = outcome.release.to_json()
    if dry_run:
        fields["verdicts"] = [verdict._asdict() for verdict in outcome.verdicts]
    context.write(json_line(fields))
    return REFUSED if outcome.is_refused else 0


def _said(before: "ReleaseRecord | None", after: "ReleaseRecord") -> str:
    """Describes a change, in a line."""
    name = after.name
    if before is None:
        return f"{name}: nothing was live, now {_shown(after)}"
    if before.spec_digest == after.spec_digest:
        return f"{name}: {_shown(after)} was live already; recorded as @{after.seq}"
    return f"{name}: was {_shown(before)}, now {_shown(after)}"


def _shown(record: "ReleaseRecord") -> str:
    label = record.metadata.version_label
    return f"{f'{label} ' if label else ''}{record.spec_digest.short} (@{record.seq})"
