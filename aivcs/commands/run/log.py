"""`aivcs run log`: appends an event, or a stream of events, to a run."""

from aivcs import errors
from aivcs.errors import UsageError
from aivcs.model.run import RunEvent

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any, BinaryIO

    from aivcs.repository import Repository


def check_kind(kind: str) -> None:
    """Refuses a KIND that looks like an option or a payload: KIND was probably forgotten.

    Raises:
        UsageError: It does.
    """
    if kind[:1] == "-":
        raise UsageError(
            f"KIND {kind[:60]!a} looks like an option; options come before RUN: "
            "aivcs run log [OPTIONS] RUN KIND [PAYLOAD…]"
        )
    if "=" in kind or kind[:1] in {"{", "["}:
        raise UsageError(
            f"KIND is missing: {kind[:60]!a} looks like PAYLOAD, which comes after KIND: "
            "aivcs run log RUN KIND [PAYLOAD…]"
        )


def check_operands(repo: "Repository", run: str, kind: "str | None") -> None:
    """Refuses a missing or implausible KIND; blames RUN if no run has that id.

    If a variable for RUN is unset, the shell drops the word: KIND takes the place of RUN, and
    PAYLOAD that of KIND.

    Raises:
        UsageError: KIND is missing or implausible.
    """
    try:
        if kind is None:
            raise UsageError("KIND is missing: aivcs run log RUN KIND [PAYLOAD…]")
        check_kind(kind)
    except UsageError as error:
        try:
            repo.runs.get_run(repo.resolve_run(run))
        except (UsageError, errors.RunNotFoundError):
            raise UsageError(
                f"RUN is missing: there is no run {run[:60]!a}, which looks like KIND; "
                "is a variable unset?"
            ) from error
        raise


def log(
    repo: "Repository",
    run: str,
    kind: str,
    words: "Sequence[str]",
    *,
    files: "Sequence[str]" = (),
    blobs: "Sequence[str]" = (),
    stdin: "BinaryIO",
    seq: "int | None" = None,
    timestamp: "str | None" = None,
) -> int:
    """Appends one event and returns its seq.

    Args:
        repo: The repository.
        run: The run.
        kind: The kind of the event.
        words: The payload, as for `parse_payload`; a single `-` reads it from `stdin`.
        files: `KEY=PATH`: adds a member with the text of a file.
        blobs: `KEY=PATH`: stores a file and adds a member `{"$blob": DIGEST}`.
        stdin: Standard input, for `-`.
        seq: The event's number; None: the next one.
        timestamp: The time of the event (RFC 3339); None: now.

    Raises:
        UsageError: The payload is not acceptable.
        RunNotFoundError: No run has this id.
        InvalidRunStateError: The run is over.
        ConflictError: Another event has this seq.
        SerializationError: The event is too large.
    """
    from aivcs.commands.run.payload import parse_json, parse_payload

    run_id = repo.resolve_run(run)
    if len(words) == 1 and words[0] == "-":
        payload = parse_json(_read_text(stdin, _limit(repo), "standard input"), "standard input")
    else:
        payload = parse_payload(words)
    if not files and not blobs:
        event = RunEvent(kind, payload, seq=seq, timestamp=timestamp)
        return repo.runs.append_event(run_id, event)
    if not isinstance(payload, dict):
        raise UsageError("--file and --blob add to an object; this PAYLOAD is not an object")
    event = RunEvent(kind, payload, seq=seq, timestamp=timestamp)
    record = repo.runs.get_run(run_id)
    if record.status.is_terminal:  # before anything is stored for nothing
        raise errors.InvalidRunStateError(run_id, record.status, "RUNNING")
    with repo.hold(later=True):
        _add_files(repo, payload, files, blobs)
        return repo.runs.append_event(run_id, event)


def log_stream(
    repo: "Repository",
    run: str,
    stdin: "BinaryIO",
    *,
    atomic: bool,
    stored: "Callable[[list[int]], None]",
) -> None:
    """Appends the events of a stream of JSON Lines, in batches; see `append_stream`.

    Raises:
        UsageError: A line is not an event; the lines before it are stored.
        RunNotFoundError: No run has this id.
        InvalidRunStateError: The run is over.
    """
    from aivcs.commands.run.stream import append_stream

    append_stream(
        repo.runs, repo.resolve_run(run), stdin, _limit(repo), atomic=atomic, stored=stored,
        ahead=getattr(repo.store.logs, "stream_ahead", 0),
    )  # fmt: skip


def _add_files(
    repo: "Repository", payload: "dict[str, Any]", files: "Sequence[str]", blobs: "Sequence[str]"
) -> None:
    from aivcs.commands.blob.input_files import open_input, require_file, store_file
    from aivcs.commands.run.payload import add_member, split_assignment

    texts = [split_assignment("--file", word) for word in files]
    stored = [split_assignment("--blob", word) for word in blobs]
    for key, path in texts:
        with open_input(path) as file:
            add_member(payload, key, _read_text(file, _limit(repo), ascii(path)))
    for key, path in stored:
        require_file(path)
        add_member(payload, key, None)
    for key, path in stored:
        payload[key] = {"$blob": store_file(repo, path)}


def _limit(repo: "Repository") -> int:
    return repo.store.settings.max_event


def _read_text(stream: "BinaryIO", limit: int, what: str) -> str:
    """Reads a payload from a stream, and refuses it as soon as it is too long."""
    from aivcs.commands.blob.input_files import read_input
    from aivcs.log.run import too_large

    data = b""
    while chunk := read_input(stream, limit + 65536 - len(data) + 1, what):
        data += chunk
        if len(data) > limit + 65536:
            raise too_large(len(data), limit, is_whole=False)
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        from aivcs.codec.json_errors import find_byte_fault

        raise UsageError(f"{what}: {find_byte_fault(data)}") from error
