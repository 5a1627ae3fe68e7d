"""Strict JSON in, compact JSON out; and the scanner of faults agrees with the parser."""

import json
import math
from typing import Any

import pytest
from codec.json_values import VALUES
from hypothesis import example, given, strategies as st

from aivcs.codec.json import compact, encode, parse
from aivcs.codec.json_errors import find_byte_fault, find_fault
from aivcs.errors import SerializationError

# What JSON is made of, what it is nearly made of, and what parsers are known to disagree about.
PIECES = [
    *'[]{},:"\\/-+.eE0123456789 \t\n\r\0\x0b\x0c\x1f\x7f\xa0\u2028\ufeff\ud800\udc00é🦀',
    *["true", "false", "null", "True", "None", "nul", "NaN", "Infinity", "-Infinity", "inf"],
    *['""', '"a"', '"a":1', '"a":2', '{"a":1,"a":2}', "[]", "{}", "[1,]", "[,1]", '{"a":}', "'a'"],
    *[
        "\\u0041",
        "\\ud83d\\ude00",
        "\\ud83d",
        "\\ude00",
        "\\\\ud83d",
        "\\u12",
        "\\x41",
        "\\n",
        "\\",
    ],
    *[
        "0",
        "-0",
        "00",
        "01",
        "-",
        "1.",
        ".5",
        "1.5",
        "1e5",
        "1e",
        "1e+5",
        "1e400",
        "-1e400",
        "5e-400",
    ],
    *["1e309", "0x10", "1_000", "٣", "//", "/**/", "#"],
]
soup = st.lists(st.sampled_from(PIECES), max_size=12).map("".join)


@st.composite
def mutated(draw):
    """A JSON text with a few characters changed."""
    text = json.dumps(
        draw(VALUES), ensure_ascii=draw(st.booleans()), indent=draw(st.sampled_from([None, 1]))
    )
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(text)))
        size = draw(st.integers(0, 2))
        text = text[:at] + draw(st.sampled_from(["", *PIECES])) + text[at + size :]
    return text


def accepts(text):
    try:
        compact(text)
    except SerializationError:
        return False
    return True


def strictly(text):
    """The value of a text by the standard library, held to the same rules."""

    def unique(pairs):
        if len({key for key, _ in pairs}) != len(pairs):
            raise ValueError("a key is there twice")
        return dict(pairs)

    def constant(name):
        raise ValueError(name)

    def finite(text):
        if math.isinf(float(text)):
            raise ValueError(text)
        return float(text)

    value = json.loads(text, object_pairs_hook=unique, parse_constant=constant, parse_float=finite)
    json.dumps(value, ensure_ascii=False).encode()
    return value


# agreement


@given(soup | mutated())
@example("")
@example("\ufeff1")
@example('"\\ud83d\\ude00"')
@example('"\\ud83d\\\\ude00"')
@example('{"a":1,"\\u0061":2}')
@example("[1] 2")
@example('"\ud83d"')
@example("٣")
def test_a_text_is_accepted_exactly_if_no_fault_is_found(text):
    assert accepts(text) == (find_fault(text) is None)


@given(soup | mutated())
def test_a_text_is_accepted_exactly_if_the_standard_library_held_to_the_rules_accepts_it(text):
    try:
        value = strictly(text)
    except ValueError:
        assert not accepts(text)
    else:
        assert same(parse(text), value)
        assert same(json.loads(compact(text)), value)


@given(soup | mutated())
def test_a_refused_text_is_refused_with_the_place_of_its_fault(text):
    fault = find_fault(text)
    if fault is None:
        return
    with pytest.raises(SerializationError) as caught:
        compact(text)
    assert str(caught.value) == fault
    line, column = fault.split(":")[0].split(", ")
    number = int(line.removeprefix("line "))
    assert 1 <= number <= text.count("\n") + 1
    assert 1 <= int(column.removeprefix("column ")) <= len(text.split("\n")[number - 1]) + 1


def same(one, other):
    """Equal down to types, signs of zero and order of keys."""
    return repr(one) == repr(other)


# round trip


@given(VALUES)
def test_a_value_comes_back_as_it_was(value):
    text = encode(value)
    assert same(parse(text), value)
    assert text == json.dumps(value, ensure_ascii=False, separators=(",", ":"))


@given(VALUES, st.booleans(), st.sampled_from([None, 0, 3]))
def test_however_a_value_was_written_it_is_stored_in_one_form(value, ascii_only, indent):
    text = json.dumps(value, ensure_ascii=ascii_only, indent=indent)
    assert compact(f" \t\r\n{text}\n") == encode(value)
    assert compact(encode(value)) == encode(value)


@given(VALUES)
def test_what_is_stored_is_one_line(value):
    assert "\n" not in encode(value)
    assert b"\0" not in encode(value).encode()


