"""Reads all of a store and says what is wrong with it: bytes, places, and the rules of the logs.

Nothing is believed for its name, and nothing is changed: no file, no time stamp, and a lock is
only ever taken shared and for a moment. Writers may go on meanwhile. A log is judged up to where it
ended when it was opened; if anything seems wrong with it, it is judged a second time up to where it
ended while no writer was in the middle of something, and only that counts. What is deleted before
it is reached is passed over.

Memory is bounded by the longest line, by the number of names in one folder, and by the gaps in the
seqs of one run. Nothing is opened that is no regular file, so nothing can block.

What cannot be found here: a log cut at the end of a line, or written anew as a whole. Both are
whole logs; only a head kept elsewhere tells.
"""

import os
from stat import S_ISDIR, S_ISLNK, S_ISREG

from aivcs.backends.fs import files
from aivcs.backends.fs.blobs import hash_file
from aivcs.backends.fs.folder import is_abandoned
from aivcs.backends.fs.lines import LogLines
from aivcs.errors import (
    BackendError,
    IntegrityError,
    InvalidNameError,
    LockTimeoutError,
    UsageError,
)
from aivcs.log import verify as rules
from aivcs.log.verify import DAMAGE, NOTICE
from aivcs.model import Record, RunId, check_release_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from aivcs.backends.fs.folder import Folder
    from aivcs.log.chain import Tail

    Progress = Callable[[str, int], None]
    Rules = Callable[[Iterable[tuple[int, bytes]]], Iterator[rules.Problem]]

PARTS = ("blobs", "runs", "releases")
"""What `verify` can be asked to read."""

_HEX = frozenset("0123456789abcdef")
_IN_USE = 86_400
"""Seconds after which a temporary file is taken for a leftover, even if its process seems alive."""

_STRAY = "aivcs ignores it; move it out of the store"
_FOREIGN = "find out who put it there, then replace it by the content, or remove it"
_HEAL = "put the same content again, which replaces it, or restore it from a copy"
_READ = "check owner, permissions and disk, then verify again"
_EMPTY = "a crash left it before its first line: it counts as absent, and may be removed"


class Finding(Record):
    """One thing that is wrong with a store, or worth knowing.

    Attributes:
        severity: "damage" or "notice"; a notice loses nothing.
        where: The digest of an object, or a path below the store.
        line: The number of the line in a log, from 1; None where it is not about one.
        problem: What is wrong, in one sentence.
        remedy: What can be done.
    """

    __slots__ = ("severity", "where", "line", "problem", "remedy")  # noqa: RUF023 as one reads them
    severity: str
    where: str
    line: "int | None"
    problem: str
    remedy: str

    def __init__(
        self, severity: str, where: str, line: "int | None", problem: str, remedy: str
    ) -> None:
        """Takes the fields as they are."""
        # A file's name may be no text at all.
        where = os.fsencode(where).decode(errors="backslashreplace")
        self._fill(severity, where, line, problem, remedy)


def verify(
    folder: "Folder", parts: "frozenset[str]", progress: "Progress | None" = None
) -> "Iterator[Finding]":
    """Reads everything of some parts of a store and yields what is wrong.

    Args:
        folder: The store's folder.
        parts: Any of `PARTS`; temporaries and what replaces objects belong to `blobs`.
        progress: Called with the part and the number of bytes for each object and each log that was
            read, whether or not anything was found.

    Raises:
        UsageError: There is no such part.
    """
    unknown = parts.difference(PARTS)
    if unknown:
        raise UsageError(f"a store has no part {', '.join(sorted(unknown))}: {', '.join(PARTS)}")
    return _Verifier(folder, progress or _no_progress).parts(parts)


