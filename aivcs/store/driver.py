"""What a backend supplies; the contracts, verification and maintenance are written once over it.

A *driver* moves bytes and knows no rule: what a line means, whether a run is over, what a rollback
pops, is decided in `aivcs.log` and written down once in `aivcs.store.runs` and `.releases`.

Logs are named `run/<run id>` and `release/<name>`. A line has the same bytes on every backend, so
its hash, and the head of a log, are the same everywhere. Lines are handed over without their
newline, except those to be stored, which are as `chain.link` makes them. "Checked" means that a
line's hash was found to be right behind the line before it: `IntegrityError` names log and line
otherwise. `aivcs.testing.BackendContract` holds a backend to every sentence here.

Errors: `aivcs.errors.StorageError` and its subclasses, and nothing else. Without another word each
method may raise `BackendError` (it cannot be read, or could not be stored: then nothing was) and
`LockTimeoutError` (others were in the way for too long).
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

    NumberOf = Callable[[bytes], int]


class LogView(Protocol):
    """ONE state of one log: whatever is appended later is not in it.

    It holds from the moment it is given until the block, or the call of `decide`, ends. It does not
    count lines: the rules derive that number from the last line (`RunState.count`, a release's
    `seq`).
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
        """Yields the lines from the last to the first, each checked; reads only as far as asked."""
        ...

    def forth(self) -> Iterator[bytes]:
        """Yields the lines from the first to the last, NOT checked.

        Each has its newline; `chain.verified_lines` checks them. May be called several times.
        """
        ...

    def line(self, number: int, number_of: NumberOf) -> bytes | None:
        """Returns the line with a number, checked; None if there is no such line.

        For release logs, whose n-th line bears the number n: a driver may take the n-th line, or
        look for the number by `number_of`.

        Args:
            number: What the line must bear, greater than 0.
            number_of: Tells which number a line bears; raises `IntegrityError` if it bears none.
        """
        ...


class LogDriver(Protocol):
    """The logs of a store: named sequences of lines that only ever grow.

    A log is there from its first line on; what a crash left without any line is no log.
    """

    def names(self, prefix: str = "", *, strict: bool = True) -> Iterator[str]:
        """Yields the names of all logs that begin with a prefix, in the order of their characters.

        A log that a crash kept from its first line may be named.

        Args:
            prefix: Of the names: `run/`, or more or less of one.
            strict: Whether the caller draws conclusions from what no log says: then a part of the
                store that holds something else than a store does, or a log in a place where nobody
                reads it, is an error and no absence. Else they are passed over.

        Raises:
            IntegrityError: A log stands in the wrong place.
        """
        ...

    def where(self, name: str) -> str:
        """Returns what messages call a log: a file's path below the store, or the name itself."""
        ...

    def look(self, name: str) -> AbstractContextManager[LogView | None]:
        """Returns a block with the log as it stands, or None if there is no such log; no lock.

        Raises:
            IntegrityError: From the block's beginning: the end of the log is damaged.
        """
        ...

    def update(
        self,
        name: str,
        decide: Callable[[LogView | None], Iterable[bytes]],
        *,
        durable: bool = True,
    ) -> None:
        """Appends the lines that `decide` returns for the log as it stands: all of them or none.

        `decide` is given the view (None: there is no such log, and its first line makes it), reads
        through nothing but the view, changes nothing outside, and returns lines sealed behind
        `view.last`. Nobody appends between the view it was given and its lines. It may be called
        several times, and again only after its lines were definitely not appended; the last call
        counts. What it raises passes through and leaves the log, or its absence, untouched.

        If it returns no line nothing is appended, but what it saw is durable on return: an event
        that was there already is about to be acknowledged a second time.

        On an outcome that is not known, the identical lines are tried again at the identical place
        until it is known; nothing is decided anew before.

        Args:
            name: The log.
            decide: What to append.
            durable: Whether the lines must be durable on return, with all before them. False (the
                events of a run that goes on) leaves that to the store's setting: with durability
                "batch" they may become so with the next durable update of the log.

        Raises:
            IntegrityError: The end of the log is damaged.
            OutcomeUnknownError: Whether the lines are stored, or durable, could not be found out.
        """
        ...

    def append_texts(self, name: str, texts: list[bytes]) -> int | None:
        """Appends events without a seq in one round trip, where the backend offers that.

        Args:
            name: The log of a run.
            texts: As `BulkEvents.bodies`: what stands between seq and hash.

        Returns:
            The seq of the first; None if it is not offered, and nothing was done: then `update`.

        Raises:
            RunNotFoundError: There is no such run.
            InvalidRunStateError: It is over.
        """
        ...

    def read(
        self, name: str, after: Place = START, *, settled: bool = False
    ) -> Iterator[tuple[bytes, Place]]:
        """Yields the lines behind a place, oldest first, each checked, with the place behind it.

        It yields what is there when it begins; a log that is not there has no lines. If what stood
        before the place is not in the log any more (it was cut or replaced), it begins with the
        first line, and the places count from 1 again.

        Args:
            name: The log.
            after: Where an earlier reading ended, of this or of another opening.
            settled: Whether only lines are yielded that a power cut cannot take back.

        Raises:
            InvalidNameError: No log can have this name.
            IntegrityError: The log is damaged.
            OutcomeUnknownError: Settled was asked for and cannot be made sure of.
        """
        ...


