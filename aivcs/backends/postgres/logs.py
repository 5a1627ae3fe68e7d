"""The logs: chunks of lines whose keys let one successor follow a line, and only if it fits.

An update looks at the end, decides, and appends after it without a lock: success proves that nobody
came between. After a lost race it queues for the log's lock, looks again and decides again. A chunk
has a nonce, by which an append whose outcome was lost is told from another's: the identical chunk
is sent again, and only if its place is taken, the nonce there is compared.
"""

from __future__ import annotations

from contextlib import contextmanager
from itertools import chain as chain_up
from os import urandom
from typing import TYPE_CHECKING

from aivcs.backends.postgres.client import Array
from aivcs.backends.postgres.session import AgainError, LostError, RaceLostError
from aivcs.backends.postgres.view import ChunkView, Tail, some, split
from aivcs.errors import InvalidNameError, OutcomeUnknownError, StorageError
from aivcs.log import chain
from aivcs.log.names import is_log_name
from aivcs.log.redaction import not_redactable
from aivcs.store.place import START, Place

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from aivcs.backends.postgres.session import Session
    from aivcs.model.digest import ContentDigest
    from aivcs.store.driver import LogView

_CHUNK = 1 << 20
"""Bytes of a chunk, unless one line is longer."""
_NAMES = 5000
"""Names to read at once."""
_FEW = 256 << 10
"""Bytes of events that the server numbers and links itself; more are linked here."""

_TAIL = """SELECT l.id, c.last, c.prev, c.head,
    substr(c.data, greatest(1, length(c.data) - c.mark - 66)), c.mark,
    CASE WHEN l.name LIKE 'run/%%' THEN
        (SELECT substr(f.data, 1, position('\\x0a'::bytea IN f.data)) FROM {s}.chunks f
         WHERE f.log = l.id AND f.after = 0) ELSE '' END
    FROM {s}.logs l JOIN LATERAL (SELECT * FROM {s}.chunks c WHERE c.log = l.id
        ORDER BY c.after DESC LIMIT 1) c ON true
    WHERE l.name = %s"""
_FORTH = """SELECT after, data FROM (
    SELECT after, data, sum(length(data)) OVER (ORDER BY after) - length(data) AS so_far FROM (
        SELECT after, data FROM {s}.chunks WHERE log = %s AND last > %s ORDER BY last LIMIT 1000) c
    ) d WHERE so_far < 4000000 ORDER BY after"""
_BACK = """SELECT after, data FROM (
    SELECT after, data, sum(length(data)) OVER (ORDER BY after DESC) - length(data) AS so_far FROM (
        SELECT after, data FROM {s}.chunks WHERE log = %s AND after < %s
        ORDER BY after DESC LIMIT 200) c
    ) d WHERE so_far < 1000000 ORDER BY after"""
_ARRIVALS = f"""SELECT name, extract(epoch FROM max(written_at))::float8, sum(length(data))::bigint
    FROM {{s}}.logs JOIN {{s}}.chunks ON log = id WHERE name > %s AND starts_with(name, %s)
    GROUP BY name ORDER BY name LIMIT {_NAMES}"""
_APPEND = "SELECT {s}.append(%s, %s, %s, %s, %s, %s)"
_REDACT = "SELECT {s}.redact(%s, %s, %s::int4[], %s::int4[], %s)"
_LOCK = "SELECT {s}.lock_log(%s)"
_FLUSH = "SELECT pg_logical_emit_message(true, 'aivcs', '')"
"""Writes to the server's log, so that its commit makes durable what was committed before."""


