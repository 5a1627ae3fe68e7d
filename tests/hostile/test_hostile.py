"""Input that is wrong, broken or meant to harm: refused in one line, and nothing is touched.

The payload comes by every way there is: as a word, through `key:=json`, on standard input, and as a
line of a stream.
"""

import json

import pytest

DEEP = "[" * 200 + "]" * 200
JSON = {
    "nothing": b"",
    "white space": b" \n\t",
    "NaN": b"NaN",
    "Infinity": b'{"a":Infinity}',
    "minus Infinity": b"[-Infinity]",
    "too great": b'{"a":1e999}',
    "too small": b"[-1e999]",
    "duplicate key": b'{"a":1,"b":2,"a":3}',
    "duplicate key after unescaping": b'{"a":1,"\\u0061":3}',
    "duplicate key below": b'[{"x":{"a":1,"a":1}}]',
    "lone high surrogate": b'"\\ud800"',
    "lone low surrogate": b'{"a":"x\\udc00"}',
    "swapped surrogates": b'"\\udc00\\ud800"',
    "surrogate as key": b'{"\\ud800":1}',
    "invalid UTF-8": b'{"a":"\xff"}',
    "overlong UTF-8": b'"\xc0\xaf"',
    "surrogate in UTF-8": b'"\xed\xa0\x80"',
    "cut UTF-8": b'"\xe2\x98"',
    "byte order mark": b"\xef\xbb\xbf{}",
    "deeper than 200": b"[" * 201 + b"]" * 201,
    "far deeper than 200": b'{"a":' * 10_000 + b"1" + b"}" * 10_000,
    "unclosed and deep": b"[" * 100_000,
    "an integer of 5,000 digits": b"9" * 5000,
    "such an integer below": b'{"a":[-' + b"9" * 5000 + b"]}",
    "single quotes": b"{'a':1}",
    "trailing comma": b"[1,]",
    "comment": b"{} // x",
    "two values": b"{}{}",
    "leading zero": b"01",
    "plus": b"+1",
    "bare point": b".5",
    "hexadecimal": b"0x10",
    "literal newline in a text": b'"a\nb"',
    "literal tab in a text": b'"a\tb"',
    "literal NUL in a text": b'"a\x00b"',
    "unknown escape": b'"\\x41"',
    "cut escape": b'"\\u00',
    "unclosed object": b'{"a":1',
    "non-ASCII digits": "٣".encode(),
    "no-break space": b"\xc2\xa0{}",
}


@pytest.fixture
def run(aivcs):
    return aivcs.begin()


def has_place(complaint):
    return "line " in complaint and "column " in complaint


@pytest.mark.parametrize("text", JSON.values(), ids=JSON.keys())
class TestJson:
    def test_is_refused_on_standard_input(self, aivcs, run, unchanged, text):
        with unchanged:
            done = aivcs("run", "log", run, "k", "-", stdin=text, code=2)
        assert has_place(done.complaint)
        assert len(done.err) < 1000

    def test_is_refused_as_a_word(self, aivcs, run, unchanged, text):
        if b"\0" in text or len(text) > 100_000 or not text:
            pytest.skip("cannot be a word of a command line")
        with unchanged:
            assert has_place(aivcs("run", "log", run, "k", text, code=2).complaint)
            assert has_place(aivcs("run", "log", run, "k", b"a:=" + text, code=2).complaint)
            assert has_place(
                aivcs("run", "start", "--agent", "a", "--spec", "0" * 64,
                      "--allow-missing-spec", "--tag", b"a:=" + text, code=2).complaint
            )  # fmt: skip

    def test_is_refused_in_a_stream(self, aivcs, run, unchanged, text):
        line = b'{"kind":"k","payload":' + text + b"}\n"
        with unchanged:
            for flags in ((), ("--atomic",)):
                done = aivcs("run", "log", "--stdin", *flags, run, stdin=line, code=2)
                assert done.complaint.startswith("line 1")
                assert "column " in done.complaint
                assert done.complaint.endswith("0 stored")
                assert len(done.err) < 1000


class TestWhatIsUnusualButRight:
    @pytest.mark.parametrize(
        ("text", "value"),
        [
            (DEEP, json.loads(DEEP)),
            ("9" * 4300, None),
            ('"\\ud83d\\ude00"', "😀"),
            ('"\\u0000\\u001f\\u007f"', "\0\x1f\x7f"),
            ('"\u2028\u2029\u0085\u202e\ufeff"', "\u2028\u2029\u0085\u202e\ufeff"),
            ('"\\r\\n"', "\r\n"),
            ('{"":{"":""}}', {"": {"": ""}}),
            ("-0", 0),
            ("1E400e".rstrip("e").replace("E400", "E300"), 1e300),
            ("5e-324", 5e-324),
            ("1e-999", 0.0),
            ('{"hash":"x","type":"end","seq":7}', {"hash": "x", "type": "end", "seq": 7}),
            ('",\\"hash\\":\\"' + "0" * 64 + '\\"}"', ',"hash":"' + "0" * 64 + '"}'),
        ],
        ids=lambda value: repr(value)[:30],
    )
    def test_is_one_record_and_comes_back(self, aivcs, run, files, text, value):
        value = int(text) if value is None else value
        aivcs.ok("run", "log", run, "k", "-", stdin=text)
        aivcs.ok("run", "log", "--stdin", run, stdin='{"kind":"k","payload":%s}\r\n' % text)
        done = aivcs.ok("run", "events", run, "--json")
        assert done.out.count(b"\n") == 2
        assert [event["payload"] for event in done.json_lines] == [value, value]
        entries = files.read_chain(aivcs.run_log(run))
        assert [entry["type"] for entry in entries] == ["run", "event", "event"]
        aivcs.ok("verify")

    def test_is_escaped_in_text_and_intact_in_json(self, aivcs, run):
        evil = "\x1b[31m\x9b0m\u202eabc\u2066\u200f\x07\x7f\r\n\t"
        aivcs.ok("run", "log", run, "k", "-", stdin=json.dumps(evil))
        (line,) = aivcs.ok("run", "events", run).lines
        assert all(c.isprintable() or c == "\t" for c in line)
        assert aivcs.events(run)[0]["payload"] == evil
        spec = aivcs.put(b"a spec\n")
        aivcs.ok("release", "promote", "bot", spec, "--notes", evil)
        (line,) = aivcs.ok("release", "history", "bot").lines
        assert line.count("\t") == 8
        assert all(c.isprintable() or c == "\t" for c in line)
        (record,) = aivcs.ok("release", "history", "bot", "--json").json_lines
        assert record["metadata"]["notes"] == evil


