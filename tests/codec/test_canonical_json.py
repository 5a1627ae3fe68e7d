"""Canonical JSON, by the vectors of RFC 8785 and against another implementation."""

import json
import struct
from typing import Any

import pytest
import rfc8785
from hypothesis import given, strategies as st

from aivcs.codec.canonical_json import canonical, number
from aivcs.codec.json import parse
from aivcs.errors import SerializationError

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda below: st.lists(below, max_size=5) | st.dictionaries(st.text(), below, max_size=5),
    max_leaves=25,
)


@pytest.mark.parametrize(
    ("bits", "text"),
    [
        ("0000000000000000", "0"),
        ("8000000000000000", "0"),
        ("0000000000000001", "5e-324"),
        ("8000000000000001", "-5e-324"),
        ("7fefffffffffffff", "1.7976931348623157e+308"),
        ("ffefffffffffffff", "-1.7976931348623157e+308"),
        ("4340000000000000", "9007199254740992"),
        ("c340000000000000", "-9007199254740992"),
        ("4430000000000000", "295147905179352830000"),
        ("44b52d02c7e14af5", "9.999999999999997e+22"),
        ("44b52d02c7e14af6", "1e+23"),
        ("44b52d02c7e14af7", "1.0000000000000001e+23"),
        ("444b1ae4d6e2ef4e", "999999999999999700000"),
        ("444b1ae4d6e2ef4f", "999999999999999900000"),
        ("444b1ae4d6e2ef50", "1e+21"),
        ("3eb0c6f7a0b5ed8c", "9.999999999999997e-7"),
        ("3eb0c6f7a0b5ed8d", "0.000001"),
        ("41b3de4355555553", "333333333.3333332"),
        ("41b3de4355555554", "333333333.33333325"),
        ("41b3de4355555555", "333333333.3333333"),
        ("41b3de4355555556", "333333333.3333334"),
        ("41b3de4355555557", "333333333.33333343"),
        ("becbf647612f3696", "-0.0000033333333333333333"),
        ("43143ff3c1cb0959", "1424953923781206.2"),
    ],
)
def test_numbers_are_those_of_appendix_b(bits, text):
    assert number(struct.unpack(">d", bytes.fromhex(bits))[0]) == text


def test_the_sample_of_section_3_2_2():
    value = parse(
        r"""{
        "numbers": [333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001],
        "string": "\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/",
        "literals": [null, true, false]
        }"""
    )
    assert (
        canonical(value)
        == (
            r'{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],'
            r'"string":"€$\u000f\nA' + "'" + r'B\"\\\\\"/"}'
        ).encode()
    )


def test_members_stand_in_the_order_of_their_utf16_code_units():
    # Section 3.2.3: the emoji, a pair of surrogates, stands before U+FB33, though it is greater.
    names = ["\u20ac", "\r", "\ufb33", "1", "\U0001f600", "\x80", "\u00f6"]
    sorted_names = ["\r", "1", "\x80", "\u00f6", "\u20ac", "\U0001f600", "\ufb33"]
    assert list(json.loads(canonical(dict.fromkeys(names)))) == sorted_names


@pytest.mark.parametrize(
    "value",
    [
        float("nan"), float("inf"), -float("inf"), 2**53 + 1, -(2**70), 10**21, 10**4000,
        "\ud800", {"\udfff": 1}, {1: 2}, {None: 2}, b"", object(), [{1, 2}],
    ],
)  # fmt: skip
def test_what_has_no_canonical_form_is_refused(value):
    with pytest.raises(SerializationError):
        canonical(value)


def test_a_value_that_is_nested_too_deeply_is_refused():
    value: list[Any] = []
    for _ in range(199):
        value = [value]
    assert canonical(value) == b"[" * 200 + b"]" * 200
    with pytest.raises(SerializationError):
        canonical([value])


@given(JSON)
def test_it_agrees_with_another_implementation(value):
    assert canonical(value) == rfc8785.dumps(value)


@given(JSON)
def test_it_gives_the_value_back_and_then_the_same_text(value):
    text = canonical(value)
    assert canonical(parse(text.decode())) == text


@given(st.binary(min_size=8, max_size=8).map(lambda data: struct.unpack(">d", data)[0]))
def test_a_number_is_the_double_that_it_was(value):
    if value == value and abs(value) != float("inf"):
        assert float(number(value)) == value
