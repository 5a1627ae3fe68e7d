"""The log of a name's releases: its entries, and the rule of the stack.

The releases of a name form a stack. A promote pushes, a rollback pops, and the top is live. Every
entry records the stack after it: `target_seq` is the entry that first put the top element live,
`parent_seq` the one that did so for the element below (null at the bottom). So the last entry and
the one it points to are enough for every step, however long the history.

- promote of another spec pushes: target = own seq, parent = the old top's target.
- promote of what is live already replaces the top: target = own seq, parent = the old top's parent.
- rollback pops: the entry becomes what the parent element was.
- rollback to X pops down to the topmost X; if X is the top already it replaces it; if X is not on
  the stack it is pushed.

So an element never changes while it is on the stack, and two neighbours on it never have the same
spec: a rollback without a target always changes the live spec, or fails.
"""

from aivcs import errors
from aivcs.codec.json import encode_trusted
from aivcs.errors import ConflictError, IntegrityError, SerializationError
from aivcs.log import chain
from aivcs.model.digest import ContentDigest
from aivcs.model.record import MAX_SEQ, Head
from aivcs.model.release import Evidence, ReleaseMetadata, ReleaseRecord
from aivcs.model.timestamp import Timestamp

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

UNKNOWN_ACTOR = "unknown"
"""The actor of a rollback whose caller names none."""


MARKS = ("block", "unblock", "signature", "approval")
"""The kinds of entries of the type `mark` that this version knows."""


def line_of(
    record: ReleaseRecord, previous: str, block_seq: "int | None" = None
) -> "tuple[bytes, str]":
    """Returns the line of a release after a line with the hash `previous`, and its hash.

    Args:
        record: The release.
        previous: The hash of the line before; empty for a first line.
        block_seq: The newest block or unblock before it, or None.
    """
    opening = f'"format":{chain.FORMAT},' if record.seq == 1 else ""
    parent = "null" if record.parent_seq is None else record.parent_seq
    body = (
        f'{{"type":"release",{opening}"seq":{record.seq},"action":"{record.action}",'
        f'"name":"{record.name}","spec_digest":"{record.spec_digest}",'
        f'"metadata":{encode_trusted(record.metadata.to_json())},'
        f'"target_seq":{record.target_seq},"parent_seq":{parent},'
        f'"created_at":"{record.created_at}"'
    )
    grounds = record.grounds()
    if block_seq is not None:
        grounds["block_seq"] = block_seq
    if grounds:
        body = f"{body},{encode_trusted(grounds)[1:-1]}"
    return chain.link(body, previous)


def seq_of(line: bytes) -> int:
    """Returns the seq of any line of a release log.

    Raises:
        IntegrityError: The line has none.
    """
    seq = chain.members(line).get("seq")
    if not isinstance(seq, int):
        raise IntegrityError.of("is not an entry of a release log: it has no seq")
    return seq


def record_of(line: bytes, name: "str | None" = None) -> "ReleaseRecord | None":
    """Returns the release in a line, or None for a block, unblock or signature.

    Args:
        line: The line.
        name: The name that the release must have; None for any.

    Raises:
        IntegrityError: The line is not an entry of this release log.
        UnsupportedFormatError: The line is of a later format.
    """
    entry = chain.members(line)
    return None if is_mark(entry) else record_from(entry, name)


def is_mark(entry: "dict[str, Any]") -> bool:
    """Tells whether the members of a line are a block, unblock or signature, not a release.

    Raises:
        UnsupportedFormatError: They are an entry that this version does not know.
    """
    if entry["type"] == "mark":
        if entry.get("mark") not in MARKS:
            raise errors.UnsupportedFormatError(f"a mark {entry.get('mark')!r} needs a newer aivcs")
        return True
    if entry["type"] != "release" or entry.get("action") not in ("promote", "rollback"):
        what = entry["type"] if entry["type"] != "release" else entry.get("action")
        raise errors.UnsupportedFormatError(f"an entry of type {what!r} needs a newer aivcs")
    return False


def record_from(entry: "dict[str, Any]", name: "str | None" = None) -> ReleaseRecord:
    """Returns the release with the members of a line.

    Raises:
        IntegrityError: They are not a valid release, or one of another name.
    """
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
            evidence=_evidence_from(entry["evidence"]) if "evidence" in entry else (),
            policy=ContentDigest(entry["policy"]) if "policy" in entry else None,
            forced=_true(entry["forced"]) if "forced" in entry else False,
            baseline=_evidence_from(entry["baseline"]) if "baseline" in entry else (),
        )
    except (
        KeyError,
        TypeError,
        ValueError,
        SerializationError,
        errors.InvalidDigestError,
    ) as error:
        raise IntegrityError.of(
            f"is not a valid release: {error or type(error).__name__}"
        ) from error


def _evidence_from(items: "Any") -> "tuple[Evidence, ...]":
    if type(items) is not list or not items:
        raise ValueError("evidence is not a list of runs")
    found = []
    for item in items:
        annotations = item.get("annotations", [])
        if type(annotations) is not list:
            raise ValueError("the annotations of evidence are not a list of digests")
        head = Head(item["lines"], item["hash"])
        found.append(Evidence(item["run_id"], head, annotations))
    return tuple(found)


