"""`aivcs run search`, and the filters of runs by what they used and what failed in them."""

import json
import os
import pty
import re
import subprocess

import pytest
from command import read_terminal


@pytest.fixture
def runs(aivcs):
    """Three runs, the oldest first."""
    made = []
    for agent, events in (
        ("a", [
            ("message", {"role": "user", "content": "Find the needle, please. " + "x" * 300}),
            ("tool_called", {"tool_name": "grep", "arguments": {"pattern": "needle"}}),
            ("tool_failed", {"tool_name": "grep", "error": "No such file", "exit_code": 2}),
            ("evaluation", {"name": "q", "score": 0.25}),
        ]),
        ("b", [
            ("tool_called", {"tool_name": "cat", "arguments": {"path": "needle/a.txt"}}),
            ("tool_returned", {"tool_name": "cat", "output": "Grüße, a \"quoted\"\nneedle"}),
            ("evaluation", {"name": "q", "score": 0.75}),
        ]),
        ("a", [("note", {"needle": 1}), ("note", ["NEEDLE"])]),
    ):  # fmt: skip
        run = aivcs.begin(agent)
        lines = "".join(json.dumps({"kind": k, "payload": p}) + "\n" for k, p in events)
        aivcs.ok("run", "log", "--stdin", run, stdin=lines)
        aivcs.ok("run", "finish", run, "--exit-code", "0")
        made.append(run)
    return made


@pytest.fixture
def found(aivcs, runs):
    """Returns number of run and seq of each match."""

    def find(*words, code=0):
        told = aivcs("run", "search", *words, "--json", code=code).json_lines
        return [(runs.index(match["run_id"]), match["seq"]) for match in told]

    return find


class TestWhatIsFound:
    def test_a_text_in_texts_and_names_newest_run_first(self, found):
        assert found("needle") == [(2, 1), (1, 1), (1, 2), (0, 1), (0, 2)]
        assert found("needle", "-i") == [(2, 1), (2, 2), (1, 1), (1, 2), (0, 1), (0, 2)]
        assert found("needle", "-n", "2") == [(2, 1), (1, 1)]

    def test_a_text_as_it_is_and_not_as_json_writes_it(self, found):
        assert found('"quoted"\nneedle') == [(1, 2)]
        assert found("Grüße") == [(1, 2)]
        assert found("/a.txt") == [(1, 1)]
        assert found("\\n", code=1) == []

    def test_however_its_line_is_spelled(self, aivcs, files, runs):
        run = runs[0]
        entries = files.read_chain(aivcs.run_log(run))
        entries = [{k: v for k, v in e.items() if k != "hash"} for e in entries]
        entries[1]["payload"] = {"content": "straße a/b"}
        text = files.seal(entries).decode()
        lines = []
        previous = ""
        for line in text.splitlines():  # the same values in other letters, chained anew
            body = line.rpartition(',"hash":"')[0]
            body = body.replace("straße", "stra\\u00dfe").replace("a/b", "a\\/b")
            previous = files.sha256(previous + body)
            lines.append(f'{body},"hash":"{previous}"}}\n')
        aivcs.run_log(run).write_text("".join(lines))
        for sought in ("straße", "a/b", "ße a/"):
            (match,) = aivcs.ok("run", "search", sought, "--json").json_lines
            assert match["passage"] == "straße a/b"

    def test_an_expression(self, found):
        assert found("--regex", r"needle/\w+\.txt") == [(1, 1)]
        assert found("--regex", "^no such", "-i") == [(0, 3)]

    def test_kinds_tools_failures_and_conditions(self, found):
        assert found("--kind", "evaluation") == [(1, 3), (0, 4)]
        assert found("--kind", "evaluation", "--where", "/score < 0.5") == [(0, 4)]
        assert found("--where", "/score>=0.25") == [(1, 3), (0, 4)]
        assert found("--where", "/score") == [(1, 3), (0, 4)]
        assert found("--where", "/score = 0.75", "--where", "/name = q") == [(1, 3)]
        assert found("--where", "/score != 0.75") == [(0, 4)]
        assert found("--where", "/arguments/path ~ a.t") == [(1, 1)]
        assert found("--tool", "grep") == [(0, 2), (0, 3)]
        assert found("--failed") == [(0, 3)]
        assert found("needle", "--tool", "cat") == [(1, 1), (1, 2)]
        assert found("--failed", "--tool", "cat", code=1) == []

    def test_annotations(self, aivcs, runs, found):
        digest = aivcs.ok("run", "annotate", runs[1], "-m", "a remarkable run").text
        (match,) = aivcs.ok("run", "search", "remarkable", "--json").json_lines
        assert (match["annotation"], match["seq"], match["kind"]) == (digest, None, "note")
        assert aivcs.ok("run", "search", "remarkable").text.split("\t")[1:] == [
            "-", "note", "/text", "a remarkable run",
        ]  # fmt: skip

    def test_blobs_that_events_refer_to(self, aivcs, runs, files):
        run = aivcs.begin()
        long = "x" * 2_000_000
        (aivcs.folder / "page.html").write_text(f"{long}<p>Größe: needle 9</p>{long}")
        aivcs.ok("run", "log", "--blob", "page=page.html", run, "note")
        assert run not in [
            line.split("\t")[0] for line in aivcs.ok("run", "search", "needle").lines
        ]
        (match,) = aivcs.ok("run", "search", "needle 9", "--blobs", "--json").json_lines
        assert (match["run_id"], match["seq"], match["kind"]) == (run, 1, "note")
        assert match["pointer"] == "/page/$blob"
        begin, end = match["match"]
        assert match["passage"][begin:end] == "needle 9"
        assert "<p>Größe: " in match["passage"]
        assert match["blob"] == aivcs.put((aivcs.folder / "page.html").read_bytes())
        aivcs("run", "search", "needle 9", "--blobs", "--kind", "other", code=1)
        lines = aivcs.ok("run", "search", "--regex", "needle [0-9]", "--blobs", "-l").lines
        assert lines == [run]
        assert len(aivcs.ok("run", "search", "needle", "--blobs", "-l").lines) == 4
        aivcs("run", "search", "--kind", "note", "--blobs", code=2)

    def test_filters_of_runs(self, aivcs, runs, found):
        assert found("needle", "--agent", "b") == [(1, 1), (1, 2)]
        at = aivcs.record(runs[1])["created_at"]
        assert found("needle", "--since", at) == [(2, 1), (1, 1), (1, 2)]
        assert found("needle", "--until", at) == [(0, 1), (0, 2)]
        assert found("needle", "--failed-tool", "grep") == [(0, 1), (0, 2)]
        assert aivcs.ok("run", "search", "needle", "-l").lines == runs[::-1]


