"""`aivcs spool push`: copies the runs that wait on this machine to their store.

A run that is held back, or has diverged, is reported, and stays with the reason in its note; the
others are copied. What has ended and arrived needs no look any more, and a day of which the store
has everything is removed.
"""

from __future__ import annotations

import os
from itertools import chain
from shlex import quote
from shutil import rmtree
from time import gmtime, strftime, time

from aivcs.codec.url import shown
from aivcs.commands.erasing import complete
from aivcs.commands.remote.copy import Copy
from aivcs.errors import BackendError, ConflictError, ErasedError, IntegrityError, StorageError
from aivcs.log.erasure import said
from aivcs.model.record import Head
from aivcs.repository import CONFIG
from aivcs.store.adopt import DivergedError
from aivcs.store.identity import identify
from aivcs.sync.erasures import copy_erasures
from aivcs.sync.spool import GONE
from aivcs.sync.spool_day import with_repair
from aivcs.sync.transfer import FAILED, Copied

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Any

    from aivcs.repository import Repository
    from aivcs.sync.spool import Spool
    from aivcs.sync.spool_day import DayStore

_NOTHING = Head(0, "")


class SpoolPush:
    """A push of all that waits in a spool. Only one at a time: call it under the spool's `lock`.

    Attributes:
        runs: The number of runs that were created or extended in the store.
        blobs: The number of blobs that were copied.
        size: The number of their bytes.
        erasures: The number of records of erasures that were brought, or were there.
    """

    def __init__(
        self,
        spool: Spool,
        *,
        scans: bool = True,
        progress: Callable[[int], None] = lambda _: None,
    ) -> None:
        """Takes the spool; opens nothing yet.

        Args:
            spool: The spool.
            scans: Whether a run with the form of a secret in it is held back.
            progress: Called with the bytes that were read.
        """
        self._spool = spool
        self._scans = scans
        self._progress = progress
        self._unremoved: BackendError | None = None
        self.runs = self.blobs = self.size = self.erasures = 0

    @property
    def is_needed(self) -> bool:
        """Whether a push has something to do: new lines, a run to try again, an erasure.

        Or a day whose removal was begun.
        """
        return bool(self._spool.leftovers()) or any(
            self._spool.unpushed_erasures(repo)
            or any(self._may_wait(repo, run_id) for run_id in self._spool.marks(day))
            for day in self._spool.days()
            for repo in [self._spool.of(day)]
        )

    def run(self, open_store: Callable[[], Repository]) -> Iterator[Copied]:
        """Copies the runs; yields what became of each that was not equal already.

        Args:
            open_store: Opens the store.

        Raises:
            ConflictError: It is another store than the one for which the runs were recorded.
            StorageError: The store is away, which is noted, or the spool cannot be read.
            BackendError: All was pushed that could be, and a day that is over cannot be removed.
        """
        spool = self._spool
        self._remove_leftovers()
        self._quietly(spool.change_state, tried_at=time())
        try:
            store = open_store()
            self._require_store(store)
            found = store.store.documents.read(CONFIG)
            self._quietly(spool.keep_config, None if found is None else found[0])
            for day in reversed(spool.days()):
                yield from self._push_day(store, day)
        except StorageError as error:
            since = spool.state.get("failed_at") if error.is_store_away else None
            failed = {"failed_at": since or time(), "error": str(error)[:500]}
            self._quietly(spool.change_state, **failed)
            raise
        self._quietly(spool.change_state, failed_at=None, error=None)
        if self._unremoved is not None:
            raise self._unremoved

    def _push_day(self, store: Repository, day: str) -> Iterator[Copied]:
        spool = self._spool
        repo = spool.of(day)
        marked = spool.marks(day)
        before: dict[str, tuple[int, str, bool]] = {}
        todo: list[str] = []
        left = 0
        for run_id in marked:
            try:
                before[run_id] = self._standing(repo, run_id)
                if self._is_behind(repo, run_id):
                    todo.append(run_id)
            except StorageError as error:
                yield self._left(repo, run_id, error)
                left += 1
        if todo or spool.unpushed_erasures(repo):
            for outcome in self._copy(store, repo, todo, before):
                yield outcome
                left += outcome.error is not None
        for run_id in set(before).difference(todo):
            if before[run_id][2]:
                spool.unmark(day, run_id)  # a push was killed before it could
        if day != strftime("%Y-%m-%d", gmtime()) and not left:
            try:
                yield from self._remove(store, repo, day)
            except IntegrityError as error:
                yield Copied(f"{day}/", FAILED, _NOTHING, error=with_repair(repo, error))

    def _copy(
        self,
        store: Repository,
        repo: DayStore,
        todo: list[str],
        before: dict[str, tuple[int, str, bool]],
    ) -> Iterator[Copied]:
        """Copies runs of a day, and what was erased on it; notes what came of each run."""
        spool, day = self._spool, repo.day
        erased = spool.unpushed_erasures(repo)
        copy = Copy(
            repo, store, own=repo, selection=todo, remembers=False,
            progress=self._progress, scans=self._scans,
        )  # fmt: skip
        records = copy_erasures(repo, store, applies=True) if erased else iter(())
        told = {}
        anew = self._recorded_anew(store, repo, copy.runs.erased)
        for outcome in chain(records, copy.copy_runs(), anew, copy.copy_annotations()):
            told[outcome.run_id] = outcome
            if outcome.error is None or outcome.run_id not in before:
                yield outcome
            elif self._is_damaged(repo, outcome.run_id):
                yield self._left(repo, outcome.run_id, outcome.error)
            else:
                error = outcome.error
                if isinstance(error, DivergedError):
                    error = self._parted(repo, error)
                yield outcome._replace(error=error)
                self._note_error(repo, outcome.run_id, error)
        self.runs += copy.runs.copied
        self.blobs += copy.runs.blobs.copied
        self.size += copy.runs.blobs.size
        for run_id in todo:
            lines, link, is_over = before[run_id]
            if run_id in told:
                if told[run_id].error is not None:
                    continue
                head, is_over = told[run_id].head, told[run_id].is_over
                lines, link = head.lines, head.hash
            if is_over:
                spool.unmark(day, run_id)
            elif lines:
                self._quietly(spool.note, day, run_id, lines=lines, hash=link, at=time())
        if erased:
            is_all = all(outcome.error is None for outcome in told.values())
            yield from self._carry_out(store, repo, erased, is_all=is_all)

    def _carry_out(
        self, store: Repository, repo: DayStore, erased: list[str], *, is_all: bool
    ) -> Iterator[Copied]:
        """Erases in the store what was erased here, once all else has been copied.

        If not all was, it is done again by the next push: the last line of a log cannot be redacted
        before another follows it.
        """
        try:
            complete(store)
        except StorageError as error:
            if error.is_store_away:
                raise
            yield Copied(erased[0], FAILED, _NOTHING, error=error)
            return
        self.erasures += len(erased)
        if is_all:
            self._quietly(self._spool.note_erasures, repo, erased)

    def _remove(self, store: Repository, repo: DayStore, day: str) -> Iterator[Copied]:
        """Removes a day that is over, if the store has all of it."""
        spool = self._spool
        if any(self._goes_on(store, repo, run_id) for run_id in spool.marks(day)):
            return
        known = self._content(repo)
        copy = Copy(repo, store, own=repo, remembers=False, scans=self._scans)
        anew = self._recorded_anew(store, repo, copy.runs.erased)
        outcomes = list(chain(copy.copy_runs(), anew, copy.copy_annotations()))
        yield from outcomes
        if any(outcome.error is not None or not outcome.is_over for outcome in outcomes):
            return
        folder = f"{spool.folder}/{day}"
        with spool.locked(f"{day}/in-use", 0.0) as is_alone:
            # Nobody writes to the day now. What came since the copy began waits for the next push.
            if not is_alone or self._content(repo) != known or os.path.exists(folder + GONE):
                return
            try:
                os.rename(folder, folder + GONE)
            except OSError as error:
                raise BackendError(f"cannot remove {folder}: {error.strerror}") from error
        self._remove_leftovers()

    def _goes_on(self, store: Repository, repo: DayStore, run_id: str) -> bool:
        """Whether a run may go on: the store neither has more of it, nor has erased it."""
        if not self._standing(repo, run_id)[0]:
            return False
        copy = Copy(repo, store, own=repo, selection=[run_id], remembers=False)
        anew = self._recorded_anew(store, repo, copy.runs.erased)
        left = list(chain(copy.copy_runs(), anew))
        return bool(left) or not (copy.runs.behind or copy.runs.erased)

    def _recorded_anew(
        self, store: Repository, repo: DayStore, erased: Iterable[str]
    ) -> Iterator[Copied]:
        """Notes and yields those of some runs, erased in the store, that are not what it had."""
        for run_id in sorted(erased):
            head, note = self._spool.head_of(repo, run_id), self._spool.note_of(repo.day, run_id)
            records = store.erasures.load().logs[f"run/{run_id}"]
            was_there = [Head(log.lines, log.head) for log, _ in records]
            was_there.append(Head(note.get("lines", 0), note.get("hash", "")))
            if head.lines and head not in was_there:
                error = ErasedError(
                    f"run {run_id} was {said(records[0][1].value)}. Since then this machine has "
                    "recorded another under its id, which is not used again. To read it: aivcs "
                    f"--store {quote(repo.path)} run events {run_id}; to let it go: "
                    f"{self._removal(repo, run_id)}"
                )
                self._note_error(repo, run_id, error)
                yield Copied(run_id, FAILED, head, error=error)

    def _content(self, repo: DayStore) -> tuple[object, ...]:
        """All of a day that a push copies, as far as it can change."""
        store = repo.store
        return (
            {name: self._spool.head_of(repo, name[4:]) for name in store.logs.names("run/")},
            self._spool.marks(repo.day),
            [*store.documents.names("notes/"), *store.documents.names("erasures/")],
            list(store.objects.list_digests()),
        )

    def _remove_leftovers(self) -> None:
        """Removes the days that are no longer needed, also what a killed removal left of one.

        What cannot be removed is told when the runs have been pushed.
        """
        self._unremoved = None
        for folder in self._spool.leftovers():
            try:
                rmtree(folder)
            except OSError as error:
                self._unremoved = BackendError(
                    f"cannot remove {error.filename or folder}: {error.strerror}; the store has "
                    f"all that is in {folder}: remove it"
                )

    def _quietly(self, change: Callable[..., None], *arguments: Any, **members: Any) -> None:
        """Makes a note, unless the disk is full: what was not noted is looked at again."""
        try:
            change(*arguments, **members)
        except BackendError:
            pass

    def _left(self, repo: DayStore, run_id: str, error: StorageError) -> Copied:
        """Notes that a run cannot be read, and returns what to say of it."""
        found = with_repair(repo, error)
        self._note_error(repo, run_id, found)
        return Copied(run_id, FAILED, _NOTHING, error=found)

    def _parted(self, repo: DayStore, error: DivergedError) -> DivergedError:
        """Returns the error for a run that is another one in the store, with the way out."""
        log = quote(f"{repo.path}/{repo.store.logs.where(error.log)}")
        run_id = error.log.removeprefix("run/")
        url = self._spool.state.get("url", "URL")
        text = (
            f"{error}. Another machine may have started it with the same --key, or its session "
            f"went on after the run had ended. To keep this one, under the id {run_id}.2: "
            f"aivcs --store {quote(url)} run import {log}; to let it go then: "
            f"{self._removal(repo, run_id)}"
        )
        found = DivergedError(error.log, error.line)
        found.args = (text,)
        return found

    def _removal(self, repo: DayStore, run_id: str) -> str:
        """The shell's command that removes a run and its mark."""
        log = f"{repo.path}/{repo.store.logs.where(f'run/{run_id}')}"
        return f"rm {quote(log)} {quote(f'{self._spool.folder}/{repo.day}/waiting/{run_id}')}"

    def _is_damaged(self, repo: DayStore, run_id: str) -> bool:
        """Whether a run cannot be read here, so that the error is not the store's."""
        try:
            for _ in repo.store.logs.read(f"run/{run_id}"):
                pass
        except StorageError:
            return True
        return False

    def _note_error(self, repo: DayStore, run_id: str, error: StorageError) -> None:
        note = self._spool.note_of(repo.day, run_id) | {"error": str(error)[:2000]}
        self._quietly(self._spool.note, repo.day, run_id, **note)

    def _is_behind(self, repo: DayStore, run_id: str) -> bool:
        """Whether a run has lines that the last push did not bring."""
        note = self._spool.note_of(repo.day, run_id)
        head = self._spool.head_of(repo, run_id)
        return bool(head.lines) and (head.lines, head.hash) != (note.get("lines"), note.get("hash"))

    def _may_wait(self, repo: DayStore, run_id: str) -> bool:
        """Whether a run is behind, or cannot be read, which the push reports."""
        try:
            return self._is_behind(repo, run_id)
        except StorageError:
            return True

    def _standing(self, repo: DayStore, run_id: str) -> tuple[int, str, bool]:
        """Lines, last hash, and whether it has ended, of a run; 0 lines if it never began."""
        head = self._spool.head_of(repo, run_id)
        if not head.lines:
            return 0, "", False
        record, head = repo.runs.standing(run_id)
        return head.lines, head.hash, record.status.is_terminal

    def _require_store(self, store: Repository) -> None:
        """Requires the store for which the runs were recorded; learns its id if it was not known.

        Raises:
            ConflictError: It is another one.
        """
        known, found = self._spool.state.get("id"), identify(store.store.documents)
        if known is None:
            self._quietly(self._spool.change_state, id=found)
        elif known != found:
            raise ConflictError(
                f"{shown(store.path)} is another store than the one for which the runs in "
                f"{self._spool.folder} were recorded: its id is {found}, not {known}; nothing was "
                f"pushed. If they belong there all the same, push each day: "
                f"aivcs --store {self._spool.folder}/DAY/.aivcs push URL"
            )
