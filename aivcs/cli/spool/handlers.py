"""Handlers of `aivcs spool`, and the push of a spool at the end of a job."""

from __future__ import annotations

import os
from itertools import chain
from time import sleep, time

from aivcs.cli.exit_codes import report
from aivcs.cli.remote.handlers import print_copied, worse
from aivcs.cli.session.spooling import LOCK_S, find_spool, pause_before_push, spool_place
from aivcs.codec.url import canonical, hide_passwords, shown
from aivcs.commands.spool.list import waiting
from aivcs.commands.spool.push import SpoolPush
from aivcs.errors import AivcsError, LockTimeoutError, NoRepositoryError, UnreachableError
from aivcs.present.words import count
from aivcs.sync.spool import Spool, Spools

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from aivcs.cli.session.context import Context
    from aivcs.repository import Repository
    from aivcs.sync.transfer import Copied

_AT_END_S = 20.0
"""Seconds that the push at the end of a job may take, and the wait for another one before it."""
_MAX_NAMED = 5
"""Runs that wait and are named at the end of a job, at most."""


def push(context: Context, no_scan: bool, as_json: bool) -> int:
    """Prints a line for each run that changed in its store."""
    from aivcs.cli.render.progress import Bar

    code = runs = erasures = 0
    for spool in _chosen(context):
        url = _url(context, spool)
        with Bar(context, "pushing", lambda: 1) as bar:
            work = SpoolPush(spool, scans=not no_scan, progress=bar.advance)
            try:
                with spool.locked("lock", LOCK_S) as is_ours:
                    if not is_ours:
                        raise LockTimeoutError(f"{spool.folder}/lock", LOCK_S)
                    if not work.is_needed and not spool.state.get("error"):
                        continue
                    outcomes = work.run(lambda url=url: _open(context, url))  # type: ignore[misc]
                    told = print_copied(context, outcomes, bar, as_json=as_json, dry_run=False)
                    code = worse(code, told)
            except AivcsError as error:
                bar.clear()
                code = worse(code, report(context, error))
        runs += work.runs
        erasures += work.erasures
        if work.runs and not as_json:
            blobs = f"{count(work.blobs, 'blob')} of {count(work.size, 'byte')}"
            context.warn(f"pushed {count(work.runs, 'run')} and {blobs} to {shown(url)}")
    if not runs and not erasures and not code and not as_json:
        context.warn("nothing waits in the spool")
    return code


def list_(context: Context, as_json: bool) -> None:
    """Prints a row for each run that waits."""
    from aivcs.cli.render import output as render
    from aivcs.cli.render.table import Column

    found = list(chain.from_iterable(map(waiting, _all(context))))
    if as_json:
        for one in found:
            context.write(render.json_line(one.to_json()))
        return
    columns = [Column("RUN"), Column("STORE"), Column("SINCE"), Column("LINES"), Column("WHY")]
    rows = [
        (
            one.run_id,
            one.store,
            str(one.since),
            "-" if one.lines is None else str(one.lines),
            one.error or "-",
        )
        for one in found
    ]
    render.table(context, columns, rows)


def push_later(context: Context, folder: str) -> int:
    """Detaches, waits until it is time, and pushes once; what came of it is in the spool."""
    if os.fork():
        return 0
    code, spool = 1, Spool(folder)
    try:
        os.setsid()
        os.closerange(3, 1024)  # locks and pipes of whoever called
        os.chdir("/")
        with spool.locked("turn", 0.0) as is_ours:
            if not is_ours:
                os._exit(0)
            sleep(pause_before_push(spool))
        context.patience = 0.0
        url = context.named_store()
        with spool.locked("lock", LOCK_S) as is_ours:
            work = SpoolPush(spool)
            if is_ours and work.is_needed:
                for _ in work.run(lambda: _open(context, url)):
                    pass
        code = 0
    except Exception as error:  # noqa: BLE001 nobody else would ever hear of it
        kind = "" if isinstance(error, AivcsError) else f"{type(error).__name__}: "
        text, since = hide_passwords(f"{kind}{error}"), spool.state.get("failed_at", time())
        spool.change_state(failed_at=since, error=text[:500])
    finally:
        os._exit(code)  # nothing of the caller's may run after the fork


def push_quietly(context: Context, spool: Spool, url: str) -> None:
    """Pushes a spool when a job ends; prints a warning for what waits on. Never fails."""
    from aivcs.cli.session.deadline import deadline

    failure: Exception | None = None
    held: list[Copied] = []
    try:
        with deadline(_AT_END_S, "pushing the spool"), spool.locked("lock", _AT_END_S) as is_ours:
            work = SpoolPush(spool)
            if not is_ours:
                failure = LockTimeoutError(f"{spool.folder}/lock", _AT_END_S)
            elif work.is_needed:
                outcomes = work.run(lambda: _open(context, url))
                held = [outcome for outcome in outcomes if outcome.error is not None]
    except Exception as error:  # noqa: BLE001 the job is done, and its run is in the spool
        failure = error
    for outcome in held[:_MAX_NAMED]:
        context.warn(f"aivcs: not pushed: {outcome.error}", is_error=True)
    if len(held) > _MAX_NAMED:
        context.warn(f"aivcs: and {len(held) - _MAX_NAMED} more: aivcs spool list", is_error=True)
    if failure is not None:
        reason = str(failure)
        if isinstance(failure, UnreachableError):
            reason = f"cannot reach {failure.store}: {failure.reason}"
        message = f"aivcs: warning: not pushed: {hide_passwords(reason)}; {_rest(spool)}"
        context.warn(message, is_error=True)


def _rest(spool: Spool) -> str:
    try:
        runs = sum(1 for _ in waiting(spool))
    except AivcsError as error:
        return f"the spool cannot be read: {error}"
    wait = "1 run waits" if runs == 1 else f"{runs:,} runs wait"
    return f"{wait} in the spool, and aivcs spool push brings them"


def _chosen(context: Context) -> Iterable[Spool]:
    """The spool of the store that was named, else all."""
    named = context.named_store()
    if not named:
        return _all(context)
    url = context.network_store()
    found = find_spool(context, url) if url else None
    if found is None and url:
        found = Spools(spool_place(context)).find(url, set())
    return [] if found is None else [found]


def _all(context: Context) -> Iterable[Spool]:
    return Spools(spool_place(context)).all()


def _url(context: Context, spool: Spool) -> str:
    """The URL of a spool's store, with the password of the one that was named."""
    known: str = spool.state.get("url", "")
    named = context.named_store()
    if "://" in named and (canonical(named) == known or not known):
        return named
    return known


def _open(context: Context, url: str) -> Repository:
    if not url:
        raise NoRepositoryError(
            "a spool does not know the URL of its store; name it: aivcs --store URL spool push"
        )
    repo, _ = context.open_other(url)
    return repo
