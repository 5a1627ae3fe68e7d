"""Which texts are moments: those of RFC 3339 with an offset, and no others."""

import pytest

from aivcs.errors import SerializationError
from aivcs.model.timestamp import Timestamp

NOON = "2026-01-31T12:00:00.000000Z"
MOMENTS = {
    "2026-01-31T12:00:00Z": NOON,
    "2026-01-31t12:00:00z": NOON,
    "2026-01-31 12:00:00Z": NOON,
    "2026-01-31T14:30:00+02:30": NOON,
    "2026-01-31T12:00:00-00:00": NOON,
    "2026-01-31T12:00:00.5Z": "2026-01-31T12:00:00.500000Z",
    "2026-01-31T12:00:00.123456789Z": "2026-01-31T12:00:00.123456Z",
    "2026-01-31T12:00:00.9999999Z": "2026-01-31T12:00:00.999999Z",
    "2026-06-30T23:59:60Z": "2026-07-01T00:00:00.000000Z",
    "2026-06-30T23:59:60.75Z": "2026-07-01T00:00:00.750000Z",
    "1990-12-31T15:59:60-08:00": "1991-01-01T00:00:00.000000Z",
}
OTHERS = [
    "2026-01-31T12:00:00", "2026-01-31T12:00Z", "2026-01-31T12Z", "2026-01-31", "",
    "2026-01-31T12:00:00,5Z", "2026-01-31T12:00:00.Z", "2026-01-31T12:00:00.5",
    "2026-01-31T12:00:00+00:60", "2026-01-31T12:00:00+24:00", "2026-01-31T12:00:00+0000",
    "2026-01-31T12:00:00+00", "2026-01-31T12:00:00+00:00:00", "2026-01-31T12:00:00ZZ",
    "2026-01-31T12:00:00 Z", " 2026-01-31T12:00:00Z", "2026-01-31T12:00:00Z\n",
    "2026-01-31X12:00:00Z", "20260131T120000Z", "2026-W05-6T12:00:00Z", "2026-1-31T12:00:00Z",
    "2026-01-31T24:00:00Z", "2026-01-31T12:60:00Z", "2026-01-31T12:00:61Z", "2026-02-29T12:00:00Z",
    "2026-01-31T12:00:60Z", "2026-01-31T23:59:60+01:00", "0000-01-01T00:00:00Z",
    "2026-01-31T12:00:00\u0661Z", "\u0662026-01-31T12:00:00Z", "2026-01-31T12:00:00.\u0661Z",
    "0001-01-01T00:00:00+01:00", "9999-12-31T23:59:60Z", None, 5, b"2026-01-31T12:00:00Z", ["x"],
]  # fmt: skip


@pytest.mark.parametrize(("text", "moment"), MOMENTS.items())
def test_a_moment_is_brought_into_the_one_form(text, moment):
    assert Timestamp(text) == moment
    assert Timestamp.stored(text) == moment


@pytest.mark.parametrize("text", OTHERS, ids=repr)
def test_another_text_is_refused(text):
    with pytest.raises(SerializationError, match=r"is not a time|outside the years 1 to 9999"):
        Timestamp(text)
