"""The logs of a store in files: locking, appending, and reading without a lock.

A writer holds the lock of the file (flock: the system frees it when its holder dies), reads the end
as `chain.read_tail` judges it, repairs an end that a crash left truncated, appends, and returns
when its lines are durable. A reader takes no lock and sees whole lines only. A log is created
empty, and its folder is synced before the first line is written, so that no power cut takes a log
that was read. An empty file counts as absent.
"""

import os

from aivcs.backends.fs import files, layout
from aivcs.errors import BackendError, IntegrityError, OutcomeUnknownError, StorageError
from aivcs.log import chain

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from typing import BinaryIO

    from aivcs.backends.fs.folder import Folder
    from aivcs.backends.fs.logs.lines import FileLogView
    from aivcs.model.digest import ContentDigest
    from aivcs.store.driver import LogView
    from aivcs.store.place import Place

_BATCH_BYTES = 1 << 20
"""Bytes that one write takes, at most, unless one line is longer."""


class FileLogDriver:
    """The `LogDriver` of a folder: `runs/ab/<run id>.jsonl` and `releases/<name>.jsonl`."""

    __slots__ = ("_folder",)
    erases = True

    def __init__(self, folder: "Folder") -> None:
        """Takes the store's folder."""
        self._folder = folder

    def names(self, prefix: str = "", *, strict: bool = True) -> "Iterator[str]":
        """As `LogDriver.names`; memory is needed for the names in one folder at a time."""
        from aivcs.backends.fs.scan import log_names

        return log_names(self._folder, prefix, strict=strict)

    def absent_folders(self) -> "list[str]":
        """Returns the folders of logs that are absent: empty ones that git left out, or lost.

        Raises:
            BackendError: One cannot be looked at, so it is not known to be absent.
        """
        absent = []
        for name in (layout.RUNS, layout.RELEASES):
            path = self._folder.path(name)
            with files.os_errors("look at", path):
                try:
                    os.lstat(path)
                except FileNotFoundError:
                    absent.append(name)
        return absent

    def where(self, name: str) -> str:
        """As `LogDriver.where`: the path below the store."""
        return layout.log_path(name)

    def look(self, name: str) -> "OpenLog":
        """As `LogDriver.look`."""
        return OpenLog(self._folder, self.where(name))

    def update(
        self,
        name: str,
        decide: "Callable[[LogView | None], Iterable[bytes]]",
        *,
        durable: bool = True,
    ) -> None:
        """As `LogDriver.update`: one lock, one read of the end, one write, one sync."""
        file = self.where(name)
        log = LockedLog.lock(self._folder, file)
        lines: list[bytes] = []
        if log is None:
            lines = list(decide(None))  # a refused change must not create a log
            if not lines:
                return
            self._prepare(file)
            log = LockedLog.create(self._folder, file)
        try:
            if log.view is not None:
                lines = list(decide(log.view))
            log.append(lines, sync=durable or self._folder.settings.durability == "full")
        except OSError as error:
            raise BackendError(f"cannot read {file}: {error.strerror or error}") from error
        except IntegrityError:
            from aivcs.backends.fs.logs.spelling import explain

            explain(self._folder, file)
            raise
        finally:
            log.close()

    def _prepare(self, file: str) -> None:
        """Prepares the store for a new log: an older store gets its id now.

        Raises:
            ConflictError: Its folder exists in another case, on a file system that ignores case.
        """
        if file.startswith(f"{layout.RELEASES}/") and file.count("/") > 1:
            from aivcs.backends.fs.logs.spelling import require_new

            require_new(self._folder, file)
        if not os.path.lexists(self._folder.path("id")):
            from aivcs.backends.fs.documents import FileDocuments
            from aivcs.store.identity import identify

            try:
                identify(FileDocuments(self._folder))
            except StorageError:
                pass  # the new log does not depend on it

    def create_many(self, logs: "Mapping[str, list[bytes]]") -> "set[str]":
        """As `CreatesLogs.create_many`: a few syncs for many logs."""
        from aivcs.backends.fs.logs.creating import create_many

        if logs:
            self._prepare(self.where(next(iter(logs))))
        return create_many(self._folder, logs)

    def append_texts(self, name: str, texts: "list[bytes]") -> "int | None":  # noqa: ARG002
        """As `LogDriver.append_texts`; not offered: there are no round trips to save."""
        return None

    def stamps(self) -> "dict[str, str]":
        """As `Stamped.stamps`: by the folder of each group, which its entries' changes renew."""
        from aivcs.backends.fs.scan import run_stamps

        return run_stamps(self._folder)

    def read(
        self, name: str, after: "Place | None" = None, *, settled: bool = False
    ) -> "Iterator[tuple[bytes, Place]]":
        """As `LogDriver.read`; the hint of a place is its offset in the file."""
        from aivcs.backends.fs.logs.reader import read

        return read(self._folder, name, after, settled=settled)

    def redact(self, name: str, stubs: "Mapping[int, bytes]") -> None:
        """As `Erasing.redact`: a new file takes the place of the old one."""
        from aivcs.backends.fs.logs.erasing import redact

        redact(self._folder, name, stubs)

    def remove(self, name: str) -> None:
        """As `Erasing.remove`."""
        self.remove_many((name,))

    def remove_many(self, names: "Iterable[str]") -> None:
        """As `Erasing.remove_many`: each folder is synced once."""
        from aivcs.backends.fs.logs.erasing import remove

        remove(self._folder, names)

    def arrivals(self, prefix: str = "run/") -> "Iterator[tuple[str, float, int]]":
        """As `Erasing.arrivals`: by the modification time of the file."""
        from aivcs.backends.fs.scan import log_entries

        for name, entry in log_entries(self._folder, prefix, strict=False):
            if entry.status.st_size:
                yield name, entry.status.st_mtime, entry.status.st_size

    def forget_blob(self, digest: "ContentDigest") -> None:
        """As `Erasing.forget_blob`."""
        from aivcs.backends.fs.logs.erasing import forget

        forget(self._folder, (layout.object_path(digest),))

    def damaged_copies(self, digest: "ContentDigest") -> "Iterator[BinaryIO]":
        """As `Erasing.damaged_copies`: the objects in `damaged/`."""
        from aivcs.backends.fs.logs.erasing import damaged_copies

        return damaged_copies(self._folder, digest)


