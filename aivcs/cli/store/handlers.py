"""Handlers of `aivcs init`, `status`, `verify`, `gc` and `head`."""

from __future__ import annotations

from aivcs.cli.render import output as render
from aivcs.codec.url import shown
from aivcs.errors import BackendError, StorageError, UsageError
from aivcs.present.words import count

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from aivcs.cli.session.context import Context
    from aivcs.commands.release.history import HistoryEntry
    from aivcs.commands.spool.list import Spooled
    from aivcs.model.digest import ContentDigest
    from aivcs.repository import Repository
    from aivcs.signing.ssh import Verifier
    from aivcs.store.finding import Finding


_MAX_SHOWN_RELEASES = 20
"""The maximum number of live releases that `status` shows to a person."""


def init(context: Context, folder: str, link: str | None, shared: bool, private: bool) -> None:
    """Prints the path of the store, or of the link file."""
    import os

    if link is not None:
        _link(context, link, folder, is_new=shared or private)
        return

    named = context.named_store()
    is_named = bool(named) and folder == "."
    if not os.path.isabs(place := named if is_named else folder) and "://" not in place:
        context.working_directory()  # fails if it was removed
    if is_named and "://" in named:
        folder = named
    elif is_named:
        folder, name = os.path.split(os.path.abspath(named))
        if name != ".aivcs":
            raise UsageError(
                f"init makes a folder named .aivcs, and {named!a} is named as the store; "
                "give the DIR that gets the store"
            )
    from aivcs.commands.store.init import init

    settings = context.settings_for(folder) if "://" in folder else None
    repo = init(folder, shared=shared, private=private, settings=settings)

    context.write(f"{shown(repo.path)}\n")
    context.flush()
    for doubt in repo.store.doubts():
        context.warn(f"aivcs: warning: {render.escape(doubt)}")


def _link(context: Context, store: str, folder: str, *, is_new: bool) -> None:
    from functools import partial

    from aivcs.commands.store.link import link

    if is_new:
        raise UsageError("--shared and --private are for a new store; --link names one")
    context.working_directory()  # fails if it was removed
    open_store = partial(context.open_named, is_typed=True)
    path = link(store, folder, environment=context.environment, open_store=open_store)
    context.write(f"{path}\n")


def status(context: Context, openmetrics: bool, as_json: bool) -> int:
    """Prints an overview of a store. Exit code 14 if some of it cannot be read."""
    from aivcs.commands.store.status import status

    if openmetrics and as_json:
        raise UsageError("--openmetrics and --json are two formats; give one of them")
    spooled = _spooled(context)
    found = status(_open_or_tell(context, spooled))
    if openmetrics:
        from aivcs.cli.store.metrics_view import metrics

        for line in metrics(found):
            context.write(line)
        return 14 if found.damaged else 0
    if as_json:
        from aivcs.cli.spec.view import readable

        fields = found._asdict() | {"store": readable(found.store)}
        fields["releases"] = [told.record.to_json() for told in found.releases]
        if spooled is not None:
            fields["spool"] = spooled.to_json()
        context.write(render.json_line(fields))
        return 14 if found.damaged else 0
    runs = ", ".join(f"{n} {status.lower()}" for status, n in found.runs.items() if n)
    pairs = [
        ("store", found.store),
        ("durability", found.durability),
        ("blobs", str(found.blobs)),
        ("runs", f"{sum(found.runs.values())}{f' ({runs})' if runs else ''}"),
        ("releases", str(len(found.releases))),
    ]
    if spooled is not None:
        pairs.append(("spool", _spool_line(spooled)))
    if found.damaged:
        logs = count(found.damaged, "log")
        pairs.append(("damaged", f"{logs} cannot be read; see: aivcs verify"))
    if _lets_anybody_erase(context):
        way = "aivcs config set --user signing.allowed_erasers FILE"
        pairs.append(("erasers", f"whoever can write here, unsigned; to name some: {way}"))
    render.fields(context, pairs)
    _print_live(context, found.releases)
    context.flush()
    _warn_of_captures(context)
    return 14 if found.damaged else 0


def _lets_anybody_erase(context: Context) -> bool:
    """Whether signatures count, but an erasure counts without one."""
    named = {name for _, values in context.layers for name in values}
    return "signing.allowed_signers" in named and "signing.allowed_erasers" not in named


def _print_live(context: Context, releases: list[HistoryEntry]) -> None:
    """Prints the live releases: lines for a script, a table for a person."""
    if not context.for_person():
        for told in releases:
            record = told.record
            label, by = record.metadata.version_label or "-", record.metadata.promoted_by
            context.write(
                render.plain_line(
                    ("live", record.name, record.spec_digest, label, record.created_at, by)
                )
            )
    elif releases:
        from aivcs.cli.release.view import write_list

        context.write("\n")
        write_list(context, releases[:_MAX_SHOWN_RELEASES])
        if len(releases) > _MAX_SHOWN_RELEASES:
            context.write(f"… and {len(releases) - _MAX_SHOWN_RELEASES} more: aivcs release list\n")