class RunIndex(Protocol):
    """Answers about all runs at once, where a backend can do better than to read each log.

    It decides nothing: `aivcs.store.listing` answers the same from the logs. All leave out a run
    that cannot be read, and tell `unreadable`, or raise its error.
    """

    def newest(self, run_filter: RunFilter, limit: int | None) -> Iterator[RunRecord]:
        """Yields the runs that fit, newest first, at most `limit`."""
        ...

    def outcomes(self, run_filter: RunFilter) -> Iterator[Outcome]:
        """Yields of each run that fits its agent, status, moment of creation and duration."""
        ...

    def count(self) -> dict[RunStatus, int]:
        """Returns how many runs have each status."""
        ...


class Removal(Protocol):
    """A block in which blobs may be removed: nobody is in a hold, or relies on what goes."""

    def remove(self, digest: ContentDigest, *, unless_since: float | None = None) -> bool:
        """Removes a blob; tells whether it was there and is gone.

        Args:
            digest: Of the blob.
            unless_since: It stays if it was put at this moment of the store's clock or later.
        """
        ...


class ObjectDriver(Protocol):
    """The blobs of a store, by the digest of their content; see `aivcs.store.contracts.CasStore`.

    Digests are `ContentDigest`s, valid ones. What is put is durable before it is acknowledged, and
    putting what is there heals it if it is damaged and counts as put now.
    """

    def put(self, data: bytes) -> ContentDigest:
        """Stores a content and returns its digest."""
        ...

    def put_stream(self, readable: BinaryIO) -> ContentDigest:
        """Stores what a stream gives until its end, in bounded memory."""
        ...

    def put_many(self, contents: Iterable[BinaryIO]) -> Iterator[ContentDigest]:
        """Stores some contents; as `CasStore.put_many`."""
        ...

    def get(self, digest: ContentDigest) -> bytes:
        """Returns the bytes, verified."""
        ...

    def open(self, digest: ContentDigest) -> BinaryIO:
        """Returns a stream of the bytes whose last read raises if they are not the content."""
        ...

    def contains(self, digest: ContentDigest) -> bool:
        """Tells whether a blob is there; does not read it."""
        ...

    def delete(self, digest: ContentDigest) -> None:
        """Removes a blob, whoever relies on it; no error if there is none."""
        ...

    def list_digests(self, prefix: str = "") -> Iterator[ContentDigest]:
        """Yields the digests that begin with a prefix, in order."""
        ...

    def stored(self) -> Iterator[tuple[ContentDigest, int, float]]:
        """Yields digest, bytes, and the moment of the last put by the store's clock, of each blob.

        The moment is in POSIX seconds. In any order; strict, as `LogDriver.names`.
        """
        ...

    def removal(self) -> AbstractContextManager[Removal]:
        """Returns a block in which blobs may be removed.

        Who looks for references inside it, and then removes what has none, removes nothing that
        somebody has found in a hold and is about to refer to.

        Raises:
            LockTimeoutError: From the block's beginning: others are in holds for too long.
        """
        ...


class Documents(Protocol):
    """Small files of a store that are replaced as a whole: its configuration, its pins, its id.

    Names are relative paths of plain characters (`config.toml`, `pins/<digest>`). A version is the
    SHA-256 of the bytes, in hexadecimal.
    """

    def read(self, name: str) -> tuple[bytes, str] | None:
        """Returns the bytes of a document and their version; None if there is none."""
        ...

    def create(self, name: str, data: bytes) -> bool:
        """Makes a document, durable on return; False if there is one, which is left as it is."""
        ...

    def write(self, name: str, data: bytes, *, expect: str | None = None) -> None:
        """Writes a document, durable on return: after a crash it is the old one or the new one.

        Args:
            name: The document.
            data: What it is to hold.
            expect: It is written only if this is its version now, as one step; empty: only if
                there is none. None writes whatever is there.

        Raises:
            ConflictError: It has another version; nothing was changed.
        """
        ...

    def names(self, prefix: str, *, newest_first: bool = False) -> Iterator[str]:
        """Yields the names of all documents that begin with a prefix, `folder/`, in order.

        Args:
            prefix: Of the names.
            newest_first: Whether the one that was written last comes first instead.
        """
        ...

    def drop(self, name: str, *, expect: str | None = None) -> bool:
        """Removes a document; tells whether there was one. Durable on return.

        Args:
            name: The document.
            expect: It is removed only if this is its version now, as one step.

        Raises:
            ConflictError: It has another version.
        """
        ...


