"""The redacted lines of a run that is evidence: each needs a record, and perhaps a signature.

A redacted line does not prove the lines before it; a record that agrees with it says which line was
there. Anybody who can write to the store can forge a record, so it proves the lines before only if
an allowed eraser signed it.
"""

from __future__ import annotations

from aivcs.errors import IntegrityError
from aivcs.log import chain
from aivcs.log.redaction import agreeing
from aivcs.log.statement import signed_text
from aivcs.model.erasure import NAMESPACE
from aivcs.signing.check import TRUSTED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from aivcs.model.erasure import Erasure, StoredErasure
    from aivcs.repository import Repository
    from aivcs.signing.ssh import Verifier


class Redactions:
    """The redacted lines of a log while it is read.

    Attributes:
        records: The records that agree with each redacted line so far, in the order of the lines.
    """

    def __init__(self, repo: Repository, name: str) -> None:
        """Takes a log whose lines are about to be read, from the first."""
        self._repo = repo
        self._name = name
        self._before = ""
        self.records: list[Sequence[StoredErasure]] = []

    def look(self, number: int, line: bytes) -> None:
        """Takes the next line.

        Raises:
            IntegrityError: It is redacted, and no record of an erasure says so.
        """
        if line.startswith(chain.REDACTED):
            records = self._repo.erasures.load().lines_of(self._name).get(number, [])
            found = agreeing(records, self._before, line)
            if not found:
                raise IntegrityError.of(
                    f"{self._name} line {number} was redacted, but no record of an erasure says so "
                    "of this line: the lines before it are not proven; aivcs verify tells more",
                    f"{self._name} line {number}",
                )
            self.records.append(found)
        self._before = chain.hash_of(line) or ""


def are_signed(lines: Sequence[Sequence[StoredErasure]], erasers: Verifier | None) -> bool:
    """Tells whether an allowed eraser signed a record of each redacted line.

    Args:
        lines: The records that agree with each line.
        erasers: Knows the allowed erasers; None allows nobody.
    """
    return all(any(is_signed(stored.value, erasers) for stored in records) for records in lines)


def is_signed(erasure: Erasure, erasers: Verifier | None) -> bool:
    """Tells whether an allowed eraser signed a record."""
    if erasure.signature is None or erasers is None:
        return False
    signed = erasers.check(signed_text(erasure), erasure.signature, NAMESPACE, erasure.created_at)
    return signed.state == TRUSTED
