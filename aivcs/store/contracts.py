"""The storage contracts, as protocols: the guarantees of every backend.

`aivcs.testing` tests every sentence here against a backend; `aivcs.aio` has the async twins. Stores
raise only `aivcs.errors.StorageError` and its subclasses; each method is atomic.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, BinaryIO, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from contextlib import AbstractContextManager

    from aivcs.errors import StorageError
    from aivcs.log.release_changes import Entry, ReleaseChange, ReleaseView
    from aivcs.model.annotation import Annotation, StoredAnnotation
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
    """Blobs by the SHA-256 of their content: equal contents are one blob, which never changes."""

    def put(self, data: bytes) -> ContentDigest:
        """Stores a content and returns its digest; the content is durable on return.

        Putting a stored content again changes nothing, except that it repairs a damaged blob.

        Raises:
            BackendError: The content could not be stored.
        """
        ...

    def put_stream(self, readable: BinaryIO) -> ContentDigest:
        """Stores a stream, read to its end in bounded memory, and returns its digest.

        The content is durable on return.

        Raises:
            BackendError: The stream could not be read or stored.
        """
        ...

    def put_many(self, contents: Iterable[BinaryIO]) -> Iterator[ContentDigest]:
        """Stores several streams as `put_stream` does; yields their digests in order.

        No digest is yielded before its content is durable. Digests may come late and many at once:
        a backend may store as many contents together as it likes, in bounded memory. Each stream is
        read to its end before the next one is requested. If the iterable raises an error, or one
        content cannot be stored, the contents before it are stored and yielded as far as possible;
        then the error is raised.

        Raises:
            BackendError: A stream could not be read or stored.
            OutcomeUnknownError: The contents not yielded may or may not be durable.
        """
        ...

    def get(self, digest: ContentDigest) -> bytes:
        """Returns the bytes of a blob, verified against the digest.

        Raises:
            NotFoundError: No blob has this digest.
            IntegrityError: The blob is damaged.
        """
        ...

    def open(self, digest: ContentDigest) -> BinaryIO:
        """Returns a stream of a blob's bytes, verified as they are read.

        The bytes are verified only when the stream has been read to its end: the last `read` raises
        if they are damaged.

        Raises:
            NotFoundError: No blob has this digest.
            IntegrityError: The blob is damaged; raised by `read`, at the end.
        """
        ...

    def contains(self, digest: ContentDigest) -> bool:
        """Tells whether a blob has this digest, without reading the blob."""
        ...

    def delete(self, digest: ContentDigest) -> None:
        """Removes a blob; no error if there is none."""
        ...

    def list_digests(self, prefix: str = "") -> Iterator[ContentDigest]:
        """Yields the digests of all blobs that begin with `prefix` (hexadecimal), in order."""
        ...


class RunLedger(Protocol):
    """Runs and their events: appended and numbered, and never changed once the run has ended."""

    def create_run(
        self,
        spec_digest: ContentDigest,
        metadata: RunMetadata,
        *,
        owner: RunOwner | None = None,
        run_id: str | None = None,
        created_at: Timestamp | None = None,
    ) -> RunId:
        """Starts a run, `RUNNING`; returns its id.

        Args:
            spec_digest: The spec that runs; the ledger does not check whether it is stored.
            metadata: Agent, commit and tags.
            owner: The process that the run belongs to, to be recorded; or None.
            run_id: The id of a run that was recorded elsewhere; None for a new random one. Of
                several creations with one id, one succeeds.
            created_at: The time that the run started, which may be before or after the present;
                None for now.

        Raises:
            SerializationError: The tags are not a JSON value, or the time is not a time.
            InvalidNameError: The id is not a valid run id.
            ConflictError: Another run has the id; nothing was changed.
        """
        ...

    def append_event(self, run_id: str, event: RunEvent) -> int:
        """Appends one event and returns its seq; the event is durable on return.

        An event without a seq gets the highest so far plus one, atomically with any number of
        writers; the first gets 1. An identical event again (same seq, kind and payload, and
        timestamp if given) is accepted and stored once.

        Raises:
            RunNotFoundError: No run has this id.
            InvalidRunStateError: The run has ended.
            ConflictError: Another event has this seq.
            SerializationError: The payload is not a JSON value, or too large.
        """
        ...

    def append_events(self, run_id: str, events: Iterable[RunEvent]) -> list[int]:
        """Appends several events, all or none, as `append_event` does; returns their seqs."""
        ...

    def complete_run(
        self, run_id: str, summary: RunSummary, *, completed_at: Timestamp | None = None
    ) -> None:
        """Ends a run as `COMPLETED`; afterwards it never changes.

        A `total_events` or `duration_ms` of None is filled in.

        Args:
            run_id: The run.
            summary: The result.
            completed_at: The time that the run ended, not before its start; None for now.

        Raises:
            RunNotFoundError: No run has this id.
            InvalidRunStateError: The run has ended already.
            SerializationError: The time is not a time, or is before the start of the run.
        """
        ...

    def fail_run(
        self,
        run_id: str,
        summary: RunSummary,
        *,
        event: RunEvent | None = None,
        expect: Head | None = None,
        completed_at: Timestamp | None = None,
    ) -> None:
        """Ends a run as `FAILED`; afterwards it never changes.

        A `total_events` or `duration_ms` of None is filled in.

        Args:
            run_id: The run.
            summary: The result; its number of events includes `event`.
            event: A last event, appended together with the end: both or neither.
            expect: The head that the run's log must have, or None for any.
            completed_at: The time that the run ended, not before its start; None for now.

        Raises:
            RunNotFoundError: No run has this id.
            InvalidRunStateError: The run has ended already.
            ConflictError: The log has another head, or the event cannot be appended.
            SerializationError: The event's payload is not a JSON value, or too large; or the time
                is not a time, or is before the start of the run.
        """
        ...

    def cancel_run(
        self, run_id: str, summary: RunSummary, *, completed_at: Timestamp | None = None
    ) -> None:
        """Ends a run as `CANCELLED`; afterwards it never changes.

        A `total_events` or `duration_ms` of None is filled in.

        Args:
            run_id: The run.
            summary: The result.
            completed_at: The time that the run ended, not before its start; None for now.

        Raises:
            RunNotFoundError: No run has this id.
            InvalidRunStateError: The run has ended already.
            SerializationError: The time is not a time, or is before the start of the run.
        """
        ...

    def get_run(self, run_id: str) -> RunRecord:
        """Returns a run's present record.

        Raises:
            RunNotFoundError: No run has this id.
        """
        ...

    def get_events(self, run_id: str) -> list[RunEvent]:
        """Returns the events of a run, ordered by seq.

        Raises:
            RunNotFoundError: No run has this id.
            IntegrityError: The run's log is damaged.
        """
        ...

    def iter_events(self, run_id: str) -> Iterator[RunEvent]:
        """Yields the events of a run, ordered by seq.

        The log is read twice: events may have been appended in another order than their seqs.

        Raises:
            RunNotFoundError: No run has this id.
            IntegrityError: The run's log is damaged.
        """
        ...

    def list_runs(
        self,
        spec_digest: ContentDigest | None = None,
        *,
        agent_name: str | None = None,
        status: RunStatus | None = None,
        since: Timestamp | None = None,
        before: tuple[str, str] | None = None,
        tags: Mapping[str, Any] | None = None,
        limit: int | None = None,
    ) -> list[RunRecord]:
        """Returns the runs that match all filters, newest first.

        Of runs created at the same time, the one with the greater id comes first.

        Args:
            spec_digest: Only runs of this spec.
            agent_name: Only runs of this agent.
            status: Only runs with this status.
            since: Only runs created at this time or later.
            before: As for `iter_runs`.
            tags: Only runs whose tags are an object with these members, compared as JSON values.
            limit: The number of runs, at most.

        Raises:
            InvalidDigestError: The spec is not a digest.
            UsageError: The limit is negative.
            IntegrityError: Some run is damaged at its beginning or end, matching or not.
        """
        ...

    def iter_runs(
        self,
        spec_digest: ContentDigest | None = None,
        *,
        agent_name: str | None = None,
        status: RunStatus | None = None,
        since: Timestamp | None = None,
        before: tuple[str, str] | None = None,
        tags: Mapping[str, Any] | None = None,
        limit: int | None = None,
        unreadable: Callable[[RunId, StorageError], None] | None = None,
    ) -> Iterator[RunRecord]:
        """Yields the runs that match all filters, newest first.

        Args:
            spec_digest: Only runs of this spec.
            agent_name: Only runs of this agent.
            status: Only runs with this status.
            since: Only runs created at this time or later.
            before: Only runs that come after the run with this time of creation (RFC 3339) and
                this id in the list; so a list goes on where an earlier one ended, at any depth
                equally fast. The run need not exist.
            tags: Only runs whose tags are an object with these members, compared as JSON values.
            limit: The number of runs, at most.
            unreadable: Called with each run that cannot be read and its error, before the first run
                is yielded; the other runs are still yielded. None raises the error.

        Raises:
            InvalidDigestError: The spec is not a digest.
            UsageError: The limit is negative.
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
        """Yields the data for statistics of each matching run, in no certain order.

        These are agent, status, time of creation and duration in milliseconds (None for a RUNNING
        run). They cost much less than the records.

        Args:
            spec_digest: Only runs of this spec.
            agent_name: Only runs of this agent.
            since: Only runs created at this time or later.
            unreadable: Called with each run that cannot be read and its error; None raises it.
        """
        ...

    def count_runs(
        self, *, unreadable: Callable[[RunId, StorageError], None] | None = None
    ) -> dict[RunStatus, int]:
        """Returns the number of runs with each of the four statuses.

        Args:
            unreadable: Called with each run that cannot be read and its error; None raises it.
        """
        ...

    def list_run_ids(self, prefix: str = "") -> Iterator[RunId]:
        """Yields the ids of all runs that begin with `prefix`, in order."""
        ...

    def standing(self, run_id: str) -> tuple[RunRecord, Head]:
        """Returns a run's present record and the head of its log, from one state of the log.

        Only the first and the last line are checked; `head` checks all lines.

        Raises:
            RunNotFoundError: No run has this id.
        """
        ...

    def adopt(self, run_id: str, source: Callable[[], Iterable[bytes]]) -> Head:
        """Makes a run here out of its log elsewhere: appends the lines that are missing here.

        The whole log is checked before anything is changed: its chain, the rules of a run's log,
        its id. Then the lines are appended in pieces of at most 8 MiB, each only behind the last
        line of the piece before, and only as they were checked, though the source be another by
        then. An interrupted adoption leaves a beginning of the log; repeating it goes on from
        there. A run that has all lines, or more, is left as it is. The blobs that the log refers to
        are not looked for.

        Args:
            run_id: The run.
            source: Returns the lines of the log from the first, with or without their newlines. It
                is called once or more often.

        Returns:
            The head of the log here.

        Raises:
            IntegrityError: The source is not a whole log of this run, or was changed meanwhile.
            UnsupportedFormatError: A later version wrote the log.
            ConflictError: The run here and the source have different lines, the first of which the
                message names; or others kept appending.
            RunNotFoundError: No run can have this id.
        """
        ...

    def head(self, run_id: str) -> Head:
        """Returns the head of a run's log, all lines of which are checked.

        Raises:
            RunNotFoundError: No run has this id.
            IntegrityError: The log is damaged.
        """
        ...


