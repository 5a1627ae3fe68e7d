"""The annotations of a store: create-only documents, written once over `Documents`."""

from __future__ import annotations

from aivcs.errors import StorageError, UsageError
from aivcs.log import annotation as rules
from aivcs.log.verify_run import NOTICE
from aivcs.model.annotation import NOTE, Annotation, StoredAnnotation
from aivcs.model.record import MAX_EVENT
from aivcs.store.finding import Finding
from aivcs.store.statements import problem_of, signed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from typing import Any

    from aivcs.model.digest import ContentDigest
    from aivcs.store.driver import Documents
    from aivcs.store.statements import Signer

_REMEDY = "restore the file from a copy, or move it out of the store"


class DocumentAnnotations:
    """The `AnnotationStore` contract over documents."""

    __slots__ = ("_documents", "_max_payload")

    def __init__(self, documents: Documents, *, max_payload: int = MAX_EVENT) -> None:
        """Takes the documents of a store.

        Args:
            documents: The driver.
            max_payload: Bytes of one payload, at most.
        """
        self._documents = documents
        self._max_payload = max_payload

    def add(self, annotation: Annotation) -> ContentDigest:
        """As `AnnotationStore.add`."""
        digest, line = rules.encode_annotation(annotation, max_payload=self._max_payload)
        self._documents.create(rules.name_of(annotation.run_id, digest), line)
        return digest

    def of_run(self, run_id: str) -> list[StoredAnnotation]:
        """As `AnnotationStore.of_run`."""
        found = []
        for name in self._documents.names(rules.folder_of(run_id)):
            stored = self.read(name)
            if stored is not None:
                found.append(stored)
        return sorted(found, key=lambda stored: (stored.value.created_at, stored.digest))

    def names(self) -> Iterator[str]:
        """As `AnnotationStore.names`."""
        return self._documents.names(rules.FOLDER)

    def read(self, name: str) -> StoredAnnotation | None:
        """As `AnnotationStore.read`."""
        _, digest = rules.split_name(name)
        document = self._documents.read(name)
        if document is None:
            return None  # gone since
        return StoredAnnotation(digest, rules.read_annotation(name, document[0]))


def inspect(documents: Documents, has_run: Callable[[str], bool]) -> Iterator[Finding]:
    """Reads all annotations of a store and yields the problems found.

    Args:
        documents: The documents of the store.
        has_run: Tells whether a run of an id exists.
    """
    annotations = DocumentAnnotations(documents)
    last, there = "", True
    for name in annotations.names():
        try:
            stored = annotations.read(name)
        except StorageError as error:
            yield problem_of(name, error, _REMEDY)
            continue
        if stored is None:
            continue
        if stored.value.run_id != last:
            last = stored.value.run_id
            there = has_run(last)
        if not there:
            problem = "it is an annotation of a run that is not in this store"
            yield Finding(NOTICE, name, None, problem, "pull the run from where it is")


def compose(
    run_id: str,
    kind: str,
    payload: Any,
    *,
    by: str,
    text: str | None = None,
    tags: Mapping[str, Any] | None = None,
    signer: Signer | None = None,
) -> Annotation:
    """Returns an annotation made now.

    Args:
        run_id: The run.
        kind: What it is.
        payload: Any JSON value; None for an object of the text and the tags alone.
        by: Who makes it.
        text: A remark in words, the member `text` of the payload.
        tags: Tags for the run, the member `tags` of the payload.
        signer: What signs it; None leaves it unsigned.

    Raises:
        UsageError: There is nothing to say, or text and tags meet a payload that is no object or
            has them already.
        BackendError: No signature could be made.
    """
    members = {"text": text, "tags": dict(tags) if tags else None}
    added = {name: value for name, value in members.items() if value is not None}
    if payload is None and not added and kind == NOTE:
        raise UsageError("there is nothing to say: give a text, a tag, or a kind with its payload")
    if added:
        payload = {} if payload is None else payload
        if not isinstance(payload, dict) or payload.keys() & added.keys():
            raise UsageError(
                "a text and tags are the members text and tags of the payload, which must be an "
                "object without them"
            )
        payload = {**payload, **added}
    made = Annotation(run_id, kind, {} if payload is None else payload, by=by)
    return signed(made, signer)
