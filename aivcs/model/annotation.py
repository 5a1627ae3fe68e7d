"""An annotation: a remark on a run, which may have ended. A value, no I/O."""

from aivcs.model.digest import ContentDigest
from aivcs.model.record import Record, check_text
from aivcs.model.run import RunId
from aivcs.model.timestamp import Timestamp

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

NAMESPACE = "aivcs-annotation@v1"
"""The namespace of an annotation's signature (`ssh-keygen -Y sign -n`)."""
NOTE = "note"
"""The kind of a remark in words, and of tags."""


class Annotation(Record):
    """A remark on a run by somebody, at some time.

    Annotations are records: nothing changes one, and several stores have all of them by union.

    Attributes:
        run_id: The run.
        kind: What it is, a word such as `note` or `evaluation`.
        payload: Any JSON value. The member `tags` of an object merges into the run's tags; `text`
            is a remark in words.
        by: Who made it.
        created_at: When it was made, by the clock of the machine where.
        signature: An SSH signature in its armor over the digest of the annotation without its
            signature, in the namespace `NAMESPACE`; None if there is none.

    Raises:
        InvalidNameError: The run's id, the kind or the actor is empty, too long or unprintable.
        SerializationError: The time or the signature is not valid.
    """

    __slots__ = ("run_id", "kind", "payload", "by", "created_at", "signature")  # noqa: RUF023
    run_id: RunId
    kind: str
    payload: "Any"
    by: str
    created_at: Timestamp
    signature: "str | None"

    def __init__(
        self,
        run_id: str,
        kind: str,
        payload: "Any",
        *,
        by: str,
        created_at: "Timestamp | str | None" = None,
        signature: "str | None" = None,
    ) -> None:
        """Checks the texts; the payload is checked when it is stored."""
        check_text("kind", kind)
        check_text("actor (by)", by)
        if signature is not None:
            from aivcs.model.release_entries import fingerprint_of

            fingerprint_of(signature)
        moment = Timestamp.now() if created_at is None else Timestamp(created_at)
        self._fill(RunId(run_id), kind, payload, by, moment, signature)

    @property
    def tags(self) -> "dict[str, Any]":
        """The tags that merge into those of the run."""
        found = self.payload.get("tags") if isinstance(self.payload, dict) else None
        return found if isinstance(found, dict) else {}

    def to_json(self) -> "dict[str, Any]":
        """Returns the fields by name; `signature` only where there is one."""
        fields = super().to_json()
        if self.signature is None:
            del fields["signature"]
        return fields


class StoredAnnotation(Record):
    """An annotation of a store, with the digest that names it.

    Attributes:
        digest: The SHA-256 of its line.
        value: The annotation.
    """

    __slots__ = ("digest", "value")
    digest: ContentDigest
    value: Annotation

    def __init__(self, digest: ContentDigest, value: Annotation) -> None:
        """Takes the fields as they are."""
        self._fill(digest, value)

    def to_json(self) -> "dict[str, Any]":
        """Returns the digest and the fields of the annotation as members of one object."""
        return {"digest": self.digest, **self.value.to_json()}