class _Verifier:
    """One pass over a store."""

    __slots__ = ("_folder", "_progress", "_unread")

    def __init__(self, folder: "Folder", progress: "Progress") -> None:
        self._folder = folder
        self._progress = progress
        # What could not be looked at where there is no way to say it at once.
        self._unread: list[Finding] = []

    def parts(self, parts: "frozenset[str]") -> "Iterator[Finding]":
        if "blobs" in parts:
            yield from self._temporaries()
            yield from self._objects()
        if "runs" in parts:
            yield from self._runs()
        if "releases" in parts:
            yield from self._releases("releases")
        yield from self._unread

    def _temporaries(self) -> "Iterator[Finding]":
        problem = self._unusable("tmp")
        if problem:
            yield problem
            return
        for name, mode in self._entries("tmp"):
            where = f"tmp/{name}"
            if not S_ISREG(mode):
                yield _out_of_place(where, mode)
            elif not self._is_in_use(name):
                yield Finding(
                    NOTICE,
                    where,
                    None,
                    "a temporary file was left by a process that was interrupted",
                    "it holds nothing that was acknowledged: remove it",
                )

    def _is_in_use(self, name: str) -> bool:
        """Whether a temporary file, named for its process, may be of one that is still writing."""
        from time import time

        try:
            if time() - os.lstat(self._folder.path(f"tmp/{name}")).st_mtime > _IN_USE:
                return False
        except OSError:
            return True  # it is gone already
        return not is_abandoned(name)

    def _objects(self) -> "Iterator[Finding]":
        problem = self._unusable("objects")
        if problem:
            yield problem
            return
        for shard, mode in self._entries("objects"):
            where = f"objects/{shard}"
            if not S_ISDIR(mode) or len(shard) != 2 or not _HEX.issuperset(shard):
                yield _out_of_place(where, mode)
                continue
            problem = self._unusable(where)
            if problem:
                yield problem
                continue
            for rest, mode in self._entries(where):
                if not S_ISREG(mode) or len(rest) != 62 or not _HEX.issuperset(rest):
                    yield _out_of_place(f"{where}/{rest}", mode)
                else:
                    yield from self._object(f"{where}/{rest}", shard + rest)

    def _object(self, name: str, digest: str) -> "Iterator[Finding]":
        try:
            fd = files.open_file(self._folder.path(name), os.O_RDONLY)
        except BackendError as error:
            yield _unreadable(digest, error)
            return
        if fd is None:
            return
        try:
            actual = hash_file(fd)
            size = os.lseek(fd, 0, os.SEEK_CUR)
        except OSError as error:
            yield _unreadable(digest, error)
            return
        finally:
            os.close(fd)
        self._progress("blobs", size)
        if actual == digest:
            return
        if actual[2:] == digest[2:]:
            yield Finding(
                DAMAGE,
                digest,
                None,
                f"{name} holds the content {actual}, so it stands in the wrong folder",
                f"move it to objects/{actual[:2]}/",
            )
        elif not size:
            yield Finding(DAMAGE, digest, None, f"{name} is empty", _HEAL)
        else:
            yield Finding(DAMAGE, digest, None, f"the bytes of {name} hash to {actual}", _HEAL)

    def _runs(self) -> "Iterator[Finding]":
        problem = self._unusable("runs")
        if problem:
            yield problem
            return
        for shard, mode in self._entries("runs"):
            where = f"runs/{shard}"
            if not S_ISDIR(mode) or len(shard) != 2:
                yield _out_of_place(where, mode)
                continue
            problem = self._unusable(where)
            if problem:
                yield problem
                continue
            for file, mode in self._entries(where):
                run_id = file.removesuffix(".jsonl")
                if not S_ISREG(mode) or run_id == file or not _is_run_id(run_id):
                    yield _out_of_place(f"{where}/{file}", mode)
                    continue
                if run_id[:2] != shard:
                    yield Finding(
                        DAMAGE,
                        f"{where}/{file}",
                        None,
                        "the log stands in the wrong folder, where it is not looked for",
                        f"move it to runs/{run_id[:2]}/",
                    )
                yield from self._log("runs", f"{where}/{file}", self._rules_of_run(run_id))

    def _releases(self, where: str) -> "Iterator[Finding]":
        problem = self._unusable(where)
        if problem:
            yield problem
            return
        for entry, mode in self._entries(where):
            path = f"{where}/{entry}"
            name = path.removeprefix("releases/")
            if S_ISDIR(mode) and _is_release_name(name):
                yield from self._releases(path)
            elif (
                S_ISREG(mode)
                and name.endswith(".jsonl")
                and _is_release_name(name.removesuffix(".jsonl"))
            ):
                name = name.removesuffix(".jsonl")
                yield from self._log("releases", path, self._rules_of_release(name))
            else:
                yield _out_of_place(path, mode)

    def _rules_of_run(self, run_id: str) -> "Rules":
        return lambda lines: rules.run_problems(lines, run_id, self._has_blob)

    def _rules_of_release(self, name: str) -> "Rules":
        return lambda lines: rules.release_problems(lines, name, self._has_blob)

    def _log(self, part: str, name: str, check: "Rules") -> "Iterator[Finding]":
        try:
            fd = files.open_file(self._folder.path(name), os.O_RDONLY)
        except BackendError as error:
            yield _unreadable(name, error)
            return
        if fd is None:
            return
        try:
            self._progress(part, os.fstat(fd).st_size)
            # Seen from beside, a write in progress or being taken back looks like damage.
            if any(True for _ in self._judge(name, fd, check)):
                yield from self._judge(name, fd, check, timeout=self._folder.settings.lock_timeout)
        except OSError as error:
            yield _unreadable(name, error)
        finally:
            os.close(fd)

    def _judge(
        self, name: str, fd: int, check: "Rules", timeout: "float | None" = None
    ) -> "Iterator[Finding]":
        """Judges an open log; with a timeout, up to where it ends while nobody appends."""
        lines = LogLines(fd, name)
        tail: Tail | None = None
        corrupt = ""
        if timeout is not None:
            self._lock(fd, name, timeout)
        try:
            end = lines.size()
            tail = lines.tail()
            end = tail.end
        except IntegrityError as error:
            corrupt = str(error)
        finally:
            if timeout is not None:
                files.unlock_file(fd)
        links = rules.Links(lines.before(end))
        for found in check(links):
            yield Finding(found.severity, name, found.line, found.problem, found.remedy)
        broken = links.break_found()
        if broken is not None:
            yield Finding(broken.severity, name, broken.line, broken.problem, broken.remedy)
        elif corrupt:
            yield Finding(DAMAGE, name, links.count, corrupt, _READ)
        if tail is not None and not tail.is_clean:
            yield _torn(name, links.count, tail)
        elif tail is not None and not end:
            yield Finding(NOTICE, name, None, "the log is empty", _EMPTY)

    def _lock(self, fd: int, name: str, timeout: float) -> None:
        try:
            files.lock_file(fd, self._folder.path(name), timeout, shared=True)
        except (LockTimeoutError, BackendError):
            pass  # then as it stands: better said too much than nothing

    def _has_blob(self, digest: str) -> bool:
        name = f"objects/{digest[:2]}/{digest[2:]}"
        try:
            return S_ISREG(os.lstat(self._folder.path(name)).st_mode)
        except (FileNotFoundError, NotADirectoryError):
            return False
        except OSError as error:
            self._unread.append(_unreadable(digest, error))
            return True  # which is not to say that it is absent

    def _unusable(self, name: str) -> "Finding | None":
        """What keeps a folder from being read; one that is absent is as good as an empty one."""
        path = self._folder.path(name)
        try:
            files.require_folder(path)
            os.listdir(path)  # what cannot be listed must not pass for empty
        except FileNotFoundError:
            return None
        except BackendError as error:
            return Finding(DAMAGE, name, None, str(error), _FOREIGN)
        except OSError as error:
            return _unreadable(name, error)
        return None

    def _entries(self, name: str) -> "Iterator[tuple[str, int]]":
        """Yields name and mode of all that is in a folder, in order; nothing if there is none."""
        path = self._folder.path(name)
        try:
            names = sorted(os.listdir(path))
        except FileNotFoundError:
            return
        except OSError as error:
            self._unread.append(_unreadable(name, error))
            return
        for entry in names:
            try:
                mode = os.lstat(f"{path}/{entry}").st_mode
            except FileNotFoundError:
                continue  # gone since
            except OSError as error:
                self._unread.append(_unreadable(f"{name}/{entry}", error))
                continue
            yield entry, mode


