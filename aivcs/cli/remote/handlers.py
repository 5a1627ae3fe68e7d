"""Handlers of `aivcs remote`, `push`, `pull` and `clone`: each copies and prints what changed."""

from __future__ import annotations

import os
from itertools import chain

from aivcs.cli.remote.find import absolute, find_remote, open_remote, open_untrusted
from aivcs.cli.render import output as render
from aivcs.codec.url import shown
from aivcs.errors import (
    BackendError,
    ConflictError,
    LockTimeoutError,
    NoRepositoryError,
    OutcomeUnknownError,
    UsageError,
)
from aivcs.present.words import count

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from aivcs.cli.remote.find import Remote
    from aivcs.cli.render.progress import Bar
    from aivcs.cli.session.context import Context
    from aivcs.commands.remote.copy import Copy
    from aivcs.config.signers import Layers
    from aivcs.model.run import RunId
    from aivcs.repository import Repository
    from aivcs.sync.transfer import Copied


def add(context: Context, name: str, url: str) -> None:
    """Prints nothing. The store must be there, so that its id is known."""
    from aivcs.cli.remote.find import Remote
    from aivcs.config import trust
    from aivcs.config.keys import render_config
    from aivcs.config.remotes import check_remote_name, remotes
    from aivcs.store.identity import identify

    check_remote_name(name)
    repo = context.repository()
    place = absolute(context, url)
    known = remotes(context.layers)
    if known.get(name, place) != place:
        raise UsageError(
            f"there is a remote {name} already, {shown(known[name])}; first: aivcs remote rm {name}"
        )
    found = Remote("", place)
    if found.is_bundle:
        raise UsageError(f"{found.shown} is a bundle, which changes no more: aivcs pull FILE")
    other, _ = open_remote(context, found)
    if identify(other.store.documents) == identify(repo.store.documents):
        raise UsageError(f"{shown(place)} is this store itself")
    trust.add_opened(place, other.store, environment=context.environment)
    repo.edit_config(lambda text: render_config(text, f"remote.{name}.url", place))


def list_(context: Context, as_json: bool) -> None:
    """Prints name and URL of each remote."""
    from aivcs.cli.render.table import Column
    from aivcs.config.remotes import remotes

    context.repository()
    found = [(name, shown(url)) for name, url in remotes(context.layers).items()]
    if as_json:
        for name, url in found:
            context.write(render.json_line({"name": name, "url": url}))
    else:
        render.table(context, [Column("NAME"), Column("URL")], found)


def rm(context: Context, name: str) -> None:
    """Prints nothing. Copies of its release logs go, too; runs that were pulled stay."""
    from aivcs.commands.remote.rm import forget
    from aivcs.config.remotes import check_remote_name, remotes

    check_remote_name(name)
    repo = context.repository()
    if name not in remotes(context.layers):
        raise UsageError(f"no remote {name}; aivcs remote list shows them")
    forget(repo, name)


def push(
    context: Context,
    remote: str | None,
    runs: list[str],
    limit: int | None,
    everything: bool,
    no_scan: bool,
    timeout: float | None,
    or_bundle: str | None,
    dry_run: bool,
    as_json: bool,
    **filters: Any,
) -> int:
    """Prints a line for each run that changed there. 15 or 14 if some were left as they are."""
    from aivcs.cli.session.deadline import deadline

    if or_bundle == "":
        raise UsageError("the FILE of --or-bundle is empty; is a variable unset?")
    context.time_limit = timeout
    repo = context.repository()
    to = find_remote(context, remote)
    chosen = selected(context, repo, runs, limit, filters)
    try:
        with deadline(timeout, f"pushing to {to.shown}"):
            return _push(
                context, repo, to, chosen,
                believe=not everything, scans=not no_scan, dry_run=dry_run, as_json=as_json,
            )  # fmt: skip
    except _AWAY as error:
        if or_bundle is None or dry_run:
            raise
        context.flush()
        return _bundle_instead(
            context, repo, chosen, or_bundle, error, scans=not no_scan, as_json=as_json
        )


def _bundle_instead(
    context: Context,
    repo: Repository,
    chosen: list[RunId] | None,
    path: str,
    error: Exception,
    *,
    scans: bool,
    as_json: bool,
) -> int:
    """Puts the runs into a file, as the other store is away. 15 if some were held back."""
    from aivcs.cli.exit_codes import report
    from aivcs.commands.bundle.create import create

    code = 0
    runs: list[str] = []
    for run_id in repo.runs.list_run_ids() if chosen is None else chosen:
        try:
            if scans:
                _require_no_secret(repo, run_id)
            runs.append(run_id)
        except ConflictError as held:
            code = report(context, held)
    written = create(repo, os.path.abspath(path), runs=runs)
    if as_json:
        context.write(render.json_line({"bundle": path, "heads": written.heads}))
    context.flush()
    context.warn(f"aivcs: warning: not pushed: {error}")
    context.warn(f"wrote {count(written.logs, 'run')} to {path} instead: aivcs pull {path}")
    return code


