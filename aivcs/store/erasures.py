"""The records of erasures of a store: create-only documents, written once over `Documents`."""

from __future__ import annotations

from aivcs.errors import StorageError
from aivcs.log import erasure as rules
from aivcs.log.statement import encode_statement
from aivcs.model.erasure import Erasure, StoredErasure
from aivcs.store.statements import problem_of, signed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from aivcs.model.digest import ContentDigest
    from aivcs.model.erasure import Target
    from aivcs.store.driver import Documents
    from aivcs.store.finding import Finding
    from aivcs.store.statements import Signer

_REMEDY = "restore the file from a copy; without it, what it recorded looks like damage"


class DocumentErasures:
    """The records of erasures in a store's documents. They never change, so each is read once."""

    __slots__ = ("_documents", "_found")

    def __init__(self, documents: Documents) -> None:
        """Takes the documents of a store."""
        self._documents = documents
        self._found = rules.Erasures()

    def add(self, erasure: Erasure) -> ContentDigest:
        """Stores a record, durable on return; one that is stored is left.

        Raises:
            SerializationError: A text has no canonical form.
            BackendError: It could not be stored.
        """
        digest, line = encode_statement(erasure)
        self._documents.create(rules.name_of(digest), line)
        return digest

    def names(self) -> Iterator[str]:
        """Yields the names of the documents, in order."""
        return self._documents.names(rules.FOLDER)

    def read(self, name: str) -> StoredErasure | None:
        """Returns a record by the name of its document; None if there is none.

        Raises:
            IntegrityError: It is damaged, or the name is not that of a record.
            UnsupportedFormatError: A later version wrote it.
        """
        digest = rules.digest_in(name)
        document = self._documents.read(name)
        if document is None:
            return None
        return StoredErasure(digest, rules.read_erasure(name, document[0]))

    def load(self) -> rules.Erasures:
        """Returns all records, to be looked up; reads only those that came since the last call.

        Raises:
            IntegrityError: One is damaged: what was erased is not known.
            UnsupportedFormatError: A later version wrote one.
        """
        for name in self.names():
            if name not in self._found.names:
                stored = self.read(name)
                if stored is not None:
                    self._found.add(stored)
        return self._found

    def load_readable(self) -> rules.Erasures:
        """Returns all records that can be read, as for a verification, which reports the others."""
        found = rules.Erasures()
        for name in self.names():
            try:
                stored = self.read(name)
            except StorageError as error:
                if error.is_store_away:
                    raise
                continue
            if stored is not None:
                found.add(stored)
        return found


def compose(target: Target, *, by: str, reason: str, signer: Signer | None = None) -> Erasure:
    """Returns the record of an erasure made now.

    Raises:
        InvalidNameError: The actor is not valid.
        SerializationError: The reason is not valid.
        BackendError: No signature could be made.
    """
    return signed(Erasure(target, by=by, reason=reason), signer)


def inspect(documents: Documents) -> Iterator[Finding]:
    """Reads all records of a store, and yields those that are damaged."""
    erasures = DocumentErasures(documents)
    for name in erasures.names():
        try:
            erasures.read(name)
        except StorageError as error:
            yield problem_of(name, error, _REMEDY)
