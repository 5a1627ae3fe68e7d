"""The values of a release: its entry, its author and reason, its evidence. No I/O."""

import sys

from aivcs.errors import InvalidNameError, SerializationError
from aivcs.model.digest import ContentDigest, is_hex
from aivcs.model.record import MAX_SEQ, Head, Record, check_name, check_text, is_text, shown
from aivcs.model.timestamp import Timestamp

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from aivcs.model.run import RunId


class ReleaseMetadata(Record):
    """The label, actor and notes of a release.

    Attributes:
        version_label: A name for this release ("v1.2.0"), or None.
        promoted_by: The actor.
        notes: The reason, or None.

    Raises:
        InvalidNameError: The label breaks the rules of `check_label`, or the actor is empty.
        SerializationError: The notes hold a lone surrogate.
    """

    __slots__ = ("version_label", "promoted_by", "notes")  # noqa: RUF023 the order of the file format
    version_label: "str | None"
    promoted_by: str
    notes: "str | None"

    def __init__(
        self,
        promoted_by: str,
        *,
        version_label: "str | None" = None,
        notes: "str | None" = None,
    ) -> None:
        """Checks label and actor."""
        check_text("actor (promoted_by)", promoted_by)
        if version_label is not None:
            check_label(version_label)
        if notes is not None and not is_text(notes):
            raise SerializationError("notes hold an invalid character (not UTF-8?)")
        self._fill(version_label, promoted_by, notes)


class ReleaseRecord(Record):
    """A release entry of a release log: the spec that became live, and the stack after it.

    The JSON form leaves out `evidence`, `policy`, `forced` and `baseline` where they are empty,
    None or False.

    Attributes:
        seq: The entry's number in the log, from 1.
        action: `promote` or `rollback`.
        name: The agent's name.
        spec_digest: The spec that became live.
        metadata: Label, actor and notes.
        target_seq: The entry that first put this element of the stack live.
        parent_seq: The `target_seq` of the element below, which the next rollback returns to; None
            at the bottom.
        created_at: The time of the change.
        evidence: The runs that support the release.
        policy: The blob with the policy that judged the release, or None.
        forced: Whether the release breaks this policy; `metadata.notes` say why.
        baseline: The evidence of the release that was live before, as far as the policy compared
            this release with it.
    """

    __slots__ = (  # noqa: RUF023 the order of the file format
        "seq", "action", "name", "spec_digest", "metadata", "target_seq", "parent_seq",
        "created_at", "evidence", "policy", "forced", "baseline",
    )  # fmt: skip
    seq: int
    action: str
    name: str
    spec_digest: ContentDigest
    metadata: ReleaseMetadata
    target_seq: int
    parent_seq: "int | None"
    created_at: Timestamp
    evidence: "tuple[Evidence, ...]"
    policy: "ContentDigest | None"
    forced: bool
    baseline: "tuple[Evidence, ...]"

    def __init__(
        self,
        *,
        seq: int,
        action: str,
        name: str,
        spec_digest: ContentDigest,
        metadata: ReleaseMetadata,
        target_seq: int,
        parent_seq: "int | None",
        created_at: Timestamp,
        evidence: "tuple[Evidence, ...]" = (),
        policy: "ContentDigest | None" = None,
        forced: bool = False,
        baseline: "tuple[Evidence, ...]" = (),
    ) -> None:
        """Takes the fields as they are."""
        self._fill(
            seq, action, name, spec_digest, metadata, target_seq, parent_seq, created_at, evidence,
            policy, forced, baseline,
        )  # fmt: skip

    def to_json(self) -> "dict[str, Any]":
        """Returns the fields by name, without the empty ones among the last four."""
        fields = super().to_json()
        del fields["evidence"], fields["policy"], fields["forced"], fields["baseline"]
        return {**fields, **self.grounds()}

    def grounds(self) -> "dict[str, Any]":
        """Returns evidence, policy, forced and baseline by name, without those that are empty."""
        fields: dict[str, Any] = {}
        if self.evidence:
            fields["evidence"] = [evidence.to_json() for evidence in self.evidence]
        if self.policy is not None:
            fields["policy"] = self.policy
        if self.forced:
            fields["forced"] = True
        if self.baseline:
            fields["baseline"] = [evidence.to_json() for evidence in self.baseline]
        return fields


class Evidence(Record):
    """A run that supports a release, pinned by the head of its log.

    Attributes:
        run_id: The run.
        head: The head that the run's log had.
        annotations: The annotations of the run by which the release was judged, too. The JSON form
            leaves them out where there are none.

    Raises:
        InvalidNameError: The id is not a valid run id.
        InvalidDigestError: The head's hash, or what names an annotation, is not a SHA-256.
        SerializationError: The head has no valid number of lines.
    """

    __slots__ = ("run_id", "head", "annotations")  # noqa: RUF023 the order of the file format
    run_id: "RunId"
    head: Head
    annotations: "tuple[ContentDigest, ...]"

    def __init__(self, run_id: str, head: Head, annotations: "Iterable[str]" = ()) -> None:
        """Checks id, head and digests."""
        if type(head.lines) is not int or not 1 <= head.lines <= MAX_SEQ:
            raise SerializationError(f"a head needs a number of lines, not {shown(head.lines)}")
        from aivcs.model.run import RunId

        self._fill(
            RunId(run_id),
            Head(head.lines, ContentDigest(head.hash)),
            tuple(map(ContentDigest, annotations)),
        )

    def to_json(self) -> "dict[str, Any]":
        """Returns `run_id`, `lines`, `hash` and `annotations` as members of one object."""
        members = {"run_id": self.run_id, **self.head.to_json()}
        if self.annotations:
            members["annotations"] = list(self.annotations)
        return members


def check_release_name(name: str) -> None:
    """Requires a valid agent name that can be a file name on this system.

    Raises:
        InvalidNameError: The name breaks the rules of `aivcs.model.record.check_name`; or it is not
            ASCII, and this system's file names are not in UTF-8.
    """
    check_name("release name", name)
    if not name.isascii() and sys.getfilesystemencoding() != "utf-8":
        raise InvalidNameError(
            f"release name {shown(name)} cannot be the name of a file in the encoding of this "
            f"locale ({sys.getfilesystemencoding()}); set LC_ALL to one in UTF-8"
        )


def check_label(label: str) -> None:
    """Requires a label that cannot be mistaken for a seq, a digest or a keyword.

    Raises:
        InvalidNameError: The label is empty, too long, not printable, has spaces, is all digits or
            4 to 64 hexadecimal digits, begins with `@`, or is `current` or `none`.
    """
    check_text("label", label)
    if " " in label or label.isspace() or any(c.isspace() for c in label):
        raise InvalidNameError(f"label {shown(label)} has spaces")
    if label in {"current", "none"}:
        raise InvalidNameError(f"label {label} is a keyword; choose another")
    if label.isdigit() or label.startswith("@"):
        raise InvalidNameError(f"label {shown(label)} reads as a sequence number; write v{label}")
    if 4 <= len(label) <= 64 and is_hex(label.lower()):
        raise InvalidNameError(f"label {shown(label)} reads as a digest; choose another")
