"""The spool of a call: where it is, whether runs go to it, and how it is pushed.

Runs go to the spool if `core.spool` is true in the user's or the system's file or in the store's
own configuration, as it was read last, or if AIVCS_SPOOL names the place.

Each append sees to a push that begins within five seconds after it: a detached process that waits
until then, one at a time for a spool, and that pushes once. While the store is away the pauses
grow, to a minute. Whatever that process dies of, the run is in the spool, and the next append, the
next `run finish` or `aivcs spool push` brings it.
"""

import os
import sys
from time import time

from aivcs.cli.session.own_command import own_command
from aivcs.config import files as config_files
from aivcs.config.layers import ids_in
from aivcs.errors import NotFoundError, StorageError, UsageError
from aivcs.short_names import LAST
from aivcs.sync.spool import Spool, Spools
from aivcs.sync.spool_day import DayStore

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from aivcs.cli.session.context import Context
    from aivcs.repository import Repository

PUSH_EVERY_S = 5.0
"""Seconds between the beginnings of two pushes of a spool."""
_MAX_PAUSE_S = 60.0
"""Seconds between two attempts while the store is away, at most."""
_GATHER_S = 1.0
"""Seconds before a push begins, at least: appends within them start no other process."""
LOCK_S = 60.0
"""Seconds to wait for another push of the same spool."""
PATIENCE_S = 5.0
"""Seconds for which a job waits for a store that is away, at most."""
_IMPATIENCE_S = 1.0
"""Seconds that a job waits instead if the store was away in the last minute."""


def spool_place(context: "Context") -> str:
    """Returns the folder of the user's spools.

    Raises:
        UsageError: AIVCS_SPOOL is not an absolute path, or there is no home.
    """
    named = context.environment.get("AIVCS_SPOOL", "")
    if named:
        if not named.startswith("/"):
            raise UsageError(f"AIVCS_SPOOL={named!a} must be a path that begins with /")
        return named.rstrip("/")
    if sys.platform == "linux":
        # What platformdirs says there, without its import; a test holds the two together.
        base = context.environment.get("XDG_STATE_HOME", "")
        if not base.startswith("/"):
            home = config_files.home(context.environment)
            if not home:
                raise UsageError("there is no home for the spool: set AIVCS_SPOOL to its folder")
            base = f"{home}/.local/state"
        return f"{base}/aivcs/spool"
    from platformdirs import user_state_dir

    return os.path.join(user_state_dir("aivcs", appauthor=False), "spool")


def find_spool(context: "Context", url: str) -> "Spool | None":
    """Returns the spool of a store, if runs go to it and it was made; opens no store.

    Raises:
        UsageError: The configuration is invalid.
        BackendError: The spool is not the user's alone.
    """
    context.settings_for(url)(None)
    is_named = bool(context.environment.get("AIVCS_SPOOL"))
    if not is_named and not _has_home(context):
        return None
    spool = Spools(spool_place(context)).find(url, ids_in(context.layers, url))
    if spool is None:
        return None
    settings = context.settings_for(url)(spool.config)
    settings.blobs = ""  # those of the store; a spool has its own
    spool.settings = settings
    return spool if is_named or _is_on(context) else None


def find_recorder(
    context: "Context", store: str, run: str, *, reads: bool = False
) -> "Repository | None":
    """Returns what a run is recorded in; None if no spool is wanted.

    Args:
        context: The call.
        store: The URL of the store, or the path of a link file.
        run: The run; empty for one to be started.
        reads: Whether it is only read: then the store is asked for a run that has arrived.

    Raises:
        AivcsError: As `Context.recorder`.
    """
    url = context.network_store()
    if not url:
        return None
    spool = find_spool(context, url)
    if spool is None:
        there: Repository | None
        if not context.environment.get("AIVCS_SPOOL") and not _is_on(context):
            there = context.open_store(store)
            if not _is_on(context):
                return there
        elif run:
            return None  # nothing was recorded here yet
        else:
            there = _reach_or_none(context, url)
        spool = _make(context, url, there)
        if run:
            return there
    found = spool.find(run) if run else spool.today()
    if found is None:
        return None
    context.spool = spool
    if reads and run != LAST and found.resolve_run(run) not in spool.marks(found.day):
        arrived = _reach_or_none(context, url)
        if arrived is not None:
            return arrived
        context.warn("aivcs: warning: the store is away; this is its copy in the spool")
    spool.appended = _Nudge(context, spool, url)
    return found


