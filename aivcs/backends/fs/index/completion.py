"""The completion lookup of a folder store: a few names for somebody who is typing one.

A bounded look: it waits for no lock, reads no more than some hundred logs and some thousand names
of files, and writes nothing, however large the store is. So it may miss something, and unlike a
listing it passes over what cannot be read. What it knows of runs comes from the index as it stands
and from the folders that have changed since; without an index, from the folders alone.
"""

import os
from heapq import nlargest

from aivcs.backends.fs import layout
from aivcs.backends.fs.index.cache import BrokenError, Index, record_of
from aivcs.backends.fs.index.refresh import folders_of_runs, is_as_read
from aivcs.errors import StorageError
from aivcs.log.run_filter import age

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from aivcs.backends.fs.folder import Folder
    from aivcs.backends.fs.index.cache import Row
    from aivcs.backends.fs.logs import FileLogDriver
    from aivcs.model.run import RunRecord, RunStatus
    from aivcs.store.contracts import RunLedger

_ENTRIES = 4000
"""Names of files to look at, at most."""
_LOGS = 200
"""Logs to read that the index does not know, at most: more would not be answered at once."""


class CompletionLookup:
    """A few of the things in a store."""

    __slots__ = ("_folder", "_ledger", "_logs")

    def __init__(self, folder: "Folder", logs: "FileLogDriver", ledger: "RunLedger") -> None:
        """Takes the store's folder, its logs and its ledger."""
        self._folder = folder
        self._logs = logs
        self._ledger = ledger

    def runs(
        self, prefix: str = "", *, status: "RunStatus | None" = None, limit: int = 50
    ) -> "list[RunRecord]":
        """Returns runs whose id has a prefix, newest first.

        Args:
            prefix: The prefix of the id.
            status: Only runs with this status, which is read from the log; None is any.
            limit: The number of runs, at most; newer runs are preferred.

        Raises:
            BackendError: The folder of runs cannot be looked into.
        """
        found: dict[str, RunRecord] = {}
        rows: list[Row] = []
        known: list[RunRecord] = []
        try:
            with Index(self._folder) as index:
                rows = index.begins(prefix, status, limit)
                known = [record_of(row) for row in rows]
                new = self._new(prefix, index)
        except BrokenError:
            new = self._new(prefix, None)
        for record in known:
            found[record.run_id] = record
        fresh = [row[0] for row in rows if not is_as_read(self._folder, row)]
        for run_id in {*new, *fresh}:
            found.pop(run_id, None)
            try:
                found[run_id] = self._ledger.get_run(run_id)
            except StorageError:
                continue
        fitting = (r for r in found.values() if status is None or r.status is status)
        return nlargest(limit, fitting, key=age)

    def agents(self, prefix: str = "", *, limit: int = 100) -> "dict[str, str]":
        """Returns names of agents that begin so, each with the moment of a late run of it.

        Args:
            prefix: The prefix of the name.
            limit: The number of names, at most.

        Raises:
            BackendError: The folder of runs cannot be looked into.
        """
        agents: dict[str, str] = {}
        try:
            with Index(self._folder) as index:
                agents = index.agents(prefix, limit)
        except BrokenError:
            pass
        for record in self.runs():
            name = record.metadata.agent_name
            if name.startswith(prefix) and (name in agents or len(agents) < limit):
                agents[name] = max(agents.get(name, ""), record.created_at)
        return agents

    def blobs(self, prefix: str = "", *, limit: int = 50) -> "list[tuple[str, int, float]]":
        """Returns digests with a prefix, newest first, with bytes and POSIX time of the put.

        Args:
            prefix: The prefix of the digest.
            limit: The number of digests, at most; newer ones are preferred.

        Raises:
            BackendError: The folder of objects cannot be looked into.
        """
        self._folder.require_parents(f"{layout.OBJECTS}/")
        path = self._folder.path(layout.OBJECTS)
        shards = []
        for name in _names(path):
            if len(name) == 2 and _fits(name, prefix):
                try:
                    shards.append((os.lstat(f"{path}/{name}").st_mtime_ns, name))
                except OSError:
                    continue
        shards.sort(reverse=True)
        found = []
        for shard, rest, status in _entries(path, [name for _, name in shards]):
            digest = shard + rest
            if len(digest) == 64 and digest.startswith(prefix):
                found.append((status.st_mtime, digest, status.st_size))
        return [(digest, size, moment) for moment, digest, size in nlargest(limit, found)]

    def kinds(self, run_id: str) -> "dict[str, int]":
        """Returns the kinds of the last events of a run, late ones first, with their numbers.

        Raises:
            RunNotFoundError: There is no such run.
            StorageError: Its log cannot be read.
        """
        from aivcs.store.lookup import kinds

        return kinds(self._logs, run_id)

    def _new(self, prefix: str, index: "Index | None") -> "list[str]":
        """Ids of runs that the index does not know, those last written to first."""
        before = {} if index is None else index.folders()
        path = self._folder.path(layout.RUNS)
        shards = [
            (stamp[1], shard)
            for shard, stamp in folders_of_runs(self._folder)
            if _fits(shard, prefix) and before.get(shard) != stamp
        ]
        shards.sort(reverse=True)
        found = []
        known: dict[str, object] = {}
        last = ""
        for shard, name, status in _entries(path, [shard for _, shard in shards]):
            if shard != last and index is not None:
                last, known = shard, {**index.known(shard)}
            run_id = name[:-6]
            if (
                name.endswith(layout.SUFFIX)
                and run_id.startswith(prefix)
                and run_id[:2] == shard
                and run_id not in known
            ):
                found.append((status.st_mtime_ns, run_id))
        return [run_id for _, run_id in nlargest(_LOGS, found) if layout.is_run_id(run_id)]


def _fits(shard: str, prefix: str) -> bool:
    return shard.startswith(prefix[:2])


def _names(path: str) -> "list[str]":
    try:
        return os.listdir(path)
    except OSError:
        return []


def _entries(path: str, shards: "list[str]") -> "Iterator[tuple[str, str, os.stat_result]]":
    """Yields the files in some folders, as long as there are not too many, with what they are."""
    left = _ENTRIES
    for shard in shards:
        if left <= 0:
            return
        try:
            with os.scandir(f"{path}/{shard}") as entries:
                for entry in entries:
                    left -= 1
                    yield shard, entry.name, entry.stat(follow_symlinks=False)
        except OSError:
            continue