def _spooled(context: Context) -> Spooled | None:
    """The runs that wait on this machine for the store; None if it has no spool."""
    url = context.network_store()
    if not url:
        return None
    from aivcs.cli.session.spooling import find_spool
    from aivcs.commands.spool.list import summary

    spool = find_spool(context, url)
    return None if spool is None else summary(spool)


def _open_or_tell(context: Context, spooled: Spooled | None) -> Repository:
    """Opens the store; if it is away, says at least what waits for it."""
    if spooled is None:
        return context.repository()
    from aivcs.cli.session.spooling import PATIENCE_S

    context.patience = PATIENCE_S  # what waits is known, and is not to be waited for
    try:
        return context.repository()
    except StorageError as error:
        if error.is_store_away:
            context.warn(f"aivcs: spool: {_spool_line(spooled)}")
        raise
    finally:
        context.patience = None


def _spool_line(spooled: Spooled) -> str:
    if not spooled.runs:
        return "nothing waits"
    wait = "run waits" if spooled.runs == 1 else "runs wait"
    why = f" ({render.escape(spooled.error)})" if spooled.error else ""
    return f"{spooled.runs:,} {wait} since {spooled.since}{why}; see: aivcs spool list"


def _warn_of_captures(context: Context) -> None:
    """Prints a warning for each program with a hook whose sessions are not captured."""
    from aivcs.cli.hook.handlers import statuses, warning

    for one in statuses(context):
        problem = warning(one)
        if problem is not None:
            context.warn(f"aivcs: warning: {problem}; see: aivcs hook status")


def verify(
    context: Context, heads: list[str], head_signature: str | None, repair: bool, as_json: bool
) -> int:
    """Prints the damage in a store, and differences from given heads. 14 if damage remains."""
    signed = None if head_signature is None else _signed_head(context, heads, head_signature)
    return _verify(context, "blobs runs releases", repair, as_json, heads, signed)


def _signed_head(context: Context, heads: list[str], path: str) -> Iterator[Finding]:
    from aivcs.commands.store.head import verify_signature
    from aivcs.config.layers import read_file
    from aivcs.config.signers import require_verifier

    if len(heads) != 1:
        raise UsageError("--head-signature goes with one --head; give both, once")
    data = read_file(path)
    if data is None:
        raise UsageError(
            f"no file {path!a}; --head-signature takes a file with the signature "
            "that aivcs head --sign printed"
        )
    repo = context.repository()
    return verify_signature(
        repo, heads[0], data, require_verifier(context.layers, context.environment)
    )


def _verify(
    context: Context,
    parts: str,
    repair: bool,
    as_json: bool,
    heads: Sequence[str] = (),
    further: Iterable[Finding] | None = None,
) -> int:
    from itertools import chain

    from aivcs.cli.render.progress import Bar
    from aivcs.commands.store.verify import verify
    from aivcs.store.finding import PARTS

    repo = context.repository()
    checked = dict.fromkeys(parts.split(), 0)
    found = {"damage": 0, "notice": 0, "repaired": 0}
    names = frozenset(checked)
    compared = f", compared with {count(len(heads), 'head')}" if heads else ""
    failure: BackendError | None = None
    if not heads and len(names) == len(PARTS):
        from aivcs.commands.store.head import newest_kept

        try:
            kept = newest_kept(repo)
        except BackendError as error:  # verification says why, if the pins are damaged
            if error.is_store_away:
                raise
            kept, failure = None, error
        if kept is not None:
            heads, compared = [kept], f", compared with the head {kept.short} that is pinned here"
    with Bar(context, "verifying", lambda: repo.store.measure(names)) as bar:

        def progress(part: str, size: int) -> None:
            checked[part] += 1
            bar.advance(size)

        may_erase = _erasers(context) if heads else None
        found_first = verify(repo, names, progress, heads, repair=repair, erasers=may_erase)
        for finding in chain(found_first, further or ()):
            found["repaired" if finding.repaired is not None else finding.severity] += 1
            bar.clear()
            if as_json:
                context.write(render.json_line(finding.to_json()))
            elif context.for_person():
                context.write(render.finding_text(finding))
            else:
                context.write(render.finding_line(finding))
            context.flush()
    if failure is not None and not found["damage"]:
        raise failure
    if not as_json:
        context.warn(f"read {_counted(checked)}{compared}: {_verdict(found)}")
    return 14 if found["damage"] else 0


def _erasers(context: Context) -> Verifier | None:
    """Returns who may erase; looks for it only if the configuration names somebody."""
    if not any("signing.allowed_erasers" in values for _, values in context.layers):
        return None
    from aivcs.config.signers import erasers

    return erasers(context.layers, context.environment)


