"""The line of a statement (`aivcs.model.statement`), in a document with its digest. No I/O.

A statement is one line of canonical JSON (RFC 8785) with a newline. The name of its document ends
in the SHA-256 of the line: the same statement has the same name everywhere, and `sha256sum` proves
it.
"""

from __future__ import annotations

from aivcs.codec.canonical_json import canonical
from aivcs.codec.json import parse
from aivcs.errors import (
    IntegrityError,
    InvalidDigestError,
    InvalidNameError,
    SerializationError,
    UnsupportedFormatError,
)
from aivcs.model.digest import ContentDigest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, TypeVar

    from aivcs.model.statement import Statement

    S = TypeVar("S", bound=Statement)

FORMAT = 1


def encode_statement(statement: Statement) -> tuple[ContentDigest, bytes]:
    """Returns the digest and the line of a statement.

    Raises:
        SerializationError: It has no canonical form.
    """
    return _line(statement.TYPE, statement.to_json())


def signed_text(statement: Statement) -> str:
    """Returns the text that a signature of a statement signs: its digest without signature."""
    fields = statement.to_json()
    fields.pop("signature", None)
    return str(_line(statement.TYPE, fields)[0])


def _line(kind: str, fields: dict[str, Any]) -> tuple[ContentDigest, bytes]:
    line = canonical({"type": kind, "format": FORMAT, **fields}) + b"\n"
    return ContentDigest.from_bytes(line), line


def read_statement(
    name: str, digest: ContentDigest, data: bytes, kind: type[S], make: Callable[[Any], S]
) -> S:
    """Returns the statement in a document.

    Args:
        name: The name of the document.
        digest: The digest in it.
        data: Its bytes.
        kind: The class of the statement.
        make: Makes it from the members of the line.

    Raises:
        IntegrityError: The bytes are not what the name says, or no such statement.
        UnsupportedFormatError: A later version wrote it.
    """
    actual = ContentDigest.from_bytes(data)
    if actual != digest:
        raise IntegrityError(
            digest, actual, name, f"{name} is damaged: its bytes have the SHA-256 {actual}"
        )
    try:
        value = parse(data.decode())
        if not isinstance(value, dict) or value.get("type") != kind.TYPE:
            raise SerializationError(f'it is not a JSON object of the type "{kind.TYPE}"')
        if value.get("format") != FORMAT:
            raise UnsupportedFormatError(
                f"{name}: an {kind.TYPE} of format {value.get('format')!a} needs a newer aivcs"
            )
        return make(value)
    except (
        SerializationError,
        InvalidDigestError,
        InvalidNameError,
        UnicodeDecodeError,
        KeyError,
        TypeError,
    ) as error:
        raise IntegrityError.of(f"{name} is not an {kind.TYPE}: {error}", name) from error
