"""The three storage contracts, as protocols: what every backend guarantees.

`aivcs.testing` holds a backend to every sentence here; `aivcs.aio` has the async twins. A backend
raises `aivcs.errors.StorageError` and its subclasses, and nothing else; each method is atomic.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, BinaryIO, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from contextlib import AbstractContextManager

    from aivcs.errors import StorageError
    from aivcs.log.release_changes import Entry, ReleaseChange, ReleaseView
    from aivcs.model.digest import ContentDigest
    from aivcs.model.record import Head
    from aivcs.model.release import ReleaseMetadata, ReleaseRecord
    from aivcs.model.release_entries import Block, LogEntry, ReleaseState, Signature
    from aivcs.model.run import (
        RunEvent,
        RunId,
        RunMetadata,
        RunOwner,
        RunRecord,
        RunStatus,
        RunSummary,
    )
    from aivcs.model.timestamp import Timestamp


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

    def standing(self, run_id: str) -> tuple[RunRecord, Head]:
        """Returns a run as it stands and the head of its log, from one look at its ends.

        The head is that of the last line, which is checked; `head` checks all lines.

        Raises:
            RunNotFoundError: There is no such run.
        """
        ...

    def head(self, run_id: str) -> Head:
        """Returns the head of a run's log.

        Raises:
            RunNotFoundError: There is no such run.
        """
        ...


class ReleaseRegistry(Protocol):
    """What is live under each name, as a stack, and the whole history of how it came to be.

    Changes to one name are linearizable; names are independent; history is append-only. Besides
    releases a log holds blocks, which keep a spec from being released under the name, and
    signatures. They have seqs like releases, and make nothing live.

    The registry is below policies: it judges nothing, signs nothing, and does not look whether a
    spec is stored. `Repository.promote` and `Repository.rollback` do.
    """

    def promote(
        self,
        name: str,
        spec_digest: ContentDigest,
        metadata: ReleaseMetadata,
        *,
        expect: ContentDigest | int | str | None = None,
    ) -> ReleaseRecord:
        """Makes a spec live, on top of the stack; returns the new entry.

        Promoting the spec that is live already is recorded, and replaces the top of the stack.

        Args:
            name: The agent's name.
            spec_digest: The spec; it need not be stored.
            metadata: Who promotes, why, and under which label.
            expect: A digest, the seq of the live entry, or "none": the change is made only if
                that is what is live.

        Raises:
            InvalidNameError: The name breaks the rules for names.
            InvalidDigestError: The spec is not a digest.
            ConflictError: Something else than expected is live.
            BlockedError: The spec is blocked under this name; it is a `ConflictError`.
        """
        ...

    def rollback(
        self,
        name: str,
        *,
        to: ContentDigest | int | str | None = None,
        metadata: ReleaseMetadata | None = None,
        expect: ContentDigest | int | str | None = None,
    ) -> ReleaseRecord:
        """Makes an earlier release live again, as a new entry with its spec and label.

        A blocked release is not skipped in silence: a rollback onto one is refused, and `to` names
        another.

        Args:
            name: The agent's name.
            to: A `ContentDigest`, a seq or a label: pops down to the topmost such release, or
                pushes it if it is not on the stack. None pops once.
            metadata: Who rolls back, and why.
            expect: As for `promote`.

        Raises:
            ReleaseNotFoundError: Nothing was released under the name, or never the target.
            NoPreviousReleaseError: There is nothing below the live release.
            ConflictError: Something else than expected is live.
            BlockedError: The spec that would be live is blocked under this name.
        """
        ...

    def view(self, name: str) -> AbstractContextManager[ReleaseView]:
        """Returns a block with a view of a name's log, from one look, to plan a change on.

        In `aivcs.log.release_changes`, `plan_promotion` and `plan_rollback` make a change of a
        view; `append` makes it happen, if the log still has the view's head:

            with registry.view(name) as view:
                change = plan_promotion(view, spec, metadata, evidence=runs)
            registry.append(name, change.entries, if_head=change.if_head)

        The log is not locked, and a view is not used after its block.

        Raises:
            InvalidNameError: The name breaks the rules for names.
            IntegrityError: From the block's beginning: the end of the log is damaged.
        """
        ...

    def append(self, name: str, entries: Iterable[Entry], *, if_head: Head) -> Head:
        """Appends entries to a log, all or none, if the log has a head; returns its new head.

        Args:
            name: The agent's name.
            entries: Entries that follow that head, as the plans give them.
            if_head: The head; `Head(0, "")` is that of a name without a log.

        Raises:
            ConflictError: The log has another head, or an entry does not follow it.
            BlockedError: A release's spec is blocked under the name.
            ReleaseNotFoundError: A signature is of an entry that is not a release.
        """
        ...

    def change(self, name: str, plan: Callable[[ReleaseView], ReleaseChange]) -> ReleaseChange:
        """Appends what a function plans for the log as it stands, in one step; returns the change.

        Nothing is appended between the view that the plan is given and its entries.

        Args:
            name: The agent's name.
            plan: Returns the change. It reads through nothing but its view, and may be called
                several times; what it raises leaves the log, or its absence, untouched.
        """
        ...

    def block(self, name: str, digest: ContentDigest, *, by: str, reason: str) -> Block:
        """Blocks a spec under a name: it cannot become live there; returns the entry.

        The spec that is live may be blocked, and stays live. Blocking again is recorded: the newest
        block says who and why.

        Args:
            name: The agent's name.
            digest: The spec; it need not have been released.
            by: Who blocks it.
            reason: Why.

        Raises:
            ReleaseNotFoundError: Nothing was released under the name.
            SerializationError: Actor or reason is empty or not valid text.
        """
        ...

    def unblock(self, name: str, digest: ContentDigest, *, by: str, reason: str) -> Block:
        """Takes a block back; returns the entry.

        Raises:
            ReleaseNotFoundError: Nothing was released under the name.
            ConflictError: The spec is not blocked.
            SerializationError: Actor or reason is empty or not valid text.
        """
        ...

    def add_signature(
        self,
        name: str,
        seq: int,
        hash: str,  # noqa: A002 the file format's word
        signature: str,
    ) -> Signature:
        """Records an SSH signature of a release; returns the entry. Who signed is not checked.

        Args:
            name: The agent's name.
            seq: The seq of the release.
            hash: The hash of that entry, which was signed.
            signature: The signature in its armor.

        Raises:
            ReleaseNotFoundError: Nothing was released under the name, or not as this entry.
            ConflictError: The entry has another hash.
            SerializationError: The text is not an SSH signature.
        """
        ...

    def find_block(self, name: str, digest: ContentDigest) -> Block | None:
        """Returns the block of a spec, or None if it is not blocked."""
        ...

    def block_history(self, name: str, digest: ContentDigest) -> list[Block]:
        """Returns every block and unblock of a spec, newest first; none for an unknown name."""
        ...

    def blocks(self, name: str) -> list[Block]:
        """Returns the blocks that stand, newest first; none for an unknown name."""
        ...

    def current(self, name: str) -> ReleaseRecord | None:
        """Returns the entry that says what is live, or None if nothing was released."""
        ...

    def state(self, name: str) -> ReleaseState | None:
        """Returns what is live and the head of the log; None if there is no log.

        The head is that of the last line, which is checked; `head` checks all lines.
        """
        ...

    def find(self, name: str, seq: int) -> LogEntry | None:
        """Returns the entry with a seq, and its hash, or None if there is none.

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

    def iter_log(self, name: str) -> Iterator[LogEntry]:
        """Yields all entries of a name, with their hashes, newest first.

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