def head(
    context: Context, sign: bool, signing_key: str | None, as_manifest: bool, as_json: bool
) -> None:
    """Prints the digest of a new heads manifest, and its signature if asked; or the manifest."""
    from aivcs.commands.store.head import manifest, newest_kept, take

    repo = context.repository()
    if as_manifest:
        if sign or signing_key is not None or as_json:
            raise UsageError("--manifest goes alone: aivcs head --manifest >FILE")
        for piece in manifest(repo):
            context.write(piece)
        return
    before = newest_kept(repo)
    signer = None
    if sign or signing_key is not None:
        from aivcs.config.signers import signer as find_signer

        signer = find_signer(context.layers, context.environment, signing_key)
    taken = take(repo)
    if taken.refusal is not None:
        context.warn(
            f"aivcs: warning: the store does not keep the manifest ({taken.refusal}); before "
            "verify --head of this digest, somebody who may write puts it there: aivcs head "
            "--manifest >FILE now, aivcs blob put FILE then"
        )
    fields = {"digest": taken.digest, "logs": taken.logs}
    if signer is not None:
        from aivcs.signing.ssh import HEAD

        fields["signature"] = signer.sign(taken.digest, HEAD)
    if as_json:
        context.write(render.json_line(fields))
    else:
        context.write(f"{taken.digest}\n{fields.get('signature', '')}")
    if taken.refusal is None and before not in {None, taken.digest}:
        context.flush()
        _warn_of_losses(context, repo, before, taken.digest)


def _warn_of_losses(
    context: Context, repo: Repository, before: ContentDigest, taken: ContentDigest
) -> None:
    """Warns of what an earlier head names and the new one lacks: verify is silent about it now."""
    from aivcs.commands.store.head import verify
    from aivcs.log.verify_run import DAMAGE

    findings = verify(repo, [before], _erasers(context), taken=taken)
    lost = list(dict.fromkeys(found.where for found in findings if found.severity == DAMAGE))
    if lost:
        more = f" and {len(lost) - 3} more" if len(lost) > 3 else ""
        context.warn(
            f"aivcs: warning: of the logs and records in the head before, {len(lost)} "
            f"{'is' if len(lost) == 1 else 'are'} missing or changed: "
            f"{render.escape(', '.join(lost[:3]))}{more}; see: aivcs verify --head {before}"
        )


def gc(context: Context, prune: bool, grace: str | None, dry_run: bool, as_json: bool) -> None:
    """Prints a line for each deleted blob, and the total on stderr."""
    from aivcs.cli.render.time_format import parse_duration
    from aivcs.commands.store.gc import GRACE_S, clear_leftovers, collect

    seconds = GRACE_S if grace is None else parse_duration("--grace", grace)
    repo = context.repository()
    number = size = 0
    if not dry_run:
        from aivcs.commands.erasing import complete

        finished = complete(repo)
        if finished:
            context.warn(f"completed {count(len(finished), 'interrupted erasure')}")
    if prune:
        from aivcs.cli.run.erasure_handlers import prune_by_retention

        prune_by_retention(context, repo, dry_run=dry_run, as_json=as_json)
    for blob in collect(repo, grace=seconds, dry_run=dry_run):
        number += 1
        size += blob.size
        if as_json:
            context.write(render.json_line(blob._asdict()))
        else:
            context.write(f"{blob.digest}\t{blob.size}\n")
    leftovers = clear_leftovers(repo, grace=seconds, dry_run=dry_run)
    context.flush()
    if as_json:
        return
    also = f", {count(leftovers, 'unfinished file')} of crashes" if leftovers else ""
    done = "would delete" if dry_run else "deleted"
    context.warn(f"{done} {count(number, 'blob')} of {count(size, 'byte')}{also}")


def verify_blobs(context: Context, repair: bool, as_json: bool) -> int:
    """Prints the damage in the blobs. Exit code 14 if damage remains."""
    return _verify(context, "blobs", repair, as_json)


def verify_runs(context: Context, repair: bool, as_json: bool) -> int:
    """Prints the damage in the run logs. Exit code 14 if damage remains."""
    return _verify(context, "runs", repair, as_json)


def verify_releases(context: Context, repair: bool, as_json: bool) -> int:
    """Prints the damage in the release logs. Exit code 14 if damage remains."""
    return _verify(context, "releases", repair, as_json)


def _counted(checked: dict[str, int]) -> str:
    return ", ".join(count(number, part.removesuffix("s")) for part, number in checked.items())


def _verdict(found: dict[str, int]) -> str:
    parts = [f"{found['repaired']} repaired"] if found["repaired"] else []
    if found["damage"]:
        parts.append(f"{found['damage']} damaged")
    elif not parts:
        parts.append("no damage found")
    if found["notice"]:
        parts.append(count(found["notice"], "notice"))
    return ", ".join(parts)
