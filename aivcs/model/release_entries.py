"""The entries of a release log besides releases: blocks, signatures, approvals. No I/O.

They never change what is live. A log has few of them beside its releases, so this module is loaded
only where one is read or made. In the files they are lines of the type `mark`.
"""

from aivcs.codec.sha256 import hasher
from aivcs.errors import InvalidNameError, SerializationError
from aivcs.model.digest import ContentDigest
from aivcs.model.record import Head, Record, check_text, is_text
from aivcs.model.release import ReleaseRecord
from aivcs.model.timestamp import Timestamp

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

NAMESPACE = "aivcs-release@v1"
"""The namespace of a release's signature (`ssh-keygen -Y sign -n`)."""
APPROVAL_NAMESPACE = "aivcs-approval@v1"
"""The namespace of an approval's signature."""
_BEGIN, _END = "-----BEGIN SSH SIGNATURE-----\n", "-----END SSH SIGNATURE-----\n"
MAX_SIGNATURE = 1 << 14
"""Characters of a signature, at most. That of a 16384-bit RSA key has a third of them."""


class Block(Record):
    """An entry that keeps a spec from becoming live under a name, or lifts such a block.

    Attributes:
        seq: The entry's number in the log.
        mark: `block` or `unblock`.
        name: The agent's name.
        spec_digest: The spec.
        by: The actor.
        reason: The reason.
        created_at: The time of the entry.

    Raises:
        InvalidNameError: The actor or the reason is empty, or the actor breaks the rules of
            `check_text`.
        SerializationError: The reason holds a lone surrogate.
    """

    __slots__ = ("seq", "mark", "name", "spec_digest", "by", "reason", "created_at")  # noqa: RUF023
    seq: int
    mark: str
    name: str
    spec_digest: ContentDigest
    by: str
    reason: str
    created_at: Timestamp

    def __init__(
        self,
        *,
        seq: int,
        mark: str,
        name: str,
        spec_digest: ContentDigest,
        by: str,
        reason: str,
        created_at: Timestamp,
    ) -> None:
        """Checks actor and reason."""
        check_text("actor (by)", by)
        if not isinstance(reason, str) or not reason.strip():
            raise InvalidNameError("the reason is empty; give the reason for the block")
        if not is_text(reason):
            raise SerializationError("the reason holds an invalid character (not UTF-8?)")
        self._fill(seq, mark, name, spec_digest, by, reason, created_at)

    @property
    def is_block(self) -> bool:
        """Whether the entry blocks; otherwise it lifts a block."""
        return self.mark == "block"


class Signature(Record):
    """An SSH signature of an entry's hash, which covers the whole log up to that entry.

    The signed text is the 64 characters of the hash, without a newline, in the namespace
    `NAMESPACE`. Nothing here checks the signature: that takes keys.

    Attributes:
        seq: The entry's number in the log.
        mark: `signature`.
        name: The agent's name.
        signed_seq: The entry that is signed.
        signed_hash: The hash of that entry.
        signature: An SSH signature in its armor, as `ssh-keygen -Y sign` writes it.
        fingerprint: The fingerprint of the signing key, as `ssh-keygen -l` writes it.
        created_at: The time the signature was recorded.

    Raises:
        SerializationError: The text is not an SSH signature.
    """

    __slots__ = (  # noqa: RUF023 the order of the file format
        "seq", "mark", "name", "signed_seq", "signed_hash", "signature", "fingerprint",
        "created_at",
    )  # fmt: skip
    seq: int
    mark: str
    name: str
    signed_seq: int
    signed_hash: str
    signature: str
    fingerprint: str
    created_at: Timestamp

    def __init__(
        self,
        *,
        seq: int,
        name: str,
        signed_seq: int,
        signed_hash: str,
        signature: str,
        created_at: Timestamp,
    ) -> None:
        """Takes the fingerprint from the signature."""
        self._fill(
            seq, "signature", name, signed_seq, ContentDigest(signed_hash), signature,
            fingerprint_of(signature), created_at,
        )  # fmt: skip


