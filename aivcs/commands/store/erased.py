"""Judges the erasures since a head was taken: whether an allowed eraser recorded each."""

from __future__ import annotations

from aivcs.log.annotation import split_name
from aivcs.log.erasure import name_of, said
from aivcs.log.verify_run import DAMAGE, NOTICE
from aivcs.store.finding import Finding

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from aivcs.log.erasure import Erasures
    from aivcs.model.erasure import ErasedLog, StoredErasure
    from aivcs.signing.ssh import Verifier
    from aivcs.util.disk_map import DiskMap

_FIX_UNALLOWED = (
    "find out who erased it; restore it from a copy, or, if it may be gone, keep a new head: "
    "aivcs head"
)
_FIX_LIED = "the record is not of the log that the head was taken of: restore the log from a copy"


class ErasedSince:
    """Judges erasures by the heads that were kept.

    Attributes:
        erasures: The records of the store.
    """

    def __init__(self, erasures: Erasures, kept: DiskMap, erasers: Verifier | None) -> None:
        """Takes what is known.

        Args:
            erasures: The records of the store.
            kept: The names of the records in the heads manifests.
            erasers: Knows the allowed erasers; None lets anybody erase.
        """
        self.erasures = erasures
        self._kept = kept
        self._erasers = erasers

    def lines(self, name: str, last: int) -> Iterator[Finding]:
        """Yields the lines of a log, up to one, that were redacted by somebody who may not."""
        for number, records in sorted(self.erasures.lines_of(name).items()):
            if number <= last and not any(map(self._is_allowed, records)):
                yield self.finding(name, number, "the event", records)

    def log(self, name: str, heads: Mapping[int, set[str]]) -> Iterator[Finding]:
        """Yields what there is to say of a log that is gone, and was erased on purpose.

        Args:
            name: The log.
            heads: The hashes of its lines, by their numbers, that the kept heads have.
        """
        records = self.erasures.logs[name]
        true = [stored for target, stored in records if _refuted(target, heads) is None]
        if true:
            yield self.finding(name, None, "the log", true)
            return
        target, _ = records[0]
        problem = (
            f"a head that was kept is of this line, but the log that was erased had "
            f"{target.lines} lines up to {target.head[:12]}"
        )
        yield Finding(DAMAGE, name, _refuted(target, heads), problem, _FIX_LIED)

    def annotation(self, name: str) -> list[StoredErasure]:
        """Returns the records by which an annotation is gone, by the name of its document."""
        run_id, digest = split_name(name)
        of_run = (stored for _, stored in self.erasures.logs.get(f"run/{run_id}", ()))
        return [*self.erasures.annotations.get(digest, ()), *of_run]

    def finding(
        self, where: str, line: int | None, what: str, records: Sequence[StoredErasure]
    ) -> Finding:
        """Returns the finding for something that was erased, by the records of that.

        One of an allowed eraser is enough, whatever others say.
        """
        for stored in records:
            if self._is_allowed(stored):
                problem = f"{what} was {said(stored.value)}"
                remedy = f"its record is {name_of(stored.digest)}"
                return Finding(NOTICE, where, line, problem, remedy)
        problem = f"{what} was {said(records[0].value)}"
        problem = f"{problem}; after the head was taken, and no allowed eraser signed that"
        return Finding(DAMAGE, where, line, problem, _FIX_UNALLOWED)

    def _is_allowed(self, stored: StoredErasure) -> bool:
        if self._erasers is None or name_of(stored.digest) in self._kept:
            return True
        from aivcs.policy.redactions import is_signed

        return is_signed(stored.value, self._erasers)


def _refuted(target: ErasedLog, heads: Mapping[int, set[str]]) -> int | None:
    """Returns the line of a kept head that the erased log cannot have had; None if it may."""
    for number, links in sorted(heads.items()):
        if number > target.lines or (number == target.lines and links != {target.head}):
            return number
    return None
