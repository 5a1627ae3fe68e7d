"""Sources that are cut, damaged or made to harm: what came before is told, and no traceback."""

import json
import random
import tracemalloc
from copy import deepcopy

import pytest
from formats import samples
from formats.reading import Told, read
from hypothesis import given, settings, strategies as st

from aivcs.codec.json import encode
from aivcs.formats import model, records, registry
from aivcs.formats.errors import FormatError
from aivcs.formats.model import Hint, Outcome
from aivcs.model.run import RunEvent, RunId

NAMES = list(samples.ALL)
PROVEN = {"trace", "run-log"}
"""Formats that show each change of their content, which is then an error."""
VALUES: list[object] = [
    None, True, False, 0, -1, 1.5, 1e308, 2**70, "", "x", "\x00", "12", "2026-11-01T10:00:00Z",
    "[trimmed]", "Exit code 1\n", [], {}, [[]], [None], [1, "a", {}], {"type": "text"},
    {"id": []}, {"message": {"content": [{"type": "tool_use"}]}}, "{\"a\": [1]}", "{bad",
]  # fmt: skip


def check(told):
    """Everything that was told can be stored as it is."""
    seqs: dict[str, int] = {}
    for session in told.sessions:
        RunId(session.id)
        if session.parent:
            assert isinstance(session.parent, str)
    for event in told.events:
        seqs[event.session] = seqs.get(event.session, 0) + 1
        assert event.seq == seqs[event.session]
        RunEvent(event.kind, seq=event.seq, timestamp=event.timestamp)
        encode(event.payload)
        assert event.line >= 1
    for outcome in told.outcomes:
        encode([outcome.figures, outcome.unknown, outcome.duration_ms, outcome.reason])


def reader(name):
    return registry.find_format(samples.ALL[name][0]).reader(Hint())


@pytest.mark.parametrize("name", NAMES)
def test_a_beginning_tells_the_beginning_however_the_bytes_come(name):
    data = samples.ALL[name][1]
    form = samples.ALL[name][0]
    whole = read(data, form, final=False)
    check(read(data, form))
    assert read(data, form, final=False, step=7).items == whole.items
    for end in {*range(0, len(data), 97), len(data) - 1}:
        part = read(data[:end], form, final=False)
        assert part.events == whole.events[: len(part.events)]


@pytest.mark.parametrize("name", NAMES)
def test_a_second_reading_tells_the_same(name):
    form, data = samples.ALL[name]
    assert read(data, form).items == read(data, form).items


