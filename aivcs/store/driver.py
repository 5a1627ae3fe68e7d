"""The driver interface: everything a backend supplies.

A *driver* moves bytes and knows no rules. The meaning of a line, the end of a run and the stack of
releases are decided in `aivcs.log`; the contracts, verification and maintenance are written once
over drivers in `aivcs.store`.

Logs are named `run/<run id>` and `release/<name>`. A line has the same bytes on every backend, so
its hash, and the head of a log, are the same everywhere. Lines are passed without their newline,
except lines to be stored, which are as `chain.link` makes them. A *checked* line has the right hash
after the line before it; otherwise the method raises `IntegrityError` with log and line.
`aivcs.testing.BackendContract` tests every sentence here against a backend. A backend is found by
the scheme of a URL, in `aivcs.opening.SCHEMES`.

A driver raises only `aivcs.errors.StorageError` and its subclasses. Every method may raise
`BackendError` (the data could not be read, or not stored, and then nothing was), its subclass
`UnreachableError` (the store is away or throttles, and retries did not help) and `LockTimeoutError`
(others held a lock for too long).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO, Protocol

from aivcs.store.place import START

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from contextlib import AbstractContextManager

    from aivcs.log.run_filter import Outcome, RunFilter
    from aivcs.model.digest import ContentDigest
    from aivcs.model.run import RunRecord, RunStatus
    from aivcs.store.contracts import RunLedger
    from aivcs.store.finding import Finding
    from aivcs.store.listing import Unreadable
    from aivcs.store.place import Place
    from aivcs.store.settings import Settings
    from aivcs.store.sought import Sought

    NumberOf = Callable[[bytes], int]


class LogView(Protocol):
    """One state of one log; lines appended later are not in it.

    A view is valid until its block, or the call of `decide`, ends. It does not count lines: the
    rules derive their number from the last line (`RunState.count`, a release's `seq`).
    """

    @property
    def last(self) -> bytes:
        """The last line, checked against `before`."""
        ...

    @property
    def before(self) -> str:
        """The hash of the line before the last; empty if there is none."""
        ...

    def first(self) -> bytes:
        """Returns the first line, checked."""
        ...

    def back(self) -> Iterator[bytes]:
        """Yields the lines from the last to the first, each checked; reads only as far as used."""
        ...

    def forth(self) -> Iterator[bytes]:
        """Yields the lines from the first to the last, NOT checked.

        Each has its newline; `chain.verified_lines` checks them. May be called several times.
        """
        ...

    def line(self, number: int, number_of: NumberOf) -> bytes | None:
        """Returns the line with a number, checked; None if there is no such line.

        For release logs, whose n-th line has the number n: a driver may take the n-th line, or
        search by `number_of`.

        Args:
            number: The number of the line, from 1.
            number_of: Returns the number in a line; raises `IntegrityError` if it has none.
        """
        ...


class LogDriver(Protocol):
    """The logs of a store: named sequences of lines that only ever grow.

    A log exists from its first line on; a crash may leave traces of a log that does not exist.

    A driver whose store is a round trip away may have an attribute `stream_ahead`: the bytes of a
    stream of events to collect at most while a batch of it is being stored, in another thread. One
    whose folders can get lost has a method `absent_folders`, which returns the absent ones.
    """

    def names(self, prefix: str = "", *, strict: bool = True) -> Iterator[str]:
        """Yields the names of all logs that begin with a prefix, in the order of their characters.

        The names may include logs that a crash left without a first line, unless the driver has an
        attribute `names_have_lines` that is true.

        Args:
            prefix: The prefix of the names, such as `run/`.
            strict: Whether the caller relies on having seen all logs, as gc does. Then a foreign
                file in the store, or a log in the wrong place, is an error; otherwise it is
                skipped.

        Raises:
            IntegrityError: A log is in the wrong place.
        """
        ...

    def where(self, name: str) -> str:
        """Returns a log's name in messages: a file's path below the store, or the name itself."""
        ...

    def look(self, name: str) -> AbstractContextManager[LogView | None]:
        """Returns a block with a view of the log, not locked, or with None if there is no log.

        Raises:
            IntegrityError: The end of the log is damaged; raised when the block begins.
        """
        ...

    def update(
        self,
        name: str,
        decide: Callable[[LogView | None], Iterable[bytes]],
        *,
        durable: bool = True,
    ) -> None:
        """Appends the lines that `decide` returns for the present log, all or none.

        `decide` is given a view (None if there is no such log; the first line creates it). It reads
        only through the view, changes nothing outside, and returns lines linked to `view.last`.
        Nobody appends between its view and its lines. It may be called several times, but again
        only after its lines were definitely not appended; the last call counts. If it raises, the
        log, or its absence, stays untouched.

        If it returns no lines, nothing is appended, but the lines in its view are durable on
        return: an event that is stored already is about to be acknowledged a second time.

        After an ambiguous outcome the driver retries the identical lines at the identical place
        until the outcome is known, before it calls `decide` again.

        Args:
            name: The log.
            decide: Returns the lines to append.
            durable: Whether the lines, and all before them, must be durable on return. False (for
                the events of a RUNNING run) leaves that to the store's setting: with durability
                "batch" they may become durable with the next durable update of the log.

        Raises:
            IntegrityError: The end of the log is damaged.
            OutcomeUnknownError: The lines may or may not be stored, or durable.
        """
        ...

    def append_texts(self, name: str, texts: list[bytes]) -> int | None:
        """Appends events without a seq in one round trip, if the backend offers that.

        A driver that does has an attribute `offers_texts` that is true, so that nobody makes texts
        for others.

        Args:
            name: The log of a run.
            texts: The part of each line between seq and hash, as `BulkEvents.bodies`.

        Returns:
            The seq of the first event; None if nothing was done, so that the caller must use
            `update`: the backend does not offer it, or the run has ended or is a copy.

        Raises:
            OutcomeUnknownError: The events may or may not be stored.
        """
        ...

    def read(
        self, name: str, after: Place = START, *, settled: bool = False
    ) -> Iterator[tuple[bytes, Place]]:
        """Yields the lines after a place, oldest first, each checked, with the place after it.

        It yields the lines that exist when it begins; a missing log has none. If the lines before
        `after` are no longer in the log (it was cut or replaced), it begins with the first line,
        and the places count from 1 again.

        Args:
            name: The log.
            after: The place where an earlier reading ended, through this or another opening.
            settled: Whether to yield only lines that are durable.

        Raises:
            InvalidNameError: The name is not that of a log.
            IntegrityError: The log is damaged.
            OutcomeUnknownError: `settled` was given, and durability cannot be confirmed.
        """
        ...


class RunIndex(Protocol):
    """Queries over all runs, for a backend that need not read each log for them.

    The results equal those of `aivcs.store.listing`, which reads the logs. Each query skips a run
    that cannot be read and calls `unreadable`, or raises its error.
    """

    def newest(self, run_filter: RunFilter, limit: int | None) -> Iterator[RunRecord]:
        """Yields the matching runs, newest first, at most `limit`."""
        ...

    def outcomes(self, run_filter: RunFilter) -> Iterator[Outcome]:
        """Yields agent, status, time of creation and duration in ms of each matching run."""
        ...

    def count(self) -> dict[RunStatus, int]:
        """Returns the number of runs with each status."""
        ...


class Removal(Protocol):
    """A block in which blobs may be removed, because nobody is in a hold."""

    def remove(self, digest: ContentDigest, *, unless_since: float | None = None) -> bool:
        """Removes a blob; tells whether it existed and was removed.

        Args:
            digest: The digest of the blob.
            unless_since: A time of the store's clock: a blob put then or later is kept.
        """
        ...

    def confirm(self) -> None:
        """Makes sure that nobody was in a hold from the beginning of the block until now.

        Raises:
            BackendError: The lock was lost, so somebody may have begun to rely on a blob.
        """
        ...


class ObjectDriver(Protocol):
    """The blobs of a store, by the digest of their content; see `aivcs.store.contracts.CasStore`.

    Digests are valid `ContentDigest`s. A content is durable before its digest is returned. Putting
    a stored content again repairs a damaged blob and renews the time of its last put.
    """

    def put(self, data: bytes) -> ContentDigest:
        """Stores a content and returns its digest."""
        ...

    def put_stream(self, readable: BinaryIO) -> ContentDigest:
        """Stores a stream, read to its end in bounded memory, and returns its digest."""
        ...

    def put_many(self, contents: Iterable[BinaryIO]) -> Iterator[ContentDigest]:
        """Stores several streams; yields each digest when its content is durable, in order."""
        ...

    def get(self, digest: ContentDigest) -> bytes:
        """Returns the bytes, verified."""
        ...

    def open(self, digest: ContentDigest) -> BinaryIO:
        """Returns a stream of the bytes; its last `read` raises if they are damaged.

        The stream may have a method `write_to(fd)`, faster than reading it: it writes all bytes to
        an empty file that is open for reading and writing, and raises if they are damaged.
        """
        ...

    def contains(self, digest: ContentDigest) -> bool:
        """Tells whether a blob exists, without reading it."""
        ...

    def delete(self, digest: ContentDigest) -> None:
        """Removes a blob, even if something refers to it; no error if there is none."""
        ...

    def list_digests(self, prefix: str = "") -> Iterator[ContentDigest]:
        """Yields the digests that begin with a prefix, in order."""
        ...

    def stored(self) -> Iterator[tuple[ContentDigest, int, float]]:
        """Yields digest, size in bytes and time of the last put of each blob, in any order.

        The time is in POSIX seconds by the store's clock. A foreign file in the store is an error,
        as for a strict `LogDriver.names`.
        """
        ...

    def removal(self) -> AbstractContextManager[Removal]:
        """Returns a block in which blobs may be removed.

        A caller that searches for references inside the block, and then removes blobs without any,
        never removes a blob that somebody found in a hold and is about to refer to.

        Raises:
            LockTimeoutError: Others are in holds for too long; raised when the block begins.
        """
        ...


class Documents(Protocol):
    """Small files of a store that are replaced as a whole: its configuration, its pins, its id.

    Names are relative paths of plain characters (`config.toml`, `pins/<digest>`). A version is the
    SHA-256 of the bytes, in hexadecimal.
    """

    def read(self, name: str) -> tuple[bytes, str] | None:
        """Returns the bytes of a document and their version; None if it does not exist."""
        ...

    def create(self, name: str, data: bytes) -> bool:
        """Creates a document, durable on return; returns False and changes nothing if it exists."""
        ...

    def write(self, name: str, data: bytes, *, expect: str | None = None) -> None:
        """Writes a document, durable on return; a crash leaves the old or the new content.

        Args:
            name: The document.
            data: The new content.
            expect: The version that the document must have, compared and written in one step; empty
                if it must not exist; None for any.

        Raises:
            ConflictError: The document has another version; nothing was changed.
        """
        ...

    def names(self, prefix: str, *, newest_first: bool = False) -> Iterator[str]:
        """Yields the names of all documents that begin with a prefix, `folder/`, in order.

        Args:
            prefix: The prefix of the names.
            newest_first: Whether to order by the time of the last write instead, newest first.
        """
        ...

    def drop(self, name: str, *, expect: str | None = None) -> bool:
        """Removes a document, durable on return; tells whether it existed.

        Args:
            name: The document.
            expect: The version that the document must have, compared and removed in one step; None
                for any.

        Raises:
            ConflictError: The document has another version.
        """
        ...


class Lookup(Protocol):
    """Completion lookup: fast, bounded queries for somebody who is typing a name.

    A lookup waits for no lock and writes nothing. It may miss entries, and skips those that cannot
    be read. `aivcs.store.lookup` is the implementation for a backend without a faster one.
    """

    def runs(
        self, prefix: str = "", *, status: RunStatus | None = None, limit: int = 50
    ) -> list[RunRecord]:
        """Returns runs whose id begins with the prefix, newest first, at most `limit`."""
        ...

    def agents(self, prefix: str = "", *, limit: int = 100) -> dict[str, str]:
        """Returns agent names with the prefix, each with the time of one of its latest runs."""
        ...

    def blobs(self, prefix: str = "", *, limit: int = 50) -> list[tuple[str, int, float]]:
        """Returns digests with the prefix, newest first, with size and time of the last put."""
        ...

    def kinds(self, run_id: str) -> dict[str, int]:
        """Returns the number of events by kind among a run's last ones, latest kind first.

        Raises:
            RunNotFoundError: No run has this id.
        """
        ...


class Backend(Protocol):
    """An open store. Several threads may use it; it must not be used across a fork."""

    @property
    def url(self) -> str:
        """The URL or absolute path that opens the same store again."""
        ...

    @property
    def folder(self) -> str | None:
        """The folder of the store on this machine, or None."""
        ...

    @property
    def settings(self) -> Settings:
        """The settings of this opening."""
        ...

    @property
    def logs(self) -> LogDriver:
        """The logs."""
        ...

    @property
    def objects(self) -> ObjectDriver:
        """The blobs."""
        ...

    @property
    def documents(self) -> Documents:
        """The small files."""
        ...

    @property
    def poll_seconds(self) -> tuple[float, float]:
        """Seconds to wait before polling a log again: the first time, and at most."""
        ...

    def is_own(self, name: str) -> bool:
        """Tells whether the user of this process started a run, as far as is known."""
        ...

    def now(self) -> float:
        """Returns the time by the store's clock, in POSIX seconds."""
        ...

    def hold(self, *, later: bool = False) -> AbstractContextManager[None]:
        """Returns a block in which no blob is removed that was found or put in it.

        A caller that checks for a blob and then names it in a log or a pin does both in one hold. A
        hold belongs to the opening: a nested hold, or one in another thread, extends it.

        Args:
            later: Whether the hold begins only with the first blob put, or the first nested hold.

        Raises:
            LockTimeoutError: Blobs are being removed for too long; raised when the block begins.
        """
        ...

    def doubts(self) -> Iterator[str]:
        """Yields one sentence for each property of the location that may break a guarantee."""
        ...

    def list_runs(self, ledger: RunLedger, unreadable: Unreadable) -> RunIndex:
        """Returns the index of the runs of a ledger over this store.

        Args:
            ledger: The ledger.
            unreadable: Called with each run that cannot be read and its error; None raises it.
        """
        ...

    def lookup(self, ledger: RunLedger) -> Lookup:
        """Returns the completion lookup of the store."""
        ...

    def inspect(
        self,
        parts: frozenset[str],
        progress: Callable[[str, int], None],
        *,
        repair: bool = False,
    ) -> Iterator[Finding]:
        """Reads parts of the store completely and yields the problems found.

        Args:
            parts: Any of `blobs`, `runs` and `releases`.
            progress: Called with the part and the bytes of each object and log that was read.
            repair: Whether to make the repairs that are certain to be right.
        """
        ...

    def measure(self, parts: frozenset[str]) -> int:
        """Returns the approximate number of bytes that `inspect` will read; 0 if unknown."""
        ...

    def sweep(self, moment: float, *, delete: bool) -> int:
        """Counts, and on request removes, temporary data that ended processes left behind.

        Args:
            moment: A time of the store's clock: only data last written before it.
            delete: Whether to remove the data.
        """
        ...

    def close(self) -> None:
        """Releases the resources of the opening, which must not be used afterwards."""
        ...


class Stamped(Protocol):
    """The further method of a log driver that can tell cheaply whether runs were added."""

    def stamps(self) -> dict[str, str]:
        """Returns a text for each group of runs, whose ids begin with the same two characters.

        The text of a group changes when a run is added to it or removed, not when one goes on. It
        is empty if it cannot be relied on: the group was changed too recently to tell the next
        change from the last.
        """
        ...


class CreatesLogs(Protocol):
    """The further method of a log driver for which many logs at once cost less than each alone."""

    def create_many(self, logs: Mapping[str, list[bytes]]) -> set[str]:
        """Creates logs; returns the names of those created, which are durable then.

        A log that exists is left as it is. After an error some may have been created.

        Args:
            logs: The lines of each log by its name, at least one, as `chain.link` makes them.

        Raises:
            OutcomeUnknownError: Whether the logs are durable cannot be known.
        """
        ...


class Erasing(Protocol):
    """The further methods of a log driver whose content can be erased.

    A driver that has them has an attribute `erases` that is true. What is erased is gone from
    everywhere in the store on return, and durably so: also from temporary and quarantined data,
    from indexes, caches and joined copies. An interrupted call is completed by another one. Until
    then what is read is as before or as after it; where a log or several logs are kept in several
    objects, some of them may be as before and others as after it.
    """

    def redact(self, name: str, stubs: Mapping[int, bytes]) -> None:
        """Replaces lines, by their numbers, with others that keep the hashes.

        Nobody else erases from the log meanwhile, and what others append is kept. A line that is
        equal already is left; a missing log is left. The time of `arrivals` stays what
        it was.

        Args:
            name: The log.
            stubs: The new lines by number, as `aivcs.log.redaction.redacted_line`, without their
                newlines.

        Raises:
            ConflictError: A line has another hash than its stub, is the first or the last, or is
                not there; nothing was changed.
            LockTimeoutError: Others erase from the log for too long.
            IntegrityError: The end of the log is damaged.
        """
        ...

    def remove(self, name: str) -> None:
        """Removes a whole log, durable on return; no error if there is none."""
        ...

    def remove_many(self, names: Iterable[str]) -> None:
        """Removes several logs as `remove` does, with less waiting for each."""
        ...

    def arrivals(self, prefix: str = "run/") -> Iterator[tuple[str, float, int]]:
        """Yields name, time of arrival and bytes of each log that begins with a prefix, in order.

        The time is that of the last append here, in POSIX seconds by the store's clock: a writer
        cannot set it as it can a timestamp.

        Args:
            prefix: The prefix of the names.
        """
        ...

    def forget_blob(self, digest: ContentDigest) -> None:
        """Removes the temporary and quarantined copies of a blob; no error if there are none."""
        ...

    def damaged_copies(self, digest: ContentDigest) -> Iterator[BinaryIO]:
        """Yields the quarantined copies of a blob, each open until the next.

        A driver whose store has no quarantine may lack it.
        """
        ...


class Searched(Protocol):
    """The further methods of a backend that looks through logs faster than line by line."""

    def list_holding(self, ledger: RunLedger, unreadable: Unreadable, sought: Sought) -> RunIndex:
        """Returns an index as `Backend.list_runs`, of the runs that can hold what is sought.

        Only its `newest` is restricted. It may list runs that hold nothing, never leave out one
        that holds it; and it may leave out runs that cannot be read.
        """
        ...

    def specs_of_runs(self, ledger: RunLedger) -> set[str] | None:
        """Returns the digests of the specs of all runs that can be read; None if that is slow."""
        ...

    def has_more_runs(self, number: int) -> bool:
        """Tells whether there are more runs than a number."""
        ...

    def index_texts(self, *, seconds: float | None, progress: Callable[[int], None]) -> bool:
        """Makes the index of texts, or goes on with it, where that is worth it; never fails.

        Args:
            seconds: The time it may take; what is missing then comes with the next call. None for
                all it needs.
            progress: Called with the bytes of each log that was read.

        Returns:
            Whether the index is another than before.
        """
        ...

    def forget_text(self, run_id: str | None = None) -> None:
        """Erases what the index of texts has of a run, after its log was rewritten or removed.

        Args:
            run_id: The run; None erases the index in any case.
        """
        ...


class Administered(Protocol):
    """The further methods of a backend on a server that somebody administers."""

    def grants(self, role: str, names: str | None = None) -> str:
        """Returns the statements or the policy that give a role its rights, for an administrator.

        Args:
            role: One of `aivcs.store.roles.ROLES`.
            names: A pattern of release names, such as `team/*`, for the role promoter.

        Raises:
            UsageError: The backend has no such role, or the role takes no names.
        """
        ...

    def check(self) -> Iterator[str]:
        """Yields one sentence for each fault in the store's setup; changes nothing."""
        ...

    def upgrade(self) -> Iterator[str]:
        """Brings the store to this version's schema; yields one sentence for each step done.

        A step is done whole or not at all; an upgraded store yields nothing.
        """
        ...