class TestHowItIsShown:
    def test_a_pipe_gets_a_line_for_each(self, aivcs, runs):
        lines = aivcs.ok("run", "search", "needle", "--agent", "a", "--kind", "message").lines
        (cells,) = [line.split("\t") for line in lines]
        assert cells[:4] == [runs[0], "1", "message", "/content"]
        assert cells[4] == "Find the needle, please. " + "x" * 84 + "…"

    def test_json_says_where_in_the_passage_it_is(self, aivcs, runs):
        for match in aivcs.ok("run", "search", "needle", "-i", "--json").json_lines:
            begin, end = match["match"]
            assert match["passage"][begin:end].lower() == "needle"

    def test_a_terminal_gets_it_marked(self, aivcs, runs):
        master, slave = pty.openpty()
        process = aivcs.start(
            "run", "search", "needle", "--kind", "message", stdout=slave,
            stdin=subprocess.DEVNULL, env={"TERM": "xterm", "COLUMNS": "80"},
        )  # fmt: skip
        os.close(slave)
        text = read_terminal(master).decode()
        assert process.wait(30) == 0
        assert re.search(r"Find the \x1b\[[0-9;]+mneedle\x1b\[0m, please", text)
        assert runs[0][:8] in text

    def test_control_characters_are_escaped(self, aivcs):
        run = aivcs.begin()
        aivcs.ok("run", "log", run, "note", '{"a":"x\\u001b[2Jy"}')
        for words in ((), ("--table",)):
            assert b"\x1b" not in aivcs.ok(*words, "run", "search", "2J").out


class TestRefusals:
    @pytest.mark.parametrize(
        ("words", "says"),
        [
            ((), "say what to search for"),
            (("",), "empty"),
            (("x", "--regex", "y"), "not both"),
            (("--regex", "("), "not valid"),
            (("--kind", ""), "empty"),
            (("--where", "score < 1"), "not a condition"),
            (("--where", "/score <"), "no value"),
            (("--where", "/score < [1]"), "neither a number nor a text"),
            (("x", "-n", "-1"), "0 or more"),
            (("x", "--uses", ""), "empty"),
            (("x", "--failed-tool", ""), "empty"),
        ],
    )
    def test_what_is_no_question(self, aivcs, words, says):
        assert says in aivcs("run", "search", *words, code=2).complaint

    def test_a_damaged_run_is_told_and_the_others_searched(self, aivcs, runs):
        log = aivcs.run_log(runs[1])
        log.write_bytes(log.read_bytes().replace(b"quoted", b"QUOTED"))
        done = aivcs("run", "search", "needle", "--json", code=14)
        assert {match["run_id"] for match in done.json_lines} >= {runs[0], runs[2]}
        aivcs("run", "search", "No such file", code=0)  # nothing of the damaged one is needed


