"""`aivcs run redact`: erases the content of events, and leaves a record of who did it and why.

The record is durable before anything goes; what was interrupted is completed by the next `redact`,
`verify --repair`, `gc` or push. To a run that goes on, an event `redaction` is appended first, so
that a redacted line never comes last.
"""

from __future__ import annotations

import json
import re
from contextlib import suppress
from functools import lru_cache
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

from aivcs.codec.json_pointer import pointer_parts, value_at
from aivcs.commands.erasing import (
    ErasureRequest,
    complete,
    erase,
    named_blobs,
    require_unreleased,
)
from aivcs.errors import ConflictError, NotFoundError, UsageError
from aivcs.log.run import read_event
from aivcs.model.annotation import Annotation
from aivcs.model.erasure import ErasedAnnotation, ErasedBlob
from aivcs.model.run import RunEvent
from aivcs.store.erasing import damaged_copies, erasing, event_targets
from aivcs.sync.references import parts, skip_seen

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from aivcs.model.annotation import StoredAnnotation
    from aivcs.model.digest import ContentDigest
    from aivcs.model.erasure import StoredErasure, Target
    from aivcs.repository import Repository
    from aivcs.store.statements import Signer

KIND = "redaction"
"""The kind of the event in a run that goes on, and of an annotation with a masked copy."""
MASK = "[redacted]"
"""The text that replaces the erased text in a masked copy."""
_CHUNK = 1 << 20
_MAX_PLACES = 5
"""Places that an error names, at most."""


class Redacted(NamedTuple):
    """What was erased.

    Attributes:
        records: The records, in the order in which they were made.
        left: Sentences about places where the text still is.
    """

    records: list[StoredErasure]
    left: list[str]


class _Chosen(NamedTuple):
    """An event that is to be erased: the number of its line, and its content."""

    line: int
    event: RunEvent


def redact(
    repo: Repository,
    run: str,
    seqs: Collection[int] = (),
    *,
    by: str,
    reason: str,
    match: str | None = None,
    pointer: str | None = None,
    keep_masked: bool = False,
    with_blobs: bool = False,
    force: bool = False,
    signer: Signer | None = None,
    releases: Repository | None = None,
) -> Redacted:
    """Erases the content of events of a run; heads, evidence and signatures stay valid.

    Args:
        repo: The repository.
        run: The run, as for `Repository.resolve_run`.
        seqs: The events; none is every event that `match` or `pointer` chooses.
        by: Who does it.
        reason: Why.
        match: A text that the payload of each event must have in it; with `with_blobs`, also what
            annotations and blobs of the run are erased for.
        pointer: A JSON pointer to a part that the payload of each event must have.
        keep_masked: Whether to keep a copy of each payload as an annotation, without the text or
            the part.
        with_blobs: Whether to erase the blobs of the run that have the text in them, too.
        force: Whether to erase also blobs that a release which is live, or can be returned to, is
            made of.
        signer: What signs the records; None leaves them unsigned.
        releases: The repository whose releases count; None if it is `repo`.

    Raises:
        UsageError: Nothing says what to erase, or the reason or the actor has the text in it.
        NotFoundError: The run has no such event, or none with the text or part.
        RunNotFoundError: No run has this id.
        ConflictError: The store cannot erase; the run is a copy of one that goes on elsewhere; or
            a release is made of a blob.
        StorageError: Something could not be erased; what is recorded is completed later.
    """
    erasing(repo.store)
    _require_sense(
        seqs, match, pointer, (reason, by), keep_masked=keep_masked, with_blobs=with_blobs
    )
    run_id = repo.runs.get_run(repo.resolve_run(run)).run_id
    name = f"run/{run_id}"
    chosen = _choose(repo, name, seqs, match, pointer, again=signer is not None)
    notes = _notes_with(repo, run_id, match) if match is not None else []
    blobs = _blobs_with(repo, run_id, match) if match is not None else []
    if not chosen and not seqs and not notes and not (blobs and with_blobs):
        complete(repo)  # an earlier attempt, of which only a blob is left, perhaps
        places = [
            f"blob {digest}, which {where}, has it: --with-blobs" for digest, where in blobs[:1]
        ]
        places += [] if match is None else _left(repo, run_id, match, chosen)
        named = "; ".join(["", *places[:_MAX_PLACES]])
        raise NotFoundError("", f"no event of run {run_id} has that in its payload{named}")
    left = [] if match is None else list(_left(repo, run_id, match, chosen))
    if seqs:
        left += [f"annotation {note.digest} has the text, too" for note in notes]
        notes = []
    if with_blobs:
        require_unreleased(releases or repo, {digest for digest, _ in blobs}, force=force)
    else:
        left += [
            f"blob {digest}, which {where}, has the text, too: erase it by --with-blobs"
            for digest, where in blobs
        ]
    fresh = [item for item in chosen if not item.event.redacted]
    _mark(repo, run_id, [item.event.seq for item in fresh], by, reason)
    if keep_masked:
        _keep_masked(repo, run_id, fresh, by, match, pointer)
    targets: list[Target] = list(event_targets(repo.store, name, {item.line for item in chosen}))
    targets += [ErasedAnnotation(name, note.digest) for note in notes]
    if with_blobs:
        targets += [ErasedBlob(digest) for digest, _ in blobs]
    records = erase(repo, targets, ErasureRequest(by, reason, signer))
    return Redacted(records, left)


