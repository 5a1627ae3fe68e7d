"""What is kept beside memory is what a dict and a list would say."""

import builtins

import pytest
from hypothesis import given, strategies as st

from aivcs.util import disk_map
from aivcs.util.disk_map import DiskMap, DiskStack

KEYS = st.integers(0, 40)
CHANGES = st.lists(st.tuples(st.sampled_from(["set", "add", "pop"]), KEYS, st.integers(0, 9)))
LIMITS = st.sampled_from([0, 3, 1000])  # at once in a file, soon, and never


def changed(limit, changes, key_of):
    """A table and a dict after the same changes."""
    table, plain = DiskMap(limit), {}
    for what, number, value in changes:
        key = key_of(number)
        if what == "set":
            table[key] = plain[key] = value
        elif what == "add":
            assert table.add(key) == (key not in plain)
            plain.setdefault(key, None)
        else:
            assert table.pop(key) == plain.pop(key, None)
    return table, plain


@given(LIMITS, CHANGES, st.sampled_from([int, str, lambda number: bytes([number])]))
def test_a_table_says_what_a_dict_says(limit, changes, key_of):
    table, plain = changed(limit, changes, key_of)
    assert bool(table) == bool(plain)
    assert list(table.keys()) == sorted(plain)
    assert list(table.keys(descending=True)) == sorted(plain, reverse=True)
    for key in map(key_of, range(41)):
        assert (key in table, table.get(key)) == (key in plain, plain.get(key))


@given(LIMITS, CHANGES, KEYS)
def test_the_floor_is_the_greatest_key_that_is_not_greater(limit, changes, key):
    table, plain = changed(limit, changes, int)
    below = [(one, plain[one]) for one in sorted(plain) if one <= key]
    assert table.floor(key) == (below[-1] if below else None)


@pytest.mark.parametrize("limit", [2000, 100])
def test_keys_may_come_and_go_while_they_are_read(limit):
    table = DiskMap(limit)
    for number in range(0, 1500, 2):
        table.add(number)
    seen = []
    for key in table.keys():  # noqa: SIM118 no dict
        seen.append(key)
        table.pop(key)
        if key < 1000:
            table.add(key - 1)  # behind what was read
    assert seen == list(range(0, 1500, 2))
    assert list(table.keys()) == list(range(-1, 999, 2))


@given(st.lists(st.one_of(st.just("pop"), st.tuples(st.binary(max_size=3), st.integers()))))
def test_a_stack_says_what_a_list_says(steps):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(disk_map, "_BLOCK", 2)
        stack, plain = DiskStack(), []
        for step in steps:
            if step != "pop":
                stack.push(step)
                plain.append(step)
            elif plain:
                assert stack.pop() == plain.pop()
            assert bool(stack) == bool(plain)
        assert [stack.pop() for _ in plain] == plain[::-1]
        with pytest.raises(IndexError):
            stack.pop()


def test_without_sqlite_all_stays_in_memory(monkeypatch):
    imported = builtins.__import__

    def refuse(name, *rest):
        if name == "_sqlite3":
            raise ImportError(name)
        return imported(name, *rest)

    monkeypatch.setattr(builtins, "__import__", refuse)
    table = DiskMap(2)
    for number in range(10):
        table.add(number)
    assert list(table.keys()) == list(range(10))


def test_a_full_disk_is_said_in_one_line(aivcs):
    """Beyond a limit that the system sets for files, as on a disk that is full."""
    named = ",".join(f'"{number:064x}"' for number in range(30_000))
    aivcs.ok("blob", "pin", aivcs.put(f"[{named}]".encode()))
    done = aivcs.shell("ulimit -f 256; aivcs gc --dry-run")
    assert done.code == 16
    assert done.complaint.startswith("cannot write a temporary file: ")
    aivcs.ok("gc", "--dry-run")
