"""The values of a run: its id, its status, its events and the run as a whole. No I/O."""

from aivcs.errors import InvalidNameError, SerializationError
from aivcs.model.digest import ContentDigest
from aivcs.model.record import MAX_NAME, MAX_SEQ, Record, check_text, is_safe, shown
from aivcs.model.timestamp import Timestamp

TYPE_CHECKING = False
if TYPE_CHECKING:
    from datetime import datetime
    from typing import Any, ClassVar


class RunId(str):
    """The id of a run: a UUID4 when made here, any safe file name when imported.

    Raises:
        InvalidNameError: The text is empty, too long, or not `[A-Za-z0-9][A-Za-z0-9._-]*`.
    """

    __slots__ = ()

    def __new__(cls, text: str) -> "RunId":
        """Checks that `text` can be a file name on every system."""
        if not is_safe(text) or len(text) < 2 or text.endswith(".jsonl"):
            raise InvalidNameError(
                f"{shown(text)} cannot be a run id: 2 to {MAX_NAME} letters, digits, '.', '_' "
                "and '-' are needed, beginning with a letter or digit"
            )
        return str.__new__(cls, text)

    @classmethod
    def random(cls) -> "RunId":
        """Returns a new random UUID4 (RFC 9562)."""
        from os import urandom

        number = bytearray(urandom(16))
        number[6] = number[6] & 0x0F | 0x40
        number[8] = number[8] & 0x3F | 0x80
        text = number.hex()
        return str.__new__(cls, f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}")


class RunStatus(str):
    """The status of a run: `RUNNING`, then finally `COMPLETED`, `FAILED` or `CANCELLED`.

    Raises:
        SerializationError: The text is none of these.
    """

    __slots__ = ()
    RUNNING: "ClassVar[RunStatus]"
    COMPLETED: "ClassVar[RunStatus]"
    FAILED: "ClassVar[RunStatus]"
    CANCELLED: "ClassVar[RunStatus]"

    def __new__(cls, text: str) -> "RunStatus":
        """Returns the single object with this value."""
        try:
            return _STATUSES[text]
        except (KeyError, TypeError):
            raise SerializationError(
                f"{shown(text)} is not a status; the statuses are {', '.join(_STATUSES)}"
            ) from None

    @property
    def is_terminal(self) -> bool:
        """Whether the run is over."""
        return self is not RunStatus.RUNNING

    def __repr__(self) -> str:
        """Names the type, for debugging."""
        return f"RunStatus.{self[:]}"


_STATUSES: dict[str, RunStatus] = {}
for _name in ("RUNNING", "COMPLETED", "FAILED", "CANCELLED"):
    _STATUSES[_name] = str.__new__(RunStatus, _name)
    setattr(RunStatus, _name, _STATUSES[_name])


RUN_STATUSES = tuple(_STATUSES.values())
"""Every status, `RUNNING` first."""


class RunMetadata(Record):
    """The origin of a run: agent, commit and tags.

    Attributes:
        git_sha: The commit of the code that ran, or None.
        agent_name: The name of the agent.
        tags: Any JSON value; an empty object by default.

    Raises:
        InvalidNameError: The agent's name or the commit is empty, too long or unprintable.
    """

    __slots__ = ("git_sha", "agent_name", "tags")  # noqa: RUF023 the order of the file format
    git_sha: "str | None"
    agent_name: str
    tags: "Any"

    def __init__(
        self, agent_name: str, *, git_sha: "str | None" = None, tags: "Any" = None
    ) -> None:
        """Checks the texts."""
        check_text("agent name", agent_name)
        if git_sha is not None:
            check_text("git commit", git_sha)
        self._fill(git_sha, agent_name, {} if tags is None else tags)


class RunEvent(Record):
    """An event of a run.

    Attributes:
        seq: Its number in the run, 0 to 2^53-1; None asks for the next one.
        kind: The kind of event, a word such as "tool_called".
        payload: Any JSON value; the order of keys is kept.
        timestamp: The time of the event; None asks for the time of storing.
        redacted: Whether the payload was erased, which is None then; set by a ledger, never given
            to one. The JSON form has it only where it is true.

    Raises:
        InvalidNameError: The kind is empty, too long or unprintable.
        SerializationError: The seq is out of range.
    """

    __slots__ = ("seq", "kind", "payload", "timestamp", "redacted")  # noqa: RUF023 the order of the file format
    seq: "int | None"
    kind: str
    payload: "Any"
    timestamp: "Timestamp | None"
    redacted: bool

    def __init__(
        self,
        kind: str,
        payload: "Any" = None,
        *,
        seq: "int | None" = None,
        timestamp: "Timestamp | datetime | str | None" = None,
        redacted: bool = False,
    ) -> None:
        """Checks kind, seq and timestamp; the payload is checked when it is stored."""
        check_text("kind", kind)
        if seq is not None and (
            not isinstance(seq, int) or isinstance(seq, bool) or not 0 <= seq <= MAX_SEQ
        ):
            raise SerializationError(f"seq must be a whole number from 0 to 2^53-1, not {seq!r}")
        if timestamp is not None and type(timestamp) is not Timestamp:
            timestamp = (
                Timestamp(timestamp)
                if isinstance(timestamp, str)
                else Timestamp.from_datetime(timestamp)
            )
        self._fill(seq, kind, payload, timestamp, redacted)

    def to_json(self) -> "dict[str, Any]":
        """Returns the fields by name; `redacted` only where it is true."""
        fields = super().to_json()
        if not self.redacted:
            del fields["redacted"]
        return fields


