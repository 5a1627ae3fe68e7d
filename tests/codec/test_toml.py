"""The quick reader of simple TOML says what the standard library says, or leaves it to say it."""

import tomllib

import pytest
from hypothesis import example, given, strategies as st

from aivcs.codec.toml import TomlError, parse_simple, parse_toml

PIECES = [
    "a", "b-1", "core", "'q'", '"q"', ".", "=", " = ", "#", " ", "\t", "\n", "\r\n", "[", "]",
    "[[", "]]", "[a]", "[core]", "[a.b]", "{", "}", ",", "1", "-0", "01", "1_0", "1.5", "1e5",
    "0x1", "inf", "nan", "null", "true", "True", '"x"', '"\\n"', '"\\/"', "'x'", '"""',
    '["x", "y"]', '["x",]', "[1]", "[[]]", "1979-05-27", "ü", "\x7f", "\0",
    '[a."b"]', '[a."b.c"]', '["a"]', '[a."b]', "\n[a.b.c]\n", "\n[a.b]\n", "\n[a]\n",
    "a = 1\n", 'b = "x"\n', "a.b = 1\n", "# note\n",
]  # fmt: skip
soup = st.lists(st.sampled_from(PIECES), max_size=8).map("".join)


@given(soup)
@example('a = "\x7f"')
@example("a = 1 # note")
@example("[a]\n[a]")
@example("a = 1\n[a]")
@example("[a]\nb=1\n[a.c]")
@example('[a."b.c".d]\n[a]\nx=1')
@example('[a]\n"b"=1\n[a.b]')
@example("[a]\nb=1\n[a.b]")
@example("[a.b]\n[a.c]\n[a.b.d]\n[a.b]")
@example('[a."\\u0062"]\n[a.b]')
@example("a = -0.0")
@example("a = 1\na = 1")
def test_what_is_read_quickly_is_what_the_standard_library_reads(text):
    simple = parse_simple(text.encode())
    if simple is not None:
        assert repr(simple) == repr(tomllib.loads(text))


@given(soup)
def test_what_is_no_toml_is_refused(text):
    try:
        expected = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        with pytest.raises(TomlError):
            parse_toml(text.encode())
    else:
        assert repr(parse_toml(text.encode())) == repr(expected)


def test_a_file_as_people_write_it_is_read_quickly():
    text = """# How this store behaves.

[core]
durability = "batch"
  lock_timeout=2.5
[limits]
event_bytes = 2048
[policy."prod/*"]
require_runs = 3
[safe]
directory = ["/srv/a/.aivcs", "/srv/b/.aivcs"]
"""
    assert parse_simple(text.encode()) == tomllib.loads(text)


def test_what_is_no_text_is_refused():
    with pytest.raises(TomlError):
        parse_toml(b"a = '\xff'")
