"""The chain: what a hash vouches for, and what the end of a log is taken for."""

import re
from hashlib import sha256

import pytest
from hypothesis import given, strategies as st

from aivcs.errors import IntegrityError, UnsupportedFormatError
from aivcs.log import chain
from aivcs.testing import linking

BODIES = [
    '{"type":"run","format":1',
    '{"type":"event","seq":1,"payload":"Grüße \\n"',
    '{"type":"event","seq":2,"payload":{"hash":"x"}',
    # What holds a whole line as a text must not be taken for one.
    '{"type":"event","seq":3,"payload":",\\"hash\\":\\"' + "0" * 64 + '\\"}"',
    '{"type":"event","seq":4,"payload":null',
]


def log(bodies=BODIES):
    """The lines of a log, each with its newline."""
    lines, previous = [], ""
    for body in bodies:
        line, previous = chain.link(body, previous)
        lines.append(line)
    return lines


LINES = log()
LOG = b"".join(LINES)
LAST = LINES[-1][:-1]
BEFORE = b"".join(LINES[:-1])


def told(tail):
    return (
        None
        if tail is None
        else (tail.last, tail.head, tail.end, tail.truncated, tail.unterminated)
    )


def judge(block, start=0):
    """What `read_tail` says, an error included, in a form that can be compared."""
    try:
        return told(chain.read_tail(block, start))
    except IntegrityError:
        return IntegrityError


def clean(lines):
    """What is said of a log that is as it should be."""
    last = lines[-1][:-1] if lines else b""
    return last, linking.hash_of(last) if last else "", sum(map(len, lines)), b"", False


# link


def test_a_hash_is_that_of_the_hash_before_it_and_the_line_before_it():
    line, link = chain.link('{"a":1', "f" * 64)
    assert link == sha256(b"f" * 64 + b'{"a":1').hexdigest()
    assert line == b'{"a":1,"hash":"' + link.encode() + b'"}\n'


def test_nothing_stands_before_the_first_line():
    line, link = chain.link('{"a":1', "")
    assert link == sha256(b'{"a":1').hexdigest()
    assert chain.is_linked(line[:-1], "")
    assert not chain.is_linked(line[:-1], "0" * 64)


def test_the_lines_are_those_of_the_second_implementation():
    assert [line[:-1] for line in LINES] == linking.relink(body.encode() for body in BODIES)


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"{}",
        LAST[:-1],
        LAST[:-2] + b'"]',
        LAST + b" ",
        LAST[:-3] + b'G"}',
        LAST[:-3] + b'A"}',
        LAST.replace(b',"hash"', b', "hash"'),
        LAST[:-66] + b"0" + LAST[-66:],
    ],
)
def test_a_line_that_does_not_end_in_a_hash_bears_none_that_is_right(line):
    previous = linking.hash_of(LINES[-2])
    assert not chain.is_linked(line, previous)


def test_every_changed_byte_makes_a_line_wrong():
    previous = linking.hash_of(LINES[-2])
    assert chain.is_linked(LAST, previous)
    for at in range(len(LAST)):
        for byte in {0, 10, 32, 48, LAST[at] ^ 1, LAST[at] ^ 32} - {LAST[at]}:
            assert not chain.is_linked(LAST[:at] + bytes([byte]) + LAST[at + 1 :], previous)


# read_tail


def test_nothing_is_a_log_without_lines():
    assert judge(b"") == (b"", "", 0, b"", False)


@pytest.mark.parametrize("number", range(1, 6))
def test_whole_lines_are_clean(number):
    assert judge(b"".join(LINES[:number])) == clean(LINES[:number])
    assert chain.read_tail(b"".join(LINES[:number]), 0).is_clean  # type: ignore[union-attr]


@pytest.mark.parametrize("nuls", [0, 1, 5, 4096])
def test_cut_anywhere_a_log_keeps_every_whole_line_and_the_rest_is_torn(nuls):
    for size in range(len(LOG) + 1):
        kept, end = [], 0
        for line in LINES:
            if end + len(line) > size:
                break
            kept.append(line)
            end += len(line)
        rest = LOG[end:size]
        last, head, _, _, _ = clean(kept)
        if rest and LOG[size : size + 1] == b"\n":  # only its newline is missing
            wanted = (rest, linking.hash_of(rest), size, b"\0" * nuls, True)
        else:
            wanted = (last, head, end, rest + b"\0" * nuls, False)
        assert judge(LOG[:size] + b"\0" * nuls) == wanted, size


