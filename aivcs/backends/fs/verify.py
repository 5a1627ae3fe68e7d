"""Reads all of a store and says what is wrong with it: bytes, places, and the rules of the logs.

Nothing is believed for its name, and nothing is changed unless that is asked for: no file, no time
stamp, and a lock is only ever taken shared and for a moment. Writers may go on meanwhile. A log is
judged up to where it ended when it was opened; if anything seems wrong with it, it is judged a
second time up to where it ended while no writer was in the middle of something, and only that
counts. What is deleted before it is reached is passed over.

Several threads read at once (`workers`); findings come in the order of the places all the same, and
repairs (`repair`) are made one after the other, as their findings are handed out.

Memory is bounded by the longest line, by the number of names in one folder, by the gaps in the seqs
of one run, and by `_MOST` findings of one log, for each processor. Nothing is opened that is no
regular file, so nothing can block.

What cannot be found here: a log cut at the end of a line, or written anew as a whole. Both are
whole logs; only a head kept elsewhere tells.
"""

import os
from stat import S_ISDIR, S_ISLNK, S_ISREG

from aivcs.backends.fs import files, repair
from aivcs.backends.fs.blobs import hash_file
from aivcs.backends.fs.folder import is_abandoned
from aivcs.backends.fs.lines import LogLines
from aivcs.backends.fs.workers import in_order
from aivcs.errors import (
    BackendError,
    IntegrityError,
    InvalidNameError,
    LockTimeoutError,
    OutcomeUnknownError,
    StorageError,
    UsageError,
)
from aivcs.log import verify as rules
from aivcs.log.verify import DAMAGE, NOTICE
from aivcs.log.verify_release import release_problems
from aivcs.model import Record, RunId, check_release_name
from aivcs.spill import Table

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from aivcs.backends.fs.folder import Folder
    from aivcs.log.chain import Tail

    Progress = Callable[[str, int], None]
    Rules = Callable[[Iterable[tuple[int, bytes]]], Iterator[rules.Problem]]
    Mend = Callable[[], str]
    Item = tuple[int, Callable[["_Report"], None]]

PARTS = ("blobs", "runs", "releases")
"""What `verify` can be asked to read."""

_HEX = frozenset("0123456789abcdef")
_IN_USE = 86_400
"""Seconds after which a temporary file is taken for a leftover, even if its process seems alive."""
_MOST = 1000
"""Problems of one log that are said one by one; how many more there are is said in one."""
_TASK_BYTES = 4 << 20
_TASK_ITEMS = 64
"""What one thread reads before it hands over what it found, at least, unless there is less."""

