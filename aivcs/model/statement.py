"""Statements with an author and a time, which may be signed: annotations, erasures. No I/O."""

from aivcs.model.digest import ContentDigest
from aivcs.model.record import Record, check_text
from aivcs.model.timestamp import Timestamp

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, ClassVar, Self


class Statement(Record):
    """A record that nothing changes; several stores have all of them by union.

    Attributes:
        TYPE: The member `type` of its line.
        NAMESPACE: The namespace of its signature (`ssh-keygen -Y sign -n`).
        by: Who made it.
        created_at: When it was made, by the clock of the machine where.
        signature: An SSH signature in its armor over the digest of the statement without its
            signature, in the namespace `NAMESPACE`; None if there is none.
    """

    __slots__: "tuple[str, ...]" = ()
    TYPE: "ClassVar[str]"
    NAMESPACE: "ClassVar[str]"
    by: str
    created_at: Timestamp
    signature: "str | None"

    def signed_by(self, signature: str) -> "Self":
        """Returns the same statement with a signature.

        Raises:
            SerializationError: It is not an SSH signature.
        """
        _check_signature(signature)
        made = object.__new__(type(self))
        fields = {name: getattr(self, name) for name in self.__slots__} | {"signature": signature}
        made._fill(*fields.values())
        return made

    def to_json(self) -> "dict[str, Any]":
        """Returns the fields by name; `signature` only where there is one."""
        fields = super().to_json()
        if self.signature is None:
            del fields["signature"]
        return fields


class Stored(Record):
    """A statement of a store, with the digest that names it.

    Attributes:
        digest: The SHA-256 of its line.
        value: The statement.
    """

    __slots__ = ("digest", "value")
    digest: ContentDigest
    value: Statement

    def __init__(self, digest: ContentDigest, value: Statement) -> None:
        """Takes the fields as they are."""
        self._fill(digest, value)

    def to_json(self) -> "dict[str, Any]":
        """Returns the digest and the fields of the statement as members of one object."""
        return {"digest": self.digest, **self.value.to_json()}


def check_made(by: str, created_at: "Timestamp | str | None", signature: "str | None") -> Timestamp:
    """Requires a valid actor and signature; returns the time, which is now if None is given.

    Raises:
        InvalidNameError: The actor is empty, too long or unprintable.
        SerializationError: The time or the signature is not valid.
    """
    check_text("actor (by)", by)
    if signature is not None:
        _check_signature(signature)
    return Timestamp.now() if created_at is None else Timestamp(created_at)


def _check_signature(signature: str) -> None:
    from aivcs.model.release_entries import fingerprint_of

    fingerprint_of(signature)