def _reach_or_none(context: "Context", url: str) -> "Repository | None":
    try:
        return reach(context, url)
    except StorageError as error:
        if not error.is_store_away:
            raise
        return None


def reach(context: "Context", url: str) -> "Repository":
    """Opens the store itself; waits for it for a few seconds at most.

    Raises:
        StorageError: It is away.
        AivcsError: As `Context.repository`.
    """
    was_away = context.spool is not None and _was_away(context.spool)
    context.patience = _IMPATIENCE_S if was_away else PATIENCE_S
    try:
        repo, _ = context.open_other(url)
    finally:
        context.patience = None
    ids = ids_in(context.layers, url)
    if ids:
        from aivcs.config.trust import require_identity

        require_identity(repo.store, ids)
    return repo


def bring_spec(context: "Context", repo: DayStore, spec: str) -> tuple[str, bool]:
    """Brings a spec with its parts into the spool; returns its digest.

    Returns:
        The digest, and whether its parts may be missing, as the store is away. A name that the
        store knows then has the digest that it had when the store was last asked.

    Raises:
        StorageError: The store is away, and the digest is not known.
        AivcsError: As `Repository.resolve_spec` and `require_spec` of the store.
    """
    spool = context.spool
    assert spool is not None
    if "@" not in spec:
        try:
            digest = repo.resolve_spec(spec)
            repo.require_spec(digest)
            return digest, False
        except NotFoundError:
            pass  # it may be in the store
    from aivcs.commands.remote.home import HomeStore

    try:
        there = reach(context, context.network_store())
        with repo.hold():
            digest = HomeStore(there, repo).send_spec(spec)
    except StorageError as error:
        if not error.is_store_away:
            raise
        if "@" not in spec:
            if len(spec) < 64:
                raise
            context.warn(f"aivcs: warning: {error}; that it has the spec {spec} is not known")
            return spec, True
        known = spool.spec_of(spec)
        if known is None:
            raise
        context.warn(f"aivcs: warning: {error}; {spec} is taken to be what it was {_ago(known[1])}")
        return known[0], True
    if "@" in spec:
        spool.keep_spec(spec, digest)
    return digest, False


def prepare(
    context: "Context", repo: "Repository", agent: str, spec: "str | None", key: "str | None"
) -> "tuple[Repository, str | None, bool]":
    """Prepares the start of a run in the spool.

    Returns:
        The repository to start it in, the spec to start it with, and whether parts of the spec may
        be missing, as the store is away. The repository is the one that has a run with the key, if
        one was started before and is known of.

    Raises:
        AivcsError: As `bring_spec`.
    """
    spool = context.spool
    assert spool is not None
    if key is not None:
        from aivcs.commands.run.start import id_of_key

        unknown = (
            "the store is away, so whether another machine has started a run with this key is not "
            "known; if one has, this one cannot be pushed"
        )
        found = repository_with(context, id_of_key(repo, agent, key), unknown=unknown)
        repo = found or repo
    if spec is None or not isinstance(repo, DayStore):
        return repo, spec, False
    digest, is_away = bring_spec(context, repo, spec)
    return repo, digest, is_away


def repository_with(context: "Context", run_id: str, *, unknown: str = "") -> "Repository | None":
    """Returns the spool or the store that has a run, or erased it; None if none, or if it is away.

    Args:
        context: The call.
        run_id: The run.
        unknown: What to warn of if the store is away.

    Raises:
        AivcsError: The spool cannot be read, or the store can be reached and not be opened.
    """
    assert context.spool is not None
    found = context.spool.find(run_id)
    if found is not None:
        return found
    there = _reach_or_none(context, context.network_store())
    if there is None:
        if unknown:
            context.warn(f"aivcs: warning: {unknown}")
        return None
    name = f"run/{run_id}"
    with there.store.logs.look(name) as view:
        # A run that was erased is refused there.
        return there if view is not None or name in there.erasures.load().logs else None