_STRAY = "aivcs ignores it; move it out of the store, or aivcs verify --repair moves it to damaged/"
_FOLDER = "aivcs ignores it; move it out of the store"
_FOREIGN = "find out who put it there, then replace it by the content, or remove it"
_HEAL = (
    "put the same content again, which replaces it, or restore it from a copy; "
    "aivcs verify --repair moves it to damaged/, so that it is absent"
)
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
        repaired: What was done to repair it, or None if nothing was.
    """

    __slots__ = ("severity", "where", "line", "problem", "remedy", "repaired")  # noqa: RUF023 as one reads them
    severity: str
    where: str
    line: "int | None"
    problem: str
    remedy: str
    repaired: "str | None"

    def __init__(
        self,
        severity: str,
        where: str,
        line: "int | None",
        problem: str,
        remedy: str,
        repaired: "str | None" = None,
    ) -> None:
        """Takes the fields as they are."""
        # A file's name may be no text at all.
        where = os.fsencode(where).decode(errors="backslashreplace")
        self._fill(severity, where, line, problem, remedy, repaired)

    @property
    def is_open(self) -> bool:
        """Whether it is damage that is still there."""
        return self.severity == DAMAGE and self.repaired is None


def verify(
    folder: "Folder",
    parts: "frozenset[str]",
    progress: "Progress | None" = None,
    *,
    mend: bool = False,
) -> "Iterator[Finding]":
    """Reads everything of some parts of a store and yields what is wrong.

    Args:
        folder: The store's folder.
        parts: Any of `PARTS`; temporaries and what replaces objects belong to `blobs`.
        progress: Called with the part and the number of bytes for each object and each log that was
            read, whether or not anything was found; in the caller's thread.
        mend: Whether to repair what can be repaired without a doubt; a finding then says what was
            done.

    Raises:
        UsageError: There is no such part.
        OutcomeUnknownError: While it is read: whether a repair is durable cannot be known.
    """
    unknown = parts.difference(PARTS)
    if unknown:
        raise UsageError(f"a store has no part {', '.join(sorted(unknown))}: {', '.join(PARTS)}")
    return _findings(_Verifier(folder), parts, progress, mend=mend)


def measure(folder: "Folder", parts: "frozenset[str]") -> int:
    """Returns about how many bytes `verify` is going to read, without reading them."""
    total = 0
    for part, name in zip(PARTS, ("objects", "runs", "releases"), strict=True):
        if part in parts:
            for at, _, names in os.walk(folder.path(name)):
                for entry in names:
                    try:
                        total += os.lstat(f"{at}/{entry}").st_size
                    except OSError:
                        continue  # gone since
    return total


def _findings(
    verifier: "_Verifier", parts: "frozenset[str]", progress: "Progress | None", *, mend: bool
) -> "Iterator[Finding]":
    for report in in_order(_tasks(verifier.items(parts))):
        if progress is not None:
            for part, size in report.read:
                progress(part, size)
        for finding, how in report.found:
            yield _mended(finding, how) if mend and how is not None else finding
    if "blobs" in parts:
        # When all repairs are made: what was set aside is missing by now.
        for finding, how in verifier.pins():
            yield _mended(finding, how) if mend and how is not None else finding
    yield from verifier.unread


def _mended(finding: Finding, how: "Mend") -> Finding:
    try:
        repaired, remedy = how(), finding.remedy
    except OutcomeUnknownError:
        raise
    except (StorageError, OSError) as error:
        repaired, remedy = None, f"it could not be repaired: {error}; {finding.remedy}"
    return Finding(finding.severity, finding.where, finding.line, finding.problem, remedy, repaired)


class _Report:
    """What one task read and found.

    Attributes:
        read: The part and the bytes of each object and log.
        found: What is wrong, each with how to repair it, if that is known.
    """

    __slots__ = ("found", "read")

    def __init__(self) -> None:
        self.read: list[tuple[str, int]] = []
        self.found: list[tuple[Finding, Mend | None]] = []

    def add(self, finding: Finding, how: "Mend | None" = None) -> None:
        self.found.append((finding, how))


def _tasks(items: "Iterable[Item]") -> "Iterator[Callable[[], _Report]]":
    """Joins items, which may be tiny, to tasks that are worth a thread's while."""
    batch: list[Callable[[_Report], None]] = []
    size = 0
    for weight, item in items:
        batch.append(item)
        size += weight
        if size >= _TASK_BYTES or len(batch) >= _TASK_ITEMS:
            yield _task(batch)
            batch, size = [], 0
    if batch:
        yield _task(batch)


def _task(batch: "list[Callable[[_Report], None]]") -> "Callable[[], _Report]":
    def run() -> _Report:
        report = _Report()
        for item in batch:
            item(report)
        return report

    return run


def _saying(finding: Finding, how: "Mend | None" = None) -> "Item":
    """An item that was judged already."""
    return 0, lambda report: report.add(finding, how)


