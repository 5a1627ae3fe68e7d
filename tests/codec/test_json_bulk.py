"""Many texts together give what each gives alone, with msgspec and without it."""

import json
import sys
from pathlib import Path

import pytest
from codec.json_values import VALUES
from hypothesis import example, given, settings, strategies as st

from aivcs.codec.json import compact
from aivcs.codec.json_bulk import Compactor
from aivcs.errors import SerializationError
from aivcs.formats.values import DEPTH, parse_value

PLAIN, QUICK = Compactor(sys.maxsize), Compactor(0)
BETWEEN = b"736291548017365929"
ROOT = Path(__file__).parents[2]

# Pieces of lines that could be taken for whole ones if what stands between them were misread, and
# what parsers of JSON are known to disagree about.
PIECES = [
    b"{", b"}", b"[", b"]", b",", b":", b'"', b"0", b'"a"', b'"a":1', b"[1", b"2]", b'{"a":1',
    b'"b":2}', b'{"a":[1', b"2]}", b'{"kind":"k"}', b'{"kind":"k","payload":1}', BETWEEN,
    b"," + BETWEEN + b",", b"\\", b"\xff", b" ", b"\r", b"1e999", b"NaN", b'{"a":1,"a":2}',
    b'"\\u003a"', b'"\\u00e9:"', b'":"', b'"a":":",', b"1E2", b"-0",
]  # fmt: skip
ODD = [
    b"", b" ", b"\n1", b"\x0c1", b"\xef\xbb\xbf1", b"1 2", b"1\x00", b"-", b"+1", b"--1", b"01",
    b"-01", b"1.", b".5", b"1.e5", b"1e", b"-0", b"-0.0", b"0.0", b"1.50", b"1e5", b"1E5",
    b"1e+5", b"1e16", b"1e15", b"0.0001", b"0.00001", b"1e-7", b"123456789012345680.0", b"5e-324",
    b"1e-400", b"1e308", b"1.7976931348623159e308", b"1e309", b"-1e400", b"9" * 19,
    b"18446744073709551615", b"18446744073709551616", b"-9223372036854775808",
    b"-9223372036854775809", b"1" * 30, b"1" * 400, b"1" * 4299, b"-" + b"1" * 4299, b"1" * 4300,
    b"-" + b"1" * 4300, b"1" * 4301, b"-" + b"1" * 4301, b"NaN", b"nan", b"Infinity",
    b"-Infinity", b"true", b"True", b"nul", b"null ", b"nullx", b"'a'", b'"', b'"\\"', b'"\\x41"',
    b'"\\u12"', b'"\\u00zz"', b'"\\/\\b\\f\\n\\r\\t\\\\\\""', b'"\t"', b'"\x00"', b'"\x1f"',
    b'"\x7f"', b'"\\u0000\\u001f\\u007f\\u0080\\u2028"', b'"\\ud83d\\ude00"', b'"\\ud83d"',
    b'"\\ude00"', b'"\\ud83dx"', b'"\\ud83d\\u0041"', b'"\\\\ud83d"', b'"\xff"', b'"\xc0\x80"',
    b'"\xed\xa0\x80"', b'"\xf4\x90\x80\x80"', b'"\xe2\x82"',
    b'"\xc3\xa9\xe2\x80\xa8\xf0\x9f\xa6\x80"', b"[1,]", b"[,1]", b"[1 2]", b"[1,2", b"]", b"[]]",
    b"{", b'{"a"}', b'{"a":}', b'{"a":1,}', b"{1:2}", b"{a:1}", b'{"a" :\t1 ,\r"b": [ ] }',
    b'{"a":1,"a":2}', b'{"\\u0061":1,"a":2}', b'{"":1,"":1}', b'{"a":{"b":1,"b":1}}',
    b'{"a:":1,"a:":":"}', b'{"a":1,"a":2,"b":"\\u003a"}', b'{"\xff":1}', b'{"\\ud800":1}', b"//1",
    b"/**/1", b"[" * 200 + b"]" * 200, b"[" * 201 + b"]" * 201, b"[" * 100_000,
    b'{"a":' * 201 + b"1" + b"}" * 201,
]  # fmt: skip
"""Texts that are JSON, or nearly; from the tests of others and from what has gone wrong."""
soup = st.lists(st.lists(st.sampled_from(PIECES + ODD[:60]), max_size=4).map(b"".join), max_size=5)