def _require_no_secret(repo: Repository, run_id: str) -> None:
    from aivcs.sync.scan import refuse_secrets

    for line, place in repo.store.logs.read(f"run/{run_id}"):
        refuse_secrets(line.decode(errors="replace"), f"run {run_id}", f"line {place.lines}")
    for annotation in repo.annotations.of_run(run_id):
        text = render.json_line(annotation.value.payload)
        refuse_secrets(text, f"run {run_id}", f"its annotation {annotation.digest}")


def _push(
    context: Context,
    repo: Repository,
    to: Remote,
    chosen: list[RunId] | None,
    *,
    believe: bool,
    scans: bool,
    dry_run: bool,
    as_json: bool,
) -> int:
    from aivcs.cli.render.progress import Bar
    from aivcs.commands.remote.copy import Copy

    other, _ = open_remote(context, to)
    if not dry_run:
        from aivcs.commands.erasing import complete

        complete(repo)
    with Bar(context, "pushing", lambda: 1) as bar:
        work = Copy(
            repo,
            other,
            own=repo,
            selection=chosen,
            believe=believe,
            dry_run=dry_run,
            progress=bar.advance,
            scans=scans,
        )
        changed = chain(work.copy_erasures(applies=True), work.copy_runs(), work.copy_annotations())
        code = print_copied(context, changed, bar, as_json=as_json, dry_run=dry_run)
    return _conclude(context, work, "push", f"to {to.shown}", code, as_json, dry_run)


def pull(
    context: Context,
    remote: str | None,
    runs: list[str],
    limit: int | None,
    everything: bool,
    releases_only: bool,
    untrusted: str | None,
    apply_erasures: bool,
    dry_run: bool,
    as_json: bool,
    **filters: Any,
) -> int:
    """Prints a line for each log that changed here. 15 or 14 if some were left as they are."""
    from aivcs.cli.render.progress import Bar
    from aivcs.commands.remote.copy import Copy
    from aivcs.config.remotes import release_home

    repo = context.repository()
    layers = context.layers
    source = find_remote(context, remote)
    if untrusted is not None:
        other = open_untrusted(source, untrusted, repo)
    else:
        other, _ = open_remote(context, source)
    if source.is_bundle:
        from aivcs.commands.bundle.verify import require_heads

        require_heads(other)
    if releases_only and (not source.name or untrusted is not None):
        raise UsageError("--releases-only pulls from a remote that has a name")
    chosen = selected(context, other, runs, limit, filters)
    with Bar(context, "pulling", lambda: 1) as bar:
        work = Copy(
            other,
            repo,
            own=repo,
            selection=[] if releases_only else chosen,
            believe=not everything,
            remembers=not source.is_bundle,
            dry_run=dry_run,
            progress=bar.advance,
            untrusted=untrusted,
        )
        applies = apply_erasures or _applies_erasures(layers, source)
        erased = list(work.copy_erasures(applies=applies))
        # What a stranger says of our runs, nobody asked for.
        changed = chain(erased, work.copy_runs(), () if untrusted else work.copy_annotations())
        code = print_copied(context, changed, bar, as_json=as_json, dry_run=dry_run)
        _tell_not_applied(context, erased)
        if source.name and (chosen is None or releases_only):

            def is_home(name: str) -> bool:
                return release_home(name, layers) == source.name

            logs = work.pull_releases(source.name, is_home)
            code = worse(code, print_copied(context, logs, bar, as_json=as_json, dry_run=dry_run))
    return _conclude(context, work, "pull", f"from {source.shown}", code, as_json, dry_run)


def _applies_erasures(layers: Layers, source: Remote) -> bool:
    """Whether the user's configuration, or the system's, trusts a remote to erase here."""
    for _, values in layers:
        if "pull.apply_erasures" in values:
            return source.name in values["pull.apply_erasures"]
    return False


def _tell_not_applied(context: Context, outcomes: Iterable[Copied]) -> None:
    from aivcs.sync.erasures import NOT_APPLIED

    number = sum(outcome.action == NOT_APPLIED for outcome in outcomes)
    if number:
        context.warn(
            f"aivcs: warning: {count(number, 'erasure')} there would erase something here, and "
            f"{'was' if number == 1 else 'were'} not applied: aivcs pull --apply-erasures"
        )


