"""An annotation: a remark on a run, which may have ended. A value, no I/O."""

from aivcs.model.record import check_text
from aivcs.model.run import RunId
from aivcs.model.statement import Statement, Stored, check_made
from aivcs.model.timestamp import Timestamp

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

NAMESPACE = "aivcs-annotation@v1"
"""The namespace of an annotation's signature (`ssh-keygen -Y sign -n`)."""
NOTE = "note"
"""The kind of a remark in words, and of tags."""


class Annotation(Statement):
    """A remark on a run by somebody, at some time.

    Attributes:
        run_id: The run.
        kind: What it is, a word such as `note` or `evaluation`.
        payload: Any JSON value. The member `tags` of an object merges into the run's tags; `text`
            is a remark in words.

    Raises:
        InvalidNameError: The run's id, the kind or the actor is empty, too long or unprintable.
        SerializationError: The time or the signature is not valid.
    """

    __slots__ = ("run_id", "kind", "payload", "by", "created_at", "signature")  # noqa: RUF023
    TYPE = "annotation"
    NAMESPACE = NAMESPACE
    run_id: RunId
    kind: str
    payload: "Any"

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
        moment = check_made(by, created_at, signature)
        self._fill(RunId(run_id), kind, payload, by, moment, signature)

    @property
    def tags(self) -> "dict[str, Any]":
        """The tags that merge into those of the run."""
        found = self.payload.get("tags") if isinstance(self.payload, dict) else None
        return found if isinstance(found, dict) else {}


class StoredAnnotation(Stored):
    """An annotation of a store, with the digest that names it.

    Attributes:
        digest: The SHA-256 of its line.
        value: The annotation.
    """

    __slots__ = Stored.__slots__  # again, since `Record` reads those of the class itself
    value: Annotation
