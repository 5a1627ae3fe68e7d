"""One thing that is wrong with a store."""

import os

from aivcs.log.verify_run import DAMAGE
from aivcs.model.record import Record

PARTS = ("blobs", "runs", "releases")
"""The parts of a store that can be inspected."""


class Finding(Record):
    """One thing that is wrong with a store, or worth knowing.

    Attributes:
        severity: "damage" or "notice"; a notice loses nothing.
        where: The digest of an object, or what messages call a log (`LogDriver.where`).
        line: The number of the line in a log, from 1; None where it is not about one.
        problem: What is wrong, in one sentence.
        remedy: What can be done.
        repaired: What was done to repair it, or None if nothing was.
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
        # A file's name may be no text at all.
        where = os.fsencode(where).decode(errors="backslashreplace")
        self._fill(severity, where, line, problem, remedy, repaired)

    @property
    def is_open(self) -> bool:
        """Whether it is damage that is still there."""
        return self.severity == DAMAGE and self.repaired is None