def push_at_end(context: "Context") -> None:
    """Pushes what waits in the spool when a job ends, and says what could not be pushed.

    It takes some seconds at most, and never fails.
    """
    from aivcs.cli.spool.handlers import push_quietly

    spool = context.spool
    assert spool is not None
    context.patience = _IMPATIENCE_S if _was_away(spool) else PATIENCE_S
    try:
        push_quietly(context, spool, context.network_store())
    finally:
        context.patience = None


def push_first(context: "Context", runs: "Sequence[str]") -> None:
    """Pushes what waits in the spool of the call's store, because some runs of it are needed there.

    Raises:
        StorageError: One of these runs cannot be pushed, or the store is away.
        AmbiguousError: Several runs of the spool fit the name of one.
    """
    from aivcs.commands.spool.push import SpoolPush
    from aivcs.errors import LockTimeoutError

    url = context.network_store()
    spool = find_spool(context, url) if url else None
    if spool is None:
        return
    needed = set()
    for run in runs:
        found = spool.find(context.run_operand(run))
        if found is not None:
            needed.add(found.resolve_run(context.run_operand(run)))
    work = SpoolPush(spool)
    with spool.locked("lock", LOCK_S) as is_ours:
        if not is_ours:
            raise LockTimeoutError(f"{spool.folder}/lock", LOCK_S)
        if work.is_needed:
            for outcome in work.run(lambda: context.open_other(url)[0]):
                if outcome.error is not None and outcome.run_id in needed:
                    raise outcome.error


def pause_before_push(spool: Spool) -> float:
    """Returns the seconds until the next push of a spool in the background may begin."""
    state, now = spool.state, time()
    pause = PUSH_EVERY_S
    if "failed_at" in state:
        away = now - float(state["failed_at"])
        pause = min(max(away / 4, PUSH_EVERY_S), _MAX_PAUSE_S)
    left = float(state.get("tried_at", 0.0)) + pause - now
    return min(max(left, _GATHER_S), pause)


class _Nudge:
    """Starts the detached process that pushes, unless one is about to begin."""

    def __init__(self, context: "Context", spool: Spool, url: str) -> None:
        self._context = context
        self._spool = spool
        self._url = url

    def __call__(self) -> None:
        """Never fails: what was appended is in the spool."""
        mark = f"{self._spool.folder}/nudged"
        try:
            if time() - os.stat(mark).st_mtime < _GATHER_S / 2:
                return  # that one has not begun to push
        except OSError:
            pass
        try:
            with self._spool.locked("turn", 0.0) as is_free:
                if not is_free:
                    return
            os.close(os.open(mark, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))
            os.utime(mark)
            self._start()
        except (OSError, StorageError):
            pass

    def _start(self) -> None:
        environment = {**self._context.environment, "AIVCS_STORE": self._url}
        nowhere = [
            (os.POSIX_SPAWN_OPEN, descriptor, os.devnull, os.O_RDWR, 0) for descriptor in (0, 1, 2)
        ]
        words = [*own_command(), "spool-push", self._spool.folder]
        os.posix_spawn(words[0], words, environment, file_actions=nowhere)


def _make(context: "Context", url: str, there: "Repository | None") -> Spool:
    """Makes the spool of a store; `there` is the open store, or None if it is away."""
    from aivcs.repository import CONFIG

    ids = ids_in(context.layers, url)
    store_id = there.identity if there is not None else next(iter(sorted(ids)), None)
    spool = Spools(spool_place(context)).make(url, store_id)
    if there is not None:
        found = there.store.documents.read(CONFIG)
        spool.keep_config(None if found is None else found[0])
    spool.settings = context.settings_for(url)(spool.config)
    spool.settings.blobs = ""
    return spool


def _is_on(context: "Context") -> bool:
    for _, values in context.layers:
        if "core.spool" in values:
            return bool(values["core.spool"])
    return False


def _has_home(context: "Context") -> bool:
    try:
        return bool(spool_place(context))
    except UsageError:
        if _is_on(context):
            raise
        return False


def _was_away(spool: Spool) -> bool:
    state = spool.state
    return "failed_at" in state and time() - state.get("tried_at", 0.0) < _MAX_PAUSE_S


def _ago(moment: float) -> str:
    from datetime import UTC, datetime

    from aivcs.cli.render.time_format import age
    from aivcs.model.timestamp import Timestamp

    return f"{age(Timestamp.from_datetime(datetime.fromtimestamp(moment, UTC)))} ago"
