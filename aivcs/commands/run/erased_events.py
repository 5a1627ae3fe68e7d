"""Who erased events of a run, when and why, for commands that show events."""

from __future__ import annotations

from aivcs.errors import StorageError
from aivcs.log.erasure import said

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from aivcs.model.erasure import StoredErasure
    from aivcs.model.run import RunEvent, RunId
    from aivcs.repository import Repository


class ErasedEvents:
    """The records of the erased events of one run, read when the first of them is asked for.

    Whether a record fits the redacted line, and who signed it, only `verify` tells.
    """

    def __init__(self, repo: Repository, run_id: RunId) -> None:
        """Takes the run."""
        self._repo = repo
        self._name = f"run/{run_id}"
        self._known: dict[int, StoredErasure] = {}

    def said(self, event: RunEvent) -> str:
        """Returns in words who erased an event, when and why."""
        try:
            stored = self._of(event)
        except StorageError as error:
            if error.is_store_away:
                raise
            return "erased; the records of erasures cannot be read, see: aivcs verify"
        if stored is None:
            return "erased, and no record says by whom, see: aivcs verify"
        return said(stored.value)

    def to_json(self, event: RunEvent) -> dict[str, Any]:
        """Returns an erased event with its record, if there is one, as `erasure`.

        Raises:
            IntegrityError: The records cannot be read.
        """
        stored = self._of(event)
        if stored is None:
            return event.to_json()
        value = stored.value
        told = {
            "digest": stored.digest,
            "by": value.by,
            "reason": value.reason,
            "created_at": value.created_at,
        }
        return {**event.to_json(), "erasure": told}

    def _of(self, event: RunEvent) -> StoredErasure | None:
        assert event.seq is not None
        if event.seq not in self._known:  # the record is there before the event is erased
            for records in self._repo.erasures.load().lines_of(self._name).values():
                target = records[0].value.target
                self._known[target.seq] = records[0]  # type: ignore[union-attr]
        return self._known.get(event.seq)
