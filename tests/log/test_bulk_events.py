"""Many lines at once give what each gives by itself, or are left to be looked at one by one."""

import json

import pytest
from codec.json_values import VALUES
from hypothesis import given, strategies as st

from aivcs.log.bulk_events import parse_events
from aivcs.model.run import RunEvent
from aivcs.model.timestamp import Timestamp

NOW = Timestamp("2026-01-31T12:00:00Z")


@given(st.lists(st.tuples(st.sampled_from(["a", "tool called", "ü"]), VALUES), max_size=6))
def test_the_events_are_those_of_the_lines(pairs):
    lines = [json.dumps({"payload": payload, "kind": kind}).encode() for kind, payload in pairs]
    events = parse_events(lines, 1 << 20, NOW)
    assert list(events) == [RunEvent(kind, payload, timestamp=NOW) for kind, payload in pairs]  # type: ignore[arg-type]
    assert len(events) == len(pairs)  # type: ignore[arg-type]


def test_a_text_is_what_stands_in_the_log():
    lines = [
        b'{"kind": "k\xc3\xbc", "payload": {"b": 1.50, "a": [ 1e2 , "\\u00e9\\/" ]}}\r',
        b'{"timestamp":"2026-01-31T14:00:00.5+01:00","kind":"k"}',
    ]
    assert parse_events(lines, 1 << 20, NOW).bodies == [  # type: ignore[union-attr]
        '"kind":"kü","payload":{"b":1.5,"a":[100.0,"é/"]},"timestamp":"2026-01-31T12:00:00.000000Z"'.encode(),
        b'"kind":"k","payload":{},"timestamp":"2026-01-31T13:00:00.500000Z"',
    ]


@pytest.mark.parametrize(
    "line",
    [
        b"", b" ", b"{}", b"1", b"null", b'"kind"', b"[]", b'["kind"]', b'{"kind":1}',
        b'{"kind":[]}',
        b'{"kind":""}', b'{"kind":"a\\nb"}', b'{"kind":"k","kind":"k"}', b'{"kind":"k","seq":1}',
        b'{"kind":"k","more":1}', b'{"kind":"k","timestamp":1}', b'{"kind":"k","timestamp":null}',
        b'{"kind":"k","timestamp":"yesterday"}', b'{"kind":"k","payload":NaN}',
        b'{"kind":"k","payload":1e999}', b'{"kind":"k","payload":"\\ud800"}', b'{"kind":"\\ud800"}',
        b'{"kind":"k"},', b'{"kind":"k"} {"kind":"k"}', b'{"kind":"k"', b'\xef\xbb\xbf{"kind":"k"}',
        b'{"kind":"k","payload":"\xff"}', b'{"kind":"k","payload":"' + b"x" * 300 + b'"}',
        b'{"kind":"k","payload":' + b"[" * 201 + b"]" * 201 + b"}",
        b'{"kind":"k","payload":' + b"1" * 4301 + b"}",
    ],
)  # fmt: skip
def test_what_is_not_plainly_an_event_is_left_to_others(line):
    good = b'{"kind":"k"}'
    assert parse_events([good, good], 256, NOW) is not None
    assert parse_events([good, line, good], 256, NOW) is None