class RunSummary(Record):
    """The result of a run.

    Attributes:
        total_events: The number of events; None when given to a ledger, which then counts them.
        final_state_digest: The blob that holds the final state, or None.
        duration_ms: Milliseconds from creation to completion; None when given to a ledger, which
            then computes them.
        success: Whether the run succeeded.
        exit_code: The exit code of the process that ran, if there was one; else None, and then
            the JSON form leaves it out.

    Raises:
        InvalidDigestError: The final state is not a digest.
        SerializationError: A number is negative or not a whole number.
    """

    __slots__ = ("total_events", "final_state_digest", "duration_ms", "success", "exit_code")  # noqa: RUF023
    total_events: "int | None"
    final_state_digest: "ContentDigest | None"
    duration_ms: "int | None"
    success: bool
    exit_code: "int | None"

    def __init__(
        self,
        *,
        success: bool,
        total_events: "int | None" = None,
        final_state_digest: "str | None" = None,
        duration_ms: "int | None" = None,
        exit_code: "int | None" = None,
    ) -> None:
        """Checks the digest and the numbers."""
        for name, number in (("total_events", total_events), ("duration_ms", duration_ms)):
            if number is not None and (type(number) is not int or not 0 <= number <= MAX_SEQ):
                raise SerializationError(f"{name} must be a whole number, not {number!r}")
        if exit_code is not None and type(exit_code) is not int:
            raise SerializationError(f"exit_code must be a whole number, not {exit_code!r}")
        state = None if final_state_digest is None else ContentDigest(final_state_digest)
        self._fill(total_events, state, duration_ms, bool(success), exit_code)

    def to_json(self) -> "dict[str, Any]":
        """Returns the fields by name; `exit_code` only where there is one."""
        fields = super().to_json()
        if self.exit_code is None:
            del fields["exit_code"]
        return fields


class RunOwner(Record):
    """The identity of the process that a run belongs to, distinct from every other process ever.

    A process id alone does not identify a process: systems reuse it, and each container and each
    boot counts anew. A field that the system does not tell is None; then nothing can be proved
    about the process.

    Attributes:
        host: The name of the host.
        machine_id: An id that no other machine has.
        boot_id: An id that no other boot of any machine has.
        pid_namespace: The Linux namespace that `pid` belongs to.
        pid: The process id.
        start_time: The time the process started, in clock ticks since boot.
    """

    __slots__ = ("host", "machine_id", "boot_id", "pid_namespace", "pid", "start_time")  # noqa: RUF023
    host: str
    machine_id: "str | None"
    boot_id: "str | None"
    pid_namespace: "str | None"
    pid: int
    start_time: "int | None"

    def __init__(
        self,
        *,
        host: str,
        pid: int,
        machine_id: "str | None" = None,
        boot_id: "str | None" = None,
        pid_namespace: "str | None" = None,
        start_time: "int | None" = None,
    ) -> None:
        """Checks texts and numbers.

        Raises:
            InvalidNameError: A text is empty, too long or unprintable.
            SerializationError: A number is negative or not a whole number.
        """
        check_text("host name", host)
        for text in (machine_id, boot_id, pid_namespace):
            if text is not None:
                check_text("id", text)
        for number in (pid, 0 if start_time is None else start_time):
            if type(number) is not int or not 0 <= number <= MAX_SEQ:
                raise SerializationError(
                    f"pid and start_time must be whole numbers, not {shown(number)}"
                )
        self._fill(host, machine_id, boot_id, pid_namespace, pid, start_time)


class RunRecord(Record):
    """The present state of a run.

    Attributes:
        run_id: The id.
        spec_digest: The spec that ran.
        metadata: Agent, commit and tags.
        status: The present status.
        summary: The result, or None while the run is RUNNING.
        created_at: The time the run was started.
        completed_at: The time the run ended, or None while it is RUNNING.
        owner: The process that the run belongs to, if one was named; else None, and then the JSON
            form leaves it out.
    """

    __slots__ = (  # noqa: RUF023 the order of the file format
        "run_id", "spec_digest", "metadata", "status", "summary", "created_at", "completed_at",
        "owner",
    )  # fmt: skip
    run_id: RunId
    spec_digest: ContentDigest
    metadata: RunMetadata
    status: RunStatus
    summary: "RunSummary | None"
    created_at: Timestamp
    completed_at: "Timestamp | None"
    owner: "RunOwner | None"

    def __init__(
        self,
        *,
        run_id: RunId,
        spec_digest: ContentDigest,
        metadata: RunMetadata,
        status: RunStatus,
        summary: "RunSummary | None",
        created_at: Timestamp,
        completed_at: "Timestamp | None",
        owner: "RunOwner | None" = None,
    ) -> None:
        """Takes the fields as they are."""
        self._fill(run_id, spec_digest, metadata, status, summary, created_at, completed_at, owner)

    def to_json(self) -> "dict[str, Any]":
        """Returns the fields by name; `owner` only where there is one."""
        fields = super().to_json()
        if self.owner is None:
            del fields["owner"]
        return fields
