"""What is said about releases without making anything live: blocks and signatures. Values, no I/O.

They are read and made far more rarely than releases, and loaded only then.
"""

from aivcs.codec.sha256 import hasher
from aivcs.errors import InvalidNameError, SerializationError
from aivcs.model import (
    ContentDigest,
    Head,
    Record,
    ReleaseRecord,
    Timestamp,
    check_text,
    is_text,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

NAMESPACE = "aivcs-release@v1"
"""What the signature of a release says that it is for (`ssh-keygen -Y sign -n`)."""
_BEGIN, _END = "-----BEGIN SSH SIGNATURE-----\n", "-----END SSH SIGNATURE-----\n"
_LONGEST = 1 << 14
"""Characters of a signature, at most; that of an RSA key of 16384 bits has a third of it."""


class BlockMark(Record):
    """A spec is marked as bad under a name, or that is taken back.

    Attributes:
        seq: Its number in the log.
        mark: `block` or `unblock`.
        name: The agent's name.
        spec_digest: What is bad.
        by: Who says so.
        reason: Why.
        created_at: When.

    Raises:
        InvalidNameError: The actor or the reason is empty, or the actor breaks the rules for texts.
        SerializationError: The reason is no valid text.
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
            raise InvalidNameError("the reason is empty; say why, for who meets the block later")
        if not is_text(reason):
            raise SerializationError("the reason holds something that is no character (not UTF-8?)")
        self._fill(seq, mark, name, spec_digest, by, reason, created_at)

    @property
    def is_block(self) -> bool:
        """Whether it blocks; else it takes a block back."""
        return self.mark == "block"


class SignatureMark(Record):
    """A signature of an entry: of its hash, and thus of the whole log up to it.

    What is signed are the 64 characters of the hash, without a newline, in the namespace
    `NAMESPACE`. Whether it is valid, and whose it is, takes keys, and is not said here.

    Attributes:
        seq: Its number in the log.
        mark: `signature`.
        name: The agent's name.
        signed_seq: The entry that is signed.
        signed_hash: Its hash.
        signature: An SSH signature in its armor, as `ssh-keygen -Y sign` writes it.
        fingerprint: Of the key that signed, as `ssh-keygen -l` writes it.
        created_at: When it was recorded.

    Raises:
        SerializationError: The signature is none.
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


class Sealed(Record):
    """A line of a release log as a value, with the hash that it bears there.

    Attributes:
        what: A release or a mark.
        hash: The hash of its line.
    """

    __slots__ = ("what", "hash")  # noqa: RUF023 as one reads them
    what: "ReleaseRecord | BlockMark | SignatureMark"
    hash: str

    def __init__(
        self,
        what: "ReleaseRecord | BlockMark | SignatureMark",
        hash: str,  # noqa: A002 the file format's word
    ) -> None:
        """Takes the fields as they are."""
        self._fill(what, hash)


class Standing(Record):
    """How a release log stands, from one look at its end.

    Attributes:
        head: The head of the log, by its last line alone: the lines before it were not read.
        live: The entry that says what is live.
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
        SerializationError: It is none in the form that `ssh-keygen -Y sign` gives it.
    """
    from binascii import Error, a2b_base64, b2a_base64

    problem = SerializationError(
        "what was given is no SSH signature; one is made with: ssh-keygen -Y sign -n " + NAMESPACE
    )
    if not isinstance(signature, str) or not signature.isascii() or len(signature) > _LONGEST:
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