class _Verifier:
    """One pass over a store."""

    __slots__ = ("_folder", "_has_pins", "unread")

    def __init__(self, folder: "Folder") -> None:
        self._folder = folder
        self._has_pins = False
        # What could not be looked at where there is no way to say it at once.
        self.unread: list[Finding] = []

    def items(self, parts: "frozenset[str]") -> "Iterator[Item]":
        """Yields all there is to look at, in order: how many bytes it has, and how it is judged."""
        if "blobs" in parts:
            unusable = {name: self._unusable(name) for name in ("damaged", "pins", "objects")}
            for problem in unusable.values():
                if problem:
                    yield _saying(problem)
            self._has_pins = not unusable["pins"]
            yield from self._temporaries()
            if not unusable["objects"]:
                if not unusable["damaged"]:
                    yield from self._kept()
                yield from self._objects()
        if "runs" in parts:
            yield from self._runs()
        if "releases" in parts:
            yield from self._releases("releases")

    def _temporaries(self) -> "Iterator[Item]":
        problem = self._unusable("tmp")
        if problem:
            yield _saying(problem)
            return
        for name, status in self._entries("tmp"):
            where = f"tmp/{name}"
            pid = name.partition("-")[0]
            if not S_ISREG(status.st_mode):
                yield self._out_of_place(where, status.st_mode)
            elif not pid.isdecimal() or not pid.isascii():
                yield _saying(_leftover(where), self._mending(repair.set_stray_aside, where))
            elif is_abandoned(name):
                yield _saying(_leftover(where), self._mending(repair.remove_leftover, where))
            elif _age(status) > _IN_USE:
                # By now its number may be another's, but that is not known.
                yield _saying(_leftover(where))

    def _kept(self) -> "Iterator[Item]":
        """Looks for objects that are only in `damaged/` because a repair was interrupted."""
        for name, status in self._entries("damaged"):
            _, shard, rest, *_ = f"{name}---".split("-", 3)
            digest = shard + rest[:62]
            if (
                S_ISREG(status.st_mode)
                and name.startswith(f"objects-{shard}-{rest[:62]}.")
                and len(digest) == 64
                and _HEX.issuperset(digest)
            ):
                yield status.st_size, self._judging_kept(f"damaged/{name}", digest)

    def _judging_kept(self, name: str, digest: str) -> "Callable[[_Report], None]":
        def judge(report: _Report) -> None:
            if self._has_blob(digest):
                return
            try:
                fd = files.open_file(self._folder.path(name), os.O_RDONLY)
                if fd is None:
                    return
                try:
                    is_whole = hash_file(fd) == digest
                finally:
                    os.close(fd)
            except (BackendError, OSError) as error:
                report.add(_unreadable(name, error))
                return
            if is_whole and not self._has_blob(digest):
                report.add(
                    Finding(
                        DAMAGE,
                        digest,
                        None,
                        f"it is whole, but stands in {name}: a repair was interrupted",
                        f"move it to {repair.object_name(digest)}, as aivcs verify --repair does",
                    ),
                    self._mending(repair.restore_object, name, digest),
                )

        return judge

    def _mending(self, how: "Callable[..., str]", *arguments: object) -> "Mend":
        return lambda: how(self._folder, *arguments)

    def _out_of_place(self, where: str, mode: int, *, is_place: bool = False) -> "Item":
        how = self._mending(repair.set_stray_aside, where) if S_ISREG(mode) else None
        return _saying(_misfit(where, mode, is_place=is_place), how)

    def _objects(self) -> "Iterator[Item]":
        for shard, status in self._entries("objects"):
            where = f"objects/{shard}"
            if not S_ISDIR(status.st_mode) or len(shard) != 2 or not _HEX.issuperset(shard):
                yield self._out_of_place(where, status.st_mode)
                continue
            problem = self._unusable(where)
            if problem:
                yield _saying(problem)
                continue
            for rest, status in self._entries(where):
                is_place = len(rest) == 62 and _HEX.issuperset(rest)
                if not S_ISREG(status.st_mode) or not is_place:
                    yield self._out_of_place(f"{where}/{rest}", status.st_mode, is_place=is_place)
                else:
                    yield status.st_size, self._judging_object(f"{where}/{rest}", shard + rest)

    def _judging_object(self, name: str, digest: str) -> "Callable[[_Report], None]":
        return lambda report: self._object(report, name, digest)

    def _object(self, report: _Report, name: str, digest: str) -> None:
        try:
            fd = files.open_file(self._folder.path(name), os.O_RDONLY)
        except BackendError as error:
            report.add(_unreadable(digest, error))
            return
        if fd is None:
            return
        try:
            actual = hash_file(fd)
            size = os.lseek(fd, 0, os.SEEK_CUR)
        except OSError as error:
            report.add(_unreadable(digest, error))
            return
        finally:
            os.close(fd)
        report.read.append(("blobs", size))
        if actual == digest:
            return
        if actual[2:] == digest[2:]:
            report.add(
                Finding(
                    DAMAGE,
                    digest,
                    None,
                    f"{name} holds the content {actual}, so it stands in the wrong folder",
                    f"move it to objects/{actual[:2]}/, as aivcs verify --repair does",
                ),
                self._mending(repair.move_object, name, digest),
            )
            return
        problem = f"the bytes of {name} hash to {actual}" if size else f"{name} is empty"
        report.add(
            Finding(DAMAGE, digest, None, problem, _HEAL),
            self._mending(repair.set_object_aside, name, digest),
        )

    def pins(self) -> "Iterator[tuple[Finding, Mend | None]]":
        """Yields what is wrong with the pins: what one of them keeps must be there.

        To be called when `items` was read to its end.
        """
        for name, status in self._entries("pins") if self._has_pins else ():
            where = f"pins/{name}"
            digest = name.lower()
            if not S_ISREG(status.st_mode):
                yield _misfit(where, status.st_mode), None
            elif len(digest) != 64 or not _HEX.issuperset(digest):
                how = self._mending(repair.set_stray_aside, where)
                yield _misfit(where, status.st_mode), how
            # Who takes a pin away may remove the blob at once.
            elif not self._has_blob(digest) and os.path.lexists(self._folder.path(where)):
                yield _unkept(digest, self._aside(digest)), None

    def _aside(self, digest: str) -> "list[str]":
        """Where a repair put bytes that had stood in the place of a blob."""
        flat = repair.object_name(digest).replace("/", "-")
        return [
            f"damaged/{name}" for name, _ in self._entries("damaged") if name.startswith(f"{flat}.")
        ]

    def _runs(self) -> "Iterator[Item]":
        problem = self._unusable("runs")
        if problem:
            yield _saying(problem)
            return
        for shard, status in self._entries("runs"):
            where = f"runs/{shard}"
            if not S_ISDIR(status.st_mode) or len(shard) != 2:
                yield self._out_of_place(where, status.st_mode)
                continue
            problem = self._unusable(where)
            if problem:
                yield _saying(problem)
                continue
            for file, status in self._entries(where):
                run_id = file.removesuffix(".jsonl")
                is_place = run_id != file and _is_run_id(run_id)
                if not S_ISREG(status.st_mode) or not is_place:
                    yield self._out_of_place(f"{where}/{file}", status.st_mode, is_place=is_place)
                    continue
                if run_id[:2] != shard:
                    yield _saying(
                        Finding(
                            DAMAGE,
                            f"{where}/{file}",
                            None,
                            "the log stands in the wrong folder, where it is not looked for",
                            f"move it to runs/{run_id[:2]}/",
                        )
                    )
                yield (
                    status.st_size,
                    self._judging_log("runs", f"{where}/{file}", self._rules_of_run(run_id)),
                )

    def _releases(self, where: str) -> "Iterator[Item]":
        problem = self._unusable(where)
        if problem:
            yield _saying(problem)
            return
        for entry, status in self._entries(where):
            path = f"{where}/{entry}"
            name = path.removeprefix("releases/")
            is_place = name.endswith(".jsonl") and _is_release_name(name.removesuffix(".jsonl"))
            if S_ISDIR(status.st_mode) and _is_release_name(name):
                yield from self._releases(path)
            elif S_ISREG(status.st_mode) and is_place:
                check = self._rules_of_release(name.removesuffix(".jsonl"))
                yield status.st_size, self._judging_log("releases", path, check)
            else:
                yield self._out_of_place(path, status.st_mode, is_place=is_place)

    def _rules_of_run(self, run_id: str) -> "Rules":
        return lambda lines: rules.run_problems(lines, run_id, self._has_blob, Table)

    def _rules_of_release(self, name: str) -> "Rules":
        return lambda lines: release_problems(lines, name, self._has_blob, Table)

    def _judging_log(self, part: str, name: str, check: "Rules") -> "Callable[[_Report], None]":
        return lambda report: self._log(report, part, name, check)

    def _log(self, report: _Report, part: str, name: str, check: "Rules") -> None:
        try:
            fd = files.open_file(self._folder.path(name), os.O_RDONLY)
        except BackendError as error:
            report.add(_unreadable(name, error))
            return
        if fd is None:
            return
        try:
            report.read.append((part, os.fstat(fd).st_size))
            # Seen from beside, a write in progress or being taken back looks like damage.
            if any(True for _ in self._judge(name, fd, check)):
                timeout = self._folder.settings.lock_timeout
                self._report_log(report, name, check, self._judge(name, fd, check, timeout=timeout))
        except OSError as error:
            report.add(_unreadable(name, error))
        finally:
            os.close(fd)

    def _report_log(
        self, report: _Report, name: str, check: "Rules", found: "Iterator[tuple[Finding, bool]]"
    ) -> None:
        """Adds what is wrong with a log; its end can be mended if all before it is right."""
        further = 0
        severity = NOTICE
        for number, (finding, is_torn) in enumerate(found):
            if is_torn:
                # A torn end comes last: by now it is known what stands before it.
                how = self._mending(repair.mend_log, name, check) if severity != DAMAGE else None
                report.add(finding, how)
                continue
            severity = DAMAGE if finding.severity == DAMAGE else severity
            if number < _MOST:
                report.add(finding)
            else:
                further += 1
        if further:
            report.add(
                Finding(
                    severity,
                    name,
                    None,
                    f"there are {further} further problems in this log",
                    "look at the first ones; the others may follow from them",
                )
            )

    def _judge(
        self, name: str, fd: int, check: "Rules", timeout: "float | None" = None
    ) -> "Iterator[tuple[Finding, bool]]":
        """Judges an open log; with a timeout, up to where it ends while nobody appends.

        Yields what is wrong, and whether that is the torn end.
        """
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
            yield Finding(found.severity, name, found.line, found.problem, found.remedy), False
        broken = links.break_found()
        if broken is not None:
            yield Finding(broken.severity, name, broken.line, broken.problem, broken.remedy), False
        elif corrupt:
            yield Finding(DAMAGE, name, links.count, corrupt, _READ), False
        if tail is not None and not tail.is_clean:
            yield _torn(name, links.count, tail), True
        elif tail is not None and not end:
            yield Finding(NOTICE, name, None, "the log is empty", _EMPTY), False

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
            self.unread.append(_unreadable(digest, error))
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

    def _entries(self, name: str) -> "Iterator[tuple[str, os.stat_result]]":
        """Yields name and status of all that is in a folder, in order; nothing if there is none."""
        path = self._folder.path(name)
        try:
            names = sorted(os.listdir(path))
        except FileNotFoundError:
            return
        except OSError as error:
            self.unread.append(_unreadable(name, error))
            return
        for entry in names:
            try:
                status = os.lstat(f"{path}/{entry}")
            except FileNotFoundError:
                continue  # gone since
            except OSError as error:
                self.unread.append(_unreadable(f"{name}/{entry}", error))
                continue
            yield entry, status


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