class OpenLog:
    """A context manager that opens a log for reading without a lock."""

    __slots__ = ("_fd", "_folder", "_name")

    def __init__(self, folder: "Folder", name: str) -> None:
        """Takes the store's folder and the log's path below it."""
        self._fd: int | None = None
        self._folder = folder
        self._name = name

    def __enter__(self) -> "FileLogView | None":
        """Opens the log; gives None if it is absent or has no line yet.

        Raises:
            BackendError: It cannot be opened or read.
            IntegrityError: The end of the log is damaged.
        """
        from aivcs.backends.fs.logs.lines import FileLogView

        self._folder.require_parents(self._name)
        path = self._folder.path(self._name)
        self._fd = files.open_file(path, os.O_RDONLY)
        if self._fd is None:
            return None
        try:
            with files.os_errors("read", path):
                view = FileLogView(self._fd, self._name)
        except BaseException:
            files.close(self._fd)
            raise
        return view if view.last else None

    def __exit__(self, kind: object, error: "BaseException | None", trace: object) -> None:
        """Closes the file.

        Raises:
            BackendError: It could not be read.
            ConflictError: It is the log of a name that differs in case only.
        """
        if self._fd is not None:
            files.close(self._fd)
        if isinstance(error, IntegrityError):
            from aivcs.backends.fs.logs.spelling import explain

            explain(self._folder, self._name)
        if isinstance(error, OSError):
            raise BackendError(
                f"cannot read {self._folder.path(self._name)}: {error.strerror or error}"
            ) from error


