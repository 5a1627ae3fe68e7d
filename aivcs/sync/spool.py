"""The spool: runs that are recorded on this machine first, and wait until a remote store has them.

A spool is for one store, and keeps the runs of each day in a folder store of their own:

    PLACE/urls/<hash of a URL>        the name of the spool for that URL
    PLACE/<store id>/                 a spool; `new-<hash of the URL>` while the id is not known
        state.json                    URL, id, and what came of the last push
        config.toml                   the store's own configuration, as it was read last
        lock, turn                    held by who pushes, and by who waits for the time to push
        <YYYY-MM-DD>/.aivcs           the runs that were started on that day (UTC)
        <YYYY-MM-DD>/waiting/<run>    a run that may have lines which the store lacks
        <YYYY-MM-DD>/erasures         the names of the records of erasures that the store has
        <YYYY-MM-DD>/in-use           locked, shared, by who writes to the day
        <YYYY-MM-DD>.gone             a day that is being removed

A run's mark in `waiting` is durable before the run's first line, and goes when the run has ended
and the store has all of it. So whatever dies at whatever moment, no run is forgotten. The folder of
a day that is over goes when the store has everything in it: it is renamed while nobody writes to
it, and who opened it before and writes later is refused.
"""

import fcntl
import os
from contextlib import contextmanager
from time import gmtime, monotonic, sleep, strftime, time

from aivcs import errors
from aivcs.codec.json import encode
from aivcs.codec.sha256 import hex_digest
from aivcs.codec.url import canonical
from aivcs.errors import BackendError
from aivcs.short_names import LAST
from aivcs.store.identity import is_store_id
from aivcs.sync import spool_files as files
from aivcs.sync.spool_day import DayStore
from aivcs.util.writing import sync_folder

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from aivcs.model.record import Head
    from aivcs.store.settings import Settings

_NEW = "new-"
"""The beginning of the name of a spool whose store has not said its id yet."""
GONE = ".gone"
"""The end of the name of a day's folder that is being removed: the store has all that is in it."""


