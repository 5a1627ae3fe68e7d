"""`aivcs run state`: what a run needs to go on after a crash, as a blob that an event names."""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO

from aivcs.commands.run.lineage import origin_of, split_seq
from aivcs.errors import InvalidDigestError, NotFoundError, RunNotFoundError
from aivcs.log.run import read_event
from aivcs.model.digest import ContentDigest
from aivcs.model.run import RunEvent

if TYPE_CHECKING:
    from aivcs.repository import Repository

KIND = "state"
"""The kind of the events that name a state."""


def put_state(repo: Repository, run: str, path: str, stdin: BinaryIO) -> ContentDigest:
    """Stores a file as the state of a running run, durable on return; returns its digest.

    Args:
        repo: The repository.
        run: The run, as for `Repository.resolve_run`.
        path: The file; - is standard input.
        stdin: Standard input.

    Raises:
        RunNotFoundError: No run has this id.
        InvalidRunStateError: The run has ended.
        BackendError: The file cannot be read, or not stored.
    """
    from aivcs.commands.blob.input_files import store_file

    run_id = repo.resolve_run(run)
    with repo.hold():
        digest = repo.blobs.put_stream(stdin) if path == "-" else store_file(repo, path)
        repo.runs.append_event(run_id, RunEvent(KIND, {"$blob": digest}))
    return digest


def find_state(repo: Repository, run: str) -> ContentDigest:
    """Returns the digest of the last state of a run.

    That is its last one at or before SEQ, if RUN@SEQ is given; else its final state, if it ended
    with one; else its last one. A run without a state has that of the run it goes on from.

    Raises:
        RunNotFoundError: No run has this id.
        NotFoundError: There is no state.
        IntegrityError: A log is damaged.
    """
    text, seq = split_seq(run)
    first = run_id = repo.resolve_run(text)
    seen: set[str] = set()
    while run_id not in seen:
        seen.add(run_id)
        record = repo.runs.get_run(run_id)
        found = record.summary.final_state_digest if record.summary and seq is None else None
        found = found or _last_state(repo, run_id, seq)
        if found is not None:
            return found
        origin = origin_of(record)
        if origin is None or origin.seq is None:
            break
        try:
            run_id, seq = repo.resolve_run(origin.run_id), origin.seq
        except RunNotFoundError:
            break
    raise NotFoundError(first, f"run {first} has no state; give it one: aivcs run state put")


def _last_state(repo: Repository, run_id: str, seq: int | None) -> ContentDigest | None:
    with repo.store.logs.look(f"run/{run_id}") as view:
        if view is None:
            raise RunNotFoundError(run_id)
        for line in view.back():
            event = read_event(line)
            if event is None or event.kind != KIND:
                continue
            if seq is not None and (event.seq or 0) > seq:
                continue
            if event.redacted:  # an older state is another one
                raise NotFoundError(run_id, f"the last state of run {run_id} was erased")
            if not isinstance(event.payload, dict):
                continue
            try:
                return ContentDigest(event.payload.get("$blob", ""))
            except InvalidDigestError:
                continue  # somebody's own event of that kind
    return None