def alone(text):
    """What the strict parser makes of one text; None if it refuses it."""
    try:
        return compact(text.decode()).encode()
    except (SerializationError, UnicodeDecodeError):
        return None


def together(compactor, texts):
    """What a compactor makes of texts; None if it leaves them to the strict parser."""
    try:
        found, encoded = compactor.compact_all(texts)
    except ValueError:
        return None
    assert repr(found) == repr([json.loads(text) for text in texts])
    return encoded


def require_same(texts):
    """Requires that both ways give the forms of the strict parser, or none; returns them."""
    expected = [alone(text) for text in texts]
    for compactor in (PLAIN, QUICK):
        encoded = together(compactor, texts)
        assert encoded is None or encoded == expected
    for text in texts:
        require_same_record(text)
    return together(PLAIN, texts), together(QUICK, texts)


def require_same_record(text):
    """Requires that a record of a session is what the slow parser of records makes of it."""
    with pytest.raises(ValueError):
        PLAIN.parse(text)
    try:
        found = QUICK.parse(text, max_depth=DEPTH)
    except ValueError:
        return
    assert repr(found) == repr(parse_value(text.decode()))


def test_msgspec_is_what_is_compared():
    pytest.importorskip("msgspec")
    QUICK.compact_all([b"{}"])
    assert QUICK._quick
    assert not PLAIN._quick


@given(soup)
@example([b'{"a":1}', b",", b"[1", b"2]"])
@example([b"{},0,{}", b"[1", b"2]"])
@example([b"{}," + BETWEEN + b",{}", b"[1", b"2]"])
@example([b'{"a":[1', b"2]}", b"{}," + BETWEEN + b",{}"])
@example([b'{"a":1', b'"b":2}'])
@example([b"]", b"["])
@example([b'{"a":1,"a":2,"b":"\\u003A"}', b'{"a":{"b":1,"b":1}}'])
@example([b'{"a":":::","a":":"}', b'["\\u0037", "\\ud800"]'])
@example([b'{"a":1,"a":2}', b'{"b":"\\u003a"}'])
@example([b"{}]", b"[{}"])
def test_what_all_give_together_each_gives_alone(texts):
    require_same(texts)


@pytest.mark.parametrize("text", ODD, ids=repr)
def test_no_odd_text_is_taken_for_another(text):
    require_same([text])
    require_same([b"{}", b'{"a":[' + text + b"]}", b"1"])


@given(st.lists(VALUES, max_size=6), st.booleans(), st.sampled_from([None, (",", ":"), 2]))
def test_what_is_json_is_parsed(given_values, ascii_only, layout):
    form = {"indent": layout} if layout == 2 else {"separators": layout}
    texts = [json.dumps(value, ensure_ascii=ascii_only, **form).encode() for value in given_values]
    found = require_same(texts)
    if not any(BETWEEN in text or b"u003a" in text for text in texts):
        assert found[0] == found[1] == [alone(text) for text in texts]


@given(st.binary(max_size=30))
def test_any_bytes(data):
    require_same([data])
    require_same([b'"' + data + b'"'])


@given(st.floats(), st.integers(-400, 400))
def test_floats_have_one_spelling(number, exponent):
    texts = [repr(number).encode(), f"{number:.3f}e{exponent}".encode()]
    require_same(texts[:1])
    require_same(texts)


@settings(max_examples=20)
@given(st.integers(1, 300))
def test_long_texts_need_no_way_of_their_own_with_msgspec(length):
    pytest.importorskip("msgspec")
    text = json.dumps({"a": "é:" * 30 * length, "b": 1.5}).encode()
    assert together(QUICK, [text]) == [alone(text)]


def corpus():
    """The files with JSON that the project has, and the lines of each."""
    places = [ROOT / "tests", ROOT / "examples", ROOT / "docs", ROOT / "benchmarks"]
    shared = ROOT.parent / "shared" / "data"
    places += [shared] if shared.is_dir() else []
    for place in places:
        for path in sorted(place.rglob("*")):
            if path.is_file() and path.stat().st_size < 4 << 20:
                data = path.read_bytes()
                if path.suffix in {".json", ".jsonl", ".ndjson"}:
                    yield data
                yield from (line for line in data.splitlines() if line.strip()[:1] in b'{["0123')


def test_the_corpus_of_the_project():
    texts = list(dict.fromkeys(corpus()))
    assert len(texts) > 1000
    taken = sum(require_same([text])[1] is not None for text in texts)
    assert taken > 100
