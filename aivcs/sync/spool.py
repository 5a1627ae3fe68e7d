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
from stat import S_ISDIR
from time import gmtime, monotonic, sleep, strftime, time

from aivcs import errors
from aivcs.codec.json import encode, parse
from aivcs.codec.sha256 import hex_digest
from aivcs.codec.url import canonical
from aivcs.errors import BackendError, StorageError
from aivcs.repository import Repository
from aivcs.short_names import LAST
from aivcs.store.identity import is_store_id
from aivcs.util.writing import sync_folder, write_all

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from contextlib import AbstractContextManager
    from typing import Any

    from aivcs.model.record import Head
    from aivcs.store.contracts import AnnotationStore, RunLedger
    from aivcs.store.driver import Documents, LogDriver, LogView
    from aivcs.store.settings import Settings

_NEW = "new-"
"""The beginning of the name of a spool whose store has not said its id yet."""
GONE = ".gone"
"""The end of the name of a day's folder that is being removed: the store has all that is in it."""
_MAX_TIME_S = 253402300800
"""The end of the year 9999, in POSIX seconds."""
_MAX_FILE = 1 << 20
"""Bytes of a file of a spool, at most."""


class DayStore(Repository):
    """The runs of a day: an ordinary store, which marks each run that is appended to.

    Attributes:
        spool: The spool that it is of; None if it was opened by its path alone.
        day: The day, YYYY-MM-DD.
    """

    __slots__ = ("_ledger", "day", "spool")

    def __init__(self, *arguments: "Any") -> None:
        """As `Repository`."""
        super().__init__(*arguments)
        self.spool: Spool | None = None
        self.day = ""
        self._ledger: RunLedger | None = None

    @property
    def identity(self) -> str:
        """The id of the store that the runs are for; until it is known, the name of the spool."""
        return super().identity if self.spool is None else self.spool.identity

    @property
    def runs(self) -> "RunLedger":
        """The runs."""
        if self.spool is None:
            return super().runs
        if self._ledger is None:
            from aivcs.store.runs import LogRunLedger

            store = self.store
            self._ledger = LogRunLedger(
                _MarkingLogs(store.logs, self.spool, self.day),
                max_event=store.settings.max_event,
                list_runs=store.list_runs,
                find_home=None,  # runs are started here, and never copied to here
            )
        return self._ledger

    @property
    def annotations(self) -> "AnnotationStore":
        """As `Repository.annotations`."""
        if self.spool is None:
            return super().annotations
        from aivcs.store.annotations import DocumentAnnotations

        documents: Any = _StayingDocuments(self.store.documents, self.spool, self.day)
        return DocumentAnnotations(documents, max_payload=self.store.settings.max_event)

    def hold(self, *, later: bool = False) -> "AbstractContextManager[None]":
        """As `Repository.hold`; the day is not removed in it."""
        if self.spool is None:
            return super().hold(later=later)
        return self._hold(self.spool, later=later)

    def staying(self) -> "AbstractContextManager[None]":
        """As `Repository.staying`."""
        return super().staying() if self.spool is None else self.spool.staying(self.day)

    @contextmanager
    def _hold(self, spool: "Spool", *, later: bool) -> "Iterator[None]":
        with spool.staying(self.day), self.store.hold(later=later):
            yield


