"""`aivcs run`: the ledger of executions."""

from aivcs import errors
from aivcs.errors import NotFoundError, UsageError
from aivcs.model.record import check_name
from aivcs.model.run import RunEvent, RunId, RunMetadata, RunSummary

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
    from typing import Any, BinaryIO

    from aivcs.model.digest import ContentDigest
    from aivcs.model.run import RunRecord
    from aivcs.repository import Repository

_CANCELLED = (130, 143)
"""Exit codes by which shells report a process that SIGINT or SIGTERM ended."""
_SHORTEST_WAIT = 0.05
"""Seconds after which a run that is followed is looked at again, at first."""
_LONGEST_WAIT = 0.5
"""Seconds between two looks at a run in which nothing happens; a look is one `stat`."""


def start(
    repo: "Repository",
    *,
    agent: str,
    spec: "str | None",
    spec_file: "str | None",
    git_sha: "str | None",
    tags: "Sequence[str]",
    allow_missing_spec: bool,
    owner_pid: "int | None" = None,
    surroundings: "Mapping[str, str] | None" = None,
) -> RunId:
    """Starts a run and returns its id.

    Args:
        repo: Where to.
        agent: Which agent runs.
        spec: What runs, as for `Repository.resolve_spec`.
        spec_file: Or a file, which is stored and is the spec.
        git_sha: The commit of its code.
        tags: Words `key=text` or `key:=json`.
        allow_missing_spec: Whether the spec and its parts need not be stored whole.
        owner_pid: The number of the process that the run belongs to, or None for no owner.
        surroundings: What is known of the place where it runs, as tags; those in `tags` go before.

    Raises:
        UsageError: There is not exactly one of spec and file, a word is wrong, or there is no such
            process.
        InvalidNameError: No agent can be released under the name.
        NotFoundError: The spec, or a part of it, is not in the store.
        IntegrityError: The spec, or a part of it, is damaged.
    """
    check_name("agent name", agent)
    if (spec is None) == (spec_file is None):
        raise UsageError("give the spec: either --spec SPEC or --spec-file FILE")
    values: dict[str, Any] = {}
    if tags:
        from aivcs.commands.run.payload import add_member

        for word in tags:
            add_member(values, *split_tag(word))
    if surroundings:
        values = {**surroundings, **values}
    metadata = RunMetadata(agent, git_sha=git_sha, tags=values)
    owner = None
    if owner_pid is not None:
        from aivcs.trace.process_identity import owner_of

        owner = owner_of(owner_pid)
    with repo.hold(later=spec is None):
        if spec is not None:
            digest = repo.resolve_spec(spec, allow_missing=True)
        else:
            assert spec_file is not None
            digest = _store_file(repo, spec_file)
        if not allow_missing_spec:
            repo.require_spec(digest)
        return repo.runs.create_run(digest, metadata, owner=owner)


def check_kind(kind: str) -> None:
    """Refuses a KIND that reads as an option or as a payload: on the command line it was forgotten.

    Raises:
        UsageError: It does.
    """
    if kind[:1] == "-":
        raise UsageError(
            f"KIND {kind[:60]!a} reads as an option; options stand before RUN: "
            "aivcs run log [OPTIONS] RUN KIND [PAYLOAD…]"
        )
    if "=" in kind or kind[:1] in {"{", "["}:
        raise UsageError(
            f"KIND is missing: {kind[:60]!a} reads as PAYLOAD, which stands behind it: "
            "aivcs run log RUN KIND [PAYLOAD…]"
        )


