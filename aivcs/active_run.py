"""A run as a context manager, from `Repository.start_run`: logs events, and ends with its block."""

from aivcs.codec.json import encode
from aivcs.errors import SerializationError, StorageError
from aivcs.model.digest import ContentDigest
from aivcs.model.run import RunEvent, RunRecord, RunSummary

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from types import TracebackType
    from typing import Any

    from aivcs.model.run import RunId
    from aivcs.model.timestamp import Timestamp
    from aivcs.store.contracts import RunLedger


class ActiveRun:
    """A run to log to; as a context manager it ends with the block.

    The run is COMPLETED when the block ends or exits the process with code 0, CANCELLED when a
    KeyboardInterrupt or the cancellation of a task leaves the block, and FAILED when any other
    exception does; that exception becomes the last event, of kind `exception`, and is raised
    further. A run that the block itself ended stays as it is.

    Attributes:
        run_id: The run's id.
    """

    __slots__ = ("_final_state", "_ledger", "_resolve", "run_id")

    def __init__(
        self,
        ledger: "RunLedger",
        run_id: "RunId",
        resolve: "Callable[[str], ContentDigest]" = ContentDigest,
    ) -> None:
        """Wraps a run that is RUNNING.

        Args:
            ledger: The ledger that holds the run.
            run_id: The run's id.
            resolve: Returns the digest that a text names; it may accept prefixes.
        """
        self._ledger = ledger
        self._resolve = resolve
        self.run_id = run_id
        self._final_state: ContentDigest | None = None

    @property
    def final_state(self) -> "ContentDigest | None":
        """The digest of the run's final state, recorded when the run ends; or None.

        Set it to a digest or, in a run of a `Repository`, to a unique prefix of one. A prefix is
        resolved at once and raises the errors of `Repository.resolve_digest`.
        """
        return self._final_state

    @final_state.setter
    def final_state(self, digest: "str | None") -> None:
        self._final_state = None if digest is None else self._resolve(digest)

    def log(
        self,
        /,
        kind: str,
        payload: "Any" = None,
        *,
        seq: "int | None" = None,
        timestamp: "Timestamp | datetime | str | None" = None,
        **members: "Any",
    ) -> int:
        """Appends an event and returns its seq; the store's settings say how durable it is then.

            run.log("tool_called", tool_name="search", hits=3)
            run.log("tool_called", {"tool_name": "search", "seq": "a member of this name"})

        Args:
            kind: The kind of event.
            payload: A JSON value; {} by default. Other values (datetime, Path, Enum, dataclasses,
                numpy's numbers and more) become JSON by the rule in `aivcs.model.json_values`.
            seq: The event's number, instead of the next one.
            timestamp: The event's time, instead of now.
            members: Members to add to the payload, which is then an object.

        Raises:
            TypeError: Members are given, and the payload is not an object or has one of them.
            InvalidRunStateError: The run has ended.
            SerializationError: The payload is too large or too deep.
        """
        if members:
            payload = _with_members(payload, members)
        event = RunEvent(
            kind, {} if payload is None else as_json(payload), seq=seq, timestamp=timestamp
        )
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
        """Returns the run's present record."""
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
            # The caller must see the block's own error, not this one.
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


def as_json(value: "Any") -> "Any":
    """Returns a JSON value as it is, any other converted by `aivcs.model.json_values`.

    Raises:
        SerializationError: It is nested too deeply.
    """
    try:
        encode(value)
    except SerializationError:
        from aivcs.model.json_values import to_json_value

        return to_json_value(value)
    return value


def _with_members(payload: "Any", members: "dict[str, Any]") -> "dict[str, Any]":
    if payload is None:
        return members
    if not isinstance(payload, dict):
        raise TypeError(
            f"members ({', '.join(members)}) need an object as payload, not a "
            f"{type(payload).__name__}"
        )
    twice = payload.keys() & members.keys()
    if twice:
        raise TypeError(f"the payload already has {', '.join(sorted(twice))}")
    return {**payload, **members}


def _described(error: BaseException) -> "dict[str, str]":
    """An exception as a payload; lone surrogates become question marks."""
    from traceback import format_exception

    parts = {
        "type": type(error).__qualname__,
        "message": str(error)[:10_000],
        "traceback": "".join(format_exception(error))[-100_000:],
    }
    return {key: text.encode(errors="replace").decode() for key, text in parts.items()}