def clone(context: Context, source: str, folder: str, as_json: bool) -> int:
    """Prints the path of the new store."""
    from aivcs.cli.remote.find import Remote
    from aivcs.cli.render.progress import Bar
    from aivcs.commands.bundle.verify import require_heads
    from aivcs.commands.remote.clone import CLONING, Clone, prepare
    from aivcs.commands.store.init import init
    from aivcs.config import trust

    if not folder:
        raise UsageError("DIR is empty; is a variable unset?")
    place = absolute(context, source)
    remote = Remote("", place)
    other, _ = open_remote(context, remote)
    heads = require_heads(other) if remote.is_bundle else None
    if "://" in folder:
        target = init(folder, settings=context.settings_for(folder, is_typed=True))
    else:
        target = init(os.path.abspath(folder))
    prepare(target, place, heads)
    if heads is None:
        trust.add_opened(place, other.store, environment=context.environment)
    with Bar(context, "cloning", lambda: 1) as bar:
        work = Clone(other, target, remembers=heads is None, progress=bar.advance)
        code = print_copied(context, work.run(), bar, as_json=as_json, dry_run=False)
    if heads is not None and not code:
        target.store.documents.drop(CLONING)
    context.write(f"{shown(target.path)}\n" if not as_json else "")
    context.flush()
    return _conclude(context, work.copy, "clone", f"from {remote.shown}", code, as_json, False)


def selected(
    context: Context,
    repo: Repository,
    runs: list[str],
    limit: int | None,
    filters: dict[str, Any],
) -> list[RunId] | None:
    """Returns the ids of the selected runs of a store; None without any filter."""
    from aivcs.cli.run.filters import selection
    from aivcs.commands.remote.select import select

    named = [context.run_operand(run) for run in runs]
    return select(repo, runs=named, limit=limit, **selection(context, **filters))


def print_copied(
    context: Context, outcomes: Iterable[Copied], bar: Bar, *, as_json: bool, dry_run: bool
) -> int:
    """Prints a line for each log that changed, an error for each that was left as it is."""
    from aivcs.cli.exit_codes import report

    code = 0
    told: set[str] = set()
    for outcome in outcomes:
        bar.clear()
        if as_json:
            context.write(render.json_line(_as_json(outcome, dry_run=dry_run)))
        elif outcome.error is None:
            name = _name(outcome)
            context.write(render.plain_line((name, outcome.action, str(outcome.head.lines))))
            for digest in outcome.blobs:
                if digest not in told:
                    context.write(render.plain_line((f"blob/{digest}", "new", name)))
                told.add(digest)
        context.flush()
        if outcome.error is not None:
            code = worse(code, report(context, outcome.error))
    return code


def _name(outcome: Copied) -> str:
    is_log = "/" in outcome.run_id or ":" in outcome.run_id
    return outcome.run_id if is_log else f"run/{outcome.run_id}"


def _as_json(outcome: Copied, *, dry_run: bool) -> dict[str, Any]:
    fields: dict[str, Any] = {"log": _name(outcome), "action": outcome.action}
    if outcome.head.lines:
        fields |= {"lines": outcome.head.lines, "hash": outcome.head.hash}
    if dry_run:
        fields["blobs"] = list(outcome.blobs)
    if outcome.error is not None:
        fields["error"] = str(outcome.error)
        fields["line"] = getattr(outcome.error, "line", None)
    return fields


def worse(one: int, other: int) -> int:
    """Returns the exit code that outweighs the other: damage, then conflicts, then the rest."""
    order = (0, 16, 15, 14)
    return max(one, other, key=lambda code: order.index(code) if code in order else len(order))


def _conclude(
    context: Context, work: Copy, verb: str, where: str, code: int, as_json: bool, dry_run: bool
) -> int:
    """Says on standard error what was done, and which blobs neither side has."""
    copier = work.runs
    absent = sorted(copier.blobs.absent)
    for digest in absent[:_MAX_NAMED]:
        context.warn(
            f"aivcs: warning: blob {digest} is named by a run, but is not in the store it was "
            "copied from"
        )
    if len(absent) > _MAX_NAMED:
        context.warn(f"aivcs: warning: {len(absent) - _MAX_NAMED} more blobs are not there")
    left_out = sorted(copier.blobs.left_out)
    if left_out:
        context.warn(
            f"aivcs: warning: {count(len(left_out), 'blob')} ({left_out[0]}"
            f"{' …' if len(left_out) > 1 else ''}) left out: erased on purpose by a record of the "
            "target; aivcs blob put FILE in the target brings one back"
        )
    if not as_json:
        if dry_run:
            context.warn(f"nothing was {_PAST[verb]}: --dry-run")
        elif copier.copied or copier.blobs.copied:
            blobs = f"{count(copier.blobs.copied, 'blob')} of {count(copier.blobs.size, 'byte')}"
            context.warn(f"{_PAST[verb]} {count(copier.copied, 'run')} and {blobs} {where}")
        elif +work.others:
            others = " and ".join(count(n, kind) for kind, n in (+work.others).items())
            context.warn(f"{_PAST[verb]} {others} {where}")
        elif not code:
            context.warn(f"nothing to {verb} {where}")
    return code


_AWAY = (BackendError, LockTimeoutError, NoRepositoryError, OutcomeUnknownError)
"""Errors that say that the other store cannot be written now."""
_PAST = {"push": "pushed", "pull": "pulled", "clone": "cloned"}
_MAX_NAMED = 5
"""Missing blobs that are named, at most."""