@pytest.mark.parametrize("name", NAMES)
def test_the_format_is_known_by_the_content(name):
    form, data = samples.ALL[name]
    assert registry.detect(data).name == form
    assert registry.detect(data[: max(600, len(data) // 3)]).name == form
    assert registry.detect(b"\xef\xbb\xbf" + data).name == form


def test_no_format_is_an_error_that_names_those_there_are():
    for data in (b"", b"\n", b"hello", b"[]", b"{}", b"\x00" * 99, b"{" * 99, b"[1,2]", b'{"a":'):
        with pytest.raises(FormatError, match=r"the formats atif, .*--from"):
            registry.detect(data)
    with pytest.raises(FormatError, match="no format is called 'x'; there are "):
        registry.find_format("x")


def replaced(value, rng):
    """A copy of a value with one thing in it of another type, gone, or twice."""
    places = []

    def walk(node, path):
        places.append(path)
        if isinstance(node, (dict, list)):
            for key, child in node.items() if isinstance(node, dict) else enumerate(node):
                walk(child, [*path, key])

    copy = json.loads(json.dumps(value))
    if isinstance(copy, (dict, list)):
        walk(copy, [])
    places = [path for path in places if path]
    for _ in range(rng.choice([1, 1, 2, 5])):
        if not places:
            return rng.choice(VALUES)
        *path, last = rng.choice(places)
        node = copy
        try:
            for key in path:
                node = node[key]
            if rng.random() < 0.15:
                del node[last]
            else:
                node[last] = deepcopy(rng.choice(VALUES))
        except (TypeError, KeyError, IndexError, AttributeError):
            continue
    return copy


@pytest.mark.parametrize("name", NAMES)
@given(seed=st.integers(0, 2**32))
@settings(max_examples=30)
def test_wrong_types_anywhere_are_never_a_traceback(name, seed):
    form, data = samples.ALL[name]
    rng = random.Random(seed)
    if data[:1] == b"{" and data.count(b"\n{"):
        rows = [json.loads(line) for line in data.splitlines()]
        for _ in range(rng.randrange(1, 5)):
            at = rng.randrange(len(rows))
            rows[at] = replaced(rows[at], rng)
            other = rng.randrange(len(rows))
            rows[at], rows[other] = rows[other], rows[at]
            rows.insert(rng.randrange(len(rows)), rng.choice(rows))
        data = samples.lines(*rows)
    else:
        data = json.dumps(replaced(json.loads(data), rng)).encode()
    try:
        check(read(data, form, final=rng.random() < 0.5))
    except FormatError:
        assert form in PROVEN


def members(value, path=(), shape=(), seen=None):
    """The places in a value, one of each kind: elements of a list are of one kind."""
    seen = set() if seen is None else seen
    pairs = value.items() if isinstance(value, dict) else enumerate(value)
    for key, inner in pairs:
        kind = (*shape, key if isinstance(key, str) else 0)
        if kind not in seen:
            seen.add(kind)
            yield (*path, key)
        if isinstance(inner, (dict, list)):
            yield from members(inner, (*path, key), kind, seen)


@pytest.mark.parametrize("name", NAMES)
def test_a_member_of_another_type_is_no_fault_of_any_detection_nor_of_the_reader(name):
    form, data = samples.ALL[name]
    has_lines = data[:1] == b"{" and data.count(b"\n{")
    whole = [json.loads(line) for line in data.splitlines()] if has_lines else json.loads(data)
    known = registry.formats()
    for path in members(whole):
        for other in ([1], {"a": 1}, True, None, 10**400):
            value = deepcopy(whole)
            place = value
            for key in path[:-1]:
                place = place[key]
            place[path[-1]] = other
            changed = samples.lines(*value) if has_lines else json.dumps(value).encode()
            head = registry.Head(changed)
            for one in known.values():
                one.detect(head)
            try:
                check(Told(list(model.read(known[form].reader(Hint()), [changed], final=True))))
            except FormatError:
                assert form in PROVEN


@pytest.mark.parametrize("name", NAMES)
@given(seed=st.integers(0, 2**32))
@settings(max_examples=30)
def test_damaged_bytes_are_an_error_with_a_line_or_an_event(name, seed):
    form, data = samples.ALL[name]
    rng = random.Random(seed)
    damaged = bytearray(data)
    for _ in range(rng.randrange(1, 6)):
        at = rng.randrange(len(damaged))
        what = rng.randrange(4)
        if what == 0:
            damaged[at] = rng.randrange(256)
        elif what == 1:
            del damaged[at : at + rng.randrange(1, 50)]
        elif what == 2:
            damaged[at:at] = rng.choice([b"\x00", b"\n", b"}", b"]", b'"', b"[[", b"\xff", b"\\"])
        else:
            damaged[at:at] = damaged[at : at + rng.randrange(1, 200)]
    try:
        check(read(bytes(damaged), form))
    except FormatError as error:
        message = str(error)
    else:
        message = "line "
    assert message.startswith("line ")


@pytest.mark.parametrize("name", ["claude-code", "codex", "codex-exec", "otlp-spans", "otlp-logs"])
@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"not json", "expected"),
        (b'{"a":1', ""),
        (b"\x00\x00\x00", ""),
        (b'{"a":"\xff"}', "not UTF-8"),
        (b'{"a":1,"a":2}', ""),
        (b"[" * 100_000, ""),
        (b'{"a":' * 300 + b"1" + b"}" * 300, "nested deeper"),
        (b'{"a":NaN}', ""),
        (b"1" * 5000, ""),
    ],
)
def test_a_line_that_is_not_json_is_kept_and_the_next_one_counts(name, line, reason):
    data = samples.ALL[name][1]
    first, rest = data.split(b"\n", 1)
    told = read(first + b"\n" + line + b"\n" + rest, samples.ALL[name][0])
    (kept,) = [event for event in told.events if event.kind.endswith(".unreadable")]
    assert kept.line == 2
    assert kept.payload["size"] == len(line)
    assert (
        kept.payload["text"].encode()[:40] == line.decode("utf-8", "backslashreplace").encode()[:40]
    )
    assert reason == "" or reason in kept.payload["reason"] or reason == "expected"
    assert len(told.events) == len(read(data).events) + 1


def test_half_a_surrogate_pair_and_a_number_too_great_are_no_loss():
    said = samples.claude("user", 1, message={"role": "user", "content": "\ud83d cut"})
    line = json.dumps(said).replace('"2.1.300"', "1e999").encode()
    told = read(line + b"\n", "claude-code")
    assert told.of("message")[0]["content"] == "\ufffd cut"
    check(told)


