"""The log of a name's releases: its entries, and the rule of the stack.

The releases of a name form a stack. A promote pushes; a rollback pops; what is then on top is live.
Every entry says where the stack stands after it: `target_seq` is the entry that first put the top
element live, `parent_seq` the one that did so for the element below (null at the bottom). So the
last entry and the one it points to are enough for every step, however long the history.

- promote of another spec pushes: target = own seq, parent = the old top's target.
- promote of what is live already replaces the top: target = own seq, parent = the old top's parent.
- rollback pops: the entry becomes what the parent element was.
- rollback to X pops down to the topmost X; if X is the top already it replaces it; if X is not on
  the stack it is pushed.

So an element never changes while it is on the stack, and two neighbours on it never have the same
spec: a rollback without a target changes what is live, or fails.
"""

from aivcs.errors import (
    ConflictError,
    IntegrityError,
    InvalidDigestError,
    NoPreviousReleaseError,
    ReleaseNotFoundError,
    SerializationError,
    UnsupportedFormatError,
)
from aivcs.log import chain
from aivcs.log.jsontext import encode_trusted
from aivcs.model import MAX_SEQ, ContentDigest, ReleaseMetadata, ReleaseRecord, Timestamp

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

UNKNOWN_ACTOR = "unknown"
"""Who rolled back when the caller does not say."""


def line_of(record: ReleaseRecord, previous: str) -> "tuple[bytes, str]":
    """Returns the line of an entry behind a line with the hash `previous`, and its own hash."""
    opening = f'"format":{chain.FORMAT},' if record.seq == 1 else ""
    parent = "null" if record.parent_seq is None else record.parent_seq
    body = (
        f'{{"type":"release",{opening}"seq":{record.seq},"action":"{record.action}",'
        f'"name":"{record.name}","spec_digest":"{record.spec_digest}",'
        f'"metadata":{encode_trusted(record.metadata.to_json())},'
        f'"target_seq":{record.target_seq},"parent_seq":{parent},'
        f'"created_at":"{record.created_at}"'
    )
    return chain.seal(body, previous)


def seq_of(line: bytes) -> int:
    """Returns the seq of any line of a release log; marks have one too.

    Raises:
        IntegrityError: The line has none.
    """
    seq = chain.members(line).get("seq")
    if not isinstance(seq, int):
        raise IntegrityError(None, None, "", "is no entry of a release log: it has no seq")
    return seq


def record_of(line: bytes, name: "str | None" = None) -> "ReleaseRecord | None":
    """Returns the release that a line holds, or None if it is a mark.

    Args:
        line: The line.
        name: The name that the release must be of.

    Raises:
        IntegrityError: It is no entry of a release log.
        UnsupportedFormatError: It is one of a later format.
    """
    entry = chain.members(line)
    if entry["type"] == "mark":
        return None
    if entry["type"] != "release" or entry.get("action") not in ("promote", "rollback"):
        what = entry["type"] if entry["type"] != "release" else entry.get("action")
        raise UnsupportedFormatError(f"an entry of type {what!r} needs a newer aivcs")
    try:
        chain.require_name(entry["name"], name)
        metadata = entry["metadata"]
        seq = chain.integer(entry, "seq", 1, MAX_SEQ)
        target = chain.integer(entry, "target_seq", 1, MAX_SEQ)
        if entry["parent_seq"] is not None:
            chain.integer(entry, "parent_seq", 1, MAX_SEQ)
        return ReleaseRecord(
            seq=seq,
            action=entry["action"],
            name=entry["name"],
            spec_digest=ContentDigest(entry["spec_digest"]),
            metadata=ReleaseMetadata(
                metadata["promoted_by"],
                version_label=metadata["version_label"],
                notes=metadata["notes"],
            ),
            target_seq=target,
            parent_seq=entry["parent_seq"],
            created_at=Timestamp.stored(entry["created_at"]),
        )
    except (KeyError, TypeError, ValueError, SerializationError, InvalidDigestError) as error:
        raise IntegrityError(
            None, None, "", f"is no release: {error or type(error).__name__}"
        ) from error


def require_expected(
    name: str, top: "ReleaseRecord | None", expect: "ContentDigest | int | str | None"
) -> None:
    """Refuses a change whose caller expected something else to be live.

    Args:
        name: The name that is about to change.
        top: The entry that says what is live, or None.
        expect: A digest, the seq of the live entry, "none" for nothing released yet; None expects
            nothing in particular.

    Raises:
        ConflictError: Something else is live.
    """
    if expect is None:
        return
    if isinstance(expect, int):
        met = top is not None and top.seq == expect
        wanted = f"entry @{expect}"
    elif expect == "none":
        met = top is None
        wanted = "no release"
    else:
        wanted = ContentDigest(expect)
        met = top is not None and top.spec_digest == wanted
    if not met:
        found = f"@{top.seq} {top.spec_digest}" if top else "nothing"
        raise ConflictError(
            f"{name}: expected {wanted} to be live, found {found}; nothing was changed. "
            f"Look at: aivcs release history {name}"
        )


