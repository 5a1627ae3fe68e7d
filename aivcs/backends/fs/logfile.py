"""One chained log in one file: locking, the end of it, appending, and reading it from either side.

Who appends holds the file's lock (flock: freed by the system when its holder dies, so never
stolen and never left behind), finds the end as `chain.read_tail` judges it, mends it if a crash
left it torn, and answers only when what it wrote is durable. Who reads takes no lock and sees
whole lines only. A log is created empty and its folder made durable before the first line, so that
a log one can read never vanishes with a power cut; an empty log is no log.
"""

import os

from aivcs import errors
from aivcs.backends.fs import files
from aivcs.errors import BackendError, IntegrityError, OutcomeUnknownError, StorageError
from aivcs.log import chain

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from aivcs.backends.fs.folder import Folder
    from aivcs.backends.fs.lines import LogLines, SeqOf

_BATCH = 1 << 20
"""Bytes written and made durable at once, at most."""


class LockedLog:
    """A log that this process alone may append to; a context manager that lets go of it.

    Attributes:
        tail: Where the log ends; kept up to date by `append`.
    """

    __slots__ = ("_fd", "_folder", "_name", "tail")

    def __init__(self, folder: "Folder", name: str, fd: int) -> None:
        """Takes a descriptor that is locked already; use `lock` or `create`."""
        self._folder = folder
        self._name = name
        self._fd = fd
        # One that was just created has no lines to be read, nor needs what reads them.
        self.tail = self._lines().tail() if os.fstat(fd).st_size else chain.Tail(b"", 0, b"")
        if not self.tail.is_clean:
            self._mend()

    @classmethod
    def lock(cls, folder: "Folder", name: str) -> "LockedLog | None":
        """Locks a log that exists; returns None if there is none.

        Args:
            folder: The store's folder.
            name: The log's path below it.

        Raises:
            LockTimeoutError: Somebody else holds it for too long.
            IntegrityError: The end of the log is damaged.
            BackendError: It cannot be opened or read.
        """
        import aivcs.backends.fs.lines  # noqa: F401 here, while nobody waits for the lock

        folder.require_parents(name)
        while True:
            fd = files.open_file(folder.path(name), os.O_RDWR | os.O_APPEND)
            if fd is None:
                return None
            log = cls._locked(folder, name, fd)
            if log is None:
                continue
            if log.tail.last:
                return log
            log.close()
            return None

    @classmethod
    def create(cls, folder: "Folder", name: str) -> "LockedLog":
        """Locks a log, which is created if there is none.

        Raises:
            LockTimeoutError: Somebody else holds it for too long.
            IntegrityError: The end of the log is damaged.
            BackendError: It cannot be created, opened or read.
        """
        path = folder.path(name)
        log = None
        while log is None:
            with files.doing("create", path):
                folder.make_parents(name)
                fd = files.create_file(path, os.O_RDWR | os.O_APPEND, folder.file_mode)
            if fd is None:
                fd = files.open_file(path, os.O_RDWR | os.O_APPEND)
            if fd is not None:
                log = cls._locked(folder, name, fd)
        if not log.tail.last:
            try:
                folder.sync_parents(name)
            except BaseException:
                log.close()
                raise
        return log

    @classmethod
    def _locked(cls, folder: "Folder", name: str, fd: int) -> "LockedLog | None":
        """Waits for the lock; None if the file has meanwhile been replaced by another."""
        path = folder.path(name)
        try:
            files.lock_file(fd, path, folder.settings.lock_timeout)
            with files.doing("read", path):
                if _is_at(path, fd):
                    return cls(folder, name, fd)
        except BaseException:
            files.close(fd)
            raise
        files.close(fd)
        return None

    def __enter__(self) -> "LockedLog":
        return self

    def __exit__(self, kind: object, error: "BaseException | None", trace: object) -> None:
        self.close()
        name_error(self._name, error)

    def close(self) -> None:
        """Lets go of the lock."""
        files.close(self._fd)

    def append(self, lines: "list[bytes]", *, sync: bool = True) -> None:
        """Appends sealed lines, all or none, and returns when they are durable.

        Without lines it still makes durable what is there: a line that a crashed writer left is
        about to be acknowledged a second time.

        Args:
            lines: Lines as `chain.seal` makes them, linked to `tail.head`.
            sync: Whether to wait until they are durable.

        Raises:
            BackendError: They could not be written; the log is as it was.
            OutcomeUnknownError: Whether they are durable cannot be known.
        """
        path = self._folder.path(self._name)
        sync = sync and self._folder.is_durable
        end = self.tail.end
        try:
            for batch in _batches(lines):
                files.write_all(self._fd, batch)
                end += len(batch)
                if sync:
                    files.sync_file(self._fd, path)
            if sync and not lines:
                files.sync_file(self._fd, path)
        except OutcomeUnknownError:
            # What the system has lost it may hold for written. So that no later line stands on it,
            # and a retry writes anew, it is cut; the answer stays that nobody knows.
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
        if lines:
            self.tail = chain.Tail(lines[-1][:-1], end, b"")

    def first(self) -> bytes:
        """Returns the first line, checked."""
        return self._lines().first()

    def backwards(self) -> "Iterator[bytes]":
        """Yields the lines from the last to the first, each checked as a link of the chain."""
        return self._lines().backwards(self.tail.end)

    def find_numbered(self, seq: int, seq_of: "SeqOf") -> "bytes | None":
        """As `LogLines.find_numbered`."""
        return self._lines().find_numbered(seq, seq_of, self.tail.end)

    def _lines(self) -> "LogLines":
        return _lines_of(self._fd, self._name)

    def _mend(self) -> None:
        """Brings a torn end in order: what is cut is kept aside first."""
        tail = self.tail
        path = self._folder.path(self._name)
        if tail.torn.strip(b"\0"):
            self._folder.keep_aside(f"{self._name.replace('/', '-')}.{tail.end}", tail.torn)
        try:
            os.ftruncate(self._fd, tail.end)
            if tail.unended:
                files.write_all(self._fd, b"\n")
        except OSError as error:
            raise BackendError(f"cannot mend the torn end of {path}: {error.strerror}") from error
        files.sync_file(self._fd, path)
        self.tail = chain.Tail(tail.last, tail.end + tail.unended, b"")

    def _cut_back(self, *, sync: bool) -> None:
        """Removes what a failed write left behind the end."""
        try:
            os.ftruncate(self._fd, self.tail.end)
        except OSError as error:
            raise OutcomeUnknownError(
                f"a write to {self._folder.path(self._name)} failed and could not be taken back "
                f"({error.strerror}); the next append will mend it"
            ) from error
        if sync:
            files.sync_file(self._fd, self._folder.path(self._name))