class PostgresLogs:
    """The `LogDriver`."""

    offers_texts = True
    erases = True
    stream_ahead = 1 << 20
    """Bytes of a stream to collect at most while a batch of it is being stored."""
    names_have_lines = True

    def __init__(self, session: Session) -> None:
        """Takes the session of an opening."""
        self._session = session

    def names(self, prefix: str = "", *, strict: bool = True) -> Iterator[str]:  # noqa: ARG002
        """As `LogDriver.names`, without names that only a client of another kind has written."""
        if "\0" in prefix:
            return
        after, include = prefix, True
        while True:
            rows = self._session.read(
                f"SELECT name FROM {{s}}.logs WHERE name {'>=' if include else '>'} %s "
                f"AND starts_with(name, %s) ORDER BY name LIMIT {_NAMES}",
                after,
                prefix,
            )
            yield from (name for (name,) in rows if is_log_name(name))
            if len(rows) < _NAMES:
                return
            after, include = rows[-1][0], False

    def where(self, name: str) -> str:
        """As `LogDriver.where`."""
        return name

    @contextmanager
    def look(self, name: str) -> Iterator[LogView | None]:
        """As `LogDriver.look`."""
        tail = self._tail(name)
        yield None if tail is None else self._view(name, tail)

    def update(
        self,
        name: str,
        decide: Callable[[LogView | None], Iterable[bytes]],
        *,
        durable: bool = True,
    ) -> None:
        """As `LogDriver.update`."""
        is_durable = self._is_durable(durable)
        try:
            self._attempt(name, decide, durable=is_durable)
            return
        except (RaceLostError, LostError, AgainError):  # in any case nothing was stored
            pass
        # Others may append to this log at the same time: wait for one's turn.
        self._session.repeat(
            lambda: self._in_turn(name, decide, durable=is_durable), is_change=False
        )

    def append_texts(self, name: str, texts: list[bytes]) -> int | None:
        """As `LogDriver.append_texts`: the server numbers and links them in order of arrival."""
        if not texts or sum(map(len, texts)) > _FEW or "\0" in name:
            return None
        ((first,),) = self._session.change(
            "SELECT {s}.append_texts(%s, %s, %s, %s)",
            name,
            Array(texts),
            urandom(16),
            self._is_durable(False),
        )
        return first  # type: ignore[no-any-return]

    def read(
        self, name: str, after: Place = START, *, settled: bool = False
    ) -> Iterator[tuple[bytes, Place]]:
        """As `LogDriver.read`."""
        if not name.startswith(("run/", "release/")) or "\0" in name:
            raise InvalidNameError(f"{name[:80]!r} is not the name of a log")
        if settled:
            self._settle()
        log, count, place = self._start(name, after)
        with chain.naming(name):
            while place.lines < count:
                for before, data in some(self._forth, name, log, place.lines):
                    lines = split(data)[place.lines - before : count - before]
                    for number, line in chain.verified_lines(lines, place.hash, place.lines):
                        place = Place(number, chain.hash_of(line) or "")
                        yield line, place
                    if place.lines == count:
                        break

    def redact(self, name: str, stubs: Mapping[int, bytes]) -> None:
        """As `Erasing.redact`: all chunks in one transaction."""

        def act() -> None:
            with self._session.transaction():
                self._session.execute(_LOCK, name)
                tail = self._tail(name)
                if tail is not None:
                    self._redact(name, tail, dict(stubs))

        self._session.repeat(act, is_change=True)

    def _redact(self, name: str, tail: Tail, rest: dict[int, bytes]) -> None:
        first, last = min(rest, default=2), max(rest, default=2)
        if rest and not 1 < first <= last < tail.lines:
            raise not_redactable(name, last if first > 1 else first)
        while rest:
            after, data = self._forth(tail.log, min(rest) - 1)[0]
            offsets, sizes, lines = [], [], []
            at = 1
            for number, line in enumerate(split(data), after + 1):
                stub = rest.pop(number, None)
                if stub is not None and stub + b"\n" != line:
                    if chain.hash_of(line[:-1]) != chain.hash_of(stub):
                        raise not_redactable(name, number)
                    offsets.append(at)
                    sizes.append(len(line))
                    lines.append(stub + b"\n")
                at += len(line)
            if lines:
                self._session.execute(_REDACT, name, after, offsets, sizes, Array(lines))

    def remove(self, name: str) -> None:
        """As `Erasing.remove`."""
        self._session.change("SELECT {s}.remove_log(%s)", name)

    def remove_many(self, names: Iterable[str]) -> None:
        """As `Erasing.remove_many`: some thousands in one transaction."""
        names = sorted(names)
        for start in range(0, len(names), _NAMES):
            self._session.change(
                "SELECT {s}.remove_log(name) FROM unnest(%s::text[]) name ORDER BY name",
                names[start : start + _NAMES],
            )

    def arrivals(self, prefix: str = "run/") -> Iterator[tuple[str, float, int]]:
        """As `Erasing.arrivals`: by the server's time beside each chunk."""
        after = ""
        while True:
            rows = self._session.read(_ARRIVALS, after, prefix)
            yield from rows
            if len(rows) < _NAMES:
                return
            after = rows[-1][0]

    def forget_blob(self, digest: ContentDigest) -> None:
        """As `Erasing.forget_blob`: an upload is seen when it is whole, so nothing is beside it."""

    # updating

    def _attempt(
        self,
        name: str,
        decide: Callable[[LogView | None], Iterable[bytes]],
        *,
        durable: bool,
    ) -> None:
        """Looks, decides and appends without a lock.

        Raises:
            RaceLostError: Another came between; nothing was done.
            LostError: The connection was lost; nothing was done.
        """
        tail = self._tail(name)
        chunks = _chunks(decide(None if tail is None else self._view(name, tail)))
        place = (tail.lines, tail.head) if tail else (0, None)
        first, second = next(chunks, None), next(chunks, None)
        if first is None:
            self._settle()
        elif second is None:
            self._append(name, place, first, durable=durable)
        else:
            self._append_many(name, place, chain_up((first, second), chunks), durable=durable)

    def _append(
        self, name: str, place: tuple[int, str | None], chunk: list[bytes], *, durable: bool
    ) -> None:
        """Appends one chunk by one statement: the identical one again until it is decided."""
        nonce = urandom(16)
        is_again = False

        def append() -> None:
            nonlocal is_again
            try:
                self._session.execute(_APPEND, name, *place, Array(chunk), nonce, durable)
            except LostError:
                is_again = True
                raise
            except RaceLostError:
                if not is_again or not self._is_there(name, place[0], nonce):
                    raise

        self._session.repeat(append, is_change=True)

    def _append_many(
        self,
        name: str,
        place: tuple[int, str | None],
        chunks: Iterable[list[bytes]],
        *,
        durable: bool,
    ) -> None:
        """Appends chunks in one transaction, which has the log's lock."""
        nonce = urandom(16)
        try:
            with self._session.transaction():
                self._session.execute(_LOCK, name)
                self._send(name, place, chunks, nonce, durable=durable)
        except LostError as lost:
            self._find_out(name, place[0], nonce, lost)

    def _in_turn(
        self,
        name: str,
        decide: Callable[[LogView | None], Iterable[bytes]],
        *,
        durable: bool,
    ) -> None:
        """Decides and appends under the log's lock, in one transaction.

        Raises:
            LostError: The connection was lost, and nothing was stored.
            OutcomeUnknownError: The connection was lost, and came back too late to find out.
        """
        session = self._session
        nonce = urandom(16)
        begins: int | None = None  # until the first chunk is sent, nothing can have been stored
        try:
            while True:
                try:
                    with session.transaction():
                        session.execute(_LOCK, name)
                        tail = self._tail(name)
                        lines = decide(None if tail is None else self._view(name, tail))
                        place = (tail.lines, tail.head) if tail else (0, None)
                        begins = place[0]
                        count = self._send(name, place, _chunks(lines), nonce, durable=durable)
                    break
                except RaceLostError:  # to one who did not queue; all who lose to us do
                    begins = None
        except LostError as lost:
            if begins is None:
                raise
            self._find_out(name, begins, nonce, lost)
            return
        if not count:
            self._settle()

    def _send(
        self,
        name: str,
        place: tuple[int, str | None],
        chunks: Iterable[list[bytes]],
        nonce: bytes,
        *,
        durable: bool,
    ) -> int:
        """Sends chunks, each while the next is made; returns the number of their lines."""
        number, head = place
        with self._session.pipeline():
            for chunk in chunks:
                values = (name, number, head, Array(chunk), nonce, durable)
                self._session.send(_APPEND, *values)
                number += len(chunk)
                head = chain.hash_of(chunk[-1][:-1])
        return number - place[0]

    def _find_out(self, name: str, begins: int, nonce: bytes, lost: LostError) -> None:
        """Finds out whether a transaction was committed whose connection was lost.

        Whoever holds the log's lock knows that no such transaction still runs.

        Raises:
            LostError: It was not committed.
            OutcomeUnknownError: That could not be found out.
        """

        def find() -> bool:
            with self._session.transaction():
                self._session.execute(_LOCK, name)
                return self._is_there(name, begins, nonce)

        try:
            was_committed = self._session.repeat(find, is_change=False)
        except StorageError as error:
            raise OutcomeUnknownError(
                f"{name}: the connection was lost in the commit, and what became of it could not "
                f"be found out: {error}"
            ) from error
        if not was_committed:
            raise lost

    def _is_there(self, name: str, after: int, nonce: bytes) -> bool:
        """Whether the chunk at a place has a nonce."""
        rows = self._session.read(
            "SELECT c.nonce = %s FROM {s}.chunks c JOIN {s}.logs l ON l.id = c.log "
            "WHERE l.name = %s AND c.after = %s",
            nonce,
            name,
            after,
        )
        return rows == [(True,)]

    def _is_durable(self, durable: bool) -> bool:
        durability = self._session.settings.durability
        return durability == "full" or (durable and durability == "batch")

    def _settle(self) -> None:
        """Makes everything durable that was committed; others may have left that for later."""
        self._session.read(_FLUSH)

    # reading

    def _tail(self, name: str) -> Tail | None:
        if "\0" in name:
            return None
        rows = self._session.read(_TAIL, name)
        return Tail(*rows[0]) if rows else None

    def _view(self, name: str, tail: Tail) -> ChunkView:
        return ChunkView(name, tail, self._forth, self._back)

    def _forth(self, log: int, lines: int) -> list[tuple[int, bytes]]:
        """A few chunks that go beyond a number of lines, in order."""
        return self._session.read(_FORTH, log, lines)

    def _back(self, log: int, number: int) -> list[tuple[int, bytes]]:
        """A few chunks that end with the one that has a line, in order."""
        return self._session.read(_BACK, log, number)

    def _start(self, name: str, after: Place) -> tuple[int, int, Place]:
        """The log's number, the number of its lines, and the place to read from."""
        rows = self._session.read(
            """SELECT l.id, c.last, b.last, b.head, b.after, CASE WHEN b.last > %s THEN b.data END
            FROM {s}.logs l
            JOIN LATERAL (SELECT last FROM {s}.chunks WHERE log = l.id
                ORDER BY after DESC LIMIT 1) c ON true
            LEFT JOIN LATERAL (SELECT * FROM {s}.chunks WHERE log = l.id AND last >= %s
                ORDER BY last LIMIT 1) b ON %s > 0
            WHERE l.name = %s""",
            *[max(0, after.lines)] * 3,
            name,
        )
        if not rows:
            return 0, 0, START
        log, count, last, head, before, data = rows[0]
        if last is not None and data is not None:
            line = split(data)[after.lines - before - 1]
            head = chain.hash_of(line[:-1])
        if last is None or after.lines <= 0 or head != after.hash:
            after = START
        return log, count, after


def _chunks(lines: Iterable[bytes]) -> Iterator[list[bytes]]:
    """Cuts lines into chunks; makes no more lines than it needs for one."""
    chunk: list[bytes] = []
    size = 0
    for line in lines:
        if chunk and size + len(line) > _CHUNK:
            yield chunk
            chunk, size = [], 0
        chunk.append(line)
        size += len(line)
    if chunk:
        yield chunk
