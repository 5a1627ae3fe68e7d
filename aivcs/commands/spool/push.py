"""`aivcs spool push`: copies the runs that wait on this machine to their store.

A run that is held back, or has diverged, is reported, and stays with the reason in its note; the
others are copied. What has ended and arrived needs no look any more, and a day of which the store
has everything is removed.
"""

from __future__ import annotations

import os
import shutil
from itertools import chain
from time import gmtime, strftime, time
from typing import TYPE_CHECKING, Any

from aivcs.codec.url import shown
from aivcs.commands.remote.copy import Copy
from aivcs.errors import BackendError, ConflictError, StorageError
from aivcs.repository import CONFIG
from aivcs.store.adopt import standing
from aivcs.store.identity import identify

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from aivcs.repository import Repository
    from aivcs.sync.spool import DayStore, Spool
    from aivcs.sync.transfer import Copied


class SpoolPush:
    """A push of all that waits in a spool. Only one at a time: call it under the spool's `lock`.

    Attributes:
        runs: The number of runs that were created or extended in the store.
        blobs: The number of blobs that were copied.
        size: The number of their bytes.
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
        self.runs = self.blobs = self.size = 0

    @property
    def is_needed(self) -> bool:
        """Whether anything waits that no push has refused, or that is to be tried anew."""
        return any(
            self._is_behind(repo, run_id)
            for day in self._spool.days()
            for repo in [self._spool.of(day)]
            for run_id in self._spool.marks(day)
        )

    def run(self, open_store: Callable[[], Repository]) -> Iterator[Copied]:
        """Copies the runs; yields what became of each that was not equal already.

        Args:
            open_store: Opens the store.

        Raises:
            ConflictError: It is another store than the one for which the runs were recorded.
            StorageError: The store is away, which is noted, or the spool cannot be read.
        """
        spool = self._spool
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

    def _push_day(self, store: Repository, day: str) -> Iterator[Copied]:
        spool = self._spool
        repo = spool.of(day)
        marked = spool.marks(day)
        before = {run_id: self._standing(repo, run_id) for run_id in marked}
        todo = [run_id for run_id in marked if self._is_behind(repo, run_id)]
        if todo:
            copy = Copy(
                repo, store, own=repo, selection=todo, remembers=False,
                progress=self._progress, scans=self._scans,
            )  # fmt: skip
            told = {}
            for outcome in chain(copy.copy_runs(), copy.copy_annotations()):
                yield outcome
                told[outcome.run_id] = outcome
                if outcome.error is not None and outcome.run_id in before:
                    note = spool.note_of(day, outcome.run_id)
                    note |= {"error": str(outcome.error)[:500], "at": time()}
                    self._quietly(spool.note, day, outcome.run_id, **note)
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
        for run_id in set(marked).difference(todo):
            if before[run_id][2]:
                spool.unmark(day, run_id)  # a push was killed before it could
        if day != strftime("%Y-%m-%d", gmtime()):
            yield from self._remove(store, repo, day)

    def _remove(self, store: Repository, repo: DayStore, day: str) -> Iterator[Copied]:
        """Removes a day that is over, if the store has all of it.

        A run that was lost here may have been ended there since.
        """
        spool = self._spool
        for run_id in spool.marks(day):
            lost = Copy(repo, store, own=repo, selection=[run_id], remembers=False)
            if not list(lost.copy_runs()) and lost.runs.behind:
                spool.unmark(day, run_id)
        if any(self._standing(repo, run_id)[0] for run_id in spool.marks(day)):
            return
        copy = Copy(repo, store, own=repo, remembers=False, scans=self._scans)
        outcomes = list(chain(copy.copy_runs(), copy.copy_annotations()))
        yield from outcomes
        if any(outcome.error is not None or not outcome.is_over for outcome in outcomes):
            return
        gone = f"{spool.folder}/{day}.gone"
        shutil.rmtree(gone, ignore_errors=True)
        os.rename(f"{spool.folder}/{day}", gone)
        shutil.rmtree(gone, ignore_errors=True)

    def _quietly(self, change: Callable[..., None], *arguments: Any, **members: Any) -> None:
        """Makes a note, unless the disk is full: what was not noted is looked at again."""
        try:
            change(*arguments, **members)
        except BackendError:
            pass

    def _is_behind(self, repo: DayStore, run_id: str) -> bool:
        """Whether a run has lines that the last push did not bring."""
        note = self._spool.note_of(repo.day, run_id)
        head = standing(repo.store.logs, f"run/{run_id}")
        return bool(head.lines) and (head.lines, head.hash) != (note.get("lines"), note.get("hash"))

    def _standing(self, repo: DayStore, run_id: str) -> tuple[int, str, bool]:
        """Lines, last hash, and whether it has ended, of a run; 0 lines if it never began."""
        head = standing(repo.store.logs, f"run/{run_id}")
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
