"""A moment as text, in the one form of the file format; it sorts by time. No I/O."""

from aivcs.errors import SerializationError
from aivcs.model.record import shown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from datetime import datetime


_ZEROS = dict.fromkeys(map(ord, "123456789"), "0")
_FORM = "0000-00-00T00:00:00.000000Z"


class Timestamp(str):
    """A moment in UTC as RFC 3339 text with six fractional digits and a Z; sorts by time.

    Any RFC 3339 text with an offset is accepted and converted; digits of its fraction beyond the
    sixth are cut, and a leap second counts as the first second of the next minute.

    Raises:
        SerializationError: The text is not RFC 3339, or has no offset.
    """

    __slots__ = ()

    def __new__(cls, text: str) -> "Timestamp":
        """Checks `text` and brings it into the one form."""
        if type(text) is cls:
            return text
        from aivcs.codec.rfc3339 import parse

        try:
            return cls.from_datetime(parse(text))
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
            raise SerializationError(f"{moment!r} is not a datetime with a time zone")
        try:
            text = moment.astimezone(UTC).isoformat(timespec="microseconds")
        except OverflowError as error:
            raise SerializationError(f"{moment} is outside the years 1 to 9999 in UTC") from error
        return str.__new__(cls, text[:26] + "Z")

    @classmethod
    def stored(cls, text: str) -> "Timestamp":
        """Returns the timestamp in a log's text, which is nearly always in the one form already."""
        if not isinstance(text, str) or text.translate(_ZEROS) != _FORM:
            return cls(text)
        return str.__new__(cls, text)

    @classmethod
    def is_form_of(cls, text: str) -> bool:
        """Tells whether a text is a moment in the one form."""
        from datetime import datetime

        if text.translate(_ZEROS) != _FORM:
            return False
        try:
            datetime.fromisoformat(text[:26])
        except ValueError:
            return False
        return True

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
