"""Output cut into events: nothing is lost, and it does not matter how it came."""

import base64
from itertools import pairwise

from hypothesis import example, given, strategies as st

from aivcs.commands.run.output_lines import LineSplitter

OUTPUT = st.lists(
    st.sampled_from(
        [b"\n", b"a", b"\r\n", "ü".encode(), "😀".encode(), b"\xff", b"\0", b"\xf0\x9f"]
    )
    | st.binary(max_size=9)
).map(b"".join)
CUTS = st.lists(st.integers(0, 60), max_size=8)


def chunks(data, cuts):
    places = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
    return [data[a:b] for a, b in pairwise(places)]


def pieces(data, cuts, limit):
    splitter = LineSplitter("s", limit)
    found = []
    for chunk in chunks(data, cuts):
        found += splitter.feed(chunk)
    return found + splitter.end()


def put_together(payloads):
    data = b""
    for payload in payloads:
        exact = payload.get("base64")
        data += payload["text"].encode() if exact is None else base64.b64decode(exact)
        data += b"" if payload.get("newline") is False else b"\n"
    return data


@given(data=OUTPUT, cuts=CUTS, limit=st.integers(4, 20))
@example(data=b"\xf0" + b"\x80" * 9, cuts=[], limit=4)
def test_put_together_again_it_is_what_it_was(data, cuts, limit):
    found = pieces(data, cuts, limit)
    assert put_together(found) == data
    assert all(len(put_together([piece])) <= limit + 1 for piece in found)


@given(data=OUTPUT, cuts=CUTS, limit=st.integers(4, 20))
def test_the_events_do_not_depend_on_how_it_came(data, cuts, limit):
    assert pieces(data, cuts, limit) == pieces(data, [], limit)


@given(text=st.text(st.characters(exclude_characters="\n", codec="utf-8")), limit=st.integers(4, 9))
def test_a_long_line_is_not_cut_within_a_character(text, limit):
    found = pieces(text.encode(), [], limit)
    assert "".join(piece["text"] for piece in found) == text
    assert not any("base64" in piece for piece in found)
