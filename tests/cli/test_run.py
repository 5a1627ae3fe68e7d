"""`aivcs run`: what an agent did, event by event, until the run is sealed."""

import json
import os
import re
import select
import signal
import subprocess
import sys
import time
from typing import Any

import pytest

UUID4 = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")
ABSENT = "0" * 64
NO_RUN = "00000000-0000-4000-8000-000000000000"


def line_of(pipe):
    """The next line of a pipe; not waited for longer than anything could take."""
    line = b""
    while not line.endswith(b"\n"):
        assert select.select([pipe], [], [], 20)[0], "nothing came"
        # Byte by byte: what is read ahead, select knows nothing of.
        more = os.read(pipe.fileno(), 1)
        if not more:
            break
        line += more
    return line


class TestStart:
    def test_prints_a_random_uuid_and_nothing_else(self, aivcs):
        spec = aivcs.put(b"spec")
        done = aivcs.ok("run", "start", "--agent", "bot", "--spec", spec)
        assert UUID4.fullmatch(done.text)
        assert done.err == b""
        assert aivcs.ok("run", "start", "--agent", "bot", "--spec", spec).text != done.text

    def test_records_what_it_was_told(self, aivcs):
        spec = aivcs.put(b"spec")
        run = aivcs.ok(
            "run", "start", "--agent", "bot-7", "--spec", spec, "--git-sha", "abc123",
            "--tag", "branch=main", "--tag", "n:=3", "--tag", 'deep:={"a":[1]}', "--tag", "e=",
        ).text  # fmt: skip
        record = aivcs.record(run)
        assert TIMESTAMP.fullmatch(record.pop("created_at"))
        assert record == {
            "run_id": run,
            "spec_digest": spec,
            "metadata": {
                "git_sha": "abc123",
                "agent_name": "bot-7",
                "tags": {"branch": "main", "n": 3, "deep": {"a": [1]}, "e": ""},
            },
            "status": "RUNNING",
            "summary": None,
            "completed_at": None,
        }

    def test_writes_one_line_that_anybody_can_check(self, aivcs, files):
        run = aivcs.begin()
        (entry,) = files.read_chain(aivcs.run_log(run))
        assert list(entry) == [
            "type", "format", "run_id", "spec_digest", "metadata", "created_at", "hash",
        ]  # fmt: skip
        assert (entry["type"], entry["format"], entry["run_id"]) == ("run", 1, run)

    def test_stores_a_spec_file(self, aivcs, files):
        (aivcs.folder / "spec").write_text("You are careful.")
        run = aivcs.ok("run", "start", "--agent", "bot", "--spec-file", "spec").text
        digest = files.sha256("You are careful.")
        assert aivcs.record(run)["spec_digest"] == digest
        assert aivcs.ok("blob", "get", digest).out == b"You are careful."

    def test_takes_a_spec_by_prefix_or_by_release(self, aivcs):
        one, two = aivcs.put(b"one"), aivcs.put(b"two")
        aivcs.ok("release", "promote", "bot", one, "--label", "v1")
        aivcs.ok("release", "promote", "bot", two)
        for text, digest in (
            (one[:4], one),
            (one.upper(), one),
            ("bot@current", two),
            ("bot@1", one),
            ("bot@2", two),
            ("bot@v1", one),
        ):
            run = aivcs.ok("run", "start", "--agent", "bot", "--spec", text).text
            assert aivcs.record(run)["spec_digest"] == digest

    @pytest.mark.parametrize(
        ("spec", "code"),
        [
            ("", 2),
            ("nonsense", 2),
            ("abc", 2),
            ("bot@", 2),
            ("@current", 2),
            ("../x@current", 2),
            (ABSENT, 12),
            ("0000", 12),
            ("bot@current", 12),
            ("bot@7", 12),
            ("bot@v9", 12),
        ],
    )
    def test_refuses_a_spec_that_is_none(self, aivcs, unchanged, spec, code):
        with unchanged:
            done = aivcs("run", "start", "--agent", "bot", "--spec", spec, code=code)
        assert done.complaint
        assert done.out == b""

    def test_takes_a_whole_digest_that_is_missing_if_that_is_said(self, aivcs):
        run = aivcs.ok(
            "run", "start", "--agent", "b", "--spec", ABSENT, "--allow-missing-spec"
        ).text
        assert aivcs.record(run)["spec_digest"] == ABSENT
        done = aivcs("run", "start", "--agent", "b", "--spec", "0000", "--allow-missing-spec")
        assert done.code == 12

    @pytest.mark.parametrize(
        "arguments",
        [
            ("--agent", "bot"),
            ("--agent", "bot", "--spec", ABSENT, "--spec-file", "file"),
            ("--spec-file", "file"),
            ("--agent", "", "--spec-file", "file"),
            ("--agent", "a" * 201, "--spec-file", "file"),
            ("--agent", "a\nb", "--spec-file", "file"),
            ("--agent", b"a\xff", "--spec-file", "file"),
            ("--agent", "bot", "--spec-file", "absent"),
            ("--agent", "bot", "--spec-file", ""),
            ("--agent", "bot", "--spec-file", "."),
            ("--agent", "bot", "--spec-file", "file", "--git-sha", ""),
            ("--agent", "bot", "--spec-file", "file", "--tag", "word"),
            ("--agent", "bot", "--spec-file", "file", "--tag", "=v"),
            ("--agent", "bot", "--spec-file", "file", "--tag", "1k=v"),
            ("--agent", "bot", "--spec-file", "file", "--tag", "k:=nonsense"),
            ("--agent", "bot", "--spec-file", "file", "--tag", "k:=1e999"),
            ("--agent", "bot", "--spec-file", "file", "--tag", "k=1", "--tag", "k=2"),
            ("--agent", "bot", "--spec-file", "file", "--tag", b"k=\xff"),
            ("--agent", "bot", "--spec-file", "file", "extra"),
        ],
        ids=str,
    )
    def test_refuses_what_is_incomplete_or_invalid(self, aivcs, unchanged, arguments):
        (aivcs.folder / "file").write_text("spec")
        with unchanged:
            assert aivcs("run", "start", *arguments, code=2).complaint