class _MarkingLogs:
    """The logs of a day: a run is marked as waiting before anything is appended to it.

    The day is not removed between the mark and the end of the append.
    """

    def __init__(self, logs: "LogDriver", spool: "Spool", day: str) -> None:
        self._logs = logs
        self._spool = spool
        self._day = day
        self._marked: set[str] = set()

    def __getattr__(self, name: str) -> "Any":
        return getattr(self._logs, name)

    def update(
        self,
        name: str,
        decide: "Callable[[LogView | None], Iterable[bytes]]",
        *,
        durable: bool = True,
    ) -> None:
        """As `LogDriver.update`; a change that is refused marks nothing."""

        def marking(view: "LogView | None") -> "list[bytes]":
            lines = list(decide(view))
            if lines:
                self._mark(name)
            return lines

        with self._spool.staying(self._day):
            self._logs.update(name, marking, durable=durable)
        self._spool.appended()

    def append_texts(self, name: str, texts: "list[bytes]") -> "int | None":
        """As `LogDriver.append_texts`; a run that is not marked is left to `update`."""
        with self._spool.staying(self._day):
            if not self._is_marked(name):
                return None
            seq = self._logs.append_texts(name, texts)
        self._spool.appended()
        return seq

    def _is_marked(self, name: str) -> bool:
        run_id = name.removeprefix("run/")
        return name in self._marked or self._spool.is_marked(self._day, run_id)

    def _mark(self, name: str) -> None:
        if name not in self._marked:
            self._spool.mark(self._day, name.removeprefix("run/"))
            self._marked.add(name)