def check_operands(repo: "Repository", run: str, kind: "str | None") -> None:
    """Refuses a KIND as `check_kind`, or for want of one; suspects RUN where there is no such run.

    An unset variable in the place of RUN makes of KIND the RUN, and of PAYLOAD the KIND.

    Raises:
        UsageError: It is missing, or reads as something else.
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
                f"RUN is missing: there is no run {run[:60]!a}, which reads as KIND; "
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
        repo: Where to.
        run: The run.
        kind: What happened.
        words: The payload, as for `parse_payload`; a single `-` reads it from `stdin`.
        files: `KEY=PATH`: members that are the text of a file.
        blobs: `KEY=PATH`: members `{"$blob": DIGEST}` of files that are stored.
        stdin: What `-` reads.
        seq: The event's number, or None for the next one.
        timestamp: When it happened, or None for now.

    Raises:
        UsageError: The payload is not acceptable.
        RunNotFoundError: There is no such run.
        InvalidRunStateError: It is over.
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
        raise UsageError("--file and --blob add to an object; this PAYLOAD is none")
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
    """Appends the events that a stream of JSON Lines gives, in batches; see `event_stream`.

    Raises:
        UsageError: A line is no event; the ones before it are stored.
        RunNotFoundError: There is no such run.
        InvalidRunStateError: It is over.
    """
    from aivcs.commands.run.stream import append_stream

    append_stream(
        repo.runs, repo.resolve_run(run), stdin, _limit(repo), atomic=atomic, stored=stored
    )


def finish(
    repo: "Repository",
    run: str,
    *,
    status: "str | None" = None,
    exit_code: "int | None" = None,
    if_running: bool = False,
    state: "str | None" = None,
    state_file: "str | None" = None,
    duration_ms: "int | None" = None,
) -> None:
    """Ends a run.

    Args:
        repo: Where it is.
        run: The run.
        status: `completed`, `failed` or `cancelled`; None goes by the exit code.
        exit_code: The exit code of what ran: 0 completed, 130 and 143 cancelled, else failed.
        if_running: Whether a run that is over already is fine.
        state: The digest of its final state, which must be stored.
        state_file: Or a file, which is stored and is the final state.
        duration_ms: How long it took, or None to measure from its start.

    Raises:
        UsageError: Both state and file, or an exit code that is none.
        RunNotFoundError: There is no such run.
        InvalidRunStateError: It is over already.
        NotFoundError: The final state is not in the store.
    """
    if state is not None and state_file is not None:
        raise UsageError("give the final state once: --state DIGEST or --state-file FILE")
    if exit_code is not None and not 0 <= exit_code <= 255:
        raise UsageError(f"an exit code is a number from 0 to 255, not {exit_code}")
    if duration_ms is not None and duration_ms < 0:
        raise UsageError("a duration is not negative")
    run_id = repo.resolve_run(run)
    if status is None:
        status = status_of(exit_code or 0)
    if if_running and repo.runs.get_run(run_id).status.is_terminal:
        return
    end = {
        "completed": repo.runs.complete_run,
        "failed": repo.runs.fail_run,
        "cancelled": repo.runs.cancel_run,
    }[status]
    with repo.hold(later=state is None):
        summary = RunSummary(
            success=status == "completed",
            final_state_digest=_final_state(repo, run_id, state, state_file),
            duration_ms=duration_ms,
            exit_code=exit_code,
        )
        try:
            end(run_id, summary)
        except errors.InvalidRunStateError:
            if not if_running:
                raise


def show(repo: "Repository", run: str) -> "RunRecord":
    """Returns a run as it stands.

    Raises:
        RunNotFoundError: There is no such run.
    """
    return repo.runs.get_run(repo.resolve_run(run))


def events(
    repo: "Repository",
    run: str,
    *,
    kinds: "Collection[str]" = (),
    follow: "Callable[[float], object] | None" = None,
) -> "Iterator[RunEvent]":
    """Yields the events of a run by seq.

    Following, it yields them as they were appended (a seq may come late), then each that is added,
    until the run ends; it holds none of them, however many there are.

    Args:
        repo: Where it is.
        run: The run.
        kinds: Only events of these kinds, if there are any.
        follow: To follow: what waits for so many seconds when there is nothing new, or less.

    Raises:
        UsageError: The kind is empty.
        RunNotFoundError: There is no such run, or no longer.
        IntegrityError: What is stored is damaged.
    """
    if "" in kinds:
        raise UsageError("KIND is empty; is a variable unset?")
    run_id = repo.resolve_run(run)
    found = _follow(repo, run_id, follow) if follow else repo.runs.iter_events(run_id)
    for event in found:
        if not kinds or event.kind in kinds:
            yield event


def split_tag(word: str) -> "tuple[str, Any]":
    """Returns key and value of a tag as it is given on the command line.

    Raises:
        UsageError: It is of no such form.
    """
    from aivcs.commands.run.payload import split_word

    pair = split_word(word)
    if pair is None:
        raise UsageError(f"--tag {word[:60]!a}: KEY=TEXT or KEY:=JSON is needed")
    return pair


def status_of(exit_code: int) -> str:
    """Returns the status of a run whose process ended with an exit code, as shells report it."""
    if exit_code == 0:
        return "completed"
    return "cancelled" if exit_code in _CANCELLED else "failed"


def _final_state(
    repo: "Repository", run_id: RunId, state: "str | None", state_file: "str | None"
) -> "ContentDigest | None":
    if state is not None:
        digest = repo.resolve_digest(state)
        if not repo.blobs.contains(digest):
            raise NotFoundError(digest)
        return digest
    if state_file is None:
        return None
    if repo.runs.get_run(run_id).status.is_terminal:  # before anything is stored for nothing
        raise errors.InvalidRunStateError(run_id, repo.runs.get_run(run_id).status, "RUNNING")
    return _store_file(repo, state_file)


def _store_file(repo: "Repository", path: str) -> "ContentDigest":
    from aivcs.commands.blob.blob import open_input

    with open_input(path) as file:
        return repo.blobs.put_stream(file)


def _add_files(
    repo: "Repository", payload: "dict[str, Any]", files: "Sequence[str]", blobs: "Sequence[str]"
) -> None:
    from aivcs.commands.blob.blob import open_input, require_file
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
        payload[key] = {"$blob": _store_file(repo, path)}


def _limit(repo: "Repository") -> int:
    return repo.store.settings.max_event


def _read_text(stream: "BinaryIO", limit: int, what: str) -> str:
    """Reads all of a stream that must hold a payload, refusing it as soon as it is too long."""
    from aivcs.commands.blob.blob import read_input
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


def _follow(
    repo: "Repository", run_id: RunId, pause: "Callable[[float], object]"
) -> "Iterator[RunEvent]":
    """Yields the events as they stand in the log, then those that are appended, until the end."""
    from aivcs.errors import IntegrityError
    from aivcs.log import chain
    from aivcs.log.run import read_event
    from aivcs.store.place import START

    repo.runs.get_run(run_id)
    logs, name, place = repo.store.logs, f"run/{run_id}", START
    shortest, longest = repo.store.poll_seconds
    wait = shortest
    while True:
        before = place.lines
        for line, behind in logs.read(name, place):
            if behind.lines <= place.lines:
                raise IntegrityError.of(
                    f"{name} was cut or replaced while it was followed; see: aivcs run verify", name
                )
            place, wait = behind, shortest
            event = read_event(line)
            if event is not None:
                yield event
            elif place.lines == 1:
                chain.require_name(chain.members(line).get("run_id"), run_id)
            else:
                return
        if place.lines == before:
            with logs.look(name) as view:
                if view is None:
                    raise errors.RunNotFoundError(run_id)
        pause(wait)
        wait = min(wait * 1.5, longest)