def _torn(name: str, lines: int, tail: "Tail") -> Finding:
    if tail.unended:
        what = "the last line lacks its newline" + (
            f" and {len(tail.torn)} bytes of NULs follow it" if tail.torn else ""
        )
        return Finding(
            NOTICE, name, lines, what, "nothing is lost: the next append writes the newline"
        )
    what = f"behind the last whole line stand {len(tail.torn)} bytes of an interrupted write"
    if not lines:
        what = f"there is no whole line, only {len(tail.torn)} bytes of an interrupted write"
    if b"\n" in tail.torn:
        what += "; there are NULs among them, as file systems leave after a power cut"
    return Finding(
        NOTICE,
        name,
        lines + 1,
        what,
        "the next append keeps them aside in damaged/ and cuts them off; they were never "
        "acknowledged, unless the disk lost what it had confirmed",
    )


def _out_of_place(where: str, mode: int) -> Finding:
    """The finding for what a store does not hold: not here, or not of this kind."""
    if S_ISLNK(mode):
        return Finding(DAMAGE, where, None, "it is a symbolic link; a store holds none", _FOREIGN)
    if S_ISDIR(mode):
        return Finding(NOTICE, where, None, "this folder is no part of a store", _STRAY)
    if S_ISREG(mode):
        return Finding(NOTICE, where, None, "this file is no part of a store", _STRAY)
    return Finding(
        DAMAGE, where, None, "it is a pipe, socket or device; a store holds none", _FOREIGN
    )


def _unreadable(where: str, error: "OSError | BackendError") -> Finding:
    reason = error.strerror if isinstance(error, OSError) else error
    return Finding(DAMAGE, where, None, f"it cannot be read: {reason}", _READ)


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


def _no_progress(part: str, size: int) -> None:
    """Tells nobody."""
