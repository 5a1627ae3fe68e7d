"""The logs of a store on S3: compare-and-append on chunks named by their first line."""

from __future__ import annotations

from contextlib import contextmanager
from itertools import chain as concatenated
from time import monotonic
from typing import TYPE_CHECKING

from aivcs import errors
from aivcs.backends.s3.chunks import Chunk, read_chunk
from aivcs.backends.s3.client import PART_BYTES
from aivcs.backends.s3.contention import Contention
from aivcs.backends.s3.tails import Tail
from aivcs.backends.s3.view import ChunkView, RememberedView, lines_of
from aivcs.errors import ConflictError, IntegrityError, InvalidNameError
from aivcs.log import chain
from aivcs.log.names import is_log_name
from aivcs.store.place import START, Place

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from aivcs.backends.s3.chunks import Chunks
    from aivcs.backends.s3.erasing import S3Eraser
    from aivcs.backends.s3.index import Rows
    from aivcs.backends.s3.tails import Tails
    from aivcs.model.digest import ContentDigest
    from aivcs.store.driver import LogView

    Decide = Callable[[LogView | None], Iterable[bytes]]

_KEPT = 256
"""Logs whose contention is remembered."""
_PLACES = 100_000
"""Logs of which it is remembered how far they were read: gc reads all of them again and again."""
_READ_AHEAD = 4
"""Chunks that are read at once."""


