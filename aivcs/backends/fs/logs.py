"""All logs of a store by the names that contracts give them, and reading each as it grows.

`run/<id>` is the log of a run, `release/<name>` that of a name. Listing is strict: a part of the
store that cannot be looked into is an error, never an absence, because who asks for all logs draws
conclusions from what none of them says.
"""

import os
from stat import S_ISDIR, S_ISREG

from aivcs.backends.fs import files
from aivcs.backends.fs.lines import LogLines
from aivcs.errors import BackendError, IntegrityError, InvalidNameError
from aivcs.log import chain
from aivcs.model.release import check_release_name
from aivcs.model.run import RunId

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from aivcs.backends.fs.folder import Folder

    Place = tuple[int, int, str, tuple[int, ...]]


class LogCursor:
    """A place in a log, from which reading goes on; holds no file open.

    Attributes:
        name: The log's name in the contracts.
        lines: How many lines were read.
        hash: The hash of the last of them, empty if there is none.
    """

    __slots__ = ("_end", "_folder", "_path", "_stamp", "hash", "lines", "name")

    def __init__(self, folder: "Folder", name: str, place: "Place | None" = None) -> None:
        """Begins before the first line, or where another cursor has stopped.

        Raises:
            InvalidNameError: No log can have this name.
        """
        self._folder = folder
        self._path = path_of(name)
        self.name = name
        self._end, self.lines, self.hash, self._stamp = place or (0, 0, "", ())

    @property
    def place(self) -> "Place":
        """Where it stands, in values that `marshal` can write; another cursor can go on there."""
        return self._end, self.lines, self.hash, self._stamp

    def more(self, *, settled: bool = False) -> "Iterator[bytes]":
        """Yields the lines behind those that were read, each checked as a link of the chain.

        A log that is not there has no lines. One that was cut or replaced since is read again from
        its first line, and `lines` begins anew.

        Args:
            settled: Whether what is read must be durable: then writers are kept waiting for the
                moment it takes to see where the log ends and to sync it.

        Raises:
            IntegrityError: The log is damaged; names file and line.
            BackendError: It cannot be read.
            LockTimeoutError: A writer holds it for too long.
            OutcomeUnknownError: It could not be made durable.
        """
        self._folder.require_parents(self._path)
        path = self._folder.path(self._path)
        fd = files.open_file(path, os.O_RDONLY)
        if fd is None:
            self._begin_anew(())
            return
        try:
            with files.doing("read", path):
                status = os.fstat(fd)
                stamp = (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)
                if stamp == self._stamp and not settled:
                    return
                lines = LogLines(fd, self._path)
                tail = self._tail(fd, path, lines, settled=settled)
                if tail.end < self._end or stamp[:2] != self._stamp[:2]:
                    self._begin_anew(stamp)
                for line in lines.forwards(tail.end, self._end, self.hash, self.lines):
                    self._end += len(line) + 1
                    self.lines += 1
                    self.hash = chain.hash_of(line) or ""
                    yield line
                self._stamp = stamp
        finally:
            os.close(fd)

    def _tail(self, fd: int, path: str, lines: LogLines, *, settled: bool) -> chain.Tail:
        if not settled:
            try:
                return lines.tail()
            except IntegrityError:
                pass  # seen from beside, a write that is being taken back looks like damage
        files.lock_file(fd, path, self._folder.settings.lock_timeout, shared=True)
        try:
            if settled and self._folder.is_durable:
                files.sync_file(fd, path)
            return lines.tail()
        finally:
            files.unlock_file(fd)

    def _begin_anew(self, stamp: "tuple[int, ...]") -> None:
        # Not the whole stamp: if reading breaks off, the next one must not take it for done.
        self._stamp = stamp[:2]
        self._end = self.lines = 0
        self.hash = ""


def path_of(name: str) -> str:
    """Returns the path below the store of a log, which need not be there.

    Raises:
        InvalidNameError: No log can have this name.
    """
    kind, _, rest = name.partition("/")
    if kind == "run":
        return f"runs/{RunId(rest)[:2]}/{rest}.jsonl"
    if kind == "release":
        check_release_name(rest)
        return f"releases/{rest}.jsonl"
    raise InvalidNameError(f"{name[:80]!a} names no log: run/ID or release/NAME is needed")


def list_logs(folder: "Folder") -> "Iterator[str]":
    """Yields the names of all logs, in order, those without a line included.

    Memory is needed for the names in one folder at a time.

    Raises:
        BackendError: A part of the store cannot be looked into.
        IntegrityError: A log stands in the wrong place, where nobody reads it.
    """
    yield from _list_releases(folder, "")
    for shard, mode in sorted(_entries(folder, "runs")):
        if not S_ISDIR(mode) or len(shard) != 2:
            _refuse_link(f"runs/{shard}", mode)
            continue
        for entry, mode in sorted(_entries(folder, f"runs/{shard}"), key=_by_name):
            where = f"runs/{shard}/{entry}"
            run_id = entry.removesuffix(".jsonl")
            if run_id == entry or not _is_run_id(run_id):
                _refuse_link(where, mode)
            elif run_id[:2] != shard:
                raise IntegrityError(
                    None, None, where, f"{where} stands in the wrong folder; see: aivcs verify"
                )
            else:
                _require_file(where, mode)
                yield f"run/{run_id}"


def _list_releases(folder: "Folder", above: str) -> "Iterator[str]":
    for entry, mode in sorted(_entries(folder, f"releases/{above}".rstrip("/")), key=_by_name):
        where = f"releases/{above}{entry}"
        # First, since a folder called like this is in the place of a log.
        if entry.endswith(".jsonl") and _is_release_name(f"{above}{entry}"[:-6]):
            _require_file(where, mode)
            yield f"release/{above}{entry}"[:-6]
        elif S_ISDIR(mode):
            yield from _list_releases(folder, f"{above}{entry}/")
        else:
            _refuse_link(where, mode)


def _by_name(entry: "tuple[str, int]") -> str:
    """Sorts files by what they are named for, and a folder as all of the names in it."""
    name, mode = entry
    return f"{name}/" if S_ISDIR(mode) else name.removesuffix(".jsonl")


def _entries(folder: "Folder", name: str) -> "Iterator[tuple[str, int]]":
    """Yields name and mode of all that is in a folder; nothing if there is no such folder."""
    path = folder.path(name)
    folder.require_parents(f"{name}/")
    with files.doing("list", path):
        try:
            names = os.listdir(path)
        except FileNotFoundError:
            return
    for entry in names:
        with files.doing("look at", f"{path}/{entry}"):
            try:
                mode = os.lstat(f"{path}/{entry}").st_mode
            except FileNotFoundError:
                continue
        yield entry, mode


def _require_file(where: str, mode: int) -> None:
    if not S_ISREG(mode):
        raise BackendError(f"{where} is no regular file; a store holds nothing else")


def _refuse_link(where: str, mode: int) -> None:
    """Lets pass what is no part of a store; but behind a link there may be one."""
    if not S_ISREG(mode) and not S_ISDIR(mode):
        raise BackendError(f"{where} is no regular file; a store holds nothing else")


def _is_run_id(text: str) -> bool:
    try:
        return bool(RunId(text))
    except InvalidNameError:
        return False


def _is_release_name(text: str) -> bool:
    try:
        check_release_name(text)
    except InvalidNameError:
        return False
    return True