def test_a_clock_that_goes_back_and_a_missing_time_are_taken_as_they_are():
    late = samples.claude("user", 1, message={"role": "user", "content": "a"})
    early = samples.claude("user", 2, message={"role": "user", "content": "b"})
    early["timestamp"] = "2020-01-01T00:00:00Z"
    none = samples.claude("user", 3, message={"role": "user", "content": "c"}, timestamp="soon")
    times = [event.timestamp for event in read(samples.lines(late, early, none)).events]
    assert times == [
        "2026-11-01T10:00:01.250000Z", "2020-01-01T00:00:00.000000Z", "2020-01-01T00:00:00.000000Z",
    ]  # fmt: skip


def test_an_id_that_no_run_can_have_becomes_one_that_is_always_the_same():
    def session(name):
        record = samples.claude("user", 1, message={"role": "user", "content": "a"})
        return read(samples.lines(record | {"sessionId": name})).outcome.session.id

    assert session("../../etc") == session("../../etc")
    assert len({session("../a"), session("..-a"), session("./a"), session("é" * 900)}) == 4


def test_an_end_in_the_middle_of_a_document_is_an_error_only_when_it_is_final():
    for name in ("claude-code-execution", "atif", "otlp-document"):
        form, data = samples.ALL[name]
        cut = data[: len(data) // 2]
        told = read(cut, form, final=False)
        assert all(isinstance(item, Outcome) for item in told.items[-len(told.outcomes) :])
        with pytest.raises(FormatError, match=r"line [0-9]+: the source ends in the middle"):
            read(cut, form, final=True)


def test_records_before_a_break_are_told_before_the_error():
    data = samples.ATIF.replace(b'"notes"', b'}}]]"notes"')
    found = reader("atif")
    told = found.feed(data)
    assert sum(getattr(item, "kind", "") == "tool_called" for item in told) == 3
    with pytest.raises(FormatError, match=r"^line \d+"):
        found.close(final=True)


@pytest.mark.parametrize("name", ["claude-code", "otlp-spans"])
def test_a_line_that_is_too_long_is_told_by_its_hash_in_little_memory(name, monkeypatch):
    monkeypatch.setattr(records, "MAX_RECORD", 1 << 20)
    first, rest = samples.ALL[name][1].split(b"\n", 1)
    found = reader(name)
    items = found.feed(first + b"\n")
    tracemalloc.start()
    items += found.feed(b'{"a":"')
    for _ in range(64):
        items += found.feed(b"x" * (1 << 18))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    items += found.feed(b'"}\n' + rest)
    items += found.close(final=True)
    (kept,) = [i for i in items if getattr(i, "kind", "").endswith(".unreadable")]
    assert kept.payload["size"] == 64 * (1 << 18) + 8
    assert len(kept.payload["text"]) < 5000
    assert peak < 4 << 20


@pytest.mark.parametrize("name", ["atif", "claude-code-execution"])
def test_a_record_of_a_document_that_is_too_long_is_an_error(name, monkeypatch):
    monkeypatch.setattr(records, "MAX_RECORD", 1 << 12)
    form, data = samples.ALL[name]
    with pytest.raises(FormatError, match=r"line \d+: a record is longer than"):
        read(
            data.replace(b'"Bash"', b'"%b"' % (b"B" * 9000)).replace(
                b'"shell"', b'"%b"' % (b"s" * 9000)
            ),
            form,
            step=512,
        )


@given(
    values=st.lists(
        st.recursive(
            st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=5),
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
            max_leaves=8,
        ),
        max_size=5,
    ),
    indent=st.sampled_from([None, 1]),
    step=st.integers(1, 40),
)
def test_an_array_and_the_members_of_an_object_are_records_however_they_are_cut(
    values, indent, step
):
    def decoded(decoder, data):
        found = []
        for at in range(0, len(data), step):
            found += decoder.feed(data[at : at + step])
        return found + decoder.close(final=True)

    array = json.dumps(values, indent=indent).encode()
    assert [r.value for r in decoded(records.Documents(), array)] == values
    whole = {"a": 1, "steps": values, "z": {"steps": values}}
    found = decoded(records.Documents({"steps"}), json.dumps(whole, indent=indent).encode())
    assert [(r.name, r.value) for r in found] == [
        ("a", 1), *(("steps", value) for value in values), ("z", {"steps": values}),
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["codex", "otlp-spans", "atif", "gemini-stream", "opencode"])
def test_memory_does_not_grow_with_the_session(name):
    data = samples.ALL[name][1]

    def peak(times):
        if name == "atif":
            value = json.loads(data)
            value["steps"] *= times
            long = json.dumps(value).encode()
        else:
            long = data * times
        found = reader(name)
        tracemalloc.start()
        for at in range(0, len(long), 1 << 14):
            found.feed(long[at : at + (1 << 14)])
        found.close(final=True)
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most

    assert peak(60) < 1.5 * peak(15) + 200_000