class TestPayload:
    @pytest.mark.parametrize(
        ("words", "payload"),
        [
            ((), {}),
            (("{}",), {}),
            (('{"a":1,"b":[true,null,"x"]}',), {"a": 1, "b": [True, None, "x"]}),
            (('{"q":"a=b"}',), {"q": "a=b"}),
            (('"a=b"',), "a=b"),
            (("[]",), []),
            (("null",), None),
            ((" 17 ",), 17),
            (("-1.5e3",), -1500.0),
            (('"word"',), "word"),
            (("key=text",), {"key": "text"}),
            (("key=",), {"key": ""}),
            (("key==x=y",), {"key": "=x=y"}),
            (("key:=1",), {"key": 1}),
            (("key=:=1",), {"key": ":=1"}),
            (("key:= [1, 2]",), {"key": [1, 2]}),
            (("n=1", "m:=1", "_x.y-z9=é"), {"n": "1", "m": 1, "_x.y-z9": "é"}),
            (("z=1", "a=2"), {"z": "1", "a": "2"}),
            (("msg=line one\nline two\ttab\x1b",), {"msg": "line one\nline two\ttab\x1b"}),
            (("n:=9007199254740993",), {"n": 9007199254740993}),
            (("n:=" + "9" * 4300,), {"n": int("9" * 4300)}),
        ],
    )
    def test_means(self, aivcs, words, payload):
        run = aivcs.begin()
        done = aivcs.ok("run", "log", run, "k", *words)
        assert (done.out, done.err) == (b"", b"")
        (event,) = aivcs.events(run)
        assert event["payload"] == payload
        assert json.dumps(event["payload"]) == json.dumps(payload)  # types and order too

    @pytest.mark.parametrize(
        ("words", "mentions"),
        [
            (("word",), "line 1, column 1"),
            (("a=1", "word"), "word"),
            (("a=1", "{}"), "{}"),
            (("{}", "{}"), "{}"),
            (("a=1", "a=2"), "a is given twice"),
            (("a:=",), "column"),
            (("a:=nope",), "line 1, column 1"),
            (("a:={'b':1}",), "line 1, column 2"),
            (("1a=x",), "column"),
            (("ü=x", "b=1"), "key=text"),
            (("=x", "b=1"), "key=text"),
            (("",), "line 1, column 1"),
            (("a=1", ""), "key=text"),
        ],
    )
    def test_is_refused_with_the_place_of_the_fault(self, aivcs, unchanged, words, mentions):
        run = aivcs.begin()
        with unchanged:
            assert mentions in aivcs("run", "log", run, "k", *words, code=2).complaint

    def test_takes_json_from_standard_input(self, aivcs):
        run = aivcs.begin()
        aivcs.ok("run", "log", run, "k", "-", stdin='{\n  "a": "ü\\u2028"\n}\n')
        assert aivcs.events(run)[0]["payload"] == {"a": "ü\u2028"}
        # Only alone is it standard input.
        assert aivcs("run", "log", run, "k", "-", "a=1", stdin="{}").code == 2

    def test_names_line_and_column_of_a_fault_on_standard_input(self, aivcs, unchanged):
        run = aivcs.begin()
        with unchanged:
            done = aivcs("run", "log", run, "k", "-", stdin='{\n  "a": nope\n}', code=2)
        assert "line 2, column 8" in done.complaint

    def test_inserts_the_text_of_a_file(self, aivcs):
        run = aivcs.begin()
        text = 'quotes " and \\ and\n\tcontrol \x01 and ☃\n'
        (aivcs.folder / "out=put.txt").write_text(text)
        aivcs.ok("run", "log", "--file", "stdout=out=put.txt", run, "k", "code:=1")
        assert aivcs.events(run)[0]["payload"] == {"code": 1, "stdout": text}

    def test_stores_a_file_and_inserts_its_digest(self, aivcs, files):
        run = aivcs.begin()
        (aivcs.folder / "shot.png").write_bytes(b"\x89PNG\xff")
        aivcs.ok("run", "log", "--blob", "shot=shot.png", run, "k", '{"a":1}')
        digest = files.sha256(b"\x89PNG\xff")
        assert aivcs.events(run)[0]["payload"] == {"a": 1, "shot": {"$blob": digest}}
        assert aivcs.ok("blob", "get", digest).out == b"\x89PNG\xff"

    def test_takes_several_files_and_blobs(self, aivcs, files):
        run = aivcs.begin()
        for name in "abcd":
            (aivcs.folder / name).write_text(name)
        aivcs.ok(
            "run", "log", "--file", "a=a", "--blob", "c=c", "--file", "b=b", "--blob=d=d", run, "k"
        )
        assert aivcs.events(run)[0]["payload"] == {
            "a": "a",
            "b": "b",
            "c": {"$blob": files.sha256("c")},
            "d": {"$blob": files.sha256("d")},
        }

    @pytest.mark.parametrize(
        "arguments",
        [
            ("--blob", "f=f", "{run}", ""),
            ("--blob", "f=f", "{run}", "a\nb"),
            ("--blob", "f=f", "{run}", "k", "f=1"),
            ("--blob", "f=f", "{run}", "k", "[1]"),
            ("--blob", "f=f", "--blob", "f=f", "{run}", "k"),
            ("--blob", "f=f", "--blob", "g=absent", "{run}", "k"),
            ("--blob", "f=f", "--file", "g=absent", "{run}", "k"),
            ("--blob", "f=f", "--file", "g=binary", "{run}", "k"),
            ("--blob", "f=f", "--seq", "-1", "{run}", "k"),
            ("--blob", "f=f", "--timestamp", "now", "{run}", "k"),
            ("--blob", "f", "{run}", "k"),
            ("--blob", "f=", "{run}", "k"),
            ("--blob", "1=f", "{run}", "k"),
            ("--file", "f=.", "{run}", "k"),
            ("--blob", "f=f", "", "k"),
            ("--blob", "f=f", "{run}", "--seq", "1"),
        ],
        ids=str,
    )
    def test_stores_no_blob_for_an_event_that_is_refused(self, aivcs, unchanged, arguments):
        run = aivcs.begin()
        (aivcs.folder / "f").write_text("f")
        (aivcs.folder / "binary").write_bytes(b"\xff")
        with unchanged:
            done = aivcs("run", "log", *(word.format(run=run) for word in arguments), code=2)
        assert done.complaint

    def test_stores_no_blob_for_a_run_that_is_over_or_absent(self, aivcs, unchanged):
        run = aivcs.begin()
        aivcs.ok("run", "finish", run)
        (aivcs.folder / "f").write_text("f")
        with unchanged:
            aivcs("run", "log", "--blob", "f=f", run, "k", code=15)
            aivcs("run", "log", "--blob", "f=f", NO_RUN, "k", code=12)