def _require_sense(
    seqs: Collection[int],
    match: str | None,
    pointer: str | None,
    told: tuple[str, str],
    *,
    keep_masked: bool,
    with_blobs: bool,
) -> None:
    reason, by = told
    if match == "":
        raise UsageError("the TEXT of --match is empty; is a variable unset?")
    if not reason.strip():
        raise UsageError("the reason is empty; is a variable unset?")
    for what, text in (("reason", reason), ("name in --by", by)):
        if match is not None and _has(text, match):
            raise UsageError(
                f"the {what} has the text in it that is to be erased; nothing was changed"
            )
    if pointer is not None:
        pointer_parts(pointer)
        if not pointer:
            raise UsageError("the pointer is empty; is a variable unset? An event is named by SEQ")
    if match is not None and pointer is not None:
        raise UsageError("give --match or --pointer, not both")
    if not seqs and match is None and pointer is None:
        raise UsageError("say what to erase: SEQ…, --match TEXT, or --pointer POINTER")
    if keep_masked and match is None and pointer is None:
        raise UsageError("--keep-masked needs --match or --pointer, which say what to mask")
    if with_blobs and match is None:
        raise UsageError("--with-blobs needs --match, the text by which blobs are found")


def _choose(
    repo: Repository,
    name: str,
    seqs: Collection[int],
    match: str | None,
    pointer: str | None,
    *,
    again: bool,
) -> list[_Chosen]:
    """Returns the events to erase, with those of `seqs` that are redacted already only if `again`.

    A signature can be added to an erasure, by another record.
    """
    chosen = []
    missing = set(seqs)
    for line, place in repo.store.logs.read(name):
        event = read_event(line)
        if event is None or (seqs and event.seq not in missing):
            continue
        assert event.seq is not None
        missing.discard(event.seq)
        if event.redacted:
            if again and seqs:
                chosen.append(_Chosen(place.lines, event))
            continue
        if _has(event.payload, match) and _has_part(event.payload, pointer):
            chosen.append(_Chosen(place.lines, event))
            if match is not None and _has(event.kind, match):
                raise ConflictError(
                    f"the kind of event {event.seq} has the text in it, and stays when an event is "
                    f"redacted: erase the run, aivcs run rm {name[4:]}"
                )
        elif seqs:
            what = "the text" if match is not None else f"anything at {pointer}"
            raise NotFoundError("", f"event {event.seq} of {name} does not have {what}")
    if missing:
        raise NotFoundError("", f"run {name[4:]} has no event {min(missing)}; nothing was changed")
    return chosen


@lru_cache(maxsize=4)
def _forms(text: str) -> tuple[str, ...]:
    """Returns a text as it is, and as JSON texts have it, escaped once and twice; longest first."""
    once = _escaped(text)
    twice = {form for each in once for form in _escaped(each)}
    return tuple(sorted({text} | once | twice, key=lambda form: (-len(form), form)))


def _escaped(text: str) -> set[str]:
    """Returns the forms that a text may have between the quotes of JSON."""
    ascii_only = json.dumps(text)[1:-1]
    upper = re.sub(r"\\u[0-9a-f]{4}", lambda code: f"\\u{code[0][2:].upper()}", ascii_only)
    forms = {ascii_only, upper, json.dumps(text, ensure_ascii=False)[1:-1]}
    return forms | {form.replace("/", r"\/") for form in forms}


def _has(value: Any, match: str | None) -> bool:
    """Tells whether a text is in any text or member name of a value; true if there is no text."""
    if match is None:
        return True
    forms = _forms(match)
    waiting = [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, str) and any(form in item for form in forms):
            return True
        if isinstance(item, dict):
            waiting += item
            waiting += item.values()
        elif isinstance(item, list):
            waiting += item
        elif isinstance(item, (int, float)) and not isinstance(item, bool) and match in str(item):
            return True
    return False


def _has_part(value: Any, pointer: str | None) -> bool:
    if pointer is None:
        return True
    try:
        value_at(value, pointer)
    except LookupError:
        return False
    return True