def test_a_torn_first_line_leaves_nothing():
    assert judge(LINES[0][:20]) == (b"", "", 0, LINES[0][:20], False)
    assert judge(b"\0" * 100) == (b"", "", 0, b"\0" * 100, False)


def test_a_byte_changed_in_the_last_line_is_corruption():
    for at in range(len(BEFORE), len(LOG)):
        for byte in {1, 10, 32, 48, LOG[at] ^ 1, LOG[at] ^ 32} - {LOG[at]}:
            changed = LOG[:at] + bytes([byte]) + LOG[at + 1 :]
            assert judge(changed) is IntegrityError, (at, byte)


def test_a_nul_in_the_last_line_is_corruption():
    for at in range(len(BEFORE), len(LOG) - 1):
        assert judge(LOG[:at] + b"\0" + LOG[at + 1 :]) is IntegrityError, at


def test_a_hole_of_whole_sectors_is_an_unfinished_write():
    # Lines of 1,000 bytes behind a right one, the sectors in the middle of them never written.
    filler = b"".join(b"%0999d\n" % number for number in range(4))
    start = -(-len(LOG) // 512) * 512 + 512
    whole = LOG + filler
    for size in (512, 1024, 1536):
        holed = whole[:start] + b"\0" * size + whole[start + size :]
        last, head, end, _, _ = clean(LINES)
        assert judge(holed) == (last, head, end, holed[end:], False)
        assert judge(holed[:-300] + b"\0" + holed[-299:]) is IntegrityError
    # From where the file ended before to where a sector does.
    holed = LOG + b"\0" * (start - len(LOG)) + whole[start:]
    assert judge(holed) == (*clean(LINES)[:3], holed[len(LOG) :], False)


def test_a_nul_for_the_last_newline_is_not():
    wanted = (LAST, linking.hash_of(LAST), len(LOG) - 1, b"\0", True)
    assert judge(LOG[:-1] + b"\0") == wanted


def test_a_byte_changed_further_up_never_costs_a_right_line():
    found, refused = clean(LINES), 0
    for at in range(len(BEFORE)):
        for byte in {0, 1, 10, 32, 48, LOG[at] ^ 1, LOG[at] ^ 32} - {LOG[at]}:
            changed = LOG[:at] + bytes([byte]) + LOG[at + 1 :]
            said = judge(changed)
            assert said in (found, IntegrityError), (at, byte)
            refused += said is IntegrityError
    # Only what the last line is checked against is looked at; the rest is for a full read.
    assert 0 < refused <= chain.LINK_BYTES * 8


@given(st.binary(min_size=1, max_size=200))
def test_whatever_is_behind_the_last_newline_it_is_torn_or_corrupt(rest):
    said = judge(LOG + rest)
    holes = list(re.finditer(rb"\0+", rest))
    is_torn = b"\n" not in rest or (
        bool(holes)
        and all(
            (
                hole.start() == 0
                or rest[hole.start() - 1] == 10
                or not (len(LOG) + hole.start()) % 512
            )
            and (hole.end() == len(rest) or not (len(LOG) + hole.end()) % 512)
            for hole in holes
        )
    )
    if not is_torn:
        assert said is IntegrityError
    else:
        last, head, end, _, _ = clean(LINES)
        assert said == (last, head, end, rest, False)


@given(st.binary(min_size=1, max_size=200))
def test_a_whole_line_without_its_newline_is_followed_by_nulls_or_corrupt(rest):
    said = judge(LOG[:-1] + rest)
    if not rest.strip(b"\0"):
        assert said == (LAST, linking.hash_of(LAST), len(LOG) - 1, rest, True)
    elif rest.startswith(b"\n"):
        assert said == judge(LOG + rest[1:])
    else:
        assert said is IntegrityError


@given(st.data())
def test_what_is_mended_is_clean(data):
    damaged = LOG[: data.draw(st.integers(0, len(LOG)))] + data.draw(
        st.binary(max_size=20) | st.integers(0, 50).map(lambda number: b"\0" * number)
    )
    try:
        tail = chain.read_tail(damaged, 0)
    except IntegrityError:
        return
    assert tail is not None
    mended = damaged[: tail.end] + b"\n" * tail.unterminated
    again = chain.read_tail(mended, 0)
    assert again is not None
    assert again.is_clean
    end = tail.end + tail.unterminated
    assert (again.last, again.head, again.end) == (tail.last, tail.head, end)
    assert LOG.startswith(mended)


@pytest.mark.parametrize(
    "damage",
    [b"", b"\0" * 30, b"torn", b"torn\n", LINES[0], LINES[2] + LINES[3], b"\n", b"\n\n", b"\n\0"],
    ids=ascii,
)
def test_a_block_that_begins_later_says_the_same_or_that_it_begins_too_late(damage):
    for whole in (LOG + damage, LOG[:-1] + damage, LOG[:-30] + damage):
        wanted = judge(whole)
        for start in range(1, len(whole) + 1):
            assert judge(whole[start:], start) in (None, wanted), start
        # Two whole lines and what is behind them are always enough.
        assert judge(whole[len(b"".join(LINES[:-3])) :], len(b"".join(LINES[:-3]))) == wanted


def test_the_error_says_where_the_bad_line_begins():
    bad = LAST.replace(b"null", b"true")
    with pytest.raises(IntegrityError) as caught:
        chain.read_tail(BEFORE + bad + b"\n", 0)
    assert caught.value.where == str(len(BEFORE))
    assert caught.value.expected == linking.hash_of(LAST)
    assert caught.value.actual == linking.hash_of(
        linking.link_line(linking.body_of(bad), linking.hash_of(LINES[-2]))
    )


# verified_lines


def test_right_lines_are_numbered_from_one_and_lose_their_newlines():
    wanted = [(number, line[:-1]) for number, line in enumerate(LINES, 1)]
    assert list(chain.verified_lines(LINES)) == wanted
    assert list(chain.verified_lines([*LINES[:-1], LAST])) == wanted
    assert list(chain.verified_lines([])) == []


def test_right_lines_can_go_on_in_the_middle():
    assert (
        list(chain.verified_lines(LINES[2:], linking.hash_of(LINES[1]), 2))
        == list(chain.verified_lines(LINES))[2:]
    )


@pytest.mark.parametrize("number", range(1, 6))
@pytest.mark.parametrize(
    "edit",
    [
        lambda line: line.replace(b"e", b"E", 1),
        lambda line: line.replace(b"e", b"\0", 1),
        lambda line: line[:-4] + b'0"}\n' if line[-4:-3] != b"0" else line[:-4] + b'1"}\n',
        lambda line: b"\n",
        lambda line: b"",
        lambda line: line[:-1] + line,
        lambda line: line + line,
    ],
    ids=["byte", "NUL", "hash", "emptied", "gone", "doubled", "repeated"],
)
def test_a_full_read_names_the_first_line_that_is_wrong(number, edit):
    changed = b"".join([*LINES[: number - 1], edit(LINES[number - 1]), *LINES[number:]])
    lines = chain.verified_lines(changed.splitlines(keepends=True))
    if number == 5 and edit(LINES[4]) == b"":
        assert len(list(lines)) == 4  # what a head kept elsewhere is for
        return
    good = number if edit(LINES[0]) == LINES[0] * 2 else number - 1
    for wanted in range(1, good + 1):
        assert next(lines)[0] == wanted
    with pytest.raises(IntegrityError) as caught:
        next(lines)
    assert caught.value.where == str(good + 1)


# members


def test_a_line_has_its_members():
    assert chain.members(LAST) == {
        "type": "event",
        "seq": 4,
        "payload": None,
        "hash": linking.hash_of(LAST),
    }


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"null",
        b"[]",
        b"{}",
        b'{"type":1}',
        b'{"type":null}',
        b'{"type":"run"',
        b'{"type":"run","type":"run"}',
        b'{"type":"run","x":NaN}',
        b'{"type":"run","x":"\xff"}',
        b'{"type":"run","x":' + b"[" * 5000 + b"]" * 5000 + b"}",
    ],
    ids=lambda line: ascii(line[:40]),
)
def test_what_is_no_entry_is_an_integrity_error(line):
    with pytest.raises(IntegrityError):
        chain.members(line)


@pytest.mark.parametrize("number", [b"2", b"0", b'"1"', b"null"])
def test_an_entry_of_another_format_is_refused(number):
    with pytest.raises(UnsupportedFormatError):
        chain.members(b'{"type":"run","format":%s}' % number)


def test_a_line_may_hold_what_uses_all_of_the_nesting_there_is():
    tags = b"[" * 200 + b"]" * 200
    assert chain.members(b'{"type":"run","metadata":{"tags":%s}}' % tags)["type"] == "run"
