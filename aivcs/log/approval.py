"""The text that an approval signs. No I/O."""

from __future__ import annotations

from aivcs.codec.canonical_json import canonical
from aivcs.model.digest import ContentDigest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from aivcs.model.release_entries import Approval
    from aivcs.model.timestamp import Timestamp

TYPE = "approval"
FORMAT = 1


def signed_text(
    name: str, spec_digest: str, *, by: str, notes: str | None, store: str, created_at: Timestamp
) -> str:
    """Returns the text that a signature of an approval signs: the SHA-256 of its line, in hex.

    The line is canonical JSON (RFC 8785) with a newline. It names the release name, the spec and
    the store, so a signature proves nothing about another one.
    """
    fields = {
        "type": TYPE,
        "format": FORMAT,
        "name": name,
        "spec_digest": spec_digest,
        "by": by,
        "notes": notes,
        "store": store,
        "created_at": created_at,
    }
    return str(ContentDigest.from_bytes(canonical(fields) + b"\n"))


def text_of(approval: Approval) -> str:
    """Returns the text that the signature of an approval must have signed."""
    return signed_text(
        approval.name,
        approval.spec_digest,
        by=approval.by,
        notes=approval.notes,
        store=approval.store,
        created_at=approval.created_at,
    )
