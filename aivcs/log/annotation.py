"""The line of an annotation, and the name of the document that holds it. No I/O.

An annotation is a statement (`aivcs.log.statement`) in a document
`notes/<first two characters of the run's id>/<run id>/<SHA-256 of the line>`.
"""

from __future__ import annotations

from aivcs.codec.json import encode
from aivcs.errors import IntegrityError, InvalidNameError, SerializationError
from aivcs.log.statement import encode_statement, read_statement
from aivcs.model.annotation import Annotation
from aivcs.model.digest import ContentDigest, is_hex
from aivcs.model.record import MAX_EVENT
from aivcs.model.run import RunId

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

FOLDER = "notes/"
"""Prefix of the documents of all annotations."""


def encode_annotation(
    annotation: Annotation, *, max_payload: int = MAX_EVENT
) -> tuple[ContentDigest, bytes]:
    """Returns the digest and the line of an annotation.

    Raises:
        SerializationError: The payload is not a JSON value, has no canonical form, or is too large.
    """
    size = len(encode(annotation.payload).encode())
    if size > max_payload:
        raise SerializationError(
            f"the payload has {size} bytes, and {max_payload} are allowed; store the rest as a "
            'blob (aivcs blob put) and refer to it: {"$blob": DIGEST}'
        )
    return encode_statement(annotation)


def read_annotation(name: str, data: bytes) -> Annotation:
    """Returns the annotation in a document.

    Args:
        name: The name of the document.
        data: Its bytes.

    Raises:
        IntegrityError: They are not what the name says, or no annotation.
        UnsupportedFormatError: A later version wrote it.
    """
    run_id, digest = split_name(name)
    annotation = read_statement(name, digest, data, Annotation, _made)
    if annotation.run_id != run_id:
        raise IntegrityError.of(
            f"{name} is in the wrong place: it is an annotation of run {annotation.run_id}", name
        )
    return annotation


def _made(fields: Any) -> Annotation:
    return Annotation(
        fields["run_id"],
        fields["kind"],
        fields.get("payload"),
        by=fields["by"],
        created_at=fields["created_at"],
        signature=fields.get("signature"),
    )


def name_of(run_id: str, digest: str) -> str:
    """Returns the name of the document of an annotation."""
    return f"{folder_of(run_id)}{digest}"


def folder_of(run_id: str) -> str:
    """Returns the prefix of the documents of a run's annotations."""
    return f"{FOLDER}{run_id[:2]}/{run_id}/"


def split_name(name: str) -> tuple[RunId, ContentDigest]:
    """Returns the run and the digest in the name of a document.

    Raises:
        IntegrityError: It is not the name of an annotation.
    """
    parts = name.split("/")
    try:
        if len(parts) == 4 and len(parts[3]) == 64 and is_hex(parts[3]):
            run_id = RunId(parts[2])
            if name == name_of(run_id, parts[3]):
                return run_id, ContentDigest(parts[3])
    except InvalidNameError:
        pass
    raise IntegrityError.of(
        f"{name[:200]!a} is not the name of an annotation (notes/AB/RUN/DIGEST)", name
    )


def merged_tags(tags: Any, annotations: Iterable[Annotation]) -> Any:
    """Returns the tags of a run with those of its annotations, which come later.

    Args:
        tags: The tags that the run was started with.
        annotations: Its annotations, the oldest first.
    """
    added: dict[str, Any] = {}
    for annotation in annotations:
        added |= annotation.tags
    if not added:
        return tags
    return {**(tags if isinstance(tags, dict) else {}), **added}
