"""Aligning sequences, and comparing texts and JSON values."""

import random
import shutil
import subprocess
from itertools import pairwise

import pytest
from hypothesis import given, strategies as st

from aivcs.codec.json_pointer import make_pointer
from aivcs.compare.alignment import align
from aivcs.compare.json_difference import compare_json, dotted, unified

WORDS = st.lists(st.sampled_from("abc"), max_size=12)
LINES = st.lists(st.sampled_from(["a\n", "b\n", "\n", "c\n"]), max_size=25).map("".join)
TEXTS = st.tuples(LINES, st.sampled_from(["", "end"])).map("".join)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from([1.0, 0.5, "", "a/b", "~"]),
    lambda below: (
        st.lists(below, max_size=4)
        | st.dictionaries(st.sampled_from(["", "a", "a/b", "~1", "é"]), below, max_size=4)
    ),
    max_leaves=12,
)

# Without lists, whose items can often be aligned in several ways that are equally good.
OBJECTS = st.recursive(
    st.none() | st.booleans() | st.integers(),
    lambda below: st.dictionaries(st.sampled_from(["", "a", "a/b", "~1", "é"]), below, max_size=4),
    max_leaves=12,
)


def greatest_length(a, b):
    """The length of the longest common subsequence, from its definition."""
    if not a or not b:
        return 0
    if a[0] == b[0]:
        return 1 + greatest_length(a[1:], b[1:])
    return max(greatest_length(a[1:], b), greatest_length(a, b[1:]))


@given(WORDS.map(lambda a: a[:8]), WORDS.map(lambda b: b[:8]))
def test_the_subsequence_is_common_and_none_is_longer(a, b):
    pairs = align(a, b)
    assert all(a[i] == b[j] for i, j in pairs)
    assert all(one[0] < two[0] and one[1] < two[1] for one, two in pairwise(pairs))
    assert len(pairs) == greatest_length(a, b)


@given(WORDS)
def test_a_sequence_is_aligned_with_all_of_itself(a):
    assert align(a, a) == [(i, i) for i in range(len(a))]


@given(WORDS, WORDS)
def test_as_many_are_aligned_from_the_other_side(a, b):
    assert len(align(a, b)) == len(align(b, a))


def test_ten_thousand_of_two_kinds_are_aligned():
    # So many matches, in no order, that going through them one by one would take hours.
    source = random.Random(1)
    a, b = ([source.choice("ab") for _ in range(10_000)] for _ in range(2))
    assert len(align(a, b)) > 8000


@pytest.mark.skipif(shutil.which("patch") is None, reason="there is no patch")
def test_patch_makes_one_text_of_the_other(tmp_path):
    source = random.Random(7)
    file, made = tmp_path / "a", tmp_path / "b"
    for _ in range(60):
        a, b = (
            "".join(
                source.choice(["x\n", "y\n", "\n", "z\x0bq\n"]) for _ in range(source.randrange(30))
            )
            + source.choice(["", "no newline"])
            for _ in range(2)
        )
        if a == b:
            continue
        file.write_text(a)
        text = "".join(f"{line}\n" for line in unified(a, b, "a", "b"))
        subprocess.run(
            ["patch", "-s", "-o", made, file], input=text.encode(), check=True, capture_output=True
        )
        assert made.read_text() == b


@given(TEXTS)
def test_equal_texts_have_no_diff(a):
    assert list(unified(a, a, "a", "b")) == []


def test_a_change_is_shown_with_three_lines_around_it():
    a = "".join(f"{n}\n" for n in range(1, 21))
    b = a.replace("2\n", "two\n", 1).replace("\n19\n", "\n")
    assert list(unified(a, b, "old", "new")) == [
        "--- old", "+++ new",
        "@@ -1,5 +1,5 @@", " 1", "-2", "+two", " 3", " 4", " 5",
        "@@ -16,5 +16,4 @@", " 16", " 17", " 18", "-19", " 20",
    ]  # fmt: skip


def test_members_and_items_are_told_by_their_places():
    a = {"model": "small", "stop": ["a", "b", "c"], "limits": {"a/b": 1, "~": 2}}
    b = {
        "stop": ["a", "c", "d"],
        "model": "large",
        "limits": {"a/b": 1.0, "~": True},
    }
    found = [change.to_json() for change in compare_json(a, b)]
    assert found == [
        {"op": "replace", "path": "/model", "a": "small", "b": "large"},
        {"op": "remove", "path": "/stop/1", "a": "b"},
        {"op": "add", "path": "/stop/2", "b": "d"},
        {"op": "replace", "path": "/limits/~0", "a": 2, "b": True},
    ]


def test_one_item_more_at_the_front_is_one_change():
    items = [{"tool": "search", "n": n} for n in range(5)]
    (change,) = compare_json(items, [{"tool": "edit"}, *items])
    assert (change.op, change.place, change.b) == ("add", (0,), {"tool": "edit"})


def test_an_item_that_changed_is_compared_within():
    (change,) = compare_json([1, {"a": 1, "b": 2}, 3], [1, {"a": 1, "b": 3}, 3])
    assert (change.place, change.a, change.b) == ((1, "b"), 2, 3)


@given(JSON)
def test_equal_values_have_no_differences(a):
    assert compare_json(a, a) == []


@given(OBJECTS, OBJECTS)
def test_swapping_the_sides_swaps_what_was_added_and_removed(a, b):
    there = sorted(change.op for change in compare_json(a, b))
    swap = {"add": "remove", "remove": "add", "replace": "replace"}
    assert sorted(swap[change.op] for change in compare_json(b, a)) == there


@given(JSON, JSON)
def test_a_place_leads_to_the_value(a, b):
    for change in compare_json(a, b):
        value = b if change.op == "add" else a
        for name in change.place:
            value = value[name]
        assert value is (change.b if change.op == "add" else change.a)


def test_places_are_written_for_programs_and_for_people():
    assert make_pointer(("a/b", 0, "~", "")) == "/a~1b/0/~0/"
    assert make_pointer(()) == ""
    assert dotted(("args", 0, "a.b", "c", "")) == 'args[0]["a.b"].c[""]'
