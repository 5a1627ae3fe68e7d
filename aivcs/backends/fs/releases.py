"""Releases in files: one chained log per name, `releases/<name>.jsonl`; a "/" in it is a folder."""

from aivcs.backends.fs import files
from aivcs.backends.fs.logfile import LockedLog, LogReader, first_line
from aivcs.errors import IntegrityError, ReleaseNotFoundError
from aivcs.log import release as rules
from aivcs.model import (
    ContentDigest,
    Head,
    ReleaseMetadata,
    ReleaseRecord,
    check_release_name,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from aivcs.backends.fs.folder import Folder


class FileReleaseRegistry:
    """The `ReleaseRegistry` contract on a folder."""

    __slots__ = ("_folder",)

    def __init__(self, folder: "Folder") -> None:
        """Takes the store's folder."""
        self._folder = folder

    def promote(
        self,
        name: str,
        spec_digest: ContentDigest,
        metadata: ReleaseMetadata,
        *,
        expect: "ContentDigest | int | str | None" = None,
    ) -> ReleaseRecord:
        """As `ReleaseRegistry.promote`; reads the end of the log."""
        digest = ContentDigest(spec_digest)
        file = _name(name)
        if expect not in {None, "none"} and self.current(name) is None:
            rules.require_expected(name, None, expect)  # before a log is created for nothing
        with LockedLog.create(self._folder, file) as log:
            top, seq = _top(log), _next_seq(log)
            rules.require_expected(name, top, expect)
            record = rules.promotion(name, top, seq, digest, metadata)
            log.append([rules.line_of(record, log.tail.head)[0]])
            return record

    def rollback(
        self,
        name: str,
        *,
        to: "ContentDigest | int | str | None" = None,
        metadata: "ReleaseMetadata | None" = None,
        expect: "ContentDigest | int | str | None" = None,
    ) -> ReleaseRecord:
        """As `ReleaseRegistry.rollback`; finds its target by halving, however long the log is."""
        log = LockedLog.lock(self._folder, _name(name))
        if log is None:
            raise ReleaseNotFoundError(name)
        with log:
            top, seq = _top(log), _next_seq(log)
            rules.require_expected(name, top, expect)
            if top is None:
                raise ReleaseNotFoundError(name)
            find = _finder(name, log)
            if to is None:
                record = rules.pop(name, top, seq, find, metadata)
            else:
                target = rules.find_release(name, _releases(log), to)
                record = rules.pop_to(top, seq, target, find, metadata)
            log.append([rules.line_of(record, log.tail.head)[0]])
            return record

    def current(self, name: str) -> "ReleaseRecord | None":
        """As `ReleaseRegistry.current`; reads the end of the log."""
        log = LogReader.open(self._folder, _name(name))
        if log is None:
            return None
        with log:
            return _top(log)

    def history(self, name: str) -> "list[ReleaseRecord]":
        """As `ReleaseRegistry.history`."""
        return list(self.iter_history(name))

    def iter_history(self, name: str) -> "Iterator[ReleaseRecord]":
        """As `ReleaseRegistry.iter_history`; reads from the end, and only as far as is asked."""
        log = LogReader.open(self._folder, _name(name))
        if log is None:
            return
        with log:
            yield from _releases(log)

    def list_names(self) -> "Iterator[str]":
        """As `ReleaseRegistry.list_names`."""
        import os

        root = self._folder.path("releases")
        self._folder.require_parents("releases/")
        names = []
        with files.doing("list", "releases"):
            for folder, _, entries in os.walk(root, onerror=_require_absent):
                below = folder[len(root) + 1 :]
                names += [
                    f"{below}/{entry}"[:-6] if below else entry[:-6]
                    for entry in entries
                    if entry.endswith(".jsonl")
                ]
        for name in sorted(names):
            # Without a first line it is a name that a crash kept from its first release.
            if first_line(self._folder, f"releases/{name}.jsonl") is not None:
                yield name

    def head(self, name: str) -> Head:
        """As `ReleaseRegistry.head`; reads and checks the whole log."""
        log = LogReader.open(self._folder, _name(name))
        if log is None:
            raise ReleaseNotFoundError(name)
        with log:
            lines = sum(1 for _ in log.forwards())
            return Head(lines, log.tail.head)


def _require_absent(error: OSError) -> None:
    """Refuses to pass over a folder that is there: what it holds would seem to be released nowhere.

    Raises:
        OSError: It cannot be listed.
    """
    if not isinstance(error, FileNotFoundError):
        raise error


def _name(name: str) -> str:
    check_release_name(name)
    return f"releases/{name}.jsonl"


def _top(log: "LockedLog | LogReader") -> "ReleaseRecord | None":
    """The last release of a log; behind it there may be marks."""
    if not log.tail.last:
        return None
    return rules.record_of(log.tail.last) or next(_releases(log), None)


def _next_seq(log: LockedLog) -> int:
    return rules.seq_of(log.tail.last) + 1 if log.tail.last else 1


def _releases(log: "LockedLog | LogReader") -> "Iterator[ReleaseRecord]":
    for line in log.backwards():
        record = rules.record_of(line)
        if record is not None:
            yield record


def _finder(name: str, log: LockedLog) -> "Callable[[int], ReleaseRecord]":
    def find(seq: int) -> ReleaseRecord:
        line = log.find_numbered(seq, rules.seq_of)
        record = rules.record_of(line) if line else None
        if record is None:
            where = _name(name)
            raise IntegrityError(
                None, None, where, f"{where} has no release @{seq}, which it names"
            )
        return record

    return find