class Spool:
    """The spool for one store.

    Attributes:
        folder: Its folder.
        settings: The settings for its stores.
        appended: Called after each append.
    """

    def __init__(self, folder: str, settings: "Settings | None" = None) -> None:
        """Takes an existing folder; use `Spools`."""
        self.folder = folder
        self.settings = settings
        self.appended: Callable[[], None] = _nothing

    @property
    def state(self) -> "dict[str, Any]":
        """The members of `state.json`: `url`, and perhaps `id`, `tried_at`, `failed_at`, `error`.

        The last three are of the last push: when it was tried, and since when, in POSIX seconds,
        and why pushes have failed. A member that is not what it must be is left out.
        """
        state = files.members(files.read(f"{self.folder}/state.json"), files.STATE)
        name = os.path.basename(self.folder)
        if is_store_id(name):  # it is the store's id, whatever the file says
            state["id"] = name
        return state

    def change_state(self, **changes: "Any") -> None:
        """Changes members of `state.json`; None removes one.

        Raises:
            BackendError: The file cannot be written.
        """
        state = {k: v for k, v in {**self.state, **changes}.items() if v is not None}
        files.write(f"{self.folder}/state.json", encode(state).encode() + b"\n")

    @property
    def identity(self) -> str:
        """The id of the store; the spool's own name until it is known."""
        return self.state.get("id") or os.path.basename(self.folder)

    @property
    def config(self) -> "bytes | None":
        """The store's own configuration, as it was read last; None if it has none."""
        return files.read(f"{self.folder}/config.toml") or None

    def keep_config(self, text: "bytes | None") -> None:
        """Keeps the store's own configuration.

        Raises:
            BackendError: It cannot be written.
        """
        if (text or None) != self.config:
            files.write(f"{self.folder}/config.toml", text or b"")

    def today(self) -> DayStore:
        """Returns the store for runs that are started now.

        Raises:
            BackendError: It cannot be made.
        """
        day = strftime("%Y-%m-%d", gmtime())
        if not os.path.exists(f"{self.folder}/{day}/.aivcs/format"):
            files.make_private(f"{self.folder}/{day}")
            with self.staying(day):
                files.make_private(f"{self.folder}/{day}/waiting")
                DayStore.init(f"{self.folder}/{day}", private=True, settings=self.settings)
        return self.of(day)

    def days(self) -> "list[str]":
        """Returns the days of which there are runs, the newest first.

        Raises:
            BackendError: The folder of the spool cannot be read.
        """
        names = reversed(files.names(self.folder))
        days = (name for name in names if len(name) == 10 and name[4:8:3] == "--")
        return [day for day in days if os.path.exists(f"{self.folder}/{day}/.aivcs/format")]

    def of(self, day: str) -> DayStore:
        """Opens the store of a day."""
        repo = DayStore.open(f"{self.folder}/{day}/.aivcs", self.settings)
        assert isinstance(repo, DayStore)
        repo.spool, repo.day = self, day
        return repo

    def find(self, run: str) -> "DayStore | None":
        """Returns the store of the run that a text names, as for `Repository.resolve_run`.

        Raises:
            UsageError: The text is empty or too short.
            AmbiguousError: Several runs fit.
        """
        found: dict[str, DayStore] = {}
        for day in self.days():
            repo = self.of(day)
            try:
                run_id = repo.resolve_run(run)
            except errors.RunNotFoundError:
                continue
            with repo.store.logs.look(f"run/{run_id}") as view:
                if view is None:
                    continue
            if run in {run_id, LAST}:
                return repo
            found[run_id] = repo
        if len(found) > 1:
            raise errors.AmbiguousError("run", run, sorted(found))
        return next(iter(found.values()), None)

    def spec_of(self, text: str) -> "tuple[str, float] | None":
        """Returns the digest that the name of a spec had when the store was last asked, and when.

        The time is in POSIX seconds.
        """
        known = files.members(files.read(self._spec_path(text)), files.SPEC)
        return (known["digest"], known["at"]) if len(known) == 2 else None

    def keep_spec(self, text: str, digest: str) -> None:
        """Keeps the digest that the name of a spec has now.

        Raises:
            BackendError: It cannot be written.
        """
        files.make_private(f"{self.folder}/specs")
        known = {"spec": text, "digest": digest, "at": time()}
        files.write(self._spec_path(text), encode(known).encode() + b"\n")

    def _spec_path(self, text: str) -> str:
        return f"{self.folder}/specs/{hex_digest(text.encode('utf-8', 'surrogateescape'))[:32]}"

    def mark(self, day: str, run_id: str) -> None:
        """Marks a run as one that may have to be pushed; durable on return.

        Raises:
            BackendError: The mark cannot be made.
        """
        path = f"{self.folder}/{day}/waiting/{run_id}"
        if os.path.exists(path):
            return
        try:
            os.close(os.open(path, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o600))
            sync_folder(os.path.dirname(path))
        except OSError as error:
            raise BackendError(f"cannot write to the spool {path}: {error.strerror}") from error

    def is_marked(self, day: str, run_id: str) -> bool:
        """Tells whether a run may have to be pushed."""
        return os.path.exists(f"{self.folder}/{day}/waiting/{run_id}")

    def marks(self, day: str) -> "list[str]":
        """Returns the ids of the marked runs of a day.

        Raises:
            BackendError: The marks cannot be read.
        """
        names = files.names(f"{self.folder}/{day}/waiting")
        return [name for name in names if not name.endswith(".tmp")]

    def note_of(self, day: str, run_id: str) -> "dict[str, Any]":
        """Returns what the last push noted of a run.

        Members: `lines` and `hash` that the store has, `error`, if it was left as it is, and `at`,
        in POSIX seconds: when that push brought the lines, or when the run was marked.
        """
        path = f"{self.folder}/{day}/waiting/{run_id}"
        note = files.members(files.read(path), files.NOTE)
        if "at" not in note:
            try:
                note["at"] = os.stat(path).st_mtime
            except FileNotFoundError:
                note["at"] = time()
        return note

    def note(self, day: str, run_id: str, **members: "Any") -> None:
        """Notes what came of the push of a run.

        Raises:
            BackendError: The note cannot be written.
        """
        files.write(f"{self.folder}/{day}/waiting/{run_id}", encode(members).encode() + b"\n")

    def head_of(self, repo: DayStore, run_id: str) -> "Head":
        """Returns the head of a marked run; 0 lines if it never began, or was erased.

        Raises:
            IntegrityError: The log is damaged, or lacks lines that it had.
        """
        from aivcs.store.adopt import standing

        name = f"run/{run_id}"
        logs = repo.store.logs
        head = standing(logs, name)
        pushed = self.note_of(repo.day, run_id).get("lines", 0)
        if head.lines >= pushed and (head.lines or self._is_empty(repo, run_id)):
            return head
        # With the log's lock: a first line may be being written.
        lines = sum(1 for _ in logs.read(name, settled=True))
        if lines and lines >= pushed:
            return standing(logs, name)
        if name in repo.erasures.load().logs:
            return head
        had = f"the store has {pushed} of it" if pushed else "there is something in the file"
        raise errors.IntegrityError.of(
            f"{logs.where(name)} has {lines} whole lines, and {had}", logs.where(name)
        )

    def _is_empty(self, repo: DayStore, run_id: str) -> bool:
        try:
            return not os.stat(f"{repo.path}/{repo.store.logs.where(f'run/{run_id}')}").st_size
        except FileNotFoundError:
            return True

    def unpushed_erasures(self, repo: DayStore) -> "list[str]":
        """Returns the names of the records of erasures of a day that no push has brought."""
        names = list(repo.erasures.names())
        if not names:
            return []
        pushed = files.read(f"{self.folder}/{repo.day}/erasures") or b""
        known = set(pushed.decode(errors="replace").split("\n"))
        return [name for name in names if name not in known]

    def note_erasures(self, repo: DayStore, names: "list[str]") -> None:
        """Notes that the store has some records of erasures, and has carried them out.

        Raises:
            BackendError: The note cannot be written.
        """
        path = f"{self.folder}/{repo.day}/erasures"
        files.write(
            path, (files.read(path) or b"") + "".join(f"{name}\n" for name in names).encode()
        )

    def unmark(self, day: str, run_id: str) -> None:
        """Removes the mark of a run that has ended and is in the store as it is here.

        Raises:
            BackendError: It cannot be removed.
        """
        path = f"{self.folder}/{day}/waiting/{run_id}"
        try:
            os.unlink(path)
        except FileNotFoundError:
            pass
        except OSError as error:
            raise BackendError(f"cannot remove {path}: {error.strerror}") from error

    @contextmanager
    def staying(self, day: str) -> "Iterator[None]":
        """Returns a block in which a day is not removed; those who write to it are in one.

        Raises:
            BackendError: It was removed since it was opened, or cannot be locked; nothing was
                written.
        """
        fd = files.lock(f"{self.folder}/{day}/in-use", fcntl.LOCK_SH)
        if fd is None:
            raise BackendError(
                f"the day {day} of the spool {self.folder} was pushed and removed just now; "
                "nothing was written: do it again"
            )
        try:
            yield
        finally:
            os.close(fd)

    def leftovers(self) -> "list[str]":
        """Returns the paths of days whose removal was begun, and was killed or failed.

        Raises:
            BackendError: The folder of the spool cannot be read.
        """
        names = files.names(self.folder)
        return [f"{self.folder}/{name}" for name in names if name.endswith(GONE)]

    @contextmanager
    def locked(self, name: str, seconds: float) -> "Iterator[bool]":
        """Returns a block with a lock of the spool; tells it whether the lock was got in time.

        Raises:
            BackendError: The file of the lock cannot be opened or locked.
        """
        path, end = f"{self.folder}/{name}", monotonic() + seconds
        exclusive = fcntl.LOCK_EX | fcntl.LOCK_NB
        while (fd := files.lock(path, exclusive)) is None and monotonic() < end:
            sleep(0.05)
        try:
            yield fd is not None
        finally:
            if fd is not None:
                os.close(fd)