class TestUses:
    @pytest.fixture
    def specs(self, aivcs):
        """Two specs that share a file, and one of it alone."""
        (aivcs.folder / "prompts").mkdir()
        (aivcs.folder / "prompts" / "one.md").write_text("one")
        first = aivcs.ok("spec", "create", "prompts").text
        (aivcs.folder / "prompts" / "two.md").write_text("two")
        return first, aivcs.ok("spec", "create", "prompts").text, aivcs.put(b"one")

    def test_finds_runs_by_digest_prefix_and_path(self, aivcs, specs):
        runs = [aivcs.ok("run", "start", "--agent", "a", "--spec", spec).text for spec in specs]

        def found(what):
            told = aivcs.ok("run", "list", "--uses", what, "--json").json_lines
            return sorted(runs.index(record["run_id"]) for record in told)

        one, two = aivcs.put(b"one"), aivcs.put(b"two")
        assert found(one) == found(one[:10]) == [0, 1, 2]
        assert found(two) == found("prompts/two.md") == found("./prompts/two.md") == [1]
        assert found(specs[0]) == [0]
        assert found("prompts/three.md") == []
        assert aivcs.ok("run", "list", "--uses", one, "-n", "1").lines[0].startswith(runs[2])

    def test_runs_before_a_time(self, aivcs, specs):
        first, second = (
            aivcs.ok("run", "start", "--agent", "a", "--spec", spec).text for spec in specs[:2]
        )
        at = aivcs.record(second)["created_at"]
        assert [line.split("\t")[0] for line in aivcs.ok("run", "list", "--until", at).lines] == [
            first
        ]
        assert aivcs.ok("run", "list", "--until", at, "--since", at).out == b""
        assert "--until" in aivcs("run", "list", "--until", "never", code=2).complaint

    def test_releases_by_what_they_use(self, aivcs, specs):
        for name, spec in zip("abc", specs, strict=True):
            aivcs.ok("release", "promote", name, spec)
        two = aivcs.put(b"two")

        def names(what):
            told = aivcs.ok("release", "list", "--uses", what, "--json").json_lines
            return [release["name"] for release in told]

        assert names(two) == ["b"]
        assert names("prompts/one.md") == ["a", "b"]
        assert names(aivcs.put(b"one")) == ["a", "b", "c"]
        assert aivcs.ok("release", "list", "--uses", "nothing").out == b""


class TestReleasesInTime:
    @pytest.fixture
    def history(self, aivcs):
        """v1, v2, and back to v1; the entries oldest first."""
        for label in ("v1", "v2"):
            aivcs.ok("release", "promote", "bot", aivcs.put(label), "--label", label)
        aivcs.ok("release", "rollback", "bot", "--reason", "bad")
        return aivcs.ok("release", "history", "bot", "--json").json_lines[::-1]

    def test_what_was_live_at_a_time(self, aivcs, history):
        for entry in history:
            at = entry["created_at"]
            told = aivcs.ok("release", "current", "bot", "--at", at, "--json").json
            assert told["seq"] == entry["seq"]
        assert aivcs.ok("release", "current", "bot", "--at", "0s").text == history[0]["spec_digest"]
        before = ("release", "current", "bot", "--at", "2020-01-01")
        assert "had no release at 2020-01-01" in aivcs(*before, code=12).complaint
        assert aivcs.ok(*before, "--default", "none").text == "none"
        assert "--at" in aivcs("release", "current", "bot", "--at", "x", code=2).complaint

    def test_history_until_a_time(self, aivcs, history):
        at = history[2]["created_at"]
        told = aivcs.ok("release", "history", "bot", "--until", at, "--json").json_lines
        assert [entry["seq"] for entry in told] == [2, 1]
        told = aivcs.ok("release", "history", "bot", "--until", at, "-n", "1", "--json").json_lines
        assert [entry["seq"] for entry in told] == [2]
