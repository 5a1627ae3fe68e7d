"""The three storage contracts, as protocols: what every backend guarantees.

`aivcs.testing` holds a backend to every sentence here; `aivcs.aio` has the async twins. A backend
raises `aivcs.errors.StorageError` and its subclasses, and nothing else; each method is atomic.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, BinaryIO, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from aivcs.errors import StorageError
    from aivcs.marks import BlockMark, Sealed, SignatureMark, Standing
    from aivcs.model import (
        ContentDigest,
        Evidence,
        Head,
        ReleaseMetadata,
        ReleaseRecord,
        RunEvent,
        RunId,
        RunMetadata,
        RunOwner,
        RunRecord,
        RunStatus,
        RunSummary,
        Timestamp,
    )


class CasStore(Protocol):
    """Blobs by the SHA-256 of their content: the same content is one object, for ever the same."""

    def put(self, data: bytes) -> ContentDigest:
        """Stores a content and returns its digest; once it returns, the content is durable.

        Putting what is there already changes nothing but repairs it if it was damaged.

        Raises:
            BackendError: It could not be stored.
        """
        ...

    def put_stream(self, readable: BinaryIO) -> ContentDigest:
        """Stores what `readable` gives until its end, in bounded memory; else as `put`.

        Raises:
            BackendError: It could not be read or stored.
        """
        ...

    def put_many(self, contents: Iterable[BinaryIO]) -> Iterator[ContentDigest]:
        """Stores each of some contents as `put_stream` does; yields their digests in order.

        No digest is yielded before its content is durable. They may come late, many at once: a
        backend may store as many together as it likes, in bounded memory. Each content is read to
        its end before the next one is asked for. When the contents raise an error, or one cannot be
        stored, those before it are stored and yielded all the same, as far as that can be done;
        then the error is raised.

        Raises:
            BackendError: One could not be read or stored.
            OutcomeUnknownError: Whether those that were not yielded are durable cannot be known.
        """
        ...

    def get(self, digest: ContentDigest) -> bytes:
        """Returns the exact bytes, verified against the digest.

        Raises:
            NotFoundError: No blob has this digest.
            IntegrityError: What is stored is damaged.
        """
        ...

    def open(self, digest: ContentDigest) -> BinaryIO:
        """Returns a stream of the bytes, verified as they are read.

        The read that reaches the end raises rather than returning, if what was read before it was
        not the content: only a stream read to its end has given verified bytes.

        Raises:
            NotFoundError: No blob has this digest.
            IntegrityError: From `read`, at the end, if what is stored is damaged.
        """
        ...

    def contains(self, digest: ContentDigest) -> bool:
        """Tells whether a blob has this digest; does not read it."""
        ...

    def delete(self, digest: ContentDigest) -> None:
        """Removes a blob; no error if there is none."""
        ...

    def list_digests(self, prefix: str = "") -> Iterator[ContentDigest]:
        """Yields the digests of all blobs that begin with `prefix` (hexadecimal), in order."""
        ...


class RunLedger(Protocol):
    """Runs and what happened in them: appended, numbered, and sealed when they end."""

    def create_run(
        self,
        spec_digest: ContentDigest,
        metadata: RunMetadata,
        *,
        owner: RunOwner | None = None,
    ) -> RunId:
        """Starts a run, `RUNNING`, with a new random id.

        Args:
            spec_digest: What runs; whether it is stored is the caller's to check.
            metadata: Where it comes from.
            owner: The process it belongs to, which is recorded; None if it belongs to none.

        Raises:
            SerializationError: The tags are no JSON value.
        """
        ...

    def append_event(self, run_id: str, event: RunEvent) -> int:
        """Appends one event and returns its seq, durable.

        An event without a seq gets the highest so far plus one, atomically with any number of
        writers; the first gets 1. The identical event again (same seq, kind and payload, and
        timestamp if one is given) is accepted and stored once.

        Raises:
            RunNotFoundError: There is no such run.
            InvalidRunStateError: It is over.
            ConflictError: Another event has this seq.
            SerializationError: The payload is no JSON value, or too large.
        """
        ...

    def append_events(self, run_id: str, events: Iterable[RunEvent]) -> list[int]:
        """Appends all of some events or none, as `append_event`; returns their seqs."""
        ...

    def complete_run(self, run_id: str, summary: RunSummary) -> None:
        """Ends a run as `COMPLETED`; afterwards nothing of it changes.

        `total_events` and `duration_ms` are counted and measured if they are None.

        Raises:
            RunNotFoundError: There is no such run.
            InvalidRunStateError: It is over already.
        """
        ...

    def fail_run(
        self,
        run_id: str,
        summary: RunSummary,
        *,
        event: RunEvent | None = None,
        expect: Head | None = None,
    ) -> None:
        """Ends a run as `FAILED`; else as `complete_run`.

        Args:
            run_id: The run.
            summary: How it ended; an event that is given counts.
            event: A last event to append: it and the end, or neither, with nothing between them.
            expect: The run is ended only if this is the head of its log.

        Raises:
            RunNotFoundError: There is no such run.
            InvalidRunStateError: It is over already.
            ConflictError: Its log has another head, or the event cannot be appended.
            SerializationError: The event's payload is no JSON value, or too large.
        """
        ...

    def cancel_run(self, run_id: str, summary: RunSummary) -> None:
        """Ends a run as `CANCELLED`; else as `complete_run`."""
        ...

    def get_run(self, run_id: str) -> RunRecord:
        """Returns a run as it stands.

        Raises:
            RunNotFoundError: There is no such run.
        """
        ...

    def get_events(self, run_id: str) -> list[RunEvent]:
        """Returns the events of a run, ordered by seq.

        Raises:
            RunNotFoundError: There is no such run.
            IntegrityError: What is stored is damaged.
        """
        ...

    def iter_events(self, run_id: str) -> Iterator[RunEvent]:
        """Yields what `get_events` returns, one by one."""
        ...

    def list_runs(
        self,
        spec_digest: ContentDigest | None = None,
        *,
        agent_name: str | None = None,
        status: RunStatus | None = None,
        since: Timestamp | None = None,
        tags: Mapping[str, Any] | None = None,
        limit: int | None = None,
    ) -> list[RunRecord]:
        """Returns the runs that fit, newest first; all, if nothing is asked for.

        Of runs that were created at the same moment the one with the greater id comes first.

        Args:
            spec_digest: Only those of this spec.
            agent_name: Only this agent's.
            status: Only those that are this.
            since: Only those created at this moment or later.
            tags: Only those whose tags are an object with these members, equal as JSON values.
            limit: At most so many.

        Raises:
            InvalidDigestError: The spec is no digest.
            UsageError: The limit is negative.
            IntegrityError: A run is damaged at its beginning or end, whether it would fit or not.
        """
        ...

    def iter_runs(
        self,
        spec_digest: ContentDigest | None = None,
        *,
        agent_name: str | None = None,
        status: RunStatus | None = None,
        since: Timestamp | None = None,
        tags: Mapping[str, Any] | None = None,
        limit: int | None = None,
        unreadable: Callable[[RunId, StorageError], None] | None = None,
    ) -> Iterator[RunRecord]:
        """Yields what `list_runs` returns, one by one.

        Args:
            spec_digest: As for `list_runs`, like all others but the last.
            agent_name: See there.
            status: See there.
            since: See there.
            tags: See there.
            limit: See there.
            unreadable: Told of each run that cannot be read, and why, before the first is yielded;
                the others are yielded all the same. None raises the error.
        """
        ...

    def iter_outcomes(
        self,
        spec_digest: ContentDigest | None = None,
        *,
        agent_name: str | None = None,
        since: Timestamp | None = None,
        unreadable: Callable[[RunId, StorageError], None] | None = None,
    ) -> Iterator[tuple[str, RunStatus, Timestamp, int | None]]:
        """Yields of each run that fits what figures are made of, in no certain order.

        That is its agent, its status, when it was created, and how long it took (milliseconds;
        None while it goes on). It costs much less than the records.

        Args:
            spec_digest: As for `list_runs`.
            agent_name: See there.
            since: See there.
            unreadable: As for `iter_runs`.
        """
        ...

    def count_runs(
        self, *, unreadable: Callable[[RunId, StorageError], None] | None = None
    ) -> dict[RunStatus, int]:
        """Returns how many runs have each of the four statuses.

        Args:
            unreadable: As for `iter_runs`.
        """
        ...

    def list_run_ids(self, prefix: str = "") -> Iterator[RunId]:
        """Yields the ids of all runs that begin with `prefix`, in order."""
        ...

    def head(self, run_id: str) -> Head:
        """Returns the head of a run's log.

        Raises:
            RunNotFoundError: There is no such run.
        """
        ...


class ReleaseRegistry(Protocol):
    """What is live under each name, as a stack, and the whole history of how it came to be.

    Changes to one name are linearizable; names are independent; history is append-only. Beside the
    releases a log holds marks, which have seqs like them and make nothing live: blocks, which keep
    a spec from being released under the name, and signatures.
    """

    def promote(
        self,
        name: str,
        spec_digest: ContentDigest,
        metadata: ReleaseMetadata,
        *,
        expect: ContentDigest | int | str | None = None,
        evidence: Iterable[Evidence] = (),
        policy: ContentDigest | None = None,
        forced: bool = False,
        seen: Head | None = None,
        sign: Callable[[str], str] | None = None,
        dry_run: bool = False,
    ) -> ReleaseRecord:
        """Makes a spec live, on top of what is; returns the new entry.

        Promoting what is live already is recorded, and replaces the top of the stack.

        Args:
            name: The agent's name.
            spec_digest: What is to be live; whether it is stored is the caller's to check.
            metadata: Who, why, and under which label.
            expect: A digest, the seq of the live entry, or "none": the change is made only if
                that is what is live.
            evidence: Runs that speak for it, which are recorded; what they are worth is the
                caller's to judge.
            policy: The blob that says by which rules the caller judged, which is recorded.
            forced: Whether that was against the rules, which is recorded; the metadata's notes
                must say why. It overrides no block.
            seen: The change is made only if this is still the head of the log, so that what was
                decided by looking at it still holds; `Head(0, "")` is that of no log.
            sign: Returns the SSH signature of a hash, which is that of the new entry. It is called
                before the log is locked; entry and signature are then appended as one batch if
                the log has not moved on since, or nothing is.
            dry_run: Whether nothing is appended: it is decided by the log as it stands, and what
                would be the new entry is returned.

        Raises:
            InvalidNameError: The name breaks the rules for names.
            InvalidDigestError: The spec or the policy is no digest.
            ConflictError: Something else than expected is live, or the log has moved on.
            BlockedError: The spec is blocked under this name; it is a `ConflictError`.
            SerializationError: It is forced without a reason, or `sign` gives no signature.
        """
        ...

    def rollback(
        self,
        name: str,
        *,
        to: ContentDigest | int | str | None = None,
        metadata: ReleaseMetadata | None = None,
        expect: ContentDigest | int | str | None = None,
        block: bool = False,
        policy: ContentDigest | None = None,
        forced: bool = False,
        seen: Head | None = None,
        sign: Callable[[str], str] | None = None,
        dry_run: bool = False,
    ) -> ReleaseRecord:
        """Makes an earlier release live again, as a new entry with its spec and label.

        A blocked release is not passed over in silence: whoever rolls back onto one is told, and
        chooses another.

        Args:
            name: The agent's name.
            to: A `ContentDigest`, a seq or a label: pops down to the topmost such release, or
                pushes it if it is not on the stack. None pops once.
            metadata: Who rolls back, and why.
            expect: As for `promote`, like all that follow but the next.
            block: Whether to block the spec that was live, with actor and notes as its reason:
                both is appended as one batch, the block first, or nothing is.
            policy: See there.
            forced: See there.
            seen: See there.
            sign: See there.
            dry_run: See there.

        Raises:
            ReleaseNotFoundError: Nothing was released under the name, or never the target.
            NoPreviousReleaseError: There is nothing below the live release.
            ConflictError: Something else than expected is live, the log has moved on, or what
                is to be blocked would be live again.
            BlockedError: What would be live is blocked under this name.
            SerializationError: It is forced or blocks without a reason, or `sign` gives no
                signature.
        """
        ...

    def block(self, name: str, digest: ContentDigest, *, by: str, reason: str) -> BlockMark:
        """Marks a spec as bad under a name: it cannot become live there; returns the mark.

        What is live may be blocked, and stays live. Blocking again is recorded: the newest mark
        says who and why.

        Args:
            name: The agent's name.
            digest: The spec; it need not have been released.
            by: Who blocks it.
            reason: Why.

        Raises:
            ReleaseNotFoundError: Nothing was released under the name.
            SerializationError: Actor or reason is empty or no text.
        """
        ...

    def unblock(self, name: str, digest: ContentDigest, *, by: str, reason: str) -> BlockMark:
        """Takes a block back; returns the mark.

        Raises:
            ReleaseNotFoundError: Nothing was released under the name.
            ConflictError: The spec is not blocked.
            SerializationError: Actor or reason is empty or no text.
        """
        ...

    def add_signature(
        self,
        name: str,
        seq: int,
        hash: str,  # noqa: A002 the file format's word
        signature: str,
    ) -> SignatureMark:
        """Records an SSH signature of an entry; returns the mark. Who signed is not judged.

        Args:
            name: The agent's name.
            seq: The entry.
            hash: Its hash, which is what was signed.
            signature: The signature in its armor.

        Raises:
            ReleaseNotFoundError: Nothing was released under the name, or not as this entry.
            ConflictError: The entry has another hash.
            SerializationError: It is no SSH signature.
        """
        ...

    def find_block(self, name: str, digest: ContentDigest) -> BlockMark | None:
        """Returns the mark that blocks a spec now, or None if it is not blocked."""
        ...

    def block_history(self, name: str, digest: ContentDigest) -> list[BlockMark]:
        """Returns every block and unblock of a spec, newest first; none for an unknown name."""
        ...

    def blocks(self, name: str) -> list[BlockMark]:
        """Returns the marks that block something now, newest first; none for an unknown name."""
        ...

    def current(self, name: str) -> ReleaseRecord | None:
        """Returns the entry that says what is live, or None if nothing was released."""
        ...

    def standing(self, name: str) -> Standing | None:
        """Returns what is live and the head of the log, from one look; None if there is no log.

        The head is that of the last line, which is checked; `head` checks all lines.
        """
        ...

    def find(self, name: str, seq: int) -> Sealed | None:
        """Returns the entry or mark with a seq, with its hash, or None if there is none.

        Raises:
            IntegrityError: What is stored is damaged.
        """
        ...

    def history(self, name: str) -> list[ReleaseRecord]:
        """Returns all entries of a name, newest first; none for an unknown name.

        Raises:
            IntegrityError: What is stored is damaged.
        """
        ...

    def iter_history(self, name: str) -> Iterator[ReleaseRecord]:
        """Yields what `history` returns, one by one."""
        ...

    def iter_log(self, name: str) -> Iterator[Sealed]:
        """Yields all entries and marks of a name, with their hashes, newest first.

        Raises:
            IntegrityError: What is stored is damaged.
        """
        ...

    def list_names(self) -> Iterator[str]:
        """Yields all names that something was released under, in order."""
        ...

    def head(self, name: str) -> Head:
        """Returns the head of a name's log.

        Raises:
            ReleaseNotFoundError: Nothing was released under the name.
        """
        ...
