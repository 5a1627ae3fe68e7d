"""The values that the stores keep: digests, runs, events, releases. No I/O, no rules of storage.

All are immutable and compare by value. Texts that have a form of their own (`ContentDigest`,
`RunId`, `Timestamp`, `RunStatus`) are strings that were checked, so they sort, print and serialise
as they are. `to_json` gives a record's JSON form, with the names fixed by the file format.

Written without dataclasses, enum and typing on purpose: each costs more at start-up than a whole
command may.
"""

from aivcs import errors
from aivcs.errors import InvalidNameError, SerializationError
from aivcs.sha256 import hex_digest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from datetime import datetime
    from typing import Any, ClassVar

_HEX = frozenset("0123456789abcdef")
_DIGITS = frozenset("0123456789")
_ZEROS = dict.fromkeys(map(ord, "123456789"), "0")
_ALNUM = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789")
_SAFE = _ALNUM | frozenset("._-")

MAX_SEQ = 2**53 - 1
"""The largest sequence number: the largest integer that every JSON reader keeps exactly."""
MAX_NAME = 200
"""Characters of a name, label, kind or run id, at most."""


class ContentDigest(str):
    """The SHA-256 of a content, as 64 lower-case hexadecimal characters.

    Raises:
        InvalidDigestError: The text is not 64 hexadecimal characters (upper case is lowered).
    """

    __slots__ = ()

    def __new__(cls, text: str) -> "ContentDigest":
        """Checks `text` and lowers it."""
        if type(text) is cls:
            return text
        if not isinstance(text, str):
            raise errors.InvalidDigestError(repr(text))
        lowered = text.lower() if text.isascii() else text
        if len(lowered) != 64 or not _HEX.issuperset(lowered):
            raise errors.InvalidDigestError(text)
        return str.__new__(cls, lowered)

    @classmethod
    def from_bytes(cls, data: bytes) -> "ContentDigest":
        """Returns the digest of a content."""
        return str.__new__(cls, hex_digest(data))

    @property
    def short(self) -> str:
        """The first 12 characters, for people."""
        return self[:12]

    def __str__(self) -> str:
        """The digest as a plain string."""
        return self[:]

    def __repr__(self) -> str:
        """Names the type, for debugging."""
        return f"ContentDigest({self[:]!r})"