def _unkept(digest: str, aside: "list[str]") -> Finding:
    problem = "it is pinned, so it is to be kept, but it is not in this store"
    if aside:
        problem += f"; the damaged bytes that stood in its place are in {', '.join(aside)}"
    remedy = f"put the content again: aivcs blob put FILE; or let it go: aivcs blob unpin {digest}"
    return Finding(DAMAGE, digest, None, problem, remedy)


def _leftover(where: str) -> Finding:
    return Finding(
        NOTICE,
        where,
        None,
        "a temporary file was left by a process that was interrupted",
        "it holds nothing that was acknowledged: remove it, as aivcs verify --repair does",
    )


def _age(status: os.stat_result) -> float:
    """Seconds since something was last written to a file."""
    from time import time

    return time() - status.st_mtime


def _misfit(where: str, mode: int, *, is_place: bool = False) -> Finding:
    """The finding for what a store does not hold: not here, or not of this kind.

    Args:
        where: Its path below the store.
        mode: What it is.
        is_place: Whether this is the place of an object or of a log.
    """
    if S_ISDIR(mode) and is_place:
        return Finding(DAMAGE, where, None, "a folder stands in the place of this file", _FOREIGN)
    if S_ISLNK(mode):
        return Finding(DAMAGE, where, None, "it is a symbolic link; a store holds none", _FOREIGN)
    if S_ISDIR(mode):
        return Finding(NOTICE, where, None, "this folder is no part of a store", _FOLDER)
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
