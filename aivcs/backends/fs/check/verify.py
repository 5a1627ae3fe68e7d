"""Reading a whole store and finding what is wrong: bytes, places, and the rules of the logs.

No name is trusted. Nothing is changed unless a repair is asked for, no time stamp either, except
that a wrong index of runs, a cache, is removed. A lock is taken only shared, and for a moment, so
writers go on. A log is judged up to its end when it was opened. If anything seems wrong, it is
judged again up to its end while no writer was appending, and only that counts. A file that is
deleted before it is read is skipped.

Several threads read at once (`workers`); findings come in the order of the walk all the same, and
repairs (`repair`) are made one after the other, as their findings are yielded.

Memory per processor: the longest line, the names in one folder, and a bounded number of findings of
one log; what the rules remember of a long log goes to a file (`aivcs.util.disk_map`). Only regular
files are opened, so nothing blocks.

This module walks the store; `objects` and `logs` judge one file each.

Not found here: a log that was cut at the end of a line, rewritten as a whole, or deleted. That
takes a head from before (`aivcs.commands.store.head`).
"""

import os
from contextlib import suppress
from functools import partial
from stat import S_ISREG
from time import time

from aivcs.backends.fs import layout
from aivcs.backends.fs.check import repair
from aivcs.backends.fs.check.finding import (
    abandoned,
    absent_folder,
    missing_pin,
    out_of_place,
    unlistable,
    unreadable,
    wrong_folder,
)
from aivcs.backends.fs.check.logs import LogCheck
from aivcs.backends.fs.check.objects import ObjectCheck
from aivcs.backends.fs.check.report import message, tasks
from aivcs.backends.fs.check.workers import ordered_map
from aivcs.backends.fs.documents import FileDocuments
from aivcs.backends.fs.folder import is_abandoned
from aivcs.backends.fs.logs import FileLogDriver
from aivcs.backends.fs.scan import Scanner
from aivcs.errors import BackendError, OutcomeUnknownError, StorageError, UsageError
from aivcs.store.erasures import DocumentErasures
from aivcs.store.finding import PARTS, Finding

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from aivcs.backends.fs.check.report import Item, Repair, Report
    from aivcs.backends.fs.folder import Folder
    from aivcs.backends.fs.scan import Entry

    Progress = Callable[[str, int], None]
    Found = tuple[Finding, Repair | None]

_FOLDERS = {
    "blobs": (layout.OBJECTS, layout.PINS, layout.QUARANTINE, layout.TEMPORARY),
    "runs": (layout.RUNS,),
    "releases": (layout.RELEASES,),
}
"""The folders of each section; the first is the one that is read."""
_MAX_AGE = 86_400
"""Seconds after which a temporary file counts as abandoned, even if its process seems alive."""


def verify(
    folder: "Folder",
    sections: "frozenset[str]",
    progress: "Progress | None" = None,
    *,
    fix: bool = False,
) -> "Iterator[Finding]":
    """Reads some sections of a store and yields what is wrong.

    Args:
        folder: The store's folder.
        sections: Any of `PARTS`; temporary files and `damaged/` belong to `blobs`.
        progress: Called with the section and the number of bytes for each object and log that was
            read, whatever was found; in the caller's thread.
        fix: Whether to repair what can be repaired without a decision; the finding then says what
            was done.

    Raises:
        UsageError: There is no such section.
        OutcomeUnknownError: During the iteration: whether a repair is durable cannot be known.
    """
    unknown = sections.difference(PARTS)
    if unknown:
        raise UsageError(f"a store has no part {', '.join(sorted(unknown))}: {', '.join(PARTS)}")
    return _findings(_Verifier(folder), sections, progress, fix=fix)


def estimate_bytes(folder: "Folder", sections: "frozenset[str]") -> int:
    """Returns about how many bytes `verify` is going to read."""
    scanner = Scanner(folder)
    walks = (scanner.below(_FOLDERS[section][0]) for section in PARTS if section in sections)
    return sum(
        entry.status.st_size for entries in walks for entry in entries if not entry.is_folder
    )


def _findings(
    verifier: "_Verifier",
    sections: "frozenset[str]",
    progress: "Progress | None",
    *,
    fix: bool,
) -> "Iterator[Finding]":
    for report in ordered_map(tasks(verifier.items(sections))):
        if progress is not None:
            for section, size in report.read:
                progress(section, size)
        yield from _repaired(report.found, fix=fix)
    yield from verifier.check_owners(sections)
    if "blobs" in sections:
        # After all repairs: a damaged object that one of them quarantined is missing by now.
        yield from _repaired(verifier.pins(), fix=fix)
    yield from verifier.unread
    if "runs" in sections:
        yield from verifier.check_index()


def _repaired(found: "Iterable[Found]", *, fix: bool) -> "Iterator[Finding]":
    for finding, how in found:
        yield _repair(finding, how) if fix and how is not None else finding


def _repair(finding: Finding, how: "Repair") -> Finding:
    repaired, fix = None, finding.remedy
    try:
        repaired = how()
    except repair.GoneError:
        repaired = "it is gone already"
    except OutcomeUnknownError:
        raise
    except (StorageError, OSError) as error:
        fix = f"it could not be repaired: {error}; {finding.remedy}"
    return Finding(finding.severity, finding.where, finding.line, finding.problem, fix, repaired)