class RunId(str):
    """The id of a run: a UUID4 when made here, any safe file name when imported.

    Raises:
        InvalidNameError: The text is empty, too long, or not `[A-Za-z0-9][A-Za-z0-9._-]*`.
    """

    __slots__ = ()

    def __new__(cls, text: str) -> "RunId":
        """Checks that `text` can be the name of a file, whatever the system."""
        if not _is_safe(text) or len(text) < 2 or text.endswith(".jsonl"):
            raise InvalidNameError(
                f"{_shown(text)} cannot be a run id: 2 to {MAX_NAME} letters, digits, '.', '_' "
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


class Timestamp(str):
    """A moment in UTC as RFC 3339 text with six fractional digits and a Z; sorts by time.

    Any RFC 3339 text with an offset is accepted and converted.

    Raises:
        SerializationError: The text is no such moment, or has no offset.
    """

    __slots__ = ()

    def __new__(cls, text: str) -> "Timestamp":
        """Checks `text` and brings it into the one form."""
        if type(text) is cls:
            return text
        from datetime import datetime

        try:
            moment = datetime.fromisoformat(text)
            if moment.tzinfo is None or text[4] != "-" or text[7] != "-" or text[10] not in "Tt ":
                raise ValueError(text)
            return cls.from_datetime(moment)
        except (ValueError, TypeError, IndexError, OverflowError) as error:
            raise SerializationError(
                f"{_shown(text)} is not a time: RFC 3339 with an offset is needed, "
                "as in 2026-01-31T12:00:00Z"
            ) from error

    @classmethod
    def now(cls) -> "Timestamp":
        """Returns the present moment by the system's clock."""
        from time import gmtime, time_ns

        seconds, rest = divmod(time_ns(), 1_000_000_000)
        return str.__new__(
            cls, "%04d-%02d-%02dT%02d:%02d:%02d.%06dZ" % (*gmtime(seconds)[:6], rest // 1000)
        )

    @classmethod
    def from_datetime(cls, moment: "datetime") -> "Timestamp":
        """Returns the timestamp of an aware datetime.

        Raises:
            SerializationError: The datetime is naive.
        """
        from datetime import UTC, datetime

        if not isinstance(moment, datetime) or moment.tzinfo is None:
            raise SerializationError(f"{moment!r} is no datetime with a time zone")
        try:
            text = moment.astimezone(UTC).isoformat(timespec="microseconds")
        except OverflowError as error:
            raise SerializationError(f"{moment} is outside of what dates can say") from error
        return str.__new__(cls, text[:26] + "Z")

    @classmethod
    def stored(cls, text: str) -> "Timestamp":
        """Takes a text from a log, where it is in the one form already."""
        if not isinstance(text, str) or text.translate(_ZEROS) != "0000-00-00T00:00:00.000000Z":
            return cls(text)
        return str.__new__(cls, text)

    def as_datetime(self) -> "datetime":
        """Returns the moment as an aware datetime in UTC."""
        from datetime import datetime

        return datetime.fromisoformat(self)

    def microseconds(self) -> int:
        """Returns microseconds since 1970-01-01T00:00:00Z, without leap seconds (POSIX)."""
        year, month, day = int(self[:4]), int(self[5:7]), int(self[8:10])
        # Days in the proleptic Gregorian calendar, years beginning in March.
        year -= month < 3
        month = (month + 9) % 12
        days = 365 * year + year // 4 - year // 100 + year // 400 + (153 * month + 2) // 5 + day
        seconds = (days - 719469) * 86400 + (
            int(self[11:13]) * 3600 + int(self[14:16]) * 60 + int(self[17:19])
        )
        return seconds * 1_000_000 + int(self[20:26])


class RunStatus(str):
    """What a run is: `RUNNING`, and then once `COMPLETED`, `FAILED` or `CANCELLED`.

    Raises:
        SerializationError: Another text.
    """

    __slots__ = ()
    RUNNING: "ClassVar[RunStatus]"
    COMPLETED: "ClassVar[RunStatus]"
    FAILED: "ClassVar[RunStatus]"
    CANCELLED: "ClassVar[RunStatus]"

    def __new__(cls, text: str) -> "RunStatus":
        """Returns the one object of this value."""
        try:
            return _STATUSES[text]
        except (KeyError, TypeError):
            raise SerializationError(
                f"{_shown(text)} is no status: one of {', '.join(_STATUSES)}"
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


class Record:
    """An immutable value with the fields in `__slots__`."""

    __slots__: "tuple[str, ...]" = ()
    __hash__ = None  # type: ignore[assignment]  # payloads and tags may be lists

    def _fill(self, *values: object) -> None:
        for name, value in zip(self.__slots__, values, strict=True):
            object.__setattr__(self, name, value)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"{type(self).__name__} is immutable")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"{type(self).__name__} is immutable")

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return all(getattr(self, name) == getattr(other, name) for name in self.__slots__)

    def __repr__(self) -> str:
        fields = ", ".join(f"{name}={getattr(self, name)!r}" for name in self.__slots__)
        return f"{type(self).__name__}({fields})"

    def __reduce__(self) -> "tuple[Any, ...]":
        return _rebuild, (type(self), tuple(getattr(self, name) for name in self.__slots__))

    def to_json(self) -> "dict[str, Any]":
        """Returns the fields by their names in the file format, ready for a JSON encoder."""
        fields = {}
        for name in self.__slots__:
            value = getattr(self, name)
            fields[name] = value.to_json() if isinstance(value, Record) else value
        return fields


def _rebuild(kind: "type[Record]", values: "tuple[object, ...]") -> Record:
    record = object.__new__(kind)
    record._fill(*values)
    return record


class RunMetadata(Record):
    """Where a run comes from.

    Attributes:
        git_sha: The commit of the code that ran, or None.
        agent_name: Which agent ran.
        tags: Any JSON value; an object by default.

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
    """One thing that happened in a run.

    Attributes:
        seq: Its number in the run, 0 to 2^53-1; None asks for the next one.
        kind: What happened, in a word ("tool_called").
        payload: Any JSON value; key order is kept.
        timestamp: When; None asks for the moment of storing.

    Raises:
        InvalidNameError: The kind is empty, too long or unprintable.
        SerializationError: The seq is out of range.
    """

    __slots__ = ("seq", "kind", "payload", "timestamp")  # noqa: RUF023 the order of the file format
    seq: "int | None"
    kind: str
    payload: "Any"
    timestamp: "Timestamp | None"

    def __init__(
        self,
        kind: str,
        payload: "Any" = None,
        *,
        seq: "int | None" = None,
        timestamp: "Timestamp | datetime | str | None" = None,
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
        self._fill(seq, kind, payload, timestamp)


class RunSummary(Record):
    """How a run ended.

    Attributes:
        total_events: How many events it has; None on the way in: counted when it is stored.
        final_state_digest: The blob that holds its final state, or None.
        duration_ms: Milliseconds from creation to completion; None on the way in: computed.
        success: Whether it did what it should.
        exit_code: The exit code of the process that ran, where there was one; else None, and then
            it is not part of the JSON form.

    Raises:
        InvalidDigestError: The final state is not a digest.
        SerializationError: A number is negative, or no whole number.
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
    """The process that a run belongs to, told apart from every other that there ever was.

    A number alone says little: it is given again, and counted anew in every container and after
    every start of the machine. What the system would not say is None, and then nothing can be
    proved of the process.

    Attributes:
        host: The name of the host.
        machine_id: A text that no other machine has.
        boot_id: A text that no other start of a machine has.
        pid_namespace: Which counting of processes `pid` is of, as Linux names it.
        pid: The number of the process.
        start_time: When it started, in clock ticks since the machine did.
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
        """Checks that the fields are texts and numbers.

        Raises:
            InvalidNameError: A text is empty, too long or unprintable.
            SerializationError: A number is none, or negative.
        """
        check_text("host name", host)
        for text in (machine_id, boot_id, pid_namespace):
            if text is not None:
                check_text("id", text)
        for number in (pid, 0 if start_time is None else start_time):
            if type(number) is not int or not 0 <= number <= MAX_SEQ:
                raise SerializationError(f"a process has whole numbers, not {_shown(number)}")
        self._fill(host, machine_id, boot_id, pid_namespace, pid, start_time)


class RunRecord(Record):
    """A run as it stands.

    Attributes:
        run_id: Its id.
        spec_digest: What ran.
        metadata: Where it comes from.
        status: What it is now.
        summary: How it ended, or None while it runs.
        created_at: When it was started.
        completed_at: When it ended, or None while it runs.
        owner: The process it belongs to, where one was named; else None, and then it is not part
            of the JSON form.
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


class ReleaseMetadata(Record):
    """Who released, and why.

    Attributes:
        version_label: A name for this release ("v1.2.0"), or None.
        promoted_by: Who did it.
        notes: Why, or None.

    Raises:
        InvalidNameError: The label breaks the rules of `check_label`, or the actor is empty.
        SerializationError: The notes are no valid text.
    """

    __slots__ = ("version_label", "promoted_by", "notes")  # noqa: RUF023 the order of the file format
    version_label: "str | None"
    promoted_by: str
    notes: "str | None"

    def __init__(
        self,
        promoted_by: str,
        *,
        version_label: "str | None" = None,
        notes: "str | None" = None,
    ) -> None:
        """Checks label and actor."""
        check_text("actor (promoted_by)", promoted_by)
        if version_label is not None:
            check_label(version_label)
        if notes is not None and not is_text(notes):
            raise SerializationError("notes hold something that is no character (not UTF-8?)")
        self._fill(version_label, promoted_by, notes)


class ReleaseRecord(Record):
    """One entry of a release log: what became live under a name, and where it stands.

    Attributes:
        seq: Its number in the log, from 1.
        action: `promote` or `rollback`.
        name: The agent's name.
        spec_digest: What became live.
        metadata: Who did it, and why.
        target_seq: The entry that first put this element of the stack live.
        parent_seq: What the next rollback returns to, or None at the bottom.
        created_at: When.
        evidence: Runs that speak for it. This and what follows are part of the JSON form only
            where there is something to say.
        policy: The blob that says by which rules it was judged, or None.
        forced: Whether it was made against these rules; `metadata.notes` say why.
    """

    __slots__ = (  # noqa: RUF023 the order of the file format
        "seq", "action", "name", "spec_digest", "metadata", "target_seq", "parent_seq",
        "created_at", "evidence", "policy", "forced",
    )  # fmt: skip
    seq: int
    action: str
    name: str
    spec_digest: ContentDigest
    metadata: ReleaseMetadata
    target_seq: int
    parent_seq: "int | None"
    created_at: Timestamp
    evidence: "tuple[Evidence, ...]"
    policy: "ContentDigest | None"
    forced: bool

    def __init__(
        self,
        *,
        seq: int,
        action: str,
        name: str,
        spec_digest: ContentDigest,
        metadata: ReleaseMetadata,
        target_seq: int,
        parent_seq: "int | None",
        created_at: Timestamp,
        evidence: "tuple[Evidence, ...]" = (),
        policy: "ContentDigest | None" = None,
        forced: bool = False,
    ) -> None:
        """Takes the fields as they are."""
        self._fill(
            seq, action, name, spec_digest, metadata, target_seq, parent_seq, created_at, evidence,
            policy, forced,
        )  # fmt: skip

    def to_json(self) -> "dict[str, Any]":
        """Returns the fields by name; of the last three those that say something."""
        fields = super().to_json()
        del fields["evidence"], fields["policy"], fields["forced"]
        return {**fields, **self.grounds()}

    def grounds(self) -> "dict[str, Any]":
        """Returns by name what the entry rests on beside its metadata; mostly nothing."""
        fields: dict[str, Any] = {}
        if self.evidence:
            fields["evidence"] = [evidence.to_json() for evidence in self.evidence]
        if self.policy is not None:
            fields["policy"] = self.policy
        if self.forced:
            fields["forced"] = True
        return fields


class Head(Record):
    """The head of a log: what must be at this line in every later state of the log.

    Attributes:
        lines: How many lines the log has.
        hash: The hash of the last of them, as 64 hexadecimal characters.
    """

    __slots__ = ("lines", "hash")  # noqa: RUF023 as a reader counts, then compares
    lines: int
    hash: str

    def __init__(self, lines: int, hash: str) -> None:  # noqa: A002 the file format's word
        """Takes the fields as they are."""
        self._fill(lines, hash)


class Evidence(Record):
    """A run that speaks for a release, and the head that its log had: no other log will do.

    Attributes:
        run_id: The run.
        head: The head of its log.

    Raises:
        InvalidNameError: No run can have this id.
        InvalidDigestError: The head's hash is none.
        SerializationError: The head is that of no line.
    """

    __slots__ = ("run_id", "head")  # noqa: RUF023 the order of the file format
    run_id: RunId
    head: Head

    def __init__(self, run_id: str, head: Head) -> None:
        """Checks id and head."""
        if type(head.lines) is not int or not 1 <= head.lines <= MAX_SEQ:
            raise SerializationError(f"a log with a head has lines, not {_shown(head.lines)}")
        self._fill(RunId(run_id), Head(head.lines, ContentDigest(head.hash)))

    def to_json(self) -> "dict[str, Any]":
        """Returns id, `lines` and `hash`, side by side as in a manifest of heads."""
        return {"run_id": self.run_id, **self.head.to_json()}


def check_text(what: str, text: str) -> None:
    """Refuses a text that cannot name anything: empty, over `MAX_NAME` characters, unprintable.

    Raises:
        InvalidNameError: With `what` and the rule in the message.
    """
    if not isinstance(text, str) or not text:
        raise InvalidNameError(f"{what} is empty; is a variable unset?")
    if len(text) > MAX_NAME:
        raise InvalidNameError(
            f"{what} {_shown(text)} has {len(text)} characters; at most {MAX_NAME} are kept"
        )
    if not text.isprintable():
        raise InvalidNameError(f"{what} {_shown(text)} has characters that cannot be printed")


def check_release_name(name: str) -> None:
    """Refuses a release name that could not be a path below a folder on every system.

    Raises:
        InvalidNameError: It is not `[A-Za-z0-9][A-Za-z0-9._/-]*` with at most `MAX_NAME`
            characters, no empty, `.` or `..` part and no part that ends in `.jsonl`.
    """
    if not isinstance(name, str) or not name:
        raise InvalidNameError("release name is empty; is a variable unset?")
    parts = name.split("/")
    if (
        not _is_safe(name.replace("/", "-"))
        or name[0] not in _ALNUM
        or any(part in {"", ".", ".."} or part.endswith(".jsonl") for part in parts)
    ):
        raise InvalidNameError(
            f"{_shown(name)} cannot be a release name: at most {MAX_NAME} letters, digits, '.', "
            "'_', '-' and '/' are needed, beginning with a letter or digit, with no empty, '.' or "
            "'..' part and none ending in .jsonl"
        )


def check_label(label: str) -> None:
    """Refuses a label that could be taken for something else.

    Raises:
        InvalidNameError: It is empty, too long, not printable, has spaces, is all digits, reads as
            4 to 64 hexadecimal digits, or is `current` or `none`.
    """
    check_text("label", label)
    if " " in label or label.isspace() or any(c.isspace() for c in label):
        raise InvalidNameError(f"label {_shown(label)} has spaces")
    if label in {"current", "none"}:
        raise InvalidNameError(f"label {label} has a meaning of its own; choose another")
    if label.isdigit() or label.startswith("@"):
        raise InvalidNameError(f"label {_shown(label)} reads as a sequence number; write v{label}")
    if 4 <= len(label) <= 64 and _HEX.issuperset(label.lower()):
        raise InvalidNameError(f"label {_shown(label)} reads as a digest; choose another")


def _is_safe(text: object) -> bool:
    return (
        isinstance(text, str)
        and 0 < len(text) <= MAX_NAME
        and text[0] in _ALNUM
        and _SAFE.issuperset(text)
    )


def is_text(text: str) -> bool:
    """Tells whether a text can be written as UTF-8: whether it is free of lone surrogates."""
    try:
        text.encode()
        return isinstance(text, str)
    except (UnicodeEncodeError, AttributeError):
        return False


def _shown(text: object) -> str:
    """A text for a message: quoted, short, and safe to print."""
    shown = ascii(text)
    return shown if len(shown) <= 60 else shown[:60] + "…'"