def promotion(
    name: str,
    top: "ReleaseRecord | None",
    seq: int,
    spec_digest: ContentDigest,
    metadata: ReleaseMetadata,
) -> ReleaseRecord:
    """Returns the entry that puts a spec live on top of `top`."""
    parent = None
    if top is not None:
        replaces = top.spec_digest == spec_digest
        parent = top.parent_seq if replaces else top.target_seq
    return ReleaseRecord(
        seq=seq,
        action="promote",
        name=name,
        spec_digest=spec_digest,
        metadata=metadata,
        target_seq=seq,
        parent_seq=parent,
        created_at=Timestamp.now(),
    )


def pop(
    name: str,
    top: "ReleaseRecord | None",
    seq: int,
    find: "Callable[[int], ReleaseRecord]",
    metadata: "ReleaseMetadata | None",
) -> ReleaseRecord:
    """Returns the entry that rolls back to the element below `top`.

    Args:
        name: The name.
        top: The last entry, or None.
        seq: The seq of the new entry.
        find: Returns the entry with a seq.
        metadata: Who rolls back, and why; its label, if any, replaces the earlier one's.

    Raises:
        ReleaseNotFoundError: Nothing was released.
        NoPreviousReleaseError: `top` is the bottom of the stack.
    """
    if top is None:
        raise ReleaseNotFoundError(name)
    if top.parent_seq is None:
        raise NoPreviousReleaseError(name)
    return _return_to(_below(top, find), seq, metadata)


def pop_to(
    top: ReleaseRecord,
    seq: int,
    target: ReleaseRecord,
    find: "Callable[[int], ReleaseRecord]",
    metadata: "ReleaseMetadata | None",
) -> ReleaseRecord:
    """Returns the entry that makes the spec of `target`, an earlier entry, live again."""
    digest = target.spec_digest
    element = top
    while element.spec_digest != digest and element.parent_seq is not None:
        element = _below(element, find)
    if element.spec_digest == digest and element is not top:
        return _return_to(element, seq, metadata)
    pushed = promotion(top.name, top, seq, digest, target.metadata)
    return _rollback(pushed, seq, pushed.target_seq, pushed.parent_seq, metadata)


def _below(element: ReleaseRecord, find: "Callable[[int], ReleaseRecord]") -> ReleaseRecord:
    """The element below one on the stack, which was there first."""
    parent = element.parent_seq
    if parent is None or parent >= element.seq:
        raise IntegrityError(
            None, None, "", f"has an entry {element.seq} whose parent is {parent}, not before it"
        )
    return find(parent)


def find_release(
    name: str, releases: "Iterable[ReleaseRecord]", wanted: "ContentDigest | int | str"
) -> ReleaseRecord:
    """Returns the newest of some entries that a seq, a label or a digest names.

    Args:
        name: The name, for messages.
        releases: Entries, newest first.
        wanted: A seq, a digest, or a label (which is never 64 characters of hexadecimal).

    Raises:
        ReleaseNotFoundError: None of them fits.
    """
    if isinstance(wanted, str) and len(wanted) == 64:
        try:
            wanted = ContentDigest(wanted)
        except InvalidDigestError:
            pass  # a long label
    for record in releases:
        if isinstance(wanted, int):
            fits = record.seq == wanted
        elif isinstance(wanted, ContentDigest):
            fits = record.spec_digest == wanted
        else:
            fits = record.metadata.version_label == wanted
        if fits:
            return record
    shown = f"@{wanted}" if isinstance(wanted, int) else wanted
    raise ReleaseNotFoundError(
        name, f"{name} has no release {shown}; aivcs release history {name} shows what there was"
    )


def _return_to(
    element: ReleaseRecord, seq: int, metadata: "ReleaseMetadata | None"
) -> ReleaseRecord:
    return _rollback(element, seq, element.target_seq, element.parent_seq, metadata)


def _rollback(
    element: ReleaseRecord,
    seq: int,
    target_seq: int,
    parent_seq: "int | None",
    metadata: "ReleaseMetadata | None",
) -> ReleaseRecord:
    label = element.metadata.version_label
    if metadata is not None and metadata.version_label is not None:
        label = metadata.version_label
    return ReleaseRecord(
        seq=seq,
        action="rollback",
        name=element.name,
        spec_digest=element.spec_digest,
        metadata=ReleaseMetadata(
            metadata.promoted_by if metadata else UNKNOWN_ACTOR,
            version_label=label,
            notes=metadata.notes if metadata else None,
        ),
        target_seq=target_seq,
        parent_seq=parent_seq,
        created_at=Timestamp.now(),
    )