class Spools:
    """All spools of a user."""

    def __init__(self, place: str) -> None:
        """Takes the folder of the spools, which need not exist."""
        self.place = place

    def find(self, url: str, ids: "set[str]") -> "Spool | None":
        """Returns the spool for a store; None if it has none yet.

        Args:
            url: The store's URL.
            ids: The ids under which it is trusted.

        Raises:
            BackendError: The folder of the spools is not the user's alone, or cannot be written.
        """
        if not os.path.isdir(self.place):
            return None
        files.require_private(self.place)
        bound = (files.read(self._binding(url)) or b"").decode(errors="replace").strip()
        if not is_store_id(bound) and bound != _NEW + self._key(url):
            bound = ""
        for name in [bound, *sorted(ids)]:
            spool = Spool(f"{self.place}/{name}")
            if not name or not os.path.isdir(spool.folder):
                continue
            # One that was begun when the store was away, or before another store was trusted.
            state = spool.state
            if not ids or state.get("id") in {None, *ids}:
                if "url" not in state:  # the file was damaged
                    spool.change_state(url=canonical(url))
                return spool
        return None

    def make(self, url: str, store_id: "str | None") -> Spool:
        """Makes the spool for a store, or finds that of its id.

        Args:
            url: The store's URL, of which a password is not kept.
            store_id: Its id; None if it is not known, because the store is away.

        Raises:
            BackendError: It cannot be made, or its place is not the user's alone.
        """
        files.make_private(self.place)
        files.make_private(f"{self.place}/urls")
        name = store_id or _NEW + self._key(url)
        spool = Spool(f"{self.place}/{name}")
        files.make_private(spool.folder)
        if "url" not in spool.state:
            spool.change_state(url=canonical(url), id=store_id)
        files.write(self._binding(url), name.encode() + b"\n")
        return spool

    def all(self) -> "Iterator[Spool]":
        """Yields the spools, in the order of their names.

        Raises:
            BackendError: The folder of the spools is not the user's alone, or cannot be read.
        """
        if not os.path.isdir(self.place):
            return
        files.require_private(self.place)
        for name in files.names(self.place):
            if is_store_id(name) or name.startswith(_NEW):
                yield Spool(f"{self.place}/{name}")

    def _key(self, url: str) -> str:
        return hex_digest(canonical(url).encode("utf-8", "surrogateescape"))[:32]

    def _binding(self, url: str) -> str:
        return f"{self.place}/urls/{self._key(url)}"


def _nothing() -> None:
    """Does nothing, where nobody is told of appends."""