def _true(value: object) -> bool:
    if value is not True:
        raise ValueError(f"forced is {value!r}; it must be true or absent")
    return True


def pointer(entry: "dict[str, Any]", key: str) -> "int | None":
    """Returns the seq of an earlier line in a member of a line, or None without that member.

    Raises:
        IntegrityError: The member is not the seq of an earlier line.
    """
    if key not in entry:
        return None
    try:
        return chain.integer(entry, key, 1, entry["seq"] - 1)
    except (KeyError, TypeError, ValueError) as error:
        raise IntegrityError.of(f"does not point to an earlier line: {error}") from error


def require_expected(
    name: str, top: "ReleaseRecord | None", expect: "ContentDigest | int | str | None"
) -> None:
    """Requires that the expected release is live.

    Args:
        name: The name to be changed.
        top: The live release, or None.
        expect: The digest of the spec, the seq of the release, or "none" for no release yet; None
            expects nothing in particular.

    Raises:
        ConflictError: Another release is live, or none.
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
        digest = ContentDigest(expect)
        met = top is not None and top.spec_digest == digest
        wanted = digest.short
    if not met:
        found = f"@{top.seq} {top.spec_digest.short}" if top else "nothing"
        raise ConflictError(
            f"{name}: expected {wanted} to be live, found {found}; nothing was changed. "
            f"See: aivcs release history {name}"
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
        metadata: Actor and notes; its label, if any, replaces that of the earlier release.

    Raises:
        ReleaseNotFoundError: Nothing was released.
        NoPreviousReleaseError: `top` is the bottom of the stack.
    """
    if top is None:
        raise errors.ReleaseNotFoundError(name)
    if top.parent_seq is None:
        raise errors.NoPreviousReleaseError(name)
    element = _below(top, find)
    return _return_to(element, seq, element.metadata.version_label, metadata)


def pop_to(
    top: ReleaseRecord,
    seq: int,
    target: ReleaseRecord,
    find: "Callable[[int], ReleaseRecord]",
    metadata: "ReleaseMetadata | None",
) -> ReleaseRecord:
    """Returns the entry that makes the spec of `target`, an earlier entry, live again.

    Its label is that of the target, which may differ from that of the element on the stack.
    """
    digest = target.spec_digest
    element = top
    while element.spec_digest != digest and element.parent_seq is not None:
        element = _below(element, find)
    if element.spec_digest != digest or element is top:
        element = promotion(top.name, top, seq, digest, target.metadata)
    return _return_to(element, seq, target.metadata.version_label, metadata)


def _below(element: ReleaseRecord, find: "Callable[[int], ReleaseRecord]") -> ReleaseRecord:
    """The element below another on the stack."""
    parent = element.parent_seq
    if parent is None or parent >= element.seq:
        raise IntegrityError.of(
            f"has an entry {element.seq} whose parent is {parent}, not before it"
        )
    return find(parent)


def find_release(
    name: str, releases: "Iterable[ReleaseRecord]", wanted: "ContentDigest | int | str"
) -> ReleaseRecord:
    """Returns the newest release with a seq, a label or a digest.

    Args:
        name: The name, for messages.
        releases: The releases to search, newest first.
        wanted: A seq, a digest, or a label (which is never 64 characters of hexadecimal).

    Raises:
        ReleaseNotFoundError: None of them matches.
    """
    if isinstance(wanted, str) and len(wanted) == 64:
        try:
            wanted = ContentDigest(wanted)
        except errors.InvalidDigestError:
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
    raise errors.ReleaseNotFoundError(
        name,
        f"{name} has no release {shown}; see: aivcs release history {name}",
        wanted,
    )


def _return_to(
    element: ReleaseRecord,
    seq: int,
    label: "str | None",
    metadata: "ReleaseMetadata | None",
) -> ReleaseRecord:
    """The entry that makes an element of the stack the top, with a label."""
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
        target_seq=element.target_seq,
        parent_seq=element.parent_seq,
        created_at=Timestamp.now(),
    )


def resting_on(
    record: ReleaseRecord,
    evidence: "tuple[Evidence, ...]",
    policy: "ContentDigest | None",
    *,
    forced: bool = False,
    baseline: "tuple[Evidence, ...]" = (),
) -> ReleaseRecord:
    """Returns the same entry with its evidence and the policy that judged it.

    Raises:
        InvalidDigestError: The policy is not a digest.
        SerializationError: The entry is forced, and its notes do not say why.
    """
    if forced and not (record.metadata.notes or "").strip():
        raise SerializationError("a forced release needs a reason, which is recorded with it")
    return ReleaseRecord(
        seq=record.seq,
        action=record.action,
        name=record.name,
        spec_digest=record.spec_digest,
        metadata=record.metadata,
        target_seq=record.target_seq,
        parent_seq=record.parent_seq,
        created_at=record.created_at,
        evidence=evidence,
        policy=None if policy is None else ContentDigest(policy),
        forced=forced,
        baseline=baseline,
    )
