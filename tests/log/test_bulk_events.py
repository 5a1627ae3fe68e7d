"""Many lines at once give what each gives by itself, or are left to be looked at one by one."""

import json

import pytest
from hypothesis import example, given, strategies as st

from aivcs.codec.json import compact, compact_all
from aivcs.log.bulk_events import parse_events
from aivcs.model.run import RunEvent
from aivcs.model.timestamp import Timestamp

NOW = Timestamp("2026-01-31T12:00:00Z")
BETWEEN = b"736291548017365929"

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip
# Pieces of lines that could be taken for whole ones if what stands between them were misread.
PIECES = [
    b"{", b"}", b"[", b"]", b",", b":", b'"', b"0", b'"a"', b'"a":1', b"[1", b"2]", b'{"a":1',
    b'"b":2}', b'{"a":[1', b"2]}", b'{"kind":"k"}', b'{"kind":"k","payload":1}', BETWEEN,
    b"," + BETWEEN + b",", b"\\", b"\xff", b" ", b"\r", b"1e999", b"NaN", b'{"a":1,"a":2}',
    b'"\\u003a"', b'"\\u00e9:"', b'":"', b'"a":":",', b"1E2", b"-0",
]  # fmt: skip
soup = st.lists(st.lists(st.sampled_from(PIECES), max_size=4).map(b"".join), max_size=5)


def one_by_one(texts):
    """The values by the standard library, each text by itself; None if one has none."""

    def unique(pairs):
        if len(dict(pairs)) != len(pairs):
            raise ValueError
        return dict(pairs)

    def refuse(_):
        raise ValueError

    try:
        return [
            json.loads(text.decode(), object_pairs_hook=unique, parse_constant=refuse)
            for text in texts
        ]
    except ValueError:
        return None


@given(soup)
@example([b'{"a":1}', b",", b"[1", b"2]"])
@example([b"{},0,{}", b"[1", b"2]"])
@example([b"{}," + BETWEEN + b",{}", b"[1", b"2]"])
@example([b'{"a":[1', b"2]}", b"{}," + BETWEEN + b",{}"])
@example([b'{"a":1', b'"b":2}'])
@example([b"]", b"["])
@example([b'{"a":1,"a":2}'])
@example([b'{"a":1,"a":2,"b":"\\u003a"}'])
@example([b'{"a":1,"a":2,"b":"\\u003A"}', b'{"a":{"b":1,"b":1}}'])
@example([b'{"a":":::","a":":"}', b'["\\u0037", "\\ud800"]'])
@example([b"{}]", b"[{}"])
def test_what_all_give_together_each_gives_by_itself(texts):
    try:
        together, encoded = compact_all(texts)
    except ValueError:
        return
    assert together == one_by_one(texts)
    assert encoded == [compact(text.decode()).encode() for text in texts]


@given(st.lists(values, max_size=6), st.booleans())
def test_what_is_json_is_parsed(given_values, ascii_only):
    texts = [json.dumps(value, ensure_ascii=ascii_only).encode() for value in given_values]
    if any(text.count(BETWEEN) for text in texts):
        return
    if any(b"u003a" in text for text in texts):
        return
    assert compact_all(texts)[0] == given_values


@given(st.lists(st.tuples(st.sampled_from(["a", "tool called", "ü"]), values), max_size=6))
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