class S3Logs:
    """The `LogDriver`. Thread-safe.

    Attributes:
        refusal: Why nothing may be appended; empty if it may.
    """

    erases = True
    stream_ahead = PART_BYTES
    """Bytes of a stream to collect at most while a batch of it is being stored."""

    def __init__(
        self,
        chunks: Chunks,
        tails: Tails,
        rows: Rows,
        eraser: Callable[[], S3Eraser],
        *,
        lock_timeout: float,
        owner: str,
    ) -> None:
        """Takes the parts.

        Args:
            chunks: The chunks of all logs.
            tails: The remembered ends.
            rows: The rows of the index, which are written with the logs.
            eraser: Makes what erases lines and logs.
            lock_timeout: Seconds to be overtaken by other writers, at most.
            owner: The user, recorded with the first line of a log.
        """
        self._chunks = chunks
        self._tails = tails
        self._rows = rows
        self._eraser = eraser
        self._lock_timeout = lock_timeout
        self._owner = owner
        self.refusal = ""
        self._contention: dict[str, Contention] = {}
        # Lines and hash to which each log was read, and whether it has ended there.
        self._places: dict[str, tuple[int, str, bool]] = {}

    def names(self, prefix: str = "", *, strict: bool = True) -> Iterator[str]:
        """As `LogDriver.names`, without names that only a client of another kind has written."""
        for kind in ("release", "run"):
            found: Iterator[str] = iter(())
            if prefix.startswith(f"{kind}/"):
                found = self._chunks.names(kind, prefix[len(kind) + 1 :], strict=strict)
            elif f"{kind}/".startswith(prefix):
                found = self._chunks.names(kind, "", strict=strict)
            yield from filter(is_log_name, found)

    def where(self, name: str) -> str:
        """As `LogDriver.where`."""
        return name

    def is_own(self, name: str) -> bool:
        """As `Backend.is_own`: by the user who stored the first line."""
        return self._chunks.owner(name) == self._owner

    def forget(self, name: str) -> None:
        """Forgets all that is remembered of a log."""
        self._tails.forget(name)
        self._places.pop(name, None)

    @contextmanager
    def look(self, name: str) -> Iterator[LogView | None]:
        """As `LogDriver.look`; two requests, and one more for the first line."""
        yield self._look(name)

    def update(self, name: str, decide: Decide, *, durable: bool = True) -> None:  # noqa: ARG002 every object is
        """As `LogDriver.update`; one request if the end of the log is remembered, and is the end.

        Raises:
            LockTimeoutError: Others appended all the time.
            ConflictError: The store keeps no logs.
        """
        if self.refusal:
            raise ConflictError(self.refusal)
        contention = self._contention_of(name)
        contention.wait()
        deadline = monotonic() + self._lock_timeout
        lost = 0
        view: ChunkView | RememberedView | None = self._remembered(name)
        # A run that nothing is remembered of is taken for a new one: only then are there lines.
        is_seen = view is None and not name.startswith("run/")
        if is_seen:
            view = self._look(name)
        while True:
            try:
                lines = list(decide(view))
            except Exception:
                if is_seen:
                    raise
                lines = []
            if not lines:
                if is_seen:
                    return
                self._tails.forget(name)
                view, is_seen = self._look(name), True
                continue
            if view is None:
                self._rows.begin(name, lines)
            overtaken = self._append(name, view, lines)
            if overtaken is None:
                contention.won()
                return
            lost += 1
            left = deadline - monotonic()
            if left < 0:
                what = f"{name} (others appended {lost} times meanwhile)"
                raise errors.LockTimeoutError(what, self._lock_timeout)
            contention.lost(lost, left)
            view, is_seen = self._overtaken(name, overtaken, lost), True

    def append_texts(self, name: str, texts: list[bytes]) -> int | None:  # noqa: ARG002
        """As `LogDriver.append_texts`; not offered."""
        return None

    def redact(self, name: str, stubs: Mapping[int, bytes]) -> None:
        """As `Erasing.redact`, chunk by chunk."""
        self._eraser().redact(name, stubs)
        self.forget(name)

    def remove(self, name: str) -> None:
        """As `Erasing.remove`."""
        self.remove_many([name])

    def remove_many(self, names: Iterable[str]) -> None:
        """As `Erasing.remove_many`."""
        gone = list(names)
        self._eraser().remove(gone)
        for name in gone:
            self.forget(name)

    def arrivals(self, prefix: str = "run/") -> Iterator[tuple[str, float, int]]:
        """As `Erasing.arrivals`, with a request for each log."""
        return self._eraser().arrivals(prefix)

    def forget_blob(self, digest: ContentDigest) -> None:
        """As `Erasing.forget_blob`."""
        self._eraser().forget_blob(digest)

    def read(
        self,
        name: str,
        after: Place = START,
        *,
        settled: bool = False,  # noqa: ARG002 every line is durable
    ) -> Iterator[tuple[bytes, Place]]:
        """As `LogDriver.read`; a place's hint is the number of the chunk that its line is in."""
        kind, _, rest = name.partition("/")
        if kind not in {"run", "release"} or not rest:
            raise InvalidNameError(f"{name[:80]!a} is not the name of a log")
        if self._places.get(name) == (after.lines, after.hash, True):
            return  # the run has ended, and nothing of it changes any more
        first, numbers = self._from(name, after)
        if first is None:
            after = START
        loaded = self._loaded(name, numbers)
        chunks = concatenated(() if first is None else (first,), loaded)
        starts: list[int] = []

        def noted() -> Iterator[Chunk]:
            for chunk in chunks:
                starts.append(chunk.number)
                yield chunk

        place, line = after, b""
        with chain.naming(name):
            raw = lines_of(name, noted(), after.lines)
            for number, line in chain.verified_lines(raw, after.hash, after.lines):
                place = Place(number, chain.hash_of(line) or "", starts[-1])
                yield line, place
        self._reached(name, place, is_over=line.startswith(b'{"type":"end"'))

    # appending

    def _append(
        self, name: str, view: ChunkView | RememberedView | None, lines: list[bytes]
    ) -> Chunk | None:
        """Stores lines after a view; returns the chunk that was stored there, ours or another's."""
        count = 0 if view is None else view.count
        before = "" if view is None else chain.hash_of(view.last) or ""
        found = self._chunks.append(
            name, count + 1, lines, before, owner="" if count else self._owner
        )
        if found is not None:
            return read_chunk(count + 1, found)
        last, previous = Chunk(count + 1, lines, before).tail
        self._tails.remember(name, Tail(count + len(lines), last, previous), keep=True)
        self._rows.end(name, lines, previous, _first_line(view, lines))
        return None

    def _overtaken(self, name: str, found: Chunk, lost: int) -> ChunkView | None:
        """The view of the log after a lost race."""
        if lost == 1 and found.lines:
            try:
                view = ChunkView(self._chunks, name, found)
            except IntegrityError:
                view = None
            if view is not None:
                return view
        self._tails.forget(name)
        return self._look(name)

    def _remembered(self, name: str) -> RememberedView | None:
        tail = self._tails.get(name)
        if tail is None:
            return None
        return RememberedView(*tail, self._chunks, name, lambda: self._look(name))

    def _look(self, name: str) -> ChunkView | None:
        """The present state of a log: a listing after what is known, and its last chunk."""
        known = self._tails.get(name)
        last = None if known is None else self._chunks.last(name, known.lines)
        if last is None:
            last = self._chunks.last(name)
        if last is None:
            return None
        tail = self._chunks.get(name, last[0])
        if tail is None or not tail.lines:
            raise IntegrityError.of(f"{name} has lost its last lines, from {last[0]} on", name)
        view = ChunkView(self._chunks, name, tail)
        self._tails.remember(name, Tail(view.count, view.last, view.before))
        return view

    def _contention_of(self, name: str) -> Contention:
        found = self._contention.get(name)
        if found is None:
            if len(self._contention) >= _KEPT:
                self._contention.clear()
            found = self._contention.setdefault(name, Contention())
        return found

    # reading

    def _from(self, name: str, after: Place) -> tuple[Chunk | None, list[tuple[int, int]]]:
        """The chunk with the line of a place, and the numbers and sizes of the chunks after it.

        Without a chunk, reading begins with the first line of the numbers.
        """
        if after.lines < 1:
            return None, list(self._chunks.listed(name))
        if self._places.get(name) == (after.lines, after.hash, False):
            # Logs only grow, so what this opening has read is still there.
            end = Chunk(after.lines, [b"\n"], "")
            return end, list(self._chunks.listed(name, after.lines))
        numbers = []
        if 0 < after.hint <= after.lines:
            numbers = list(self._chunks.listed(name, after.hint - 1))
        if not numbers or numbers[0][0] != after.hint:
            numbers = list(self._chunks.listed(name))
        at = sum(number <= after.lines for number, _ in numbers) - 1
        if at >= 0:
            chunk = self._one(name, numbers, at)
            line = after.lines - chunk.number
            if line < len(chunk.lines) and chain.hash_of(chunk.lines[line][:-1]) == after.hash:
                return chunk, numbers[at + 1 :]
        return None, list(self._chunks.listed(name))

    def _one(self, name: str, numbers: list[tuple[int, int]], at: int) -> Chunk:
        following = numbers[at + 1][0] if at + 1 < len(numbers) else 0
        return self._filled(name, self._chunks.get(name, numbers[at][0]), following, [])

    def _loaded(self, name: str, numbers: list[tuple[int, int]]) -> Iterator[Chunk]:
        """The chunks with some numbers, several read at once."""
        joined: list[bytes] = []
        following = [number for number, _ in numbers[1:]] + [0]
        found = self._chunks.get_all(name, [number for number, _ in numbers], _READ_AHEAD)
        for chunk, end in zip(found, following, strict=False):
            yield self._filled(name, chunk, end, joined)

    def _filled(self, name: str, chunk: Chunk | None, following: int, joined: list[bytes]) -> Chunk:
        """A chunk with its lines, from the joined log if it was emptied."""
        if chunk is None:
            raise IntegrityError.of(f"{name} has lost a chunk that was listed", name)
        if chunk.lines:
            return chunk
        if not joined:
            joined += self._chunks.joined(name)
        end = following - 1 if following else len(joined)
        return chunk._replace(lines=joined[chunk.number - 1 : end])

    def _reached(self, name: str, place: Place, *, is_over: bool) -> None:
        if len(self._places) >= _PLACES:
            self._places.clear()
        self._places[name] = (place.lines, place.hash, is_over and name.startswith("run/"))


def _first_line(view: ChunkView | RememberedView | None, lines: list[bytes]) -> Callable[[], bytes]:
    """Returns a function for the first line of a log, after lines were appended to a view of it."""

    def first() -> bytes:
        return lines[0][:-1] if view is None else view.first()

    return first