class TestTexts:
    KINDS = ("", "a\nb", "a\tb", "\x1b[0m", "\u202e", "\u2028", "\x85", "k" * 201, b"\xff", "-k")

    @pytest.mark.parametrize("kind", KINDS, ids=repr)
    def test_a_kind_that_is_none_is_refused(self, aivcs, run, unchanged, kind):
        with unchanged:
            assert aivcs("run", "log", run, kind, code=2).complaint

    @pytest.mark.parametrize(
        "kind", ["tool_called", "Werkzeug benutzt", "工具", "k" * 200, "a/b:c"]
    )
    def test_a_kind_may_be_any_printable_text(self, aivcs, run, kind):
        aivcs.ok("run", "log", run, kind)
        assert aivcs.events(run)[0]["kind"] == kind

    @pytest.mark.parametrize(
        "digest",
        ["", "abc", "xyz1", "../../etc/passwd", "/", ".", "0" * 65, "0" * 300, "0" * 63 + "g",
         "0123 567", "٣٣٣٣", "\uff10" * 64, "\n", b"\xff" * 64, "-0000"],
        ids=repr,
    )  # fmt: skip
    def test_a_digest_that_is_none_is_refused(self, aivcs, unchanged, digest):
        aivcs.put(b"x")
        with unchanged:
            for command in (("get",), ("has",), ("rm",), ("rm", "--force")):
                done = aivcs("blob", *command, digest, code=2)
                assert done.complaint
                assert done.out == b""

    @pytest.mark.parametrize(
        "run",
        ["", "abc", "../x", "../../../etc/passwd", "/etc/passwd", ".", "..", "....", "a b c d",
         "x" * 300, "\n" * 36, "/" * 36, "." * 36, b"\xff" * 36, "-abcd", "@@"],
        ids=repr,
    )  # fmt: skip
    def test_a_run_that_is_none_is_refused(self, aivcs, unchanged, run):
        with unchanged:
            for command in (("show", run), ("events", run), ("log", run, "k"), ("finish", run)):
                done = aivcs("run", *command, code=2)
                assert done.complaint
                assert done.out == b""

    def test_no_message_carries_a_control_character_to_the_terminal(self, aivcs, run):
        evil = "\x1b]0;owned\x07\u202e\n\x9b"
        for command in (
            ("run", "show", evil), ("run", "log", run, evil), ("run", "log", run, "k", evil),
            ("blob", "get", evil), ("blob", "put", evil), ("release", "current", evil),
            ("release", "promote", "bot", evil), ("run", "start", "--agent", evil, "--spec", "x"),
            ("config", "get", evil), ("--store", evil, "status"), ("-C", evil, "status"),
            (evil,), ("run", evil), ("run", "list", evil), ("run", "list", f"--{evil}"),
            ("run", "list", "--since", evil), ("run", "list", "--tag", evil),
            ("run", "log", "--file", evil, run, "k"), ("run", "log", "--timestamp", evil, run, "k"),
        ):  # fmt: skip
            done = aivcs(*command)
            assert done.code in {2, 10, 16}, done
            text = done.err.decode()
            assert all(c.isprintable() or c == "\n" for c in text), (command, text)


@pytest.mark.parametrize(
    ("words", "word"),
    [
        ("run list --agent", "\udcff"),
        ("run stats --agent", "\udcff"),
        ("config set exec.redact", "\udcff"),
        ("config set exec.redact", ""),
    ],
)
def test_a_word_that_is_no_text_is_refused(aivcs, unchanged, words, word):
    with unchanged:
        refused = aivcs(*words.split(), word, code=2)
    assert len(refused.err.splitlines()) == 1


@pytest.mark.parametrize(
    "entry",
    [
        {"type": "future", "seq": 1},
        {"type": "event"},
        {"type": "event", "seq": "1", "kind": "k", "payload": {}, "timestamp": "x"},
        {"type": "event", "seq": 1, "kind": 7, "payload": {}, "timestamp": "x"},
        {"type": "end"},
        {"type": "end", "status": "DONE", "summary": {}, "completed_at": "x"},
        {"type": ["run"]},
        {},
    ],
    ids=repr,
)
def test_a_line_with_a_right_hash_that_is_no_entry_is_refused(aivcs, files, run, entry):
    template = json.loads(aivcs.run_log(run).read_text())
    del template["hash"]
    log = files.seal([template, entry])
    aivcs.run_log(run).write_bytes(log)
    codes = []
    for command in (("events", run), ("show", run), ("log", run, "k")):
        done = aivcs("run", *command)
        codes.append(done.code)
        assert not done.code or done.complaint
    # Not every command looks at every member of a line; one that does says what is wrong.
    assert set(codes) & {14, 16}
    assert set(codes) <= {0, 14, 16}
    assert aivcs.run_log(run).read_bytes().startswith(log)
