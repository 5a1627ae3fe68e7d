"""The findings of a verification."""

import os

from aivcs.log.verify_run import DAMAGE
from aivcs.model.record import Record

PARTS = ("blobs", "runs", "releases")
"""The parts of a store that can be inspected."""


class Finding(Record):
    """A problem of a store, or something worth knowing.

    Attributes:
        severity: "damage", or "notice" if nothing is lost.
        where: The digest of an object, or a log's name in messages (`LogDriver.where`).
        line: The number of the line in a log, from 1, or None.
        problem: The problem, in one sentence.
        remedy: The way out, in one sentence.
        repaired: The repair that was made, or None.
    """

    __slots__ = ("severity", "where", "line", "problem", "remedy", "repaired")  # noqa: RUF023 as one reads them
    severity: str
    where: str
    line: "int | None"
    problem: str
    remedy: str
    repaired: "str | None"

    def __init__(
        self,
        severity: str,
        where: str,
        line: "int | None",
        problem: str,
        remedy: str,
        repaired: "str | None" = None,
    ) -> None:
        """Takes the fields as they are."""
        # A file's name need not be valid text.
        where = os.fsencode(where).decode(errors="backslashreplace")
        self._fill(severity, where, line, problem, remedy, repaired)

    @property
    def is_open(self) -> bool:
        """Whether the finding is damage that was not repaired."""
        return self.severity == DAMAGE and self.repaired is None