class Lookup(Protocol):
    """A bounded look at what is in a store, for somebody who is typing a name.

    It waits for no lock and writes nothing. It may miss something, and passes over what cannot be
    read. `aivcs.store.lookup` does it through the contracts, where a backend has nothing faster.
    """

    def runs(
        self, prefix: str = "", *, status: RunStatus | None = None, limit: int = 50
    ) -> list[RunRecord]:
        """Returns runs whose id begins so, newest first, at most `limit`."""
        ...

    def agents(self, prefix: str = "", *, limit: int = 100) -> dict[str, str]:
        """Returns names of agents that begin so, each with the moment of a late run of it."""
        ...

    def blobs(self, prefix: str = "", *, limit: int = 50) -> list[tuple[str, int, float]]:
        """Returns digests that begin so, newest first, with bytes and moment of the last put."""
        ...

    def kinds(self, run_id: str) -> dict[str, int]:
        """Returns the kinds of the last events of a run, late ones first, with their numbers.

        Raises:
            RunNotFoundError: There is no such run.
        """
        ...


class Backend(Protocol):
    """A store that is open. It may be used by several threads, and not across a fork."""

    @property
    def url(self) -> str:
        """What opens the same store again: an absolute path, or an URL."""
        ...

    @property
    def folder(self) -> str | None:
        """The folder on this machine that the store is in; None if it is in none."""
        ...

    @property
    def settings(self) -> Settings:
        """How this opening behaves, and what the store takes (`max_event`)."""
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
        """How long to wait before looking at a log again: at first, and at most."""
        ...

    def is_own(self, name: str) -> bool:
        """Tells whether the user of this process began the log of a run, as far as it is known."""
        ...

    def now(self) -> float:
        """Returns the time by the store's clock, in POSIX seconds."""
        ...

    def hold(self, *, later: bool = False) -> AbstractContextManager[None]:
        """Returns a block in which no blob vanishes that is found or put in it.

        Who checks that a blob is there and then names it in a log or a pin does both in one hold.
        A hold belongs to the opening: one inside another, or in another thread, prolongs it.

        Args:
            later: Whether it begins only with the first blob that is put in it, or a hold inside.

        Raises:
            LockTimeoutError: From the block's beginning: blobs are being removed for too long.
        """
        ...

    def doubts(self) -> Iterator[str]:
        """Yields sentences on what may keep the store from keeping its promises where it is."""
        ...

    def list_runs(self, ledger: RunLedger, unreadable: Unreadable) -> RunIndex:
        """Returns what lists the runs of a ledger over this store.

        Args:
            ledger: The ledger.
            unreadable: Told of each run that cannot be read; None raises the error.
        """
        ...

    def lookup(self, ledger: RunLedger) -> Lookup:
        """Returns a bounded look at the store."""
        ...

    def inspect(
        self,
        parts: frozenset[str],
        progress: Callable[[str, int], None],
        *,
        repair: bool = False,
    ) -> Iterator[Finding]:
        """Reads all of some parts of the store and yields what is wrong.

        Args:
            parts: Any of `blobs`, `runs` and `releases`.
            progress: Told the part and the bytes of each object and log that was read.
            repair: Whether to repair what can be repaired without a doubt.
        """
        ...

    def measure(self, parts: frozenset[str]) -> int:
        """Returns about how many bytes `inspect` will read; 0 if that cannot be told."""
        ...

    def sweep(self, moment: float, *, delete: bool) -> int:
        """Counts, and removes if asked to, what processes that are gone left unfinished.

        Args:
            moment: Only what was last written before it, by the store's clock.
            delete: Whether it is removed.
        """
        ...

    def close(self) -> None:
        """Lets go of what the opening holds; it is not used afterwards."""
        ...


class Redactable(Protocol):
    """What a log driver offers besides where content can be erased."""

    def redact(self, name: str, stubs: Mapping[int, bytes]) -> None:
        """Replaces lines, by their numbers, with others that bear the same hashes; as one step."""
        ...

    def remove(self, name: str) -> None:
        """Removes a log as a whole, durable on return; no error if there is none."""
        ...