class _StayingDocuments:
    """The documents of a day, which is not removed while one is created."""

    def __init__(self, documents: "Documents", spool: "Spool", day: str) -> None:
        self._documents = documents
        self._spool = spool
        self._day = day

    def __getattr__(self, name: str) -> "Any":
        return getattr(self._documents, name)

    def create(self, name: str, data: bytes) -> bool:
        """As `Documents.create`."""
        with self._spool.staying(self._day):
            return self._documents.create(name, data)


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
        and why the store has been away. A member that is not what it must be is left out.
        """
        state = _members(
            read(f"{self.folder}/state.json"),
            url=_is_url, id=is_store_id, tried_at=_is_time, failed_at=_is_time, error=_is_text,
        )  # fmt: skip
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
        write(f"{self.folder}/state.json", encode(state).encode() + b"\n")

    @property
    def identity(self) -> str:
        """The id of the store; the spool's own name until it is known."""
        return self.state.get("id") or os.path.basename(self.folder)

    @property
    def config(self) -> "bytes | None":
        """The store's own configuration, as it was read last; None if it has none."""
        return read(f"{self.folder}/config.toml") or None

    def keep_config(self, text: "bytes | None") -> None:
        """Keeps the store's own configuration.

        Raises:
            BackendError: It cannot be written.
        """
        if (text or None) != self.config:
            write(f"{self.folder}/config.toml", text or b"")

    def today(self) -> DayStore:
        """Returns the store for runs that are started now.

        Raises:
            BackendError: It cannot be made.
        """
        day = strftime("%Y-%m-%d", gmtime())
        if not os.path.exists(f"{self.folder}/{day}/.aivcs/format"):
            make_private(f"{self.folder}/{day}")
            with self.staying(day):
                make_private(f"{self.folder}/{day}/waiting")
                DayStore.init(f"{self.folder}/{day}", private=True, settings=self.settings)
        return self.of(day)

    def days(self) -> "list[str]":
        """Returns the days of which there are runs, the newest first."""
        try:
            names = os.listdir(self.folder)
        except FileNotFoundError:
            return []
        days = (name for name in names if len(name) == 10 and name[4:8:3] == "--")
        return sorted(
            (day for day in days if os.path.exists(f"{self.folder}/{day}/.aivcs/format")),
            reverse=True,
        )

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
        known = _members(read(self._spec_path(text)), digest=_is_digest, at=_is_time)
        return (known["digest"], known["at"]) if len(known) == 2 else None

    def keep_spec(self, text: str, digest: str) -> None:
        """Keeps the digest that the name of a spec has now.

        Raises:
            BackendError: It cannot be written.
        """
        make_private(f"{self.folder}/specs")
        known = {"spec": text, "digest": digest, "at": time()}
        write(self._spec_path(text), encode(known).encode() + b"\n")

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
        """Returns the ids of the marked runs of a day."""
        try:
            names = os.listdir(f"{self.folder}/{day}/waiting")
        except FileNotFoundError:
            return []
        return sorted(name for name in names if not name.endswith(".tmp"))

    def note_of(self, day: str, run_id: str) -> "dict[str, Any]":
        """Returns what the last push noted of a run.

        Members: `lines` and `hash` that the store has, `error`, if it was left as it is, and `at`,
        in POSIX seconds: when that push brought the lines, or when the run was marked.
        """
        path = f"{self.folder}/{day}/waiting/{run_id}"
        note = _members(read(path), lines=_is_number, hash=_is_text, at=_is_time, error=_is_text)
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
        write(f"{self.folder}/{day}/waiting/{run_id}", encode(members).encode() + b"\n")

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
        pushed = read(f"{self.folder}/{repo.day}/erasures") or b""
        known = set(pushed.decode(errors="replace").split("\n"))
        return [name for name in names if name not in known]

    def note_erasures(self, repo: DayStore, names: "list[str]") -> None:
        """Notes that the store has some records of erasures, and has carried them out.

        Raises:
            BackendError: The note cannot be written.
        """
        path = f"{self.folder}/{repo.day}/erasures"
        write(path, (read(path) or b"") + "".join(f"{name}\n" for name in names).encode())

    def unmark(self, day: str, run_id: str) -> None:
        """Removes the mark of a run that has ended and is in the store as it is here."""
        try:
            os.unlink(f"{self.folder}/{day}/waiting/{run_id}")
        except FileNotFoundError:
            pass

    @contextmanager
    def staying(self, day: str) -> "Iterator[None]":
        """Returns a block in which a day is not removed; those who write to it are in one.

        Raises:
            BackendError: It was removed since it was opened; nothing was written.
        """
        fd = self._in_use(day, fcntl.LOCK_SH)
        if fd is None:
            raise BackendError(
                f"the day {day} of the spool {self.folder} was pushed and removed just now; "
                "nothing was written: do it again"
            )
        try:
            yield
        finally:
            os.close(fd)

    @contextmanager
    def leaving(self, day: str) -> "Iterator[bool]":
        """Returns a block in which nobody writes to a day; tells it whether nobody did already."""
        try:
            fd = self._in_use(day, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            fd = None
        try:
            yield fd is not None
        finally:
            if fd is not None:
                os.close(fd)

    def _in_use(self, day: str, operation: int) -> "int | None":
        """The descriptor with the lock of a day; None if the day is gone."""
        path = f"{self.folder}/{day}/in-use"
        try:
            fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise BackendError(f"cannot write to the spool {path}: {error.strerror}") from error
        try:
            fcntl.flock(fd, operation)
            # Whoever removed the day had the lock, and renamed its folder before he let it go.
            if os.path.samestat(os.fstat(fd), os.stat(path)):
                return fd
        except FileNotFoundError:
            pass
        except BaseException:
            os.close(fd)
            raise
        os.close(fd)
        return None

    def leftovers(self) -> "list[str]":
        """Returns the paths of days whose removal was begun, and was killed or failed."""
        try:
            names = os.listdir(self.folder)
        except FileNotFoundError:
            return []
        return [f"{self.folder}/{name}" for name in sorted(names) if name.endswith(GONE)]

    @contextmanager
    def locked(self, name: str, seconds: float) -> "Iterator[bool]":
        """Returns a block with a lock of the spool; tells it whether the lock was got in time."""
        fd = os.open(f"{self.folder}/{name}", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            end = monotonic() + seconds
            while True:
                try:
                    fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    if monotonic() >= end:
                        yield False
                        return
                    sleep(0.05)
                else:
                    yield True
                    return
        finally:
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
        require_private(self.place)
        bound = (read(self._binding(url)) or b"").decode(errors="replace").strip()
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
        make_private(self.place)
        make_private(f"{self.place}/urls")
        name = store_id or _NEW + self._key(url)
        spool = Spool(f"{self.place}/{name}")
        make_private(spool.folder)
        if "url" not in spool.state:
            spool.change_state(url=canonical(url), id=store_id)
        write(self._binding(url), name.encode() + b"\n")
        return spool

    def all(self) -> "Iterator[Spool]":
        """Yields the spools, in the order of their names."""
        if not os.path.isdir(self.place):
            return
        require_private(self.place)
        for name in sorted(os.listdir(self.place)):
            if is_store_id(name) or name.startswith(_NEW):
                yield Spool(f"{self.place}/{name}")

    def _key(self, url: str) -> str:
        return hex_digest(canonical(url).encode("utf-8", "surrogateescape"))[:32]

    def _binding(self, url: str) -> str:
        return f"{self.place}/urls/{self._key(url)}"


def make_private(folder: str) -> None:
    """Makes a folder of the user's alone, and the missing ones above it; durable on return.

    Raises:
        BackendError: It cannot be made, or is there and not of the user's alone.
    """
    above = os.path.dirname(folder)
    try:
        if not os.path.isdir(above):
            make_private(above)
        try:
            os.mkdir(folder, 0o700)
            sync_folder(above)
        except FileExistsError:
            require_private(folder)
    except OSError as error:
        raise BackendError(f"cannot make the spool {folder}: {error.strerror}") from error


def require_private(folder: str) -> None:
    """Requires that a folder is the user's, and that nobody else may enter it.

    Raises:
        BackendError: It is not.
    """
    try:
        found = os.lstat(folder)
    except OSError as error:
        raise BackendError(f"cannot look at {folder}: {error.strerror}") from error
    if not S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o077:
        raise BackendError(
            f"the spool {folder} is not a folder of yours alone: chmod 700 it, or set AIVCS_SPOOL "
            "to another"
        )


def read(path: str) -> "bytes | None":
    """Returns the content of a file of a spool; None if there is none.

    Raises:
        BackendError: It cannot be read.
    """
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise BackendError(f"cannot read {path}: {error.strerror}") from error
    try:
        return os.read(fd, _MAX_FILE)
    except OSError as error:
        raise BackendError(f"cannot read {path}: {error.strerror}") from error
    finally:
        os.close(fd)


def write(path: str, data: bytes) -> None:
    """Replaces a file of a spool, durable on return.

    Raises:
        BackendError: It cannot be written, and is as it was.
    """
    temporary = f"{path}.{os.getpid()}.tmp"
    try:
        fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            write_all(fd, data)
            os.fsync(fd)
        finally:
            os.close(fd)
        os.replace(temporary, path)
        sync_folder(os.path.dirname(path))
    except OSError as error:
        try:
            os.unlink(temporary)
        except OSError:
            pass
        raise BackendError(f"cannot write {path}: {error.strerror}") from error


def with_repair(repo: DayStore, error: StorageError) -> StorageError:
    """Returns an error of a run that a spool cannot read, with the command that repairs it."""
    if not isinstance(error, errors.IntegrityError):
        return error
    from shlex import quote

    text = f"{error}; it stays in the spool: aivcs --store {quote(repo.path)} verify --repair"
    return errors.IntegrityError.of(text)


def _members(data: "bytes | None", **checks: "Callable[[Any], bool]") -> "dict[str, Any]":
    """The members of a small JSON file that pass their checks; none if it is damaged."""
    try:
        value = parse(data.decode()) if data else {}
    except (StorageError, ValueError):
        return {}
    if not isinstance(value, dict):
        return {}
    return {
        name: value[name] for name, fits in checks.items() if name in value and fits(value[name])
    }


def _is_text(value: "Any") -> bool:
    return isinstance(value, str)


def _is_number(value: "Any") -> bool:
    return type(value) is int and value >= 0


def _is_time(value: "Any") -> bool:
    return type(value) in {int, float} and 0 <= value < _MAX_TIME_S


def _is_url(value: "Any") -> bool:
    """Whether a value is the URL of a store on a server."""
    if not isinstance(value, str):
        return False
    scheme, mark, place = value.partition("://")
    return bool(mark and place) and scheme not in {"", "file", "bundle", "memory"}


def _is_digest(value: "Any") -> bool:
    return isinstance(value, str) and len(value) == 64 and not value.strip("0123456789abcdef")


def _nothing() -> None:
    """Does nothing, where nobody is told of appends."""