class LogReader:
    """A log as it stands, for reading without a lock; a context manager that closes it."""

    __slots__ = ("_fd", "_lines", "_name", "_path", "_tail")

    def __init__(self, folder: "Folder", name: str, fd: int) -> None:
        """Takes an open descriptor; use `open`."""
        self._fd = fd
        self._lines = _lines_of(fd, name)
        self._name = name
        self._path = folder.path(name)
        self._tail: chain.Tail | None = None

    @classmethod
    def open(cls, folder: "Folder", name: str) -> "LogReader | None":
        """Opens a log; returns None if there is none, or it has no line yet.

        Raises:
            BackendError: It cannot be opened.
            IntegrityError: The end of the log is damaged.
        """
        folder.require_parents(name)
        fd = files.open_file(folder.path(name), os.O_RDONLY)
        if fd is None:
            return None
        reader = cls(folder, name, fd)
        try:
            if reader.tail.last:
                return reader
        except BaseException:
            reader.close()
            raise
        reader.close()
        return None

    def __enter__(self) -> "LogReader":
        return self

    def __exit__(self, kind: object, error: "BaseException | None", trace: object) -> None:
        self.close()
        name_error(self._name, error)

    def close(self) -> None:
        """Closes the file."""
        files.close(self._fd)

    @property
    def tail(self) -> chain.Tail:
        """The end of the log when it was first asked for."""
        if self._tail is None:
            with files.doing("read", self._path):
                self._tail = self._lines.tail()
        return self._tail

    def first(self) -> bytes:
        """Returns the first line, checked."""
        with files.doing("read", self._path):
            return self._lines.first()

    def backwards(self) -> "Iterator[bytes]":
        """Yields the lines from the last to the first, each checked as a link of the chain."""
        with files.doing("read", self._path):
            yield from self._lines.backwards(self.tail.end)

    def forwards(self) -> "Iterator[bytes]":
        """Yields the lines from the first to the last, each checked as a link of the chain."""
        with files.doing("read", self._path):
            yield from self._lines.forwards(self.tail.end)

    def unchecked(self) -> "Iterator[bytes]":
        """Yields the lines from the first to the last as they are, with their newlines."""
        with files.doing("read", self._path):
            yield from self._lines.before(self.tail.end)

    def find_numbered(self, seq: int, seq_of: "SeqOf") -> "bytes | None":
        """As `LogLines.find_numbered`."""
        with files.doing("read", self._path):
            return self._lines.find_numbered(seq, seq_of, self.tail.end)


def _lines_of(fd: int, name: str) -> "LogLines":
    from aivcs.backends.fs.lines import LogLines

    return LogLines(fd, name)


def _is_at(path: str, fd: int) -> bool:
    """Whether an open file is still the one with this path."""
    mine = os.fstat(fd)
    try:
        there = os.lstat(path)
    except FileNotFoundError:
        return False
    return (mine.st_ino, mine.st_dev) == (there.st_ino, there.st_dev)


def first_line(folder: "Folder", name: str) -> "bytes | None":
    """Returns the first line of a log, unchecked; None if there is no log, or no whole line yet.

    Raises:
        BackendError: It cannot be opened or read.
    """
    folder.require_parents(name)
    fd = files.open_file(folder.path(name), os.O_RDONLY)
    if fd is None:
        return None
    try:
        with files.doing("read", folder.path(name)):
            return _lines_of(fd, name).first_unchecked()
    finally:
        os.close(fd)


def _batches(lines: "list[bytes]") -> "Iterator[bytes]":
    """Joins lines to writes of at most `_BATCH` bytes; a longer line is a write of its own."""
    if sum(map(len, lines)) <= _BATCH:
        if lines:
            yield b"".join(lines)
        return
    batch: list[bytes] = []
    size = 0
    for line in lines:
        if batch and size + len(line) > _BATCH:
            yield b"".join(batch)
            batch, size = [], 0
        batch.append(line)
        size += len(line)
    yield b"".join(batch)


def name_error(name: str, error: "BaseException | None") -> None:
    """Completes an error about an entry, raised by the rules, with the file it stands in."""
    if not isinstance(error, StorageError):
        return
    if isinstance(error, IntegrityError) and not error.where:
        raise IntegrityError(error.expected, error.actual, name, f"{name} {error}") from error
    if isinstance(error, errors.UnsupportedFormatError) and not str(error).startswith(name):
        raise errors.UnsupportedFormatError(f"{name}: {error}") from error
