"""Erasures: who removed something on purpose, what, and why. Values, no I/O."""

from aivcs.errors import SerializationError
from aivcs.model.digest import ContentDigest
from aivcs.model.record import MAX_SEQ, Record
from aivcs.model.statement import Statement, Stored, check_made

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from aivcs.model.timestamp import Timestamp

NAMESPACE = "aivcs-erasure@v1"
"""The namespace of an erasure's signature (`ssh-keygen -Y sign -n`)."""
EVENT, LOG, LOGS, BLOB, ANNOTATION = "event", "log", "logs", "blob", "annotation"
"""What was erased: the content of an event, a log, several logs, a blob, an annotation."""
MAX_REASON = 2000
"""Characters of a reason, at most."""


class ErasedEvent(Record):
    """An event whose content was erased; its line is redacted and keeps its hash.

    Attributes:
        log: The log, `run/<id>`.
        line: The number of the line, from 1.
        seq: The event's seq.
        before: The hash of the line before.
        erased: The hash of the line, which was kept.
        stub: The SHA-256 of the redacted line, without its newline.
    """

    __slots__ = ("log", "line", "seq", "before", "erased", "stub")  # noqa: RUF023
    what = EVENT
    log: str
    line: int
    seq: int
    before: ContentDigest
    erased: ContentDigest
    stub: ContentDigest

    def __init__(self, log: str, line: int, seq: int, before: str, erased: str, stub: str) -> None:
        """Checks the numbers and the hashes."""
        self._fill(
            _text(log),
            _number("line", line, 1),
            _number("seq", seq, 0),
            ContentDigest(before),
            ContentDigest(erased),
            ContentDigest(stub),
        )


class ErasedLog(Record):
    """A whole log that was erased.

    Attributes:
        log: The log, `run/<id>`.
        lines: The number of lines that it had.
        head: The hash of the last of them.
    """

    __slots__ = ("log", "lines", "head")  # noqa: RUF023
    what = LOG
    log: str
    lines: int
    head: ContentDigest

    def __init__(self, log: str, lines: int, head: str) -> None:
        """Checks the number and the hash."""
        self._fill(_text(log), _number("lines", lines, 1), ContentDigest(head))


class ErasedLogs(Record):
    """Several logs that were erased at once, so that one record is enough for many.

    Attributes:
        logs: The logs, in the order of their names.
    """

    __slots__ = ("logs",)
    what = LOGS
    logs: "tuple[ErasedLog, ...]"

    def __init__(self, logs: "tuple[ErasedLog, ...]") -> None:
        """Takes the logs."""
        self._fill(logs)

    def to_json(self) -> "dict[str, Any]":
        """Returns the fields by name."""
        return {"logs": [log.to_json() for log in self.logs]}


class ErasedBlob(Record):
    """A blob that was erased.

    Attributes:
        digest: Its digest.
    """

    __slots__ = ("digest",)
    what = BLOB
    digest: ContentDigest

    def __init__(self, digest: str) -> None:
        """Checks the digest."""
        self._fill(ContentDigest(digest))


class ErasedAnnotation(Record):
    """An annotation that was erased.

    Attributes:
        log: The log of its run, `run/<id>`.
        digest: The digest that named it.
    """

    __slots__ = ("log", "digest")  # noqa: RUF023
    what = ANNOTATION
    log: str
    digest: ContentDigest

    def __init__(self, log: str, digest: str) -> None:
        """Checks the digest."""
        self._fill(_text(log), ContentDigest(digest))


Target = ErasedEvent | ErasedLog | ErasedLogs | ErasedBlob | ErasedAnnotation


class Erasure(Statement):
    """The record of an erasure.

    Attributes:
        target: What was erased.
        reason: Why.

    Raises:
        InvalidNameError: The actor is empty, too long or unprintable.
        SerializationError: The reason is empty or too long, or the time or signature is not valid.
    """

    __slots__ = ("target", "by", "reason", "created_at", "signature")  # noqa: RUF023
    TYPE = "erasure"
    NAMESPACE = NAMESPACE
    target: Target
    reason: str

    def __init__(
        self,
        target: Target,
        *,
        by: str,
        reason: str,
        created_at: "Timestamp | str | None" = None,
        signature: "str | None" = None,
    ) -> None:
        """Checks the texts."""
        moment = check_made(by, created_at, signature)
        if not isinstance(reason, str) or not reason.strip():
            raise SerializationError("the reason is empty; is a variable unset?")
        if len(reason) > MAX_REASON:
            raise SerializationError(
                f"the reason has {len(reason)} characters; the limit is {MAX_REASON}"
            )
        self._fill(target, by, reason, moment, signature)

    @property
    def what(self) -> str:
        """`EVENT`, `LOG`, `LOGS`, `BLOB` or `ANNOTATION`."""
        return self.target.what

    def to_json(self) -> "dict[str, Any]":
        """Returns the fields by name, those of the target among them."""
        fields = super().to_json()
        return {"what": self.what, **fields.pop("target"), **fields}


class StoredErasure(Stored):
    """An erasure of a store, with the digest that names its record.

    Attributes:
        digest: The SHA-256 of its line.
        value: The erasure.
    """

    __slots__ = Stored.__slots__  # again, since `Record` reads those of the class itself
    value: Erasure


def target_from(fields: "dict[str, Any]") -> Target:
    """Returns what was erased from the members of a record.

    Raises:
        KeyError: A member is missing, or `what` is unknown.
        SerializationError: A member has another form.
        InvalidDigestError: A member is not a digest.
    """
    what = fields["what"]
    if what == EVENT:
        return ErasedEvent(*(fields[name] for name in ErasedEvent.__slots__))
    if what == LOG:
        return ErasedLog(*(fields[name] for name in ErasedLog.__slots__))
    if what == LOGS:
        logs = fields["logs"]
        if not isinstance(logs, list) or not logs:
            raise SerializationError("logs must be a list")
        return ErasedLogs(tuple(ErasedLog(log["log"], log["lines"], log["head"]) for log in logs))
    if what == BLOB:
        return ErasedBlob(fields["digest"])
    if what == ANNOTATION:
        return ErasedAnnotation(fields["log"], fields["digest"])
    raise KeyError(what)


def _text(log: object) -> str:
    if not isinstance(log, str):
        raise SerializationError(f"log must be a text, not {log!a:.60}")
    from aivcs.model.run import RunId

    kind, _, rest = log.partition("/")
    if kind != "run":
        raise SerializationError(f"{log[:80]!a} is not the log of a run: write run/ID")
    return f"run/{RunId(rest)}"


def _number(name: str, value: object, low: int) -> int:
    if type(value) is not int or not low <= value <= MAX_SEQ:
        raise SerializationError(f"{name} must be a whole number, not {value!a:.60}")
    return value