# limits


@pytest.mark.parametrize("sign", ["", "-"])
@pytest.mark.parametrize("padding", ["", " " * 5000], ids=["alone", "in a long text"])
def test_integers_have_4300_digits_at_most(sign, padding):
    most = sign + "9" * 4300
    assert compact(padding + most) == most
    assert encode(parse(most)) == most
    assert find_fault(most) is None
    for longer in (most + "9", most + "0" * 5000):
        assert not accepts(padding + longer)
        assert find_fault(longer) == (
            f"line 1, column 1: an integer of {len(longer.lstrip('-'))} digits; the limit is 4300"
        )
    with pytest.raises(SerializationError):
        encode(10**4300)
    with pytest.raises(SerializationError):
        encode(-(10**4300))


def test_a_long_fraction_is_no_long_integer():
    assert compact("0." + "1" * 5000) == "0.1111111111111111"


@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}")])
def test_nesting_has_200_levels_at_most(opening, closing):
    deepest = opening * 200 + "1" + closing * 200
    assert compact(deepest) == deepest
    assert encode(parse(deepest)) == deepest
    for levels in (201, 1000, 100_000):
        text = opening * levels + "1" + closing * levels
        assert not accepts(text)
        assert "nested deeper than 200 levels" in find_fault(text)  # type: ignore[operator]
        with pytest.raises(SerializationError):
            parse(text)


def test_brackets_side_by_side_are_not_nested():
    text = "[" + ",".join(["[[]]"] * 1000) + "]"
    assert compact(text) == text
    assert compact('"' + "[" * 1000 + '"') == '"' + "[" * 1000 + '"'


def test_a_limit_of_nesting_can_be_raised():
    text = "[" * 202 + "]" * 202
    assert json.dumps(parse(text, max_depth=202)) == text
    with pytest.raises(SerializationError):
        parse(text, max_depth=201)


def circle():
    value: list[Any] = []
    value.append(value)
    return value


@pytest.mark.parametrize(
    "value",
    [
        float("nan"),
        [float("inf")],
        {"a": -float("inf")},
        b"bytes",
        {1, 2},
        object(),
        {1: 2},
        {None: 2},
        [{True: 2}],
        {1.5: 2},
        {("a",): 1},
        "\ud800",
        ["\udfff"],
        {"\ud800": 1},
        circle(),
    ],
    ids=lambda value: ascii(value)[:20],
)
def test_what_json_has_not_is_refused(value):
    with pytest.raises(SerializationError):
        encode(value)


def test_a_tuple_is_an_array():
    assert encode((1, ("a",))) == '[1,["a"]]'


# messages


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "line 1, column 1: the text ends where a value is expected"),
        ("[1,\n 2", "line 2, column 3: the text ends where ',' or ']' is expected"),
        ('{"a":1,\n"a":2}', 'line 2, column 1: duplicate key "a"'),
        ('{"a" 1}', "line 1, column 6: 1 where ':' is expected"),
        ("{a:1}", "line 1, column 2: 'a:1}' is not JSON"),
        ("[1,]", "line 1, column 4: ] where a value is expected"),
        ("{'a':1}", "line 1, column 2: JSON strings need double quotes"),
        ("[NaN]", "line 1, column 2: NaN is not JSON; use null or a string"),
        ("-Infinity", "line 1, column 1: -Infinity is not JSON; use null or a string"),
        ("1e999", "line 1, column 1: 1e999 is beyond the range of a double"),
        ('"a\tb"', "line 1, column 3: '\\t' must be escaped inside a string"),
        ('"a\\x"', "line 1, column 3: \\\\x is not a JSON escape"),
        ('"abc', "line 1, column 1: a string without its closing quote"),
        ("\ufeff{}", "line 1, column 1: a byte order mark; JSON begins without one"),
        (
            '["🦀","\\ud83d"]',
            (
                "line 1, column 7: half of a surrogate pair is not a character "
                "(or a byte that is not UTF-8)"
            ),
        ),
    ],
)
def test_a_fault_is_told_with_its_place(text, fault):
    assert find_fault(text) == fault


@pytest.mark.parametrize(
    ("data", "fault"),
    [
        (b'"\xff"', "line 1, column 2: byte 0xff is not UTF-8"),
        (
            "{}".encode("utf-16"),
            "line 1, column 1: the byte order mark of UTF-16; UTF-8 without one is expected",
        ),
        ("é\n🦀".encode() + b"\xc3", "line 2, column 2: byte 0xc3 is not UTF-8"),
        ("Grüße".encode(), None),
    ],
)
def test_a_byte_that_is_not_utf8_is_told_with_its_place(data, fault):
    assert find_byte_fault(data) == fault
