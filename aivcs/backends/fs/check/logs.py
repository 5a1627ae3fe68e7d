"""Judging a log: its chain, its rules, and how it ends."""

import os
from functools import partial

from aivcs.backends.fs import files
from aivcs.backends.fs.check import repair
from aivcs.backends.fs.check.finding import EMPTY, READ, truncated, unreadable
from aivcs.backends.fs.logs.lines import LogLines
from aivcs.errors import BackendError, IntegrityError, LockTimeoutError
from aivcs.log import verify_run as rules
from aivcs.log.verify_release import release_problems
from aivcs.log.verify_run import DAMAGE, NOTICE
from aivcs.store.finding import Finding
from aivcs.util.disk_map import DiskMap

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from aivcs.backends.fs.check.report import Report
    from aivcs.backends.fs.folder import Folder
    from aivcs.log.chain import Tail
    from aivcs.log.erasure import Erasures

    Rules = Callable[[Iterable[tuple[int, bytes]]], Iterator[rules.Problem]]

_MAX_PROBLEMS = 1000
"""Problems of one log that are reported one by one; the others are counted in one finding."""


class LogCheck:
    """Judges logs, in any thread."""

    __slots__ = ("_erasures", "_folder", "_has_blob")

    def __init__(
        self, folder: "Folder", has_blob: "Callable[[str], bool]", erasures: "Erasures"
    ) -> None:
        """Takes the store's folder, and what is known of other parts of it.

        Args:
            folder: The folder.
            has_blob: Tells whether an object exists.
            erasures: The records of what was erased.
        """
        self._folder = folder
        self._has_blob = has_blob
        self._erasures = erasures

    def judge_run(self, path: str, name: str, report: "Report") -> None:
        """Reports what is wrong with the log of a run."""

        def check(lines: "Iterable[tuple[int, bytes]]") -> "Iterator[rules.Problem]":
            return rules.run_problems(lines, name, self._has_blob, DiskMap, self._erasures)

        self._log(report, "runs", path, check)

    def judge_release(self, path: str, name: str, report: "Report") -> None:
        """Reports what is wrong with the log of a release name."""

        def check(lines: "Iterable[tuple[int, bytes]]") -> "Iterator[rules.Problem]":
            return release_problems(lines, name, self._has_blob, DiskMap)

        self._log(report, "releases", path, check)

    def _log(self, report: "Report", section: str, name: str, check: "Rules") -> None:
        try:
            fd = files.open_file(self._folder.path(name), os.O_RDONLY)
        except BackendError as error:
            report.add(unreadable(name, error))
            return
        if fd is None:
            return
        try:
            report.read.append((section, os.fstat(fd).st_size))
            # Without the lock, a write in progress or being undone looks like damage.
            if any(True for _ in self._judge(name, fd, check)):
                timeout = self._folder.settings.lock_timeout
                self._report_log(report, name, check, self._judge(name, fd, check, timeout=timeout))
        except OSError as error:
            report.add(unreadable(name, error))
        finally:
            os.close(fd)

    def _report_log(
        self, report: "Report", name: str, check: "Rules", found: "Iterator[tuple[Finding, bool]]"
    ) -> None:
        """Reports the problems of a log; its truncated end can be repaired if the rest is right."""
        further = 0
        severity = NOTICE
        for number, (finding, is_truncated) in enumerate(found):
            if is_truncated:
                # A truncated end comes last, so all problems before it are known.
                how = partial(repair.repair_log, self._folder, name, check)
                report.add(finding, how if severity != DAMAGE else None)
                continue
            severity = DAMAGE if finding.severity == DAMAGE else severity
            if number < _MAX_PROBLEMS:
                report.add(finding)
            else:
                further += 1
        if further:
            problem = f"there are {further} further problems in this log"
            fix = "look at the first ones; the others may follow from them"
            report.add(Finding(severity, name, None, problem, fix))

    def _judge(
        self, name: str, fd: int, check: "Rules", timeout: "float | None" = None
    ) -> "Iterator[tuple[Finding, bool]]":
        """Judges an open log; with a timeout, up to its end while nobody is appending.

        Yields each problem, and whether it is the truncated end.
        """
        lines = LogLines(fd, name)
        tail: Tail | None = None
        corrupt = ""
        if timeout is not None:
            self._lock(fd, name, timeout)
        try:
            end = lines.size()
            tail = lines.read_tail()
            end = tail.end
        except IntegrityError as error:
            corrupt = str(error)
        finally:
            if timeout is not None:
                files.unlock_file(fd)
        links = rules.Links(lines.between(0, end))
        for found in check(links):
            yield Finding(found.severity, name, found.line, found.problem, found.remedy), False
        broken = links.break_found()
        if broken is not None:
            yield Finding(broken.severity, name, broken.line, broken.problem, broken.remedy), False
        elif corrupt:
            yield Finding(DAMAGE, name, links.count, corrupt, READ), False
        if tail is not None and not tail.is_clean:
            yield truncated(name, links.count, tail), True
        elif tail is not None and not end:
            yield Finding(NOTICE, name, None, "the log is empty", EMPTY), False

    def _lock(self, fd: int, name: str, timeout: float) -> None:
        try:
            files.lock_file(fd, self._folder.path(name), timeout, shared=True)
        except (LockTimeoutError, BackendError):
            pass  # judge the log as it is: a false report is better than none
