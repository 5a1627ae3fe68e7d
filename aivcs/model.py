"""The values that the stores keep: digests, runs, events, releases. No I/O, no rules of storage.

All are immutable and compare by value. Texts that have a form of their own (`ContentDigest`,
`RunId`, `Timestamp`, `RunStatus`) are strings that were checked, so they sort, print and serialise
as they are. `to_json` gives a record's JSON form, with the names fixed by the file format.

What is of runs alone or of releases alone is in `aivcs.run_records` and `aivcs.release_records`,
and loads when it is first asked for here.

Written without dataclasses, enum and typing on purpose: each costs more at start-up than a whole
command may.
"""

from aivcs import errors
from aivcs.codec.sha256 import hex_digest
from aivcs.errors import InvalidNameError, SerializationError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from datetime import datetime
    from typing import Any

    # ruff: noqa: PLC0414 a name is exported only if it is repeated
    from aivcs.release_records import (
        Evidence as Evidence,
        ReleaseMetadata as ReleaseMetadata,
        ReleaseRecord as ReleaseRecord,
        check_label as check_label,
        check_release_name as check_release_name,
    )
    from aivcs.run_records import (
        RunEvent as RunEvent,
        RunId as RunId,
        RunMetadata as RunMetadata,
        RunOwner as RunOwner,
        RunRecord as RunRecord,
        RunStatus as RunStatus,
        RunSummary as RunSummary,
    )

HEX = frozenset("0123456789abcdef")
_ZEROS = dict.fromkeys(map(ord, "123456789"), "0")
ALNUM = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789")
_SAFE = ALNUM | frozenset("._-")

MAX_SEQ = 2**53 - 1
"""The largest sequence number: the largest integer that every JSON reader keeps exactly."""
MAX_NAME = 200
"""Characters of a name, label, kind or run id, at most."""
_RUN, _RELEASE = "aivcs.run_records", "aivcs.release_records"
_HOMES = {
    "Evidence": _RELEASE,
    "ReleaseMetadata": _RELEASE,
    "ReleaseRecord": _RELEASE,
    "RunEvent": _RUN,
    "RunId": _RUN,
    "RunMetadata": _RUN,
    "RunOwner": _RUN,
    "RunRecord": _RUN,
    "RunStatus": _RUN,
    "RunSummary": _RUN,
    "check_label": _RELEASE,
    "check_release_name": _RELEASE,
}


__all__ = ["ContentDigest", "Head", "Record", "Timestamp", *_HOMES]  # noqa: PLE0604 all are texts


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
        if len(lowered) != 64 or not HEX.issuperset(lowered):
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
                f"{shown(text)} is not a time: RFC 3339 with an offset is needed, "
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


def check_text(what: str, text: str) -> None:
    """Refuses a text that cannot name anything: empty, over `MAX_NAME` characters, unprintable.

    Raises:
        InvalidNameError: With `what` and the rule in the message.
    """
    if not isinstance(text, str) or not text:
        raise InvalidNameError(f"{what} is empty; is a variable unset?")
    if len(text) > MAX_NAME:
        raise InvalidNameError(
            f"{what} {shown(text)} has {len(text)} characters; at most {MAX_NAME} are kept"
        )
    if not text.isprintable():
        raise InvalidNameError(f"{what} {shown(text)} has characters that cannot be printed")


def is_safe(text: object) -> bool:
    """Tells whether a text can be the name of a file, whatever the system."""
    return (
        isinstance(text, str)
        and 0 < len(text) <= MAX_NAME
        and text[0] in ALNUM
        and _SAFE.issuperset(text)
    )


def is_text(text: str) -> bool:
    """Tells whether a text can be written as UTF-8: whether it is free of lone surrogates."""
    try:
        text.encode()
        return isinstance(text, str)
    except (UnicodeEncodeError, AttributeError):
        return False


def shown(text: object) -> str:
    """Returns a text for a message: quoted, short, and safe to print."""
    quoted = ascii(text)
    return quoted if len(quoted) <= 60 else quoted[:60] + "…'"


def __getattr__(name: str) -> object:
    """Loads what is of runs or of releases from the module it lives in (PEP 562)."""
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'aivcs.model' has no attribute {name!r}")
    value = globals()[name] = getattr(__import__(home, fromlist=[name]), name)
    return value


def __dir__() -> "list[str]":
    """All there is, for help and completion."""
    return sorted({*globals(), *_HOMES})
