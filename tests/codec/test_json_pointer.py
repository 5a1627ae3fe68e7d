"""JSON pointers, by the examples of RFC 6901 and by a walk through any value."""

import pytest
from hypothesis import given, strategies as st

from aivcs.codec.json_pointer import value_at
from aivcs.errors import UsageError

RFC = {
    "foo": ["bar", "baz"], "": 0, "a/b": 1, "c%d": 2, "e^f": 3, "g|h": 4, "i\\j": 5, 'k"l': 6,
    " ": 7, "m~n": 8,
}  # fmt: skip


@pytest.mark.parametrize(
    ("pointer", "value"),
    [
        ("", RFC), ("/foo", ["bar", "baz"]), ("/foo/0", "bar"), ("/", 0), ("/a~1b", 1),
        ("/c%d", 2), ("/e^f", 3), ("/g|h", 4), ("/i\\j", 5), ('/k"l', 6), ("/ ", 7), ("/m~0n", 8),
    ],
)  # fmt: skip
def test_section_5_of_the_rfc(pointer, value):
    assert value_at(RFC, pointer) == value


def test_tilde_is_unescaped_last():
    assert value_at({"~1": "right", "/": "wrong"}, "/~01") == "right"


@pytest.mark.parametrize(
    "pointer",
    ["/bar", "/foo/2", "/foo/-", "/foo/01", "/foo/+1", "/foo/-1", "/foo/\u0660", "/foo/0/x",
     "/foo/", "/foo/99999999999999999999999"],
)  # fmt: skip
def test_what_is_not_there_is_a_lookup_error(pointer):
    with pytest.raises(LookupError):
        value_at(RFC, pointer)


@pytest.mark.parametrize("pointer", ["foo", "#/foo", "/~", "/~2", "/a~", "/~~0"])
def test_what_is_no_pointer_is_refused(pointer):
    with pytest.raises(UsageError, match="is not a JSON pointer"):
        value_at(RFC, pointer)


values = st.recursive(
    st.none() | st.integers(),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text("a~/01"), inner, max_size=4)
    ),
)


@given(values, st.data())
def test_every_place_of_a_value_has_a_pointer_that_leads_to_it(value, data):
    pointer, place = "", value
    while isinstance(place, (dict, list)) and place:
        step = data.draw(
            st.sampled_from(sorted(place) if isinstance(place, dict) else range(len(place)))
        )
        pointer += "/" + str(step).replace("~", "~0").replace("/", "~1")
        place = place[step]
    assert value_at(value, pointer) is place
