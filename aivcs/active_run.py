"""A run that is being executed by this Python process."""

from aivcs.errors import SerializationError, StorageError
from aivcs.model import RunEvent, RunRecord, RunSummary

TYPE_CHECKING = False
if TYPE_CHECKING:
    from datetime import datetime
    from types import TracebackType
    from typing import Any

    from aivcs.model import RunId, Timestamp
    from aivcs.store.contracts import RunLedger


class ActiveRun:
    """A run to log to; as a context manager it ends with the block.

    The run is COMPLETED when the block ends or leaves the process with exit code 0, CANCELLED when
    a KeyboardInterrupt or the cancellation of a task leaves it, and FAILED when any other exception
    does, which is then its last event, of kind `exception`. The exception goes on. A run that the
    block itself finished stays as it is.

    Attributes:
        run_id: The run's id.
        final_state: The digest of the run's final state, to be recorded when it ends, or None.
    """

    __slots__ = ("_ledger", "final_state", "run_id")

    def __init__(self, ledger: "RunLedger", run_id: "RunId") -> None:
        """Takes a run that is RUNNING."""
        self._ledger = ledger
        self.run_id = run_id
        self.final_state: str | None = None

    def log(
        self,
        kind: str,
        payload: "Any" = None,
        *,
        seq: "int | None" = None,
        timestamp: "Timestamp | datetime | str | None" = None,
    ) -> int:
        """Appends an event, by default with the payload {}, and returns its seq.

        It is as durable as the store's settings say.

        Raises:
            InvalidRunStateError: The run is over.
            SerializationError: The payload is no JSON value, or too large.
        """
        event = RunEvent(kind, {} if payload is None else payload, seq=seq, timestamp=timestamp)
        return self._ledger.append_event(self.run_id, event)

    def complete(self) -> None:
        """Ends the run as COMPLETED."""
        self._ledger.complete_run(self.run_id, self._summary(success=True))

    def fail(self) -> None:
        """Ends the run as FAILED."""
        self._ledger.fail_run(self.run_id, self._summary(success=False))

    def cancel(self) -> None:
        """Ends the run as CANCELLED."""
        self._ledger.cancel_run(self.run_id, self._summary(success=False))

    def record(self) -> RunRecord:
        """Returns the run as it stands."""
        return self._ledger.get_run(self.run_id)

    def __enter__(self) -> "ActiveRun":
        """Returns the run."""
        return self

    def __exit__(
        self,
        kind: "type[BaseException] | None",
        error: "BaseException | None",
        traceback: "TracebackType | None",
    ) -> None:
        """Ends the run as the block ended."""
        if error is None:
            if not self.record().status.is_terminal:
                self.complete()
            return
        try:
            if not self.record().status.is_terminal:
                self._end_with(error)
        except StorageError as failure:
            # What went wrong in the block is what its caller must see.
            error.add_note(f"and run {self.run_id} could not be ended: {failure}")

    def _end_with(self, error: BaseException) -> None:
        if isinstance(error, SystemExit) and error.code in {None, 0}:
            self.complete()
        elif isinstance(error, KeyboardInterrupt) or type(error).__name__ == "CancelledError":
            self.cancel()  # asyncio's too, without importing asyncio to name it
        else:
            try:
                self._log_exception(error)
            finally:
                self.fail()

    def _log_exception(self, error: BaseException) -> None:
        described = _described(error)
        try:
            self.log("exception", described)
        except SerializationError:  # over the store's limit of an event
            self.log("exception", {"type": described["type"]})

    def _summary(self, *, success: bool) -> RunSummary:
        return RunSummary(success=success, final_state_digest=self.final_state)


def _described(error: BaseException) -> "dict[str, str]":
    """An exception as a payload; what is no valid text in it is replaced."""
    from traceback import format_exception

    parts = {
        "type": type(error).__qualname__,
        "message": str(error)[:10_000],
        "traceback": "".join(format_exception(error))[-100_000:],
    }
    return {key: text.encode(errors="replace").decode() for key, text in parts.items()}