class TestLog:
    def test_numbers_events_from_one(self, aivcs, files):
        run = aivcs.begin()
        for number in (1, 2, 3):
            assert aivcs.ok("run", "log", "--print-seq", run, f"k{number}").text == str(number)
        assert [(e["seq"], e["kind"]) for e in aivcs.events(run)] == [
            (1, "k1"), (2, "k2"), (3, "k3"),
        ]  # fmt: skip
        assert len(files.read_chain(aivcs.run_log(run))) == 4

    def test_takes_everything_behind_run_as_words(self, aivcs):
        run = aivcs.begin()
        aivcs.ok("run", "log", run, "k", "a=--seq", "b=-")
        assert aivcs.events(run)[0]["payload"] == {"a": "--seq", "b": "-"}
        assert aivcs("run", "log", run, "k", "--print-seq").code == 2

    def test_does_not_take_a_misplaced_option_for_a_kind(self, aivcs, unchanged):
        run = aivcs.begin()
        with unchanged:
            done = aivcs("run", "log", run, "--stdin", stdin='{"kind":"lost"}', code=2)
        assert "before RUN" in done.complaint

    @pytest.mark.parametrize("form", ["whole", "prefix", "upper half", "@", "@ prefix"])
    def test_finds_its_run(self, aivcs, form):
        run = aivcs.begin()
        text = {"whole": run, "prefix": run[:4], "upper half": run[:18]}.get(form, "@")
        env = {"AIVCS_RUN": run if form == "@" else run[:8]}
        aivcs.ok("run", "log", text, "k", env=env)
        assert len(aivcs.events(run)) == 1

    @pytest.mark.parametrize(
        ("text", "env", "code"),
        [
            ("", {}, 2),
            ("@", {}, 2),
            ("@", {"AIVCS_RUN": ""}, 2),
            ("abc", {}, 2),
            ("../../etc", {}, 2),
            ("a/b/c/d", {}, 2),
            (".jsonl", {}, 2),
            ("ab\ncd", {}, 2),
            ("a" * 300, {}, 2),
            (NO_RUN, {}, 12),
            ("0000", {}, 12),
            ("@", {"AIVCS_RUN": NO_RUN}, 12),
        ],
    )
    def test_refuses_a_run_that_is_none(self, aivcs, unchanged, text, env, code):
        aivcs.begin()
        with unchanged:
            for command in (
                ("log", text, "k"),
                ("log", "--stdin", text),
                ("finish", text),
                ("finish", "--if-running", text),
                ("show", text),
                ("events", text),
            ):
                done = aivcs("run", *command, env=env, code=code)
                assert done.complaint
                assert done.out == b""

    def test_refuses_a_prefix_that_fits_two_runs(self, aivcs, files):
        template = json.loads(aivcs.run_log(aivcs.begin()).read_text())
        for name in ("abcd-1", "abcd-2"):
            del template["hash"]
            log = aivcs.run_log(name)
            log.parent.mkdir(exist_ok=True)
            template["run_id"] = name
            data = files.seal([template])
            log.write_bytes(data)
            template = json.loads(data)
        done = aivcs("run", "log", "abcd", "k", code=13)
        assert "abcd-1" in done.complaint
        assert "abcd-2" in done.complaint
        aivcs.ok("run", "log", "abcd-1", "k")
        assert len(aivcs.events("abcd-1")) == 1

    def test_takes_a_seq_and_keeps_order_by_it(self, aivcs, files):
        run = aivcs.begin()
        for seq in (5, 0, 3, 2**53 - 2):
            assert aivcs.ok("run", "log", "--print-seq", "--seq", str(seq), run, "k").text == str(
                seq
            )
        assert aivcs.ok("run", "log", "--print-seq", run, "k").text == str(2**53 - 1)
        assert [e["seq"] for e in aivcs.events(run)] == [0, 3, 5, 2**53 - 2, 2**53 - 1]
        assert aivcs("run", "log", run, "k").code == 15  # no number is left
        files.read_chain(aivcs.run_log(run))

    @pytest.mark.parametrize("seq", ["-1", "1.5", "x", "", str(2**53), "9" * 30])
    def test_refuses_a_seq_that_is_none(self, aivcs, unchanged, seq):
        run = aivcs.begin()
        with unchanged:
            assert aivcs("run", "log", f"--seq={seq}", run, "k", code=2).complaint

    def test_accepts_the_identical_event_again_and_stores_it_once(self, aivcs):
        run = aivcs.begin()
        aivcs.ok("run", "log", "--seq", "1", run, "k", '{"a":1,"b":2}')
        before = aivcs.run_log(run).read_bytes()
        done = aivcs.ok("run", "log", "--print-seq", "--seq", "1", run, "k", '{"b":2,"a":1}')
        assert done.text == "1"
        assert aivcs.run_log(run).read_bytes() == before

    def test_refuses_another_event_with_the_same_seq(self, aivcs, unchanged):
        run = aivcs.begin()
        aivcs.ok("run", "log", "--seq", "1", run, "k", "a=1")
        with unchanged:
            for words in (("k", "a=2"), ("other", "a=1"), ("k", "a:=1"), ("k",)):
                done = aivcs("run", "log", "--seq", "1", run, *words, code=15)
                assert "seq 1" in done.complaint

    @pytest.mark.parametrize(
        ("given", "stored"),
        [
            ("2026-01-31T12:00:00Z", "2026-01-31T12:00:00.000000Z"),
            ("2026-01-31T12:00:00.5+02:00", "2026-01-31T10:00:00.500000Z"),
            ("2026-01-31 12:00:00.123456-00:30", "2026-01-31T12:30:00.123456Z"),
        ],
    )
    def test_takes_a_timestamp(self, aivcs, given, stored):
        run = aivcs.begin()
        aivcs.ok("run", "log", "--timestamp", given, run, "k")
        assert aivcs.events(run)[0]["timestamp"] == stored

    @pytest.mark.parametrize(
        "given", ["", "now", "2026-01-31", "2026-01-31T12:00:00", "2026-02-30T12:00:00Z", "12:00Z"]
    )
    def test_refuses_a_timestamp_that_names_no_moment(self, aivcs, unchanged, given):
        run = aivcs.begin()
        with unchanged:
            assert aivcs("run", "log", "--timestamp", given, run, "k", code=2).complaint

    @pytest.mark.parametrize(
        "arguments",
        [
            ("--stdin", "{run}", "k"),
            ("--stdin", "--seq", "1", "{run}"),
            ("--stdin", "--timestamp", "2026-01-31T12:00:00Z", "{run}"),
            ("--stdin", "--file", "a=f", "{run}"),
            ("--stdin", "--blob", "a=f", "{run}"),
            ("--atomic", "{run}", "k"),
            ("{run}",),
            (),
        ],
        ids=str,
    )
    def test_refuses_options_that_contradict_each_other(self, aivcs, unchanged, arguments):
        run = aivcs.begin()
        (aivcs.folder / "f").write_text("f")
        with unchanged:
            words = (word.format(run=run) for word in arguments)
            assert aivcs("run", "log", *words, stdin='{"kind":"k"}', code=2).complaint

    def test_refuses_an_event_over_the_limit_and_points_to_blob(self, aivcs, unchanged):
        run = aivcs.begin()
        fits = "x" * ((1 << 20) - len('""'))
        aivcs.ok("run", "log", run, "k", "-", stdin=f'"{fits}"')
        with unchanged:
            for text in (f"{fits}x", "ü" * (1 << 19), "x" * (3 << 20)):
                done = aivcs("run", "log", run, "k", "-", stdin=f'"{text}"', code=2)
                assert "--blob" in done.complaint
        aivcs.ok("config", "set", "limits.event_bytes", "1024")
        done = aivcs("run", "log", run, "k", "x=" + "y" * 1024, code=2)
        assert "1024" in done.complaint


