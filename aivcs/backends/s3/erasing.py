"""Erases lines and whole logs, in every object that has them.

A chunk with an erased line is written anew under its name, which stays taken, and with its
metadata; so is the joined log, in which the lines of emptied chunks are. Chunks go first: whoever
joins them at that moment compares their sizes before it empties any, and a redacted line is always
shorter than the line was. A log of several chunks changes chunk by chunk: an erasure that was
interrupted is completed by another call. Whoever erases from a log holds its lock
(`aivcs.backends.s3.erasing_lock`), and reads under it what it writes anew.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING

from aivcs.backends.s3.chunks import joined_key, key, split
from aivcs.backends.s3.objects import object_key
from aivcs.backends.s3.view import ChunkView
from aivcs.errors import ConflictError, IntegrityError
from aivcs.log.redaction import not_redactable, replacement

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from aivcs.backends.s3.chunks import Chunks, LogEnd
    from aivcs.backends.s3.client import Client
    from aivcs.backends.s3.erasing_lock import ErasingLocks, HeldLock
    from aivcs.backends.s3.index import Rows
    from aivcs.backends.s3.trash import Trash
    from aivcs.backends.s3.versions import Versions
    from aivcs.model.digest import ContentDigest

ARRIVED = "arrived"
"""The member of a chunk's metadata with the time when its lines came, if it was written anew."""
_TIMES = 5
"""Times that a chunk is written anew while others write it, too."""


class S3Eraser:
    """Erases from one store."""

    def __init__(
        self,
        client: Client,
        chunks: Chunks,
        rows: Rows,
        trash: Trash,
        versions: Versions,
        locks: ErasingLocks,
    ) -> None:
        """Takes the parts of the store."""
        self._client = client
        self._chunks = chunks
        self._rows = rows
        self._trash = trash
        self._versions = versions
        self._locks = locks

    def redact(self, name: str, stubs: Mapping[int, bytes]) -> None:
        """As `Erasing.redact`."""
        with self._locks.hold(name) as lock:
            places = self._redact(name, stubs, lock)
        self._versions.purge(places)

    def _redact(self, name: str, stubs: Mapping[int, bytes], lock: HeldLock) -> list[str]:
        """Replaces lines; returns the keys of the objects that have, or had, any of them."""
        numbers = [number for number, _ in self._chunks.listed(name)]
        if not numbers:
            return []
        tail = self._chunks.get(name, numbers[-1])
        if tail is None or not tail.lines:
            raise IntegrityError.of(f"{name} has lost its last lines, from {numbers[-1]} on", name)
        count = ChunkView(self._chunks, name, tail).count
        by_chunk: dict[int, dict[int, bytes]] = {}
        for number, stub in stubs.items():
            if not 1 < number < count:
                raise not_redactable(name, number)
            first = numbers[bisect_right(numbers, number) - 1]
            by_chunk.setdefault(first, {})[number] = stub
        wanted = list(by_chunk)
        stored_in = self._client.each(lambda first: self._client.get(key(name, first)), wanted)
        found = dict(zip(wanted, stored_in, strict=True))
        joined = self._client.get(joined_key(name)) if name.startswith("run/") else None
        # All of it is compared before any of it is changed.
        for first, part in by_chunk.items():
            stored, at = found[first], first
            if stored is None or not stored.data:  # emptied
                stored, at = joined, 1
            if stored is None:
                raise IntegrityError.of(f"{name} has lost the lines from {first} on", name)
            _replaced(name, stored.data, at, part)
        places = [(key(name, first), first, part) for first, part in by_chunk.items()]
        if name.startswith("run/"):
            places.append((joined_key(name), 1, dict(stubs)))
        for place, first, part in places:
            self._rewrite(name, place, first, part, lock)
        return [place for place, _, _ in places]

    def remove(self, names: Iterable[str]) -> None:
        """As `Erasing.remove_many`.

        The rows go first, then the joined log, then the chunks from the first on: what is left of
        an interrupted removal ends as the run did, and nobody can append to it.
        """
        gone: list[str] = []
        firsts: list[bytes] = []
        logs = list(names)
        for name in logs:
            first = self._chunks.get(name, 1)
            if first is not None and first.lines and name.startswith("run/"):
                firsts.append(first.lines[0].rstrip(b"\n"))
        self._rows.remove(firsts, self._locks)
        for name in logs:
            with self._locks.hold(name) as lock:
                places = [joined_key(name)] if name.startswith("run/") else []
                places += [key(name, number) for number, _ in self._chunks.listed(name)]
                for place in places:  # in this order
                    lock.keep()
                    self._client.delete(place)
            gone += places
        self._versions.purge(gone)

    def arrivals(self, prefix: str) -> Iterator[tuple[str, float, int]]:
        """As `Erasing.arrivals`."""
        joined = {entry.key: entry.size for entry in self._client.entries("runs")}

        def look(end: LogEnd) -> tuple[str, float, int]:
            # The listing tells when the chunk was written last, which may be by a redaction.
            known = self._client.metadata(end.last.key).get(ARRIVED)
            size = max(end.size, joined.get(joined_key(end.log), 0))
            return end.log, float(known or end.last.modified), size

        return self._client.each(look, self._chunks.ends(prefix))

    def forget_blob(self, digest: ContentDigest) -> None:
        """As `Erasing.forget_blob`: the blob may be in the trash, and in earlier versions.

        It leaves its own place, too: removed later, it would be an earlier version there.
        """
        place = object_key(digest)
        self._client.delete(place)
        self._versions.purge([place, *self._trash.clear(digest)])

    def _rewrite(
        self, name: str, place: str, first: int, stubs: Mapping[int, bytes], lock: HeldLock
    ) -> None:
        """Replaces lines in an object that begins with a line, and reads it back."""
        for _ in range(_TIMES):
            found = self._client.get(place)
            if found is None or not found.data:
                return
            data = _replaced(name, found.data, first, stubs)
            if data == found.data:
                return
            metadata = {ARRIVED: f"{found.modified:.6f}", **found.metadata}
            lock.keep()
            self._client.put(place, data, metadata)
        raise ConflictError(f"{name}: others erase from it, too; repeat it")


def _replaced(name: str, data: bytes, first: int, stubs: Mapping[int, bytes]) -> bytes:
    """The lines in an object that begins with a line, some of them replaced.

    Raises:
        ConflictError: A line to be replaced has another hash, or is not there.
    """
    lines = split(data)
    for number, stub in stubs.items():
        at = number - first
        if at >= len(lines):
            raise not_redactable(name, number)
        lines[at] = replacement(name, number, lines[at], stub)
    return b"".join(lines)