class LockedLog:
    """A log that is locked for appending.

    Attributes:
        tail: The end of the log.
        view: The lines of the log; None if it has none yet.
    """

    __slots__ = ("_fd", "_folder", "_name", "tail", "view")
    view: "FileLogView | None"

    def __init__(self, folder: "Folder", name: str, fd: int) -> None:
        """Takes a locked descriptor, and repairs the end; use `lock` or `create`."""
        self._folder = folder
        self._name = name
        self._fd = fd
        self.view = None
        self.tail = chain.Tail(b"", 0, b"")
        # A new log has no lines, so the module that reads them need not be loaded.
        if os.fstat(fd).st_size:
            from aivcs.backends.fs.logs.lines import FileLogView

            view = FileLogView(fd, name)
            if not view.tail.is_clean:
                view.tail = self._repair(view.tail)
            self.tail = view.tail
            if view.last:
                self.view = view

    @classmethod
    def lock(cls, folder: "Folder", name: str) -> "LockedLog | None":
        """Locks an existing log; returns None if it is absent or empty.

        Args:
            folder: The store's folder.
            name: The log's path below it.

        Raises:
            LockTimeoutError: Another process holds it for too long.
            IntegrityError: The end of the log is damaged.
            BackendError: It cannot be opened or read.
        """
        folder.require_parents(name)
        while True:
            fd = files.open_file(folder.path(name), os.O_RDWR | os.O_APPEND)
            if fd is None:
                return None
            import aivcs.backends.fs.logs.lines  # noqa: F401 here, before others wait for the lock

            log = cls._locked(folder, name, fd)
            if log is None:
                continue
            if log.view is not None:
                return log
            log.close()
            return None

    @classmethod
    def create(cls, folder: "Folder", name: str, *, is_entered: bool = True) -> "LockedLog":
        """Locks a log, creating it if it is absent.

        Args:
            folder: The store's folder.
            name: The log's path below it.
            is_entered: Whether the entry of a new log is durable on return; otherwise the caller
                syncs the folders before it writes a line.

        Raises:
            LockTimeoutError: Another process holds it for too long.
            IntegrityError: The end of the log is damaged.
            BackendError: It cannot be created, opened or read.
        """
        path = folder.path(name)
        log = None
        while log is None:
            with files.os_errors("create", path):
                folder.make_parents(name)
                fd = files.create_file(path, os.O_RDWR | os.O_APPEND, folder.file_mode)
            if fd is None:
                fd = files.open_file(path, os.O_RDWR | os.O_APPEND)
            if fd is not None:
                log = cls._locked(folder, name, fd)
        if log.view is None and is_entered:
            try:
                folder.sync_parents(name)
            except BaseException:
                log.close()
                raise
        return log

    @classmethod
    def _locked(cls, folder: "Folder", name: str, fd: int) -> "LockedLog | None":
        """Waits for the lock; returns None if another file has replaced this one since."""
        path = folder.path(name)
        try:
            files.lock_file(fd, path, folder.settings.lock_timeout)
            with files.os_errors("read", path):
                if _is_at(path, fd):
                    return cls(folder, name, fd)
        except BaseException:
            files.close(fd)
            raise
        files.close(fd)
        return None

    def close(self) -> None:
        """Frees the lock."""
        files.close(self._fd)

    def copy_descriptor(self) -> int:
        """Returns another descriptor of the file; the lock is freed when both are closed.

        Raises:
            OSError: The process may open no more files.
        """
        return os.dup(self._fd)

    def empty(self) -> None:
        """Empties a log that was just created, if the disk allows it; never fails."""
        try:
            os.ftruncate(self._fd, 0)
        except OSError:
            pass

    def append(self, lines: "list[bytes]", *, sync: bool = True) -> None:
        """Appends lines, all or none, and returns when they are durable.

        Without lines it syncs the log all the same: the caller is about to acknowledge lines that
        a crashed writer may have left unsynced.

        Args:
            lines: Lines as `chain.link` makes them, linked to the last one.
            sync: Whether to wait until they are durable.

        Raises:
            BackendError: They could not be written; the log is as it was.
            OutcomeUnknownError: Whether they are durable cannot be known.
        """
        path = self._folder.path(self._name)
        sync = sync and self._folder.is_durable
        try:
            for batch in _batches(lines):
                files.write_all(self._fd, batch)
            if sync:
                files.sync_file(self._fd, path)
        except OutcomeUnknownError:
            # After a failed sync the system may take lost pages for written. Cut the lines, so that
            # no later line follows them and a retry writes them anew; the outcome stays unknown.
            try:
                os.ftruncate(self._fd, self.tail.end)
            except OSError:
                pass
            raise
        except OSError as error:
            self._cut_back(sync=sync)
            raise BackendError(
                f"cannot append to {path}: {error.strerror or error}; nothing was stored"
            ) from error
        except BaseException:  # interrupted between two batches
            self._cut_back(sync=sync)
            raise

    def _repair(self, tail: chain.Tail) -> chain.Tail:
        """Repairs a truncated end, quarantining the bytes it cuts; returns the new end."""
        path = self._folder.path(self._name)
        if tail.truncated.strip(b"\0"):
            self._folder.quarantine(self._name, tail.end, tail.truncated)
        try:
            os.ftruncate(self._fd, tail.end)
            if tail.unterminated:
                files.write_all(self._fd, b"\n")
        except OSError as error:
            raise BackendError(f"cannot mend the torn end of {path}: {error.strerror}") from error
        files.sync_file(self._fd, path)
        return chain.Tail(tail.last, tail.end + tail.unterminated, b"", before=tail.before)

    def _cut_back(self, *, sync: bool) -> None:
        """Cuts off what a failed write appended."""
        try:
            os.ftruncate(self._fd, self.tail.end)
        except OSError as error:
            raise OutcomeUnknownError(
                f"a write to {self._folder.path(self._name)} failed and could not be taken back "
                f"({error.strerror}); the next append will mend it"
            ) from error
        if sync:
            files.sync_file(self._fd, self._folder.path(self._name))


def _is_at(path: str, fd: int) -> bool:
    """Tells whether a path still leads to an open file."""
    mine = os.fstat(fd)
    try:
        there = os.lstat(path)
    except FileNotFoundError:
        return False
    return (mine.st_ino, mine.st_dev) == (there.st_ino, there.st_dev)


def _batches(lines: "list[bytes]") -> "Iterator[bytes]":
    """Joins lines to writes of at most `_BATCH_BYTES`; a longer line is a write of its own."""
    if sum(map(len, lines)) <= _BATCH_BYTES:
        if lines:
            yield b"".join(lines)
        return
    batch: list[bytes] = []
    size = 0
    for line in lines:
        if batch and size + len(line) > _BATCH_BYTES:
            yield b"".join(batch)
            batch, size = [], 0
        batch.append(line)
        size += len(line)
    yield b"".join(batch)