class TestStream:
    def test_stores_the_lines_in_order(self, aivcs, files):
        run = aivcs.begin()
        lines = (
            '{"kind":"a","payload":{"n":1}}\n'
            "\n"
            '  {"payload":[1,2],"kind":"b"}  \r\n'
            '{"kind":"c"}\n'
            '{"kind":"d","payload":null,"seq":9,"timestamp":"2026-01-31T12:00:00Z"}\n'
            '{"kind":"e"}'
        )
        done = aivcs.ok("run", "log", "--stdin", "--print-seq", run, stdin=lines)
        assert done.lines == ["1", "2", "3", "9", "10"]
        events = aivcs.events(run)
        assert [(e["kind"], e["payload"]) for e in events] == [
            ("a", {"n": 1}), ("b", [1, 2]), ("c", {}), ("d", None), ("e", {}),
        ]  # fmt: skip
        assert events[3]["timestamp"] == "2026-01-31T12:00:00.000000Z"
        files.read_chain(aivcs.run_log(run))

    def test_accepts_an_empty_stream(self, aivcs, unchanged):
        run = aivcs.begin()
        with unchanged:
            assert aivcs.ok("run", "log", "--stdin", run).out == b""

    @pytest.mark.parametrize("atomic", [False, True])
    def test_takes_more_than_one_batch(self, aivcs, files, atomic):
        run = aivcs.begin()
        lines = "".join(
            json.dumps({"kind": "k", "payload": {"n": number, "text": "x" * 1000}}) + "\n"
            for number in range(3000)
        )
        flags = ("--atomic",) if atomic else ()
        done = aivcs.ok("run", "log", "--stdin", "--print-seq", *flags, run, stdin=lines)
        assert done.lines == [str(seq) for seq in range(1, 3001)]
        assert [e["payload"]["n"] for e in aivcs.events(run)] == list(range(3000))
        assert len(files.read_chain(aivcs.run_log(run))) == 3001

    BAD = (
        ("nope", ", column 1"),
        ('{"kind":"b","payload":nope}', ", column 23"),
        ('{"kind":"b","payload":NaN}', ", column 23"),
        ('{"kind":"b","payload":[1e999]}', ", column 24"),
        ('{"kind":"b","payload":"\\ud800"}', ", column 24"),
        ('{"kind":"b","kind":"c"}', ", column 13"),
        ('{"kind":"b","payload":%s}' % ("[" * 201 + "]" * 201), "deeper"),
        ('{"kind":"b","payload":%s}' % ("9" * 5000), "digits"),
        (b'{"kind":"\xff"}', ", column 10"),
        ('\ufeff{"kind":"b"}', ", column 1"),
        ('{"payload":{}}', "kind"),
        ('{"kind":7}', "kind"),
        ('{"kind":""}', "kind"),
        ('{"kind":"a\\nb"}', "kind"),
        ('["kind"]', "kind"),
        ('{"kind":"b","data":1}', "data"),
        ('{"kind":"b","seq":"1"}', "seq"),
        ('{"kind":"b","seq":-1}', "seq"),
        ('{"kind":"b","seq":true}', "seq"),
        ('{"kind":"b","timestamp":"now"}', "time"),
        ('{"kind":"b","timestamp":5}', "time"),
        ('{"kind":"b","payload":"%s"}' % ("x" * (1 << 20)), "--blob"),
        ('{"kind":"b","payload":"%s"}' % ("x" * (3 << 20)), "--blob"),
    )

    @pytest.mark.parametrize(("bad", "mentions"), BAD, ids=[str(bad)[:30] for bad, _ in BAD])
    def test_stops_at_a_bad_line_and_says_how_many_are_stored(self, aivcs, bad, mentions):
        run = aivcs.begin()
        bad = bad.encode() if isinstance(bad, str) else bad
        lines = b'{"kind":"a"}\n\n{"kind":"a"}\n' + bad + b'\n{"kind":"never"}\n'
        complaint = aivcs("run", "log", "--stdin", run, stdin=lines, code=2).complaint
        assert complaint.startswith("line 4")
        assert complaint.endswith("; 2 stored")
        assert mentions in complaint
        assert [e["kind"] for e in aivcs.events(run)] == ["a", "a"]

    @pytest.mark.parametrize(("bad", "mentions"), BAD, ids=[str(bad)[:30] for bad, _ in BAD])
    def test_stores_none_of_an_atomic_stream_with_a_bad_line(self, aivcs, unchanged, bad, mentions):
        run = aivcs.begin()
        bad = bad.encode() if isinstance(bad, str) else bad
        lines = b'{"kind":"a"}\n\n{"kind":"a"}\n' + bad + b'\n{"kind":"never"}\n'
        with unchanged:
            done = aivcs("run", "log", "--stdin", "--atomic", run, stdin=lines, code=2)
        assert done.complaint.startswith("line 4")
        assert done.complaint.endswith("; 0 stored")
        assert mentions in done.complaint

    def test_counts_what_is_stored_in_a_large_stream(self, aivcs):
        run = aivcs.begin()
        lines = '{"kind":"a"}\n' * 499 + "nope\n" + '{"kind":"a"}\n' * 500
        done = aivcs("run", "log", "--stdin", run, stdin=lines, code=2)
        assert done.complaint.startswith("line 500, column 1: ")
        assert done.complaint.endswith("; 499 stored")
        assert len(aivcs.events(run)) == 499

    def test_exits_15_at_a_line_that_contradicts_what_is_stored(self, aivcs, unchanged):
        run = aivcs.begin()
        aivcs.ok("run", "log", run, "k", "a=1")
        lines = '{"kind":"b","seq":2}\n{"kind":"b","seq":1}\n{"kind":"b","seq":3}\n'
        with unchanged:
            done = aivcs("run", "log", "--stdin", "--atomic", run, stdin=lines, code=15)
            assert "0 stored" in done.complaint
        done = aivcs("run", "log", "--stdin", run, stdin=lines, code=15)
        assert done.complaint.startswith("line 2: ")
        assert done.complaint.endswith("; 1 stored")
        assert [e["seq"] for e in aivcs.events(run)] == [1, 2]

    def test_may_be_given_again_when_its_lines_bear_numbers(self, aivcs):
        run = aivcs.begin()
        lines = "".join(f'{{"kind":"a","seq":{seq}}}\n' for seq in range(1, 6))
        aivcs.ok("run", "log", "--stdin", run, stdin=lines[:42])
        aivcs.ok("run", "log", "--stdin", run, stdin=lines)
        aivcs.ok("run", "log", "--stdin", run, stdin=lines)
        assert [e["seq"] for e in aivcs.events(run)] == [1, 2, 3, 4, 5]

    def test_refuses_a_run_that_is_over_before_it_reads(self, aivcs):
        run = aivcs.begin()
        aivcs.ok("run", "finish", run)
        assert aivcs("run", "log", "--stdin", run, stdin='{"kind":"k"}\n', code=15).complaint

    def test_stores_events_while_the_pipe_stays_open(self, aivcs):
        run = aivcs.begin()
        writer = aivcs.start(
            "run", "log", "--stdin", "--print-seq", run,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip
        try:
            for number in range(1, 4):
                writer.stdin.write(b'{"kind":"k"}\n')
                writer.stdin.flush()
                assert line_of(writer.stdout) == b"%d\n" % number
                assert len(aivcs.events(run)) == number
                # The lock is free while nothing comes.
            assert (
                aivcs.ok("--lock-timeout", "0", "run", "log", "--print-seq", run, "b").text == "4"
            )
        finally:
            writer.stdin.close()
            assert writer.wait(20) == 0
            writer.stdout.close()

    def test_ends_by_an_interrupt_and_keeps_what_it_acknowledged(self, aivcs, files):
        run = aivcs.begin()
        writer = aivcs.start(
            "run", "log", "--stdin", "--print-seq", run,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        writer.stdin.write(b'{"kind":"k"}\n')
        writer.stdin.flush()
        assert line_of(writer.stdout) == b"1\n"
        writer.send_signal(signal.SIGINT)
        out, err = writer.communicate(timeout=20)
        assert (writer.returncode, out, err) == (-signal.SIGINT, b"", b"")
        assert len(aivcs.events(run)) == 1
        files.read_chain(aivcs.run_log(run))


class TestFinish:
    @pytest.mark.parametrize(
        ("arguments", "status", "success", "exit_code"),
        [
            ((), "COMPLETED", True, None),
            (("--status", "completed"), "COMPLETED", True, None),
            (("--status", "failed"), "FAILED", False, None),
            (("--status", "cancelled"), "CANCELLED", False, None),
            (("--exit-code", "0"), "COMPLETED", True, 0),
            (("--exit-code", "1"), "FAILED", False, 1),
            (("--exit-code", "130"), "CANCELLED", False, 130),
            (("--exit-code", "143"), "CANCELLED", False, 143),
            (("--exit-code", "137"), "FAILED", False, 137),
            (("--exit-code", "255"), "FAILED", False, 255),
            (("--exit-code", "3", "--status", "completed"), "COMPLETED", True, 3),
        ],
    )
    def test_records_how_the_run_ended(self, aivcs, arguments, status, success, exit_code):
        run = aivcs.begin()
        aivcs.ok("run", "log", run, "k")
        done = aivcs.ok("run", "finish", run, *arguments)
        assert (done.out, done.err) == (b"", b"")
        record = aivcs.record(run)
        assert record["status"] == status
        assert TIMESTAMP.fullmatch(record["completed_at"])
        assert record["completed_at"] >= record["created_at"]
        summary = record["summary"]
        duration = summary.pop("duration_ms")
        assert isinstance(duration, int)
        assert duration >= 0
        expected = {"total_events": 1, "final_state_digest": None, "success": success}
        if exit_code is not None:
            expected["exit_code"] = exit_code
        assert summary == expected

    def test_seals_the_run(self, aivcs, files, unchanged):
        run = aivcs.begin()
        aivcs.ok("run", "log", run, "k")
        aivcs.ok("run", "finish", run)
        assert [e["type"] for e in files.read_chain(aivcs.run_log(run))] == ["run", "event", "end"]
        (aivcs.folder / "f").write_text("never stored")
        with unchanged:
            for command in (
                ("log", run, "k"),
                ("finish", run),
                ("finish", run, "--status", "failed"),
                ("finish", run, "--state-file", "f"),
            ):
                done = aivcs("run", *command, code=15)
                assert "COMPLETED" in done.complaint
            aivcs.ok("run", "finish", "--if-running", run, "--exit-code", "1")
            aivcs.ok("run", "finish", "--if-running", run, "--state-file", "f")

    def test_records_the_final_state(self, aivcs, files):
        state = aivcs.put(b"state")
        (aivcs.folder / "f").write_text("from a file")
        for arguments, digest in (
            (("--state", state), state),
            (("--state", state[:6]), state),
            (("--state-file", "f"), files.sha256("from a file")),
        ):
            run = aivcs.begin()
            aivcs.ok("run", "finish", run, *arguments)
            assert aivcs.record(run)["summary"]["final_state_digest"] == digest
        assert aivcs.ok("blob", "get", files.sha256("from a file")).out == b"from a file"

    def test_takes_a_duration(self, aivcs):
        run = aivcs.begin()
        aivcs.ok("run", "finish", "--duration-ms", "12345", run)
        assert aivcs.record(run)["summary"]["duration_ms"] == 12345

    @pytest.mark.parametrize(
        ("arguments", "code"),
        [
            (("--state", ""), 2),
            (("--state", "xyz"), 2),
            (("--state", ABSENT), 12),
            (("--state", "0000"), 12),
            (("--state", ABSENT, "--state-file", "f"), 2),
            (("--state-file", "absent"), 2),
            (("--state-file", ""), 2),
            (("--status", "done"), 2),
            (("--status", ""), 2),
            (("--exit-code", "256"), 2),
            (("--exit-code=-1",), 2),
            (("--exit-code", ""), 2),
            (("--duration-ms=-1",), 2),
            (("--duration-ms", "1.5"), 2),
            (("extra",), 2),
        ],
        ids=str,
    )
    def test_refuses_what_is_invalid(self, aivcs, unchanged, arguments, code):
        run = aivcs.begin()
        (aivcs.folder / "f").write_text("f")
        with unchanged:
            assert aivcs("run", "finish", run, *arguments, code=code).complaint

    @pytest.mark.parametrize(
        ("script", "status", "exit_code"),
        [
            ("true", "COMPLETED", 0),
            ("exit 7", "FAILED", 7),
            ("kill -TERM $$", "CANCELLED", 143),
            ("aivcs run finish @ --status completed; exit 5", "COMPLETED", None),
        ],
    )
    def test_works_from_a_trap(self, aivcs, script, status, exit_code):
        aivcs.put(b"a spec\n")
        done = aivcs.shell(
            "export AIVCS_RUN=$(aivcs run start --agent a --spec $1); echo $AIVCS_RUN\n"
            "trap 'aivcs run finish @ --if-running --exit-code $?' EXIT\n"
            f"trap 'exit 143' TERM\n{script}",
            aivcs.put(b"a spec\n"),
        )
        record = aivcs.record(done.text)
        assert record["status"] == status
        assert record["summary"].get("exit_code") == exit_code


class TestShow:
    def test_prints_names_and_values_with_tabs(self, aivcs):
        run = aivcs.begin("bot", b"a spec\n", "--tag", "k=v", "--git-sha", "abc")
        aivcs.ok("run", "log", run, "k")
        aivcs.ok("run", "finish", run, "--exit-code", "3", "--duration-ms", "1500")
        record = aivcs.record(run)
        shown = dict(line.split("\t") for line in aivcs.ok("run", "show", run).lines)
        assert shown == {
            "run": run,
            "agent": "bot",
            "status": "FAILED",
            "spec": record["spec_digest"],
            "git commit": "abc",
            "tags": '{"k":"v"}',
            "created": record["created_at"],
            "completed": record["completed_at"],
            "events": "1",
            "final state": "-",
            "duration": "1500 ms",
            "success": "no",
            "exit code": "3",
        }

    def test_shows_the_last_state_of_a_run_whose_clock_went_back(self, aivcs, files):
        template = json.loads(aivcs.run_log(aivcs.begin()).read_text())
        del template["hash"]
        template.update(run_id="future", created_at="2999-01-01T00:00:00.000000Z")
        aivcs.run_log("future").parent.mkdir(exist_ok=True)
        aivcs.run_log("future").write_bytes(files.seal([template]))
        aivcs.ok("run", "finish", "future")
        assert aivcs.record("future")["summary"]["duration_ms"] == 0


class TestEvents:
    def test_prints_seq_time_kind_and_payload(self, aivcs):
        run = aivcs.begin()
        aivcs.ok("run", "log", "--timestamp", "2026-01-31T12:00:00Z", run, "call", "a=b\tc\x1b[0m")
        assert aivcs.ok("run", "events", run).lines == [
            '1\t2026-01-31T12:00:00.000000Z\tcall\t{"a":"b\\tc\\u001b[0m"}'
        ]

    def test_picks_a_kind(self, aivcs):
        run = aivcs.begin()
        for kind in ("a", "b", "a"):
            aivcs.ok("run", "log", run, kind)
        done = aivcs.ok("run", "events", "--kind", "a", run, "--json")
        assert [e["seq"] for e in done.json_lines] == [1, 3]
        assert aivcs.ok("run", "events", run, "--kind", "c").out == b""

    def test_has_the_fields_of_the_format_only(self, aivcs):
        run = aivcs.begin()
        aivcs.ok("run", "log", "--seq", "9", run, "k")
        (event,) = aivcs.events(run)
        assert list(event) == ["seq", "kind", "payload", "timestamp"]

    def test_follows_a_run_to_its_end(self, aivcs):
        run = aivcs.begin()
        aivcs.ok("run", "log", run, "one")
        follower = aivcs.start("run", "events", "--follow", run, "--json", stdout=subprocess.PIPE)
        try:
            assert json.loads(line_of(follower.stdout))["kind"] == "one"
            aivcs.ok("run", "log", run, "two")
            assert json.loads(line_of(follower.stdout))["kind"] == "two"
            assert follower.poll() is None
            aivcs.ok("run", "log", run, "three")
            aivcs.ok("run", "finish", run)
            out, _ = follower.communicate(timeout=20)
            assert json.loads(out)["kind"] == "three"
            assert follower.returncode == 0
        finally:
            follower.kill()
            follower.wait()

    def test_follows_in_plain_text_too(self, aivcs):
        run = aivcs.begin()
        aivcs.ok("run", "log", run, "one")
        follower = aivcs.start("run", "events", "-f", run, stdout=subprocess.PIPE)
        try:
            assert b"\tone\t" in line_of(follower.stdout)
            aivcs.ok("run", "finish", run)
            assert follower.wait(20) == 0
        finally:
            follower.kill()
            follower.wait()
            follower.stdout.close()

    def test_an_interrupt_ends_following_quietly(self, aivcs):
        run = aivcs.begin()
        aivcs.ok("run", "log", run, "one")
        follower = aivcs.start(
            "run", "events", "-f", run, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        assert line_of(follower.stdout)
        follower.send_signal(signal.SIGINT)
        _, err = follower.communicate(timeout=20)
        assert (follower.returncode, err) == (-signal.SIGINT, b"")

    def test_an_interrupt_ends_the_loop_of_a_shell_around_it(self, aivcs):
        run = aivcs.begin()
        aivcs.ok("run", "log", run, "one")
        script = """for i in 1 2; do "$0" -P -m aivcs run events -f "$1"; echo went on; done"""
        loop = subprocess.Popen(
            ["bash", "-c", script, sys.executable, run],
            cwd=aivcs.folder,
            env=aivcs.environment(),
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
        assert b"one" in line_of(loop.stdout)
        os.killpg(loop.pid, signal.SIGINT)
        try:
            out, _ = loop.communicate(timeout=20)
            assert (loop.returncode, out) == (-signal.SIGINT, b"")
        finally:
            loop.kill()
            loop.wait()

    def test_following_ends_as_soon_as_nobody_reads_though_nothing_happens(self, aivcs):
        run = aivcs.begin()
        aivcs.ok("run", "log", run, "one")
        done = aivcs.shell('aivcs run events -f "$1" | head -1; exit ${PIPESTATUS[0]}', run)
        assert (done.code, done.err) == (141, b"")
        assert b"\tone\t" in done.out

    def test_following_shows_every_event_once_when_it_comes_whatever_its_seq(self, aivcs):
        run = aivcs.begin()
        for seq in ("5", "2"):
            aivcs.ok("run", "log", "--seq", seq, run, f"k{seq}")
        follower = aivcs.start("run", "events", "-f", run, stdout=subprocess.PIPE)
        try:
            assert [line_of(follower.stdout).split(b"\t")[0] for _ in range(2)] == [b"5", b"2"]
            follower.send_signal(signal.SIGSTOP)
            for seq in ("3", "9", "3"):  # the last is a retry, and stored once
                aivcs.ok("run", "log", "--seq", seq, run, f"k{seq}")
            follower.send_signal(signal.SIGCONT)
            aivcs.ok("run", "log", run, "k10")
            aivcs.ok("run", "finish", run)
            out, _ = follower.communicate(timeout=20)
            assert [line.split(b"\t")[0] for line in out.splitlines()] == [b"3", b"9", b"10"]
            assert follower.returncode == 0
        finally:
            follower.kill()
            follower.wait()

    def test_following_ends_when_the_log_is_taken_away_or_cut(self, aivcs):
        for spoil, code in (("rm", 12), ("truncate -s -20", 14)):
            run = aivcs.begin()
            aivcs.ok("run", "log", run, "one")
            follower = aivcs.start(
                "run", "events", "-f", run, stdout=subprocess.PIPE, stderr=subprocess.PIPE
            )
            assert line_of(follower.stdout)
            subprocess.run([*spoil.split(), aivcs.run_log(run)], check=True)
            _, err = follower.communicate(timeout=20)
            assert follower.returncode == code, err
            assert [line[:7] == b"aivcs: " for line in err.splitlines()].count(True) == 1

    def test_refuses_a_log_that_was_edited_and_names_the_line(self, aivcs):
        run = aivcs.begin()
        for word in ("alpha", "beta", "gamma"):
            aivcs.ok("run", "log", run, word)
        log = aivcs.run_log(run)
        log.write_bytes(log.read_bytes().replace(b'"beta"', b'"BETA"'))
        done = aivcs("run", "events", run, code=14)
        assert f"{run}.jsonl line 3" in done.complaint
        assert b"BETA" not in done.out


class TestList:
    @pytest.fixture
    def runs(self, aivcs):
        """Three runs: a failed one of bot, a running one of bot, a completed one of cat."""
        one = aivcs.begin("bot", b"spec one", "--tag", "env=prod", "--tag", "n:=1")
        two = aivcs.begin("bot", b"spec two", "--tag", "env=test")
        three = aivcs.begin("cat", b"spec one")
        aivcs.ok("run", "finish", one, "--status", "failed", "--duration-ms", "7")
        aivcs.ok("run", "finish", three)
        return one, two, three

    def test_prints_tabs_whole_ids_and_no_header_newest_first(self, aivcs, runs):
        one, two, three = runs
        rows = [line.split("\t") for line in aivcs.ok("run", "list").lines]
        assert [row[0] for row in rows] == [three, two, one]
        record = aivcs.record(one)
        assert rows[2] == [
            one, "bot", "FAILED", record["created_at"], record["spec_digest"], "0", "7",
        ]  # fmt: skip
        assert rows[1][5:] == ["-", "-"]

    def test_lists_records_as_json(self, aivcs, runs):
        records = aivcs.ok("run", "list", "--json").json_lines
        assert records == [aivcs.record(run) for run in reversed(runs)]

    @pytest.mark.parametrize(
        ("arguments", "expected"),
        [
            (("--agent", "bot"), (1, 0)),
            (("--agent", "nobody"), ()),
            (("--status", "running"), (1,)),
            (("--status", "failed"), (0,)),
            (("--status", "cancelled"), ()),
            (("--tag", "env=prod"), (0,)),
            (("--tag", "env=prod", "--tag", "n:=1"), (0,)),
            (("--tag", "n=1"), ()),
            (("--agent", "bot", "--status", "running"), (1,)),
            (("-n", "2"), (2, 1)),
            (("-n", "0"), ()),
            (("-n", "1", "--agent", "bot"), (1,)),
            (("--since", "1h"), (2, 1, 0)),
            (("--since", "2000-01-01"), (2, 1, 0)),
            (("--since", "2999-01-01"), ()),
            (("--since", "2999-01-01T00:00:00+01:00"), ()),
        ],
        ids=str,
    )
    def test_picks(self, aivcs, runs, arguments, expected):
        found = [
            record["run_id"] for record in aivcs.ok("run", "list", *arguments, "--json").json_lines
        ]
        assert found == [runs[at] for at in expected]

    def test_picks_a_spec(self, aivcs, runs, files):
        one, _two, three = runs
        digest = files.sha256("spec one")
        for text in (digest, digest[:8]):
            rows = aivcs.ok("run", "list", "--spec", text).lines
            assert [row.split("\t")[0] for row in rows] == [three, one]
        assert aivcs.ok("run", "list", "--spec", ABSENT).out == b""

    @pytest.mark.parametrize(
        "arguments",
        [
            ("-n", "-1"),
            ("-n", "x"),
            ("--status", "done"),
            ("--since", "yesterday"),
            ("--since", ""),
            ("--tag", "word"),
            ("--spec", ""),
            ("extra",),
        ],
        ids=str,
    )
    def test_refuses_what_is_invalid(self, aivcs, arguments):
        assert aivcs("run", "list", *arguments, code=2).complaint

    def test_prints_nothing_when_there_are_no_runs(self, aivcs):
        assert aivcs.ok("run", "list").out == b""

    def test_lists_the_others_when_one_is_damaged_and_exits_14(self, aivcs, runs):
        one, two, three = runs
        aivcs.run_log(two).write_bytes(b"garbage\n")
        done = aivcs("run", "list", code=14)
        assert [line.split("\t")[0] for line in done.lines] == [three, one]
        assert two in done.complaint
        done = aivcs("run", "list", "--json", code=14)
        assert len(done.json_lines) == 2
        assert json.loads(done.err)["exit_code"] == 14


class TestManyWriters:
    def test_eight_writers_leave_no_gap_and_no_repeat(self, aivcs, files):
        run = aivcs.begin()
        writers = [
            aivcs.start("run", "log", "--stdin", "--print-seq", run,
                        stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            for _ in range(8)
        ]  # fmt: skip
        # Event by event, so that the writers alternate.
        for number in range(50):
            for who, writer in enumerate(writers):
                line = json.dumps({"kind": "k", "payload": {"who": who, "n": number}})
                writer.stdin.write(line.encode() + b"\n")
                writer.stdin.flush()
        printed: list[Any] = []
        for writer in writers:
            out, _ = writer.communicate(timeout=60)
            assert writer.returncode == 0
            printed += map(int, out.split())
        assert sorted(printed) == list(range(1, 401))
        entries = files.read_chain(aivcs.run_log(run))[1:]
        assert [entry["seq"] for entry in entries] == list(range(1, 401))
        for who in range(8):
            own = [e["payload"]["n"] for e in entries if e["payload"]["who"] == who]
            assert own == list(range(50))

    def test_processes_that_log_one_event_each_do_not_disturb_one_another(self, aivcs, files):
        run = aivcs.begin()
        writers = [
            aivcs.start("run", "log", "--print-seq", run, "k", f"n:={n}", stdout=subprocess.PIPE)
            for n in range(24)
        ]
        seqs = [int(writer.communicate(timeout=60)[0]) for writer in writers]
        assert sorted(seqs) == list(range(1, 25))
        stored = {e["seq"]: e["payload"]["n"] for e in files.read_chain(aivcs.run_log(run))[1:]}
        assert stored == {seq: n for n, seq in enumerate(seqs)}

    def test_every_acknowledged_event_stands_before_the_end(self, aivcs, files):
        run = aivcs.begin()
        writers = [
            aivcs.start("run", "log", run, "k", stderr=subprocess.PIPE, stdout=subprocess.DEVNULL)
            for _ in range(10)
        ]
        time.sleep(0.02)
        finish = aivcs.start("run", "finish", run)
        assert finish.wait(60) == 0
        codes = []
        for writer in writers:
            writer.communicate(timeout=60)
            codes.append(writer.returncode)
        assert set(codes) <= {0, 15}
        entries = files.read_chain(aivcs.run_log(run))
        assert entries[-1]["type"] == "end"
        assert entries[-1]["summary"]["total_events"] == codes.count(0) == len(entries) - 2


def test_a_log_can_be_read_with_jq_alone(aivcs):
    run = aivcs.begin()
    aivcs.ok("run", "log", run, "k", "a=1")
    done = aivcs.shell(
        "command -v jq >/dev/null || exit 99; tail -1 $1 | jq -r .payload.a",
        str(aivcs.run_log(run)),
    )
    if done.code == 99:
        pytest.skip("there is no jq")
    assert done.text == "1"


def test_modes_do_not_depend_on_who_runs_what(aivcs):
    run = aivcs.begin()
    assert aivcs.run_log(run).stat().st_mode & 0o7777 == 0o644
    assert os.stat(aivcs.run_log(run).parent).st_mode & 0o7777 == 0o755