def _notes_with(repo: Repository, run_id: str, match: str) -> list[StoredAnnotation]:
    """Returns the annotations of a run that have a text in them, wherever."""
    return [
        note
        for note in repo.annotations.of_run(run_id)
        if _has([note.value.kind, note.value.by, note.value.payload], match)
    ]


def _blobs_with(repo: Repository, run_id: str, match: str) -> list[tuple[ContentDigest, str]]:
    """Returns the blobs of a run, with its spec and all parts, that have a text in them."""
    spec = parts(repo.blobs, [repo.runs.get_run(run_id).spec_digest], skip_seen(set()))
    found: dict[ContentDigest, str] = dict.fromkeys(spec, "is the spec, or a part of it")
    for digest, where in named_blobs(repo, run_id):
        found.setdefault(digest, where)
    return [(digest, where) for digest, where in found.items() if _blob_has(repo, digest, match)]


def _blob_has(repo: Repository, digest: ContentDigest, match: str) -> bool:
    """Tells whether a blob, or what is in quarantine of it, has a text."""
    with suppress(NotFoundError), repo.blobs.open(digest) as stream:
        if _stream_has(stream, match):
            return True
    return any(_stream_has(copy, match) for copy in damaged_copies(repo.store, digest))


def _stream_has(stream: BinaryIO, match: str) -> bool:
    texts = [form.encode() for form in _forms(match)]
    overlap = max(map(len, texts)) - 1
    carry = b""
    while block := stream.read(_CHUNK):
        data = carry + block
        if any(text in data for text in texts):
            return True
        carry = data[-overlap:] if overlap else b""
    return False


def _left(repo: Repository, run_id: str, match: str, chosen: Collection[_Chosen]) -> Iterator[str]:
    """Yields sentences about where the text stays."""
    record = repo.runs.get_run(run_id)
    metadata = record.metadata
    if _has([metadata.tags, metadata.agent_name, metadata.git_sha], match):
        yield f"the first line of the run has the text, too; only aivcs run rm {run_id} erases that"
    lines = {item.line for item in chosen}
    for line, place in repo.store.logs.read(f"run/{run_id}"):
        event = read_event(line) if place.lines not in lines else None
        if event is None:
            continue
        if _has(event.kind, match):
            yield (
                f"the kind of event {event.seq} has the text, too; only aivcs run rm {run_id} "
                "erases that"
            )
        elif _has(event.payload, match):
            yield f"event {event.seq} has the text, too"


def _mark(repo: Repository, run_id: str, seqs: list[int | None], by: str, reason: str) -> None:
    """Appends an event to a run that goes on, so that no line to be redacted is its last one."""
    if not seqs or repo.runs.get_run(run_id).status.is_terminal:
        return
    home = repo.home_of(run_id)
    if home is not None:
        raise ConflictError(
            f"run {run_id} is a copy of one that goes on at {home}: redact it there, and pull"
        )
    payload = {"seqs": seqs, "by": by, "reason": reason}
    with repo.store.logs.look(f"run/{run_id}") as view:
        last = None if view is None else read_event(view.last)
    if last is None or (last.kind, last.payload) != (KIND, payload):
        try:
            repo.runs.append_event(run_id, RunEvent(KIND, payload))
        except ConflictError:
            if not repo.runs.get_run(run_id).status.is_terminal:
                raise


def _keep_masked(
    repo: Repository,
    run_id: str,
    chosen: Collection[_Chosen],
    by: str,
    match: str | None,
    pointer: str | None,
) -> None:
    with repo.hold():
        for item in chosen:
            event = item.event
            masked = _masked(event.payload, match, pointer)
            payload = {"seq": event.seq, "kind": event.kind, "payload": masked}
            repo.annotations.add(Annotation(run_id, KIND, payload, by=by))


def _masked(value: Any, match: str | None, pointer: str | None) -> Any:
    if pointer is not None:
        first, *rest = pointer_parts(pointer)
        below = "".join("/" + part.replace("~", "~0").replace("/", "~1") for part in rest)
        if isinstance(value, list):
            return [
                _at(item, below) if index == int(first) else item
                for index, item in enumerate(value)
            ]
        return {key: _at(item, below) if key == first else item for key, item in value.items()}
    assert match is not None
    if isinstance(value, str):
        for form in _forms(match):
            value = value.replace(form, MASK)
        return value
    if isinstance(value, list):
        return [_masked(item, match, None) for item in value]
    if isinstance(value, dict):
        return {
            _masked(key, match, None): _masked(item, match, None) for key, item in value.items()
        }
    return MASK if _has(value, match) else value


def _at(value: Any, pointer: str) -> Any:
    return _masked(value, None, pointer) if pointer else MASK