class _Verifier:
    """One pass over a store.

    Attributes:
        unread: Findings of files that could not be looked at, and could not be reported at once.
    """

    __slots__ = ("_folder", "_has_pins", "_logs", "_objects", "_scanner", "unread")

    def __init__(self, folder: "Folder") -> None:
        self._folder = folder
        self._has_pins = False
        self.unread: list[Finding] = []
        self._scanner = Scanner(folder)
        self._objects = ObjectCheck(folder, self._has_blob)
        erasures = DocumentErasures(FileDocuments(folder)).load_readable()
        self._logs = LogCheck(folder, self._has_blob, erasures)

    def _has_blob(self, digest: str) -> bool:
        """Tells whether a file has the path of an object; True if that cannot be known."""
        try:
            return S_ISREG(os.lstat(self._folder.path(layout.object_path(digest))).st_mode)
        except (FileNotFoundError, NotADirectoryError):
            return False
        except OSError as error:
            self.unread.append(unreadable(digest, error))
            return True  # it is not known to be absent

    def items(self, sections: "frozenset[str]") -> "Iterator[Item]":
        """Yields all files to judge, in order, each with its bytes and the function to judge it."""
        if "blobs" in sections:
            errors = {
                name: self._scanner.error_of(name)
                for name in (layout.QUARANTINE, layout.PINS, layout.OBJECTS)
            }
            for name, error in errors.items():
                if error:
                    yield message(unlistable(name, error))
            self._has_pins = not errors[layout.PINS]
            yield from self._temporaries()
            if not errors[layout.OBJECTS]:
                if not errors[layout.QUARANTINE]:
                    yield from self._quarantined()
                yield from self._placed(self._scanner.objects(), self._objects.judge_object)
        with suppress(BackendError):  # which the walk of that folder reports
            for name in FileLogDriver(self._folder).absent_folders():
                if name in sections and any(self._scanner.entries(layout.OBJECTS)):
                    yield message(absent_folder(name))
        if "runs" in sections:
            yield from self._placed(self._scanner.runs(), self._logs.judge_run)
        if "releases" in sections:
            yield from self._placed(self._scanner.releases(), self._logs.judge_release)

    def _placed(
        self, entries: "Iterable[Entry]", judge: "Callable[[str, str, Report], None]"
    ) -> "Iterator[Item]":
        """Yields the items of a walk: files in their places to be judged, all else as findings."""
        for entry in entries:
            if not entry.is_file or not entry.name:
                yield self._out_of_place(entry)
                continue
            if entry.is_misplaced:
                yield message(wrong_folder(entry.path, entry.name))
            yield entry.status.st_size, partial(judge, entry.path, entry.name)

    def _out_of_place(self, entry: "Entry") -> "Item":
        if entry.error is not None:
            return message(unlistable(entry.path, entry.error))
        how = partial(repair.quarantine_stray, self._folder, entry.path) if entry.is_file else None
        return message(out_of_place(entry.path, entry.status.st_mode, bool(entry.name)), how)

    def _temporaries(self) -> "Iterator[Item]":
        for entry in self._scanner.entries(layout.TEMPORARY):
            name = entry.path[len(layout.TEMPORARY) + 1 :]
            if not entry.is_file:
                yield self._out_of_place(entry)
            elif layout.process_of(name) is None:
                how = partial(repair.quarantine_stray, self._folder, entry.path)
                yield message(abandoned(entry.path), how)
            elif is_abandoned(name):
                how = partial(repair.remove_temporary, self._folder, entry.path)
                yield message(abandoned(entry.path), how)
            elif time() - entry.status.st_mtime > _MAX_AGE:
                # Another process may have its number by now, but that is not known.
                yield message(abandoned(entry.path))

    def _quarantined(self) -> "Iterator[Item]":
        """Yields the objects in `damaged/`: an interrupted repair may have left a whole one."""
        for entry in self._scanner.entries(layout.QUARANTINE):
            digest = layout.quarantined_digest_of(entry.path[len(layout.QUARANTINE) + 1 :])
            if entry.error is not None:
                yield self._out_of_place(entry)
            elif entry.is_file and digest:
                judge = partial(self._objects.judge_quarantined, entry.path, digest)
                yield entry.status.st_size, judge

    def pins(self) -> "Iterator[Found]":
        """Yields the findings about pins; to be called after all `items`."""
        for entry in self._scanner.entries(layout.PINS) if self._has_pins else ():
            digest = layout.pinned_digest_of(entry.path[len(layout.PINS) + 1 :])
            if entry.error is not None:
                yield unlistable(entry.path, entry.error), None
            elif not entry.is_file:
                yield out_of_place(entry.path, entry.status.st_mode), None
            elif not digest:
                how = partial(repair.quarantine_stray, self._folder, entry.path)
                yield out_of_place(entry.path, entry.status.st_mode), how
            # The blob may be gone together with its pin.
            elif not self._has_blob(digest) and os.path.lexists(self._folder.path(entry.path)):
                yield missing_pin(digest, self._quarantined_as(digest)), None

    def _quarantined_as(self, digest: str) -> "list[str]":
        """Returns the paths of the files that repairs moved out of the place of an object."""
        return [
            entry.path
            for entry in self._scanner.entries(layout.QUARANTINE)
            if layout.quarantined_digest_of(entry.path[len(layout.QUARANTINE) + 1 :]) == digest
        ]

    def check_index(self) -> "Iterator[Finding]":
        """Yields a finding if the index of runs contradicts the logs; the index is removed then."""
        from aivcs.backends.fs.check.index import check_index

        return check_index(self._folder)

    def check_owners(self, sections: "frozenset[str]") -> "Iterator[Finding]":
        """Yields the findings about files that the store's owner cannot write."""
        from aivcs.backends.fs.check.owners import check_owners

        folders = [name for part in PARTS if part in sections for name in _FOLDERS[part]]
        return check_owners(self._folder, folders)