class Approval(Record):
    """A signed statement that a spec may be released under a name.

    The signed text is the SHA-256, in hex, of the line of canonical JSON (RFC 8785) with a newline
    that `aivcs.log.approval.signed_text` describes: name, spec and store stand in it, so an
    approval is good for no other. Nothing here checks the signature: that takes keys.

    Attributes:
        seq: The entry's number in the log.
        mark: `approval`.
        name: The agent's name.
        spec_digest: The approved spec.
        by: Who approves, in their own words.
        notes: A remark, or None.
        store: The id of the store in which it was given.
        signature: An SSH signature in its armor, in the namespace `APPROVAL_NAMESPACE`.
        fingerprint: The fingerprint of the signing key, as `ssh-keygen -l` writes it.
        created_at: The time of the approval, which is signed, too.

    Raises:
        InvalidNameError: The actor is empty, or breaks the rules of `check_text`.
        SerializationError: The remark is not valid text, or the signature not one of SSH.
    """

    __slots__ = (  # noqa: RUF023 the order of the file format
        "seq", "mark", "name", "spec_digest", "by", "notes", "store", "signature", "fingerprint",
        "created_at",
    )  # fmt: skip
    seq: int
    mark: str
    name: str
    spec_digest: ContentDigest
    by: str
    notes: "str | None"
    store: str
    signature: str
    fingerprint: str
    created_at: Timestamp

    def __init__(
        self,
        *,
        seq: int,
        name: str,
        spec_digest: ContentDigest,
        by: str,
        notes: "str | None",
        store: str,
        signature: str,
        created_at: Timestamp,
    ) -> None:
        """Checks the texts, and takes the fingerprint from the signature."""
        check_text("actor (by)", by)
        if notes is not None and not is_text(notes):
            raise SerializationError("notes hold an invalid character (not UTF-8?)")
        check_text("id of the store", store)
        self._fill(
            seq, "approval", name, spec_digest, by, notes, store, signature,
            fingerprint_of(signature), created_at,
        )  # fmt: skip


if TYPE_CHECKING:
    Mark = Block | Signature | Approval
    """An entry of a release log that is not a release."""


class LogEntry(Record):
    """A line of a release log: its value and its hash.

    Attributes:
        value: A release, a block, a signature or an approval.
        hash: The hash of the line.
    """

    __slots__ = ("value", "hash")  # noqa: RUF023 as one reads them
    value: "ReleaseRecord | Mark"
    hash: str

    def __init__(
        self,
        value: "ReleaseRecord | Mark",
        hash: str,  # noqa: A002 the file format's word
    ) -> None:
        """Takes the fields as they are."""
        self._fill(value, hash)


class ReleaseState(Record):
    """The state of a release log, read from its end.

    Attributes:
        head: The head of the log, by its last line alone: the lines before it were not read.
        live: The release that is live.
    """

    __slots__ = ("head", "live")
    head: Head
    live: ReleaseRecord

    def __init__(self, head: Head, live: ReleaseRecord) -> None:
        """Takes the fields as they are."""
        self._fill(head, live)


def fingerprint_of(signature: "Any") -> str:
    """Returns the fingerprint of the key that made an SSH signature (PROTOCOL.sshsig of OpenSSH).

    Raises:
        SerializationError: The text is not a signature as `ssh-keygen -Y sign` writes it.
    """
    from binascii import Error, a2b_base64, b2a_base64

    problem = SerializationError(
        "this is not an SSH signature; make one with: ssh-keygen -Y sign -n " + NAMESPACE
    )
    if not isinstance(signature, str) or not signature.isascii() or len(signature) > MAX_SIGNATURE:
        raise problem
    text = signature if signature.endswith("\n") else f"{signature}\n"
    if not text.startswith(_BEGIN) or not text.endswith(_END):
        raise problem
    try:
        blob = a2b_base64(text[len(_BEGIN) : -len(_END)])
    except Error:
        raise problem from None
    size = int.from_bytes(blob[10:14])
    if blob[:10] != b"SSHSIG\0\0\0\1" or not 0 < size <= len(blob) - 14:
        raise problem
    key = hasher(size, blob[14 : 14 + size]).digest()
    return "SHA256:" + b2a_base64(key, newline=False).decode().rstrip("=")
