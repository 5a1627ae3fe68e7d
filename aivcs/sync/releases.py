"""Pulls release logs from another store.

A release log changes at its home alone, and is never pushed. The log of a name whose home is the
remote is brought into this store as it is there, if the log here is a beginning of it. Any other is
kept beside the store's own logs (`aivcs.store.pulled`), to be read as `REMOTE:NAME`, so that it is
never live here.
"""

from __future__ import annotations

from itertools import islice

from aivcs.errors import StorageError
from aivcs.log import chain
from aivcs.log.names import check_log_name
from aivcs.model.digest import ContentDigest
from aivcs.model.record import Head
from aivcs.store import adopt as adopting
from aivcs.store.pulled import PREFIX, PulledLogs
from aivcs.sync.plan import BEHIND, DIVERGED, EXTENDED, NEW, SAME, compare, hash_at
from aivcs.sync.references import parts, skip_seen
from aivcs.sync.transfer import FAILED, Copied

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from aivcs.repository import Repository
    from aivcs.store.driver import LogDriver
    from aivcs.sync.blobs import BlobCopier


def pull_releases(
    source: Repository,
    target: Repository,
    names: Iterable[str],
    blobs: BlobCopier,
    *,
    remote: str,
    is_home: Callable[[str], bool],
    dry_run: bool = False,
) -> Iterator[Copied]:
    """Pulls the logs of release names; yields what became of each that is not equal already.

    The name of the log stands in `Copied.run_id`, as `release/NAME`, or `REMOTE:NAME` where it is
    kept beside the store's own.

    Args:
        source: The remote.
        target: This store.
        names: The names.
        blobs: Copies the specs that they name, with their parts, and the policies.
        remote: The name of the remote.
        is_home: Tells whether the releases of a name are changed at the remote.
        dry_run: Whether to write nothing.
    """
    pulled = PulledLogs(target.store, remote)
    for name in names:
        own = is_home(name)
        shown = PREFIX + name if own else f"{remote}:{name}"
        logs: LogDriver = target.store.logs if own else pulled
        try:
            outcome = _pull(source, target, name, blobs, logs, dry_run=dry_run)
        except adopting.DivergedError as error:
            outcome = Copied(shown, DIVERGED, Head(0, ""), error=error)
        except StorageError as error:
            if error.is_store_away:
                raise
            outcome = Copied(shown, FAILED, Head(0, ""), error=error)
        if outcome.action not in {SAME, BEHIND}:
            yield outcome._replace(run_id=shown)


def _pull(
    source: Repository,
    target: Repository,
    name: str,
    blobs: BlobCopier,
    logs: LogDriver,
    *,
    dry_run: bool,
) -> Copied:
    log = PREFIX + name
    check_log_name(log)  # it becomes a path here
    there = adopting.standing(source.store.logs, log)
    if not there.lines:
        return Copied(log, SAME, there)
    here = adopting.standing(logs, log)

    def lines() -> Iterator[bytes]:
        return (line for line, place in source.store.logs.read(log) if place.lines <= there.lines)

    def own_lines() -> Iterator[bytes]:
        return (line for line, _ in logs.read(log))

    action = compare(there, here, hash_at(lines), hash_at(own_lines))
    if action == DIVERGED:
        raise adopting.DivergedError(log, adopting.parting(lines(), own_lines()))
    if action not in {NEW, EXTENDED}:
        return Copied(log, action, here)
    checked = adopting.check(lines(), log, here.lines)
    if checked.head != there or (here.lines and checked.at != here.hash):
        raise adopting.DivergedError(log, adopting.parting(lines(), own_lines()))
    wanted = sorted(_declared(source, islice(lines(), here.lines, None)))
    if dry_run:
        return Copied(log, action, there, blobs=tuple(blobs.missing(wanted)))
    with target.hold():
        blobs.copy(wanted)
        damaged = next((blobs.damaged[d] for d in wanted if d in blobs.damaged), None)
        if damaged is not None:
            raise damaged
        if isinstance(logs, PulledLogs):
            logs.keep(name, _verified(lines(), there, log), there)
        else:
            adopting.adopt(logs, log, lines)
    return Copied(log, action, there)


def _verified(lines: Iterable[bytes], head: Head, log: str) -> list[bytes]:
    """Reads the lines of a log again, which must still be those that were checked."""
    kept = [line for _, line in chain.verified_lines(lines)]
    if len(kept) != head.lines or chain.hash_of(kept[-1]) != head.hash:
        raise adopting.changed(log)
    return kept


def _declared(source: Repository, lines: Iterable[bytes]) -> set[ContentDigest]:
    """Returns the specs that lines name, with their parts, and the policies."""
    found: set[ContentDigest] = set()
    specs = []
    for line in lines:
        entry = chain.members(line)
        if isinstance(spec := entry.get("spec_digest"), str):
            specs.append(ContentDigest(spec))
        if isinstance(policy := entry.get("policy"), str):
            found.add(ContentDigest(policy))

    return found.union(parts(source.blobs, specs, skip_seen(set(found))))