class AnnotationStore(Protocol):
    """Remarks on runs, which may have ended; nothing changes one that is stored."""

    def add(self, annotation: Annotation) -> ContentDigest:
        """Stores an annotation, durable on return, and returns the digest that names it.

        The same annotation has the same digest in every store; adding it again changes nothing.
        Whether its run exists is not asked.

        Raises:
            SerializationError: The payload is not a JSON value, has no canonical form, or is too
                large.
        """
        ...

    def of_run(self, run_id: str) -> list[StoredAnnotation]:
        """Returns the annotations of a run by the time they were made, then by digest.

        Raises:
            IntegrityError: An annotation is damaged.
        """
        ...

    def names(self) -> Iterator[str]:
        """Yields the names of the documents of all annotations, in order."""
        ...

    def read(self, name: str) -> StoredAnnotation | None:
        """Returns the annotation in a document; None if there is no such document.

        Raises:
            IntegrityError: It is damaged, or the name is not that of an annotation.
        """
        ...


class ReleaseRegistry(Protocol):
    """The stack of releases under each name, with its whole history.

    Changes to one name are linearizable; names are independent; history is append-only. Besides
    releases a log holds blocks, which keep a spec from being released under the name, and
    signatures. They have seqs like releases and never change what is live.

    The registry applies no policy, signs nothing, and does not check whether a spec is stored;
    `Repository.promote` and `Repository.rollback` do.
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

        Promoting the live spec again is recorded and replaces the top of the stack.

        Args:
            name: The agent's name.
            spec_digest: The spec; it need not be stored.
            metadata: Label, actor and notes.
            expect: The digest of the spec or the seq of the release that must be live, "none" for
                no release yet, or None for any.

        Raises:
            InvalidNameError: The name breaks the rules for names.
            InvalidDigestError: The spec is not a digest.
            ConflictError: The expected release is not live.
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

        A blocked release is never skipped silently: a rollback to it is refused, and `to` can name
        another.

        Args:
            name: The agent's name.
            to: A `ContentDigest`, a seq or a label: pops down to the topmost such release, or
                pushes it if it is not on the stack. None pops once.
            metadata: Actor and notes; None for an unknown actor.
            expect: The release that must be live, as for `promote`.

        Raises:
            ReleaseNotFoundError: The name has no releases, or not the target.
            NoPreviousReleaseError: No release is below the live one.
            ConflictError: The expected release is not live.
            BlockedError: The spec that would become live is blocked under this name.
        """
        ...

    def view(self, name: str) -> AbstractContextManager[ReleaseView]:
        """Returns a block with a view of a name's log, to plan a change on.

        `plan_promotion` and `plan_rollback` of `aivcs.log.release_changes` plan a change on a view;
        `append` carries it out, if the log still has the view's head:

            with registry.view(name) as view:
                change = plan_promotion(view, spec, metadata, evidence=runs)
            registry.append(name, change.entries, if_head=change.if_head)

        The log is not locked. A view must not be used after its block.

        Raises:
            InvalidNameError: The name breaks the rules for names.
            IntegrityError: The end of the log is damaged; raised when the block begins.
        """
        ...

    def append(self, name: str, entries: Iterable[Entry], *, if_head: Head) -> Head:
        """Appends entries to a log, all or none, if it has the given head; returns the new head.

        Args:
            name: The agent's name.
            entries: The entries of a plan, which follow that head.
            if_head: The head that the log must have; `Head(0, "")` for no log.

        Raises:
            ConflictError: The log has another head, or an entry does not follow it.
            BlockedError: A release's spec is blocked under the name.
            ReleaseNotFoundError: The entry that a signature signs is not a release.
        """
        ...

    def change(self, name: str, plan: Callable[[ReleaseView], ReleaseChange]) -> ReleaseChange:
        """Plans a change on the present log and appends it, in one step; returns the change.

        Nobody appends between the view that `plan` is given and its entries.

        Args:
            name: The agent's name.
            plan: Returns the change. It reads only through its view and may be called several
                times; if it raises, the log, or its absence, stays untouched.
        """
        ...

    def block(self, name: str, digest: ContentDigest, *, by: str, reason: str) -> Block:
        """Blocks a spec under a name, so that it cannot become live there; returns the entry.

        The live spec may be blocked and stays live. Blocking again is recorded; the newest block
        counts.

        Args:
            name: The agent's name.
            digest: The spec; it need not have been released.
            by: The actor.
            reason: The reason.

        Raises:
            ReleaseNotFoundError: The name has no releases.
            SerializationError: Actor or reason is empty or not valid text.
        """
        ...

    def unblock(self, name: str, digest: ContentDigest, *, by: str, reason: str) -> Block:
        """Lifts the block of a spec; returns the entry.

        Raises:
            ReleaseNotFoundError: The name has no releases.
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
        """Records an SSH signature of a release; returns the entry. The signature is not checked.

        Args:
            name: The agent's name.
            seq: The seq of the release.
            hash: The hash of that entry, which was signed.
            signature: The signature in its armor.

        Raises:
            ReleaseNotFoundError: The name has no release with this seq.
            ConflictError: The entry has another hash.
            SerializationError: The text is not an SSH signature.
        """
        ...

    def find_block(self, name: str, digest: ContentDigest) -> Block | None:
        """Returns the block of a spec, or None if it is not blocked."""
        ...

    def block_history(self, name: str, digest: ContentDigest) -> list[Block]:
        """Returns every block and unblock of a spec, newest first; [] for an unknown name."""
        ...

    def blocks(self, name: str) -> list[Block]:
        """Returns the blocks in force, newest first; [] for an unknown name."""
        ...

    def current(self, name: str) -> ReleaseRecord | None:
        """Returns the live release, or None if the name has no releases."""
        ...

    def state(self, name: str) -> ReleaseState | None:
        """Returns the live release and the head of the log; None if there is no log.

        Only the last line is checked; `head` checks all lines.
        """
        ...

    def find(self, name: str, seq: int) -> LogEntry | None:
        """Returns the entry with a seq and its hash, or None if there is none.

        Raises:
            IntegrityError: The log is damaged.
        """
        ...

    def history(self, name: str) -> list[ReleaseRecord]:
        """Returns all releases of a name, newest first; [] for an unknown name.

        Raises:
            IntegrityError: The log is damaged.
        """
        ...

    def iter_history(self, name: str) -> Iterator[ReleaseRecord]:
        """Yields all releases of a name, newest first; none for an unknown name.

        Raises:
            IntegrityError: The log is damaged.
        """
        ...

    def iter_log(self, name: str) -> Iterator[LogEntry]:
        """Yields all entries of a name with their hashes, newest first.

        Raises:
            IntegrityError: The log is damaged.
        """
        ...

    def list_names(self) -> Iterator[str]:
        """Yields all names that have releases, in order."""
        ...

    def head(self, name: str) -> Head:
        """Returns the head of a name's log, all lines of which are checked.

        Raises:
            ReleaseNotFoundError: The name has no releases.
            IntegrityError: The log is damaged.
        """
        ...
