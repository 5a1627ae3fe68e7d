"""`aivcs run import`: sessions of other programs as runs."""

import json
import os
import re

import pytest
from conftest import read_chain, sha256, snapshot
from formats import samples

TOKEN = "ghp_" + "0123456789abcdefghijABCDEFGHIJ012345"


def write(aivcs, data, name=f"{samples.CLAUDE_ID}.jsonl"):
    path = aivcs.folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return str(path)


def tags(aivcs, run):
    return aivcs.record(run)["metadata"]["tags"]


def first_lines(data, number):
    return b"".join(data.splitlines(keepends=True)[:number])


class TestOneSession:
    def test_becomes_a_run_with_its_id_its_times_and_its_events(self, aivcs):
        done = aivcs.ok("run", "import", write(aivcs, samples.CLAUDE))
        assert done.lines == [samples.CLAUDE_ID]
        record = aivcs.record(samples.CLAUDE_ID)
        assert record["status"] == "RUNNING"
        assert record["created_at"] == "2026-11-01T10:00:01.250000Z"
        assert record["metadata"]["agent_name"] == "claude-code"
        assert record["metadata"]["tags"] == {
            "import.format": "claude-code",
            "import.mapping": 1,
            "import.source": f"{samples.CLAUDE_ID}.jsonl",
            "import.version": "2.1.300",
            "session": samples.CLAUDE_ID,
            "model": "claude-test-1",
            "cwd": "/srv/tables",
            "git.branch": "main",
        }
        events = aivcs.events(samples.CLAUDE_ID)
        assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
        called = [e["payload"]["arguments"] for e in events if e["kind"] == "tool_called"]
        assert called == [{"command": command} for command in samples.STORY]
        (failed,) = [event for event in events if event["kind"] == "tool_failed"]
        assert failed["payload"]["exit_code"] == 1
        assert "No such file" in failed["payload"]["error"]
        assert failed["timestamp"] == "2026-11-01T10:00:07.250000Z"
        aivcs.ok("verify")

    def test_says_what_it_did(self, aivcs):
        told = aivcs.ok("run", "import", write(aivcs, samples.CLAUDE)).err.decode()
        events = len(aivcs.events(samples.CLAUDE_ID))
        assert f"run: 1 new; {events} new events" in told
        assert "1 record of 1 kind not known (kept as they are): claude-code.brand-new-type 1" in (
            told
        )
        assert "still open" in told

    def test_as_json(self, aivcs):
        told = aivcs.ok("run", "import", "--json", write(aivcs, samples.CLAUDE)).json
        assert told == {
            "run_id": samples.CLAUDE_ID,
            "session": samples.CLAUDE_ID,
            "format": "claude-code",
            "agent": "claude-code",
            "status": "RUNNING",
            "created": True,
            "new_events": len(aivcs.events(samples.CLAUDE_ID)),
            "events": len(aivcs.events(samples.CLAUDE_ID)),
            "unknown": {"claude-code.brand-new-type": 1},
        }

    def test_a_second_time_changes_no_byte(self, aivcs):
        path = write(aivcs, samples.CLAUDE)
        aivcs.ok("run", "import", path)
        before = snapshot(aivcs.store)
        done = aivcs.ok("run", "import", path)
        assert done.lines == [samples.CLAUDE_ID]
        assert b"run: 1 unchanged; 0 new events" in done.err
        assert snapshot(aivcs.store) == before

    def test_a_file_that_grew_extends_the_run(self, aivcs):
        for number in range(1, len(samples.CLAUDE_RECORDS) + 1):
            aivcs.ok("run", "import", write(aivcs, first_lines(samples.CLAUDE, number)))
        grown = aivcs.events(samples.CLAUDE_ID)
        log = read_chain(aivcs.run_log(samples.CLAUDE_ID))
        assert len(log) == len(grown) + 1
        again = aivcs.ok("run", "import", write(aivcs, samples.CLAUDE))
        assert b"unchanged" in again.err
        assert aivcs.ok("run", "list").lines[1:] == []

    def test_is_the_same_read_at_once_and_as_it_grew(self, aivcs, tmp_path):
        path = write(aivcs, samples.CLAUDE)
        aivcs.ok("run", "import", path)
        other = tmp_path / "other"
        aivcs.ok("init", str(other))
        for number in (1, 3, 4, 9, 13):
            part = write(aivcs, first_lines(samples.CLAUDE, number), f"p/{samples.CLAUDE_ID}.jsonl")
            aivcs.ok("--store", str(other / ".aivcs"), "run", "import", part)
        events = aivcs.events(samples.CLAUDE_ID)
        assert aivcs.ok("--store", str(other / ".aivcs"), "run", "events", samples.CLAUDE_ID,
                        "--json").json_lines == events  # fmt: skip

    def test_an_end_that_is_not_whole_is_left_for_later(self, aivcs):
        told = aivcs.ok("run", "import", write(aivcs, samples.CLAUDE[:-20])).err.decode()
        assert re.search(r"the last \d+ bytes are no record yet", told)
        part = aivcs.events(samples.CLAUDE_ID)
        aivcs.ok("run", "import", write(aivcs, samples.CLAUDE))
        assert aivcs.events(samples.CLAUDE_ID)[: len(part)] == part
        assert len(aivcs.events(samples.CLAUDE_ID)) > len(part)

    def test_comes_from_a_pipe(self, aivcs):
        assert aivcs.ok("run", "import", "-", stdin=samples.CLAUDE).lines == [samples.CLAUDE_ID]

    def test_may_have_no_session_yet(self, aivcs):
        path = write(aivcs, b'{"type":"summary","summary":"x","leafUuid":"u"}\n', "s.jsonl")
        done = aivcs.ok("run", "import", path)
        assert done.lines == []
        assert b"1 record of no session yet; --seal takes them" in done.err
        assert len(aivcs.ok("run", "import", "--seal", path).lines) == 1

    @pytest.mark.parametrize("data", [b"", b'{\n "history": [{"role": "user"}]\n}\n'])
    def test_a_file_without_one_is_named(self, aivcs, data):
        path = write(aivcs, data, "s\n.json")
        done = aivcs.ok("run", "import", "--from", "gemini-cli", path)
        assert done.lines == []
        assert b"s\\n.json: there is no session in it\n" in done.err

    def test_sessions_without_events_are_counted_among_all(self, aivcs):
        folder = aivcs.home / ".claude" / "projects" / "-srv"
        folder.mkdir(parents=True)
        for number in (1, 2):
            (folder / f"5e55105e-0000-4000-8000-00000000000{number + 5}.jsonl").write_bytes(b"")
        (folder / f"{samples.CLAUDE_ID}.jsonl").write_bytes(samples.CLAUDE)
        done = aivcs.ok("run", "import", "--all")
        assert done.lines == [samples.CLAUDE_ID]
        assert b"2 sessions have no events, and so no run\n" in done.err

    def test_of_another_format_than_the_one_named_is_refused(self, aivcs):
        before = snapshot(aivcs.store)
        path = write(aivcs, samples.CLAUDE)
        done = aivcs("run", "import", "--from", "codex", path, code=2)
        assert done.complaint.endswith("has the format claude-code, not codex; omit --from")
        assert snapshot(aivcs.store) == before

    def test_keeps_the_agent_that_is_named(self, aivcs):
        aivcs.ok("run", "import", "--agent", "reviewer", write(aivcs, samples.CLAUDE))
        assert aivcs.record(samples.CLAUDE_ID)["metadata"]["agent_name"] == "reviewer"
        aivcs("run", "import", "--agent", "no name", write(aivcs, samples.CLAUDE), code=2)


class TestTheEnd:
    @pytest.mark.parametrize("data", [samples.CLAUDE_STREAM, samples.CLAUDE_EXECUTION])
    def test_of_a_stream_ends_the_run(self, aivcs, data):
        aivcs.ok("run", "import", write(aivcs, data, "execution.json"))
        record = aivcs.record(samples.CLAUDE_ID)
        assert record["status"] == "COMPLETED"
        assert record["summary"]["success"] is True
        assert record["summary"]["duration_ms"] == 9500

    def test_is_asked_for(self, aivcs):
        path = write(aivcs, samples.CLAUDE)
        aivcs.ok("run", "import", path)
        aivcs.ok("run", "import", "--seal", path)
        record = aivcs.record(samples.CLAUDE_ID)
        assert record["status"] == "COMPLETED"
        assert record["completed_at"] == "2026-11-01T10:00:12.250000Z"
        assert record["summary"]["duration_ms"] == 11_000
        assert record["summary"]["total_events"] == len(aivcs.events(samples.CLAUDE_ID))
        before = snapshot(aivcs.store)
        aivcs.ok("run", "import", "--seal", path)
        assert snapshot(aivcs.store) == before

    def test_is_a_failure_where_the_source_says_so(self, aivcs):
        result = {"type": "result", "subtype": "error_during_execution", "is_error": True,
                  "session_id": samples.CLAUDE_ID, "errors": ["no credit"]}  # fmt: skip
        data = samples.lines(*samples.STREAM_RECORDS[:-1], result)
        aivcs.ok("run", "import", write(aivcs, data, "s.jsonl"))
        record = aivcs.record(samples.CLAUDE_ID)
        assert (record["status"], record["summary"]["success"]) == ("FAILED", False)

    def test_that_came_too_early_is_followed_by_another_run(self, aivcs):
        aivcs.ok("run", "import", "--seal", write(aivcs, first_lines(samples.CLAUDE, 9)))
        sealed = aivcs.events(samples.CLAUDE_ID)
        head = aivcs.run_log(samples.CLAUDE_ID).read_bytes()
        more = write(aivcs, samples.CLAUDE)
        assert aivcs.ok("run", "import", more).lines == [f"{samples.CLAUDE_ID}.2"]
        assert aivcs.run_log(samples.CLAUDE_ID).read_bytes() == head
        rest = aivcs.events(f"{samples.CLAUDE_ID}.2")
        known = tags(aivcs, f"{samples.CLAUDE_ID}.2")
        assert known["import.continues"] == samples.CLAUDE_ID
        assert known["import.from"] == rest[0]["seq"]
        # The end of a session that was final gives its last answer's tokens; a longer file, later.
        assert rest[0]["seq"] in {len(sealed), len(sealed) + 1}
        before = snapshot(aivcs.store)
        aivcs.ok("run", "import", more)
        assert snapshot(aivcs.store) == before
        aivcs.ok("run", "import", "--seal", more)
        assert aivcs.record(f"{samples.CLAUDE_ID}.2")["status"] == "COMPLETED"
        aivcs.ok("verify")

    @pytest.mark.parametrize("lines", [5, 6, 9])
    def test_that_came_too_early_counts_no_answer_of_the_model_twice(self, aivcs, lines):
        aivcs.ok("run", "import", "--seal", write(aivcs, first_lines(samples.CLAUDE, lines)))
        whole = write(aivcs, samples.CLAUDE)
        aivcs.ok("run", "import", "--seal", whole)
        counted = [
            event["payload"]["message_id"]
            for run in (samples.CLAUDE_ID, f"{samples.CLAUDE_ID}.2")
            for event in aivcs.events(run)
            if event["kind"] == "model_called"
        ]
        assert sorted(counted) == ["msg_1", "msg_2", "msg_3", "msg_4"]
        (row,) = aivcs.ok("run", "stats", "--figures", "--json").json_lines
        assert row["figures"]["input_tokens"] == 400 + 500 + 600 + 700 + 4 * 500
        before = snapshot(aivcs.store)
        aivcs.ok("run", "import", "--seal", whole)
        assert snapshot(aivcs.store) == before


class TestAnotherSource:
    def test_counts_under_the_agent_of_the_run_that_it_continues(self, aivcs):
        named = samples.claude("user", 40, message={"role": "user", "content": "Go on."})
        data = samples.CLAUDE + samples.lines(named | {"attributionAgent": "reviewer"})
        aivcs.ok("run", "import", "--seal", write(aivcs, samples.CLAUDE))
        assert (
            aivcs.ok("run", "import", "--json", write(aivcs, data)).json["agent"] == "claude-code"
        )
        record = aivcs.record(f"{samples.CLAUDE_ID}.2")
        assert record["metadata"]["agent_name"] == "claude-code"
        assert record["spec_digest"] == aivcs.record(samples.CLAUDE_ID)["spec_digest"]

    def test_with_the_same_id_goes_to_another_run(self, aivcs):
        aivcs.ok("run", "import", write(aivcs, samples.CLAUDE))
        head = aivcs.run_log(samples.CLAUDE_ID).read_bytes()
        other = samples.CLAUDE.replace(b"README.md", b"LICENSE")
        assert aivcs.ok("run", "import", write(aivcs, other)).lines == [f"{samples.CLAUDE_ID}.2"]
        assert aivcs.run_log(samples.CLAUDE_ID).read_bytes() == head
        whole = aivcs.events(samples.CLAUDE_ID)
        rest = aivcs.events(f"{samples.CLAUDE_ID}.2")
        first = rest[0]["seq"]
        assert whole[first - 1] != rest[0]
        assert [event["seq"] for event in rest] == list(range(first, len(whole) + 1))
        before = snapshot(aivcs.store)
        aivcs.ok("run", "import", write(aivcs, other))
        aivcs.ok("run", "import", write(aivcs, samples.CLAUDE))
        assert snapshot(aivcs.store) == before

    def test_does_not_extend_a_run_that_was_not_imported(self, aivcs):
        spec = aivcs.put(b"spec")
        line = json.dumps({"type": "run", "format": 1, "run_id": samples.CLAUDE_ID,
                           "spec_digest": spec,
                           "metadata": {"git_sha": None, "agent_name": "a", "tags": {}},
                           "created_at": "2026-01-31T12:00:00.000000Z"},
                          separators=(",", ":"))[:-1]  # fmt: skip
        log = aivcs.run_log(samples.CLAUDE_ID)
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_text(f'{line},"hash":"{sha256(line)}"}}\n')
        before = log.read_bytes()
        done = aivcs.ok("run", "import", write(aivcs, samples.CLAUDE))
        assert done.lines == [f"{samples.CLAUDE_ID}.2"]
        assert log.read_bytes() == before

    def test_does_not_extend_a_run_of_another_mapping(self, aivcs, monkeypatch):
        path = write(aivcs, first_lines(samples.CLAUDE, 9))
        aivcs.ok("run", "import", path)
        log = aivcs.run_log(samples.CLAUDE_ID)
        entries = [json.loads(line) for line in log.read_bytes().splitlines()]
        entries[0]["metadata"]["tags"]["import.mapping"] = 0
        from conftest import seal

        for entry in entries:
            del entry["hash"]
        log.write_bytes(seal(entries))
        before = log.read_bytes()
        done = aivcs.ok("run", "import", write(aivcs, samples.CLAUDE))
        assert done.lines == [f"{samples.CLAUDE_ID}.2"]
        assert log.read_bytes() == before
        assert tags(aivcs, f"{samples.CLAUDE_ID}.2")["import.from"] > 1


class TestManySessions:
    def test_of_one_source_are_runs_of_their_own(self, aivcs):
        spans = []
        for number in range(150):
            one = samples.chat(number % 4)
            one["traceId"] = f"{number:032x}"
            one["attributes"] = [a for a in one["attributes"]
                                 if a["key"] != "gen_ai.conversation.id"]  # fmt: skip
            spans.append(samples.batch(one))
        path = write(aivcs, samples.lines(*spans, *spans), "traces.jsonl")
        done = aivcs.ok("run", "import", "--seal", path)
        assert len(done.lines) == 150
        assert len(aivcs.ok("run", "list").lines) == 150
        before = snapshot(aivcs.store)
        assert b"150 unchanged" in aivcs.ok("run", "import", "--seal", path).err
        assert snapshot(aivcs.store) == before

    def test_a_subagent_is_a_child_whether_its_parent_is_there_or_not(self, aivcs):
        path = write(
            aivcs, samples.CLAUDE_SUBAGENT,
            f"{samples.CLAUDE_ID}/subagents/agent-{samples.AGENT_ID}.jsonl",
        )  # fmt: skip
        child = f"{samples.CLAUDE_ID}.{samples.AGENT_ID}"
        assert aivcs.ok("run", "import", path).lines == [child]
        assert tags(aivcs, child)["parent"] == samples.CLAUDE_ID
        aivcs.ok("run", "import", write(aivcs, samples.CLAUDE))
        assert aivcs.record(samples.CLAUDE_ID)["run_id"] == samples.CLAUDE_ID

    def test_of_our_own_logs_keep_their_tags_and_where_they_come_from(self, aivcs, tmp_path):
        first = aivcs.begin("a")
        words = ["--agent", "b", "--parent", first, "--tag", "title=x", "--tag", "n:=1"]
        child = aivcs.ok("run", "start", "--spec", aivcs.record(first)["spec_digest"], *words).text
        for run in (first, child):
            aivcs.ok("run", "log", run, "k")
        log = tmp_path / "log.jsonl"
        log.write_bytes(aivcs.ok("run", "export", "--format", "jsonl").out)
        aivcs.ok("init", str(tmp_path))
        other = ["--store", str(tmp_path / ".aivcs")]
        aivcs.ok(*other, "run", "import", str(log))
        assert f"1\t{child}\tb\t" in aivcs.ok(*other, "run", "tree", first).text
        kept = aivcs.ok(*other, "run", "show", "--json", child).json["metadata"]["tags"]
        assert (kept["title"], kept["n"]) == ("x", 1)

    def test_are_told_apart_on_a_terminal(self, aivcs):
        first = aivcs.ok("run", "import", write(aivcs, samples.CLAUDE)).lines[0]
        child = aivcs.ok("run", "import", write(aivcs, samples.CLAUDE_SUBAGENT, "s.jsonl")).lines[0]
        assert child.startswith(first)
        for words in (["run", "list"], ["run", "tree", first], ["run", "search", "e"]):
            shown = aivcs.ok("--table", *words, env={"COLUMNS": "200"}).text.split()
            assert child in shown, words

    def test_a_source_of_no_format_does_not_stop_the_others(self, aivcs):
        junk = write(aivcs, b"# notes\n", "notes.md")
        good = write(aivcs, samples.CODEX, "rollout.jsonl")
        done = aivcs("run", "import", junk, good, str(aivcs.folder / "absent"), code=2)
        assert done.lines == [samples.CODEX_ID]
        assert b"notes.md: the source has none of the formats" in done.err

    def test_all_of_the_user_are_found(self, aivcs):
        home = aivcs.home
        places = {
            f".claude/projects/-srv/{samples.CLAUDE_ID}.jsonl": samples.CLAUDE,
            f".claude/projects/-srv/{samples.CLAUDE_ID}/subagents/agent-a1.jsonl": (
                samples.CLAUDE_SUBAGENT
            ),
            f".codex/sessions/2026/11/01/rollout-2026-11-01T10-00-00-{samples.CODEX_ID}.jsonl": (
                samples.CODEX
            ),
            ".gemini/tmp/p/chats/session-2026-11-01T10-00-ab.jsonl": samples.GEMINI,
            ".codex/history.jsonl": b"{}\n",
        }
        for name, data in places.items():
            (home / name).parent.mkdir(parents=True, exist_ok=True)
            (home / name).write_bytes(data)
        (home / ".claude/projects/-srv/linked.jsonl").symlink_to(home / ".codex/history.jsonl")
        done = aivcs.ok("run", "import", "--all")
        assert len(done.lines) == 4
        assert {f"{samples.CLAUDE_ID}.a1", samples.CLAUDE_ID, samples.CODEX_ID} < set(done.lines)
        again = aivcs.ok("run", "import", "--all")
        assert again.lines == []
        only = aivcs.ok("run", "import", "--all", "--from", "codex", "--seal")
        assert b"run: 1 unchanged" in only.err
        assert aivcs.record(samples.CODEX_ID)["status"] == "COMPLETED"
        aivcs("run", "import", "--all", "--from", "atif", code=2)
        aivcs("run", "import", "--all", "file", code=2)
        aivcs("run", "import", code=2)

    def test_only_files_that_changed_are_read_again(self, aivcs):
        path = aivcs.home / ".claude/projects/-srv" / f"{samples.CLAUDE_ID}.jsonl"
        path.parent.mkdir(parents=True)
        path.write_bytes(first_lines(samples.CLAUDE, 9))
        os.utime(path, (1_700_000_000, 1_700_000_000))
        aivcs.ok("run", "import", "--all")
        assert b"1 file unchanged since an import" in aivcs.ok("run", "import", "--all").err
        (aivcs.home / "elsewhere").mkdir()
        other = str(aivcs.home / "elsewhere")
        aivcs.ok("init", other)
        done = aivcs.ok("--store", f"{other}/.aivcs", "run", "import", "--all")
        assert done.lines == [samples.CLAUDE_ID], "another store"
        path.write_bytes(samples.CLAUDE)
        os.utime(path, (1_700_000_000, 1_700_000_000))
        assert aivcs.ok("run", "import", "--all").lines == [samples.CLAUDE_ID], "another size"
        aivcs.run_log(samples.CLAUDE_ID).unlink()
        assert aivcs.ok("run", "import", "--all").lines == [samples.CLAUDE_ID], "the run is gone"
        for cache in (aivcs.home / ".local/state/aivcs/hooks/seen").iterdir():
            cache.write_text("{")
        assert b"run: 1 unchanged" in aivcs.ok("run", "import", "--all").err

    def test_a_file_without_a_session_stops_nothing(self, aivcs):
        folder = aivcs.home / ".claude/projects/-srv"
        folder.mkdir(parents=True)
        (folder / "a.jsonl").write_bytes(b"")
        (folder / "b.jsonl").write_bytes(b"not JSON\n")
        (folder / f"{samples.CLAUDE_ID}.jsonl").write_bytes(samples.CLAUDE)
        assert samples.CLAUDE_ID in aivcs.ok("run", "import", "--all").lines

    def test_one_that_was_erased_is_passed_over_unless_it_is_named(self, aivcs):
        path = aivcs.home / ".claude/projects/-srv" / f"{samples.CLAUDE_ID}.jsonl"
        path.parent.mkdir(parents=True)
        path.write_bytes(samples.CLAUDE)
        aivcs.ok("run", "import", "--seal", str(path))
        aivcs.ok("run", "rm", samples.CLAUDE_ID, "--reason", "not needed", "--by", "ada")
        other = path.parent / "5e55105e-0000-4000-8000-000000000009.jsonl"
        other.write_bytes(samples.CLAUDE.replace(samples.CLAUDE_ID.encode(), other.stem.encode()))
        done = aivcs.ok("run", "import", "--all")
        assert done.lines == [other.stem]
        assert f"{path}: passed over: run {samples.CLAUDE_ID} was erased" in done.err.decode()
        assert "erased on purpose" in aivcs("run", "import", str(path), code=15).complaint
        assert aivcs.ok("hook", "status", "--json").json["error"] is None


class TestSecrets:
    DATA = samples.CLAUDE.replace(b"README.md", TOKEN.encode()).replace(
        b"main", b"xoxb-0123456789-abcdef"
    )

    def test_are_in_no_file_of_the_store(self, aivcs):
        value = "correct horse battery"
        data = self.DATA.replace(b"table.csv", value.encode())
        done = aivcs.ok("run", "import", write(aivcs, data), env={"DEPLOY_TOKEN": value})
        aivcs.ok("run", "list")
        assert re.search(rb"masked \d+ secrets: DEPLOY_TOKEN \d+, github-token 1, slack", done.err)
        for path, (_, content) in snapshot(aivcs.store).items():
            for secret in (TOKEN, value, "xoxb-0123456789"):
                assert secret not in path
                assert secret.encode() not in (content or b"")
        shown = aivcs.ok("run", "events", samples.CLAUDE_ID).out
        assert b"***github-token***" in shown

    def test_masked_otherwise_the_next_time_are_the_same(self, aivcs):
        path = write(aivcs, samples.CLAUDE)
        aivcs.ok("run", "import", path, env={"MY_TOKEN": "missing.txt"})
        before = snapshot(aivcs.store)
        again = aivcs.ok("run", "import", path)
        assert b"1 unchanged" in again.err
        aivcs.ok("run", "import", path, env={"MY_SECRET": "cat missing.txt"})
        assert snapshot(aivcs.store) == before

    def test_are_kept_on_demand(self, aivcs):
        aivcs.ok("run", "import", "--no-redact", write(aivcs, self.DATA))
        assert TOKEN.encode() in aivcs.run_log(samples.CLAUDE_ID).read_bytes()

    def test_of_ones_own_form_are_masked_too(self, aivcs):
        aivcs.ok("config", "set", "--user", "import.redact", r"table=table\.(?P<secret>[a-z]+)")
        done = aivcs.ok("run", "import", write(aivcs, samples.CLAUDE))
        assert b"masked" in done.err
        log = aivcs.run_log(samples.CLAUDE_ID).read_bytes()
        assert b"table.csv" not in log
        assert b"table.***table***" in log

    def test_a_rule_of_the_store_does_not_count(self, aivcs):
        aivcs("config", "set", "import.redact", "a=b", code=2)

    @pytest.mark.parametrize("rule", ["table", "table=(", "table=x*", "=x"])
    def test_a_rule_that_is_none_stops_the_import(self, aivcs, rule):
        aivcs.ok("config", "set", "--user", "import.redact", rule)
        aivcs("run", "import", write(aivcs, samples.CLAUDE), code=2)
        assert aivcs.ok("run", "list").lines == []

    def test_in_a_name_or_an_id_are_masked_too(self, aivcs):
        data = samples.CLAUDE.replace(samples.CLAUDE_ID.encode(), TOKEN.encode())
        (run,) = aivcs.ok("run", "import", write(aivcs, data, "x.jsonl")).lines
        assert TOKEN not in run
        assert all(TOKEN not in path for path in snapshot(aivcs.store))


class TestLargePayloads:
    def test_become_blobs(self, aivcs):
        large = "0123456789" * 150_000
        data = samples.CLAUDE.replace(b"README.md", large.encode())
        path = write(aivcs, data)
        aivcs.ok("run", "import", path)
        (found,) = [
            event for event in aivcs.events(samples.CLAUDE_ID)
            if event["kind"] == "tool_returned" and "$blob" in str(event["payload"])
        ]  # fmt: skip
        digest = found["payload"]["output"]["$blob"]
        assert aivcs.ok("blob", "get", digest).out.decode().startswith(large)
        before = snapshot(aivcs.store)
        aivcs.ok("run", "import", path)
        assert snapshot(aivcs.store) == before
        aivcs.ok("gc", "--grace", "0s")
        aivcs.ok("blob", "has", digest)

    def test_of_many_numbers_too(self, aivcs):
        record = samples.claude("brand-new-type", 10, novelty=list(range(400_000)))
        aivcs.ok("run", "import", write(aivcs, samples.CLAUDE + samples.lines(record)))
        last = aivcs.events(samples.CLAUDE_ID)[-1]
        assert last["kind"] == "claude-code.brand-new-type"
        digest = last["payload"]["value"]["$blob"]
        assert json.loads(aivcs.ok("blob", "get", digest).out) == record


class TestTheSpec:
    def test_is_made_of_what_the_source_says(self, aivcs):
        aivcs.ok("run", "import", write(aivcs, samples.CLAUDE_STREAM, "s.jsonl"))
        spec = aivcs.record(samples.CLAUDE_ID)["spec_digest"]
        files = aivcs.folder / "out"
        aivcs.ok("spec", "checkout", spec, str(files))
        assert json.loads((files / "agent.json").read_text()) == {
            "agent": "claude-code", "program": "claude-code", "version": "2.1.300",
            "model": "claude-test-1",
        }  # fmt: skip
        assert json.loads((files / "tools.json").read_text()) == ["Bash"]

    def test_is_the_same_for_the_same_agent(self, aivcs):
        aivcs.ok("run", "import", write(aivcs, samples.CLAUDE))
        other = samples.CLAUDE.replace(b"000000000001", b"000000000002")
        (run,) = aivcs.ok("run", "import", write(aivcs, other, "other.jsonl")).lines
        assert aivcs.record(run)["spec_digest"] == aivcs.record(samples.CLAUDE_ID)["spec_digest"]

    def test_may_be_named(self, aivcs):
        spec = aivcs.put(b"a spec")
        aivcs.ok("release", "promote", "reviewer", spec)
        aivcs.ok("run", "import", "--spec", "reviewer@current", write(aivcs, samples.CLAUDE))
        assert aivcs.record(samples.CLAUDE_ID)["spec_digest"] == spec
        aivcs("run", "import", "--spec", "0" * 64, write(aivcs, samples.CLAUDE), code=12)

    def test_evaluations_open_gates(self, aivcs):
        spec = aivcs.put(b"a spec")
        gate = '{"kind": "evaluation", "pointer": "/score", "min": 0.9}'
        aivcs.ok("config", "set", "policy.bot.require_event", gate)
        aivcs("release", "promote", "bot", spec, code=15)
        path = write(aivcs, samples.OTLP_SPANS, "traces.jsonl")
        aivcs.ok("run", "import", "--seal", "--agent", "bot", "--spec", spec, path)
        aivcs.ok("release", "promote", "bot", spec, "--evidence", samples.CONVERSATION)


def test_every_format_is_imported_twice_with_one_result(aivcs):
    for name, (form, data, *_) in samples.ALL.items():
        path = write(aivcs, data, f"{name}.json")
        first = aivcs.ok("run", "import", "--from", form, path)
        assert first.lines, name
        before = snapshot(aivcs.store)
        again = aivcs.ok("run", "import", "--from", form, path)
        assert again.lines == first.lines
        assert snapshot(aivcs.store) == before, name
    aivcs.ok("verify")


def test_two_imports_at_once_store_each_event_once(aivcs):
    data = samples.CLAUDE + b"".join(
        samples.lines(samples.claude("brand-new-type", number, n=number))
        for number in range(100, 3000)
    )
    path = write(aivcs, data)
    importing = [aivcs.start("run", "import", path) for _ in range(4)]
    assert [one.wait() for one in importing] == [0] * 4
    assert aivcs.ok("run", "list").lines[1:] == []
    events = aivcs.events(samples.CLAUDE_ID)
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    aivcs.ok("verify")


def test_a_run_from_elsewhere_is_named_by_its_whole_id_however_short(aivcs):
    for name in ("s1", "ab", "abcd"):
        record = {"type": "user", "sessionId": name, "uuid": "u1",
                  "timestamp": "2026-11-01T10:00:00Z",
                  "message": {"role": "user", "content": name}}  # fmt: skip
        aivcs.ok("run", "import", "--seal", write(aivcs, samples.lines(record), "s.jsonl"))
        more = record | {"uuid": "u2", "message": {"role": "user", "content": "more"}}
        aivcs.ok("run", "import", write(aivcs, samples.lines(record, more), "s.jsonl"))
    for name in ("s1", "ab", "abcd", "abcd.2", "s1.2"):
        assert aivcs.record(name)["run_id"] == name
    assert "too short" in aivcs("run", "show", "abc", code=2).complaint
    assert "too short" in aivcs("run", "show", "x", code=2).complaint


class TestTheOriginal:
    def sources(self, aivcs, run):
        return [
            one["payload"] for one in aivcs.record(run)["annotations"]
            if one["kind"] == "import.source"
        ]  # fmt: skip

    def test_is_kept_once_when_the_run_ends(self, aivcs):
        path = write(aivcs, samples.CLAUDE)
        aivcs.ok("run", "import", path)
        assert not aivcs.record(samples.CLAUDE_ID).get("annotations")
        aivcs.ok("run", "import", "--seal", path)
        aivcs.ok("run", "import", "--seal", path)
        (source,) = self.sources(aivcs, samples.CLAUDE_ID)
        digest = source.pop("blob")["$blob"]
        assert source == {
            "format": "claude-code", "session": samples.CLAUDE_ID, "masked": False,
            "name": f"{samples.CLAUDE_ID}.jsonl", "bytes": len(samples.CLAUDE),
        }  # fmt: skip
        assert aivcs.ok("blob", "get", digest).out == samples.CLAUDE
        aivcs.ok("verify")

    def test_is_masked(self, aivcs):
        data = TestSecrets.DATA
        value = 'a "quoted" secret'
        data = data.replace(b"table.csv", json.dumps(value)[1:-1].encode())
        done = aivcs.ok("run", "import", "--seal", write(aivcs, data), env={"MY_TOKEN": value})
        (source,) = self.sources(aivcs, samples.CLAUDE_ID)
        assert source["masked"] is True
        kept = aivcs.ok("blob", "get", source["blob"]["$blob"]).out
        assert len(kept.splitlines()) == len(data.splitlines())
        assert all(json.loads(line) for line in kept.splitlines())
        assert b"github-token 1," in done.err, "counted once"
        for path, (_, content) in snapshot(aivcs.store).items():
            for secret in (TOKEN, "quoted", "xoxb-0123456789"):
                assert secret.encode() not in (content or b""), path

    @pytest.mark.parametrize("how", ["ascii", "web"])
    def test_holds_no_secret_however_it_is_spelled(self, aivcs, how):
        known = {"A_SECRET": "pässwörd-1234", "B_SECRET": 'pa"ss\\word&12345'}
        texts = [f"密钥、{TOKEN}", *known.values(), json.dumps(list(known.values()))]
        text = json.dumps({"type": "user", "sessionId": "s-1", "uuid": "u", "message": {
            "role": "user", "content": [{"type": "text", "text": one} for one in texts],
        }})  # fmt: skip
        text = text.replace("&", r"\u0026") if how == "web" else text
        path = write(aivcs, f"{text}\n".encode(), "s-1.jsonl")
        aivcs.ok("run", "import", "--seal", path, env=known)
        (source,) = self.sources(aivcs, "s-1")
        kept = aivcs.ok("blob", "get", source["blob"]["$blob"]).out
        content = json.loads(kept)["message"]["content"]
        masks = ["***A_SECRET***", "***B_SECRET***"]
        assert [one["text"] for one in content] == [
            "密钥、***github-token***",
            *masks,
            json.dumps(masks),
        ]
        (begin, end) = (text.split('"content"')[0].encode(), b"]}}\n")
        assert kept.startswith(begin)
        assert kept.endswith(end)

    def test_has_what_stands_after_the_header_of_a_key(self, aivcs):
        header, rest = "-----BEGIN RSA PRIVATE KEY-----", "2 files have it."
        data = samples.CLAUDE.replace(b"README.md", f"{header}\\n{rest}".encode())
        aivcs.ok("run", "import", "--seal", write(aivcs, data))
        (source,) = self.sources(aivcs, samples.CLAUDE_ID)
        kept = aivcs.ok("blob", "get", source["blob"]["$blob"]).out
        assert kept == data.replace(header.encode(), b"***private-key***")
        assert rest.encode() in aivcs.run_log(samples.CLAUDE_ID).read_bytes()

    def test_has_credentials_of_headers_masked_as_the_events(self, aivcs):
        headers = {
            "Authorization": "Bearer abcdefgh12",
            "PROXY-AUTHORIZATION": ["Basic abcdefgh12"],
        }
        result = f'"headers":{json.dumps(headers)},"x":"AUTHORIZATION: token abcdefgh12",'
        data = samples.CLAUDE.replace(b'"input": {', f'"input": {{{result}'.encode())
        assert data != samples.CLAUDE
        aivcs.ok("run", "import", "--seal", write(aivcs, data))
        for path, (_, content) in snapshot(aivcs.store).items():
            assert b"abcdefgh12" not in (content or b""), path
        assert b"Basic ***authorization***" in aivcs.run_log(samples.CLAUDE_ID).read_bytes()

    def test_whose_name_is_a_secret_is_named_by_the_mask(self, aivcs):
        data = samples.CLAUDE.replace(samples.CLAUDE_ID.encode(), TOKEN.encode())
        path = write(aivcs, data, f"{TOKEN}.jsonl")
        done = aivcs.ok("run", "import", "--seal", "--json", path)
        run = done.json["run_id"]
        assert aivcs.record(run)["tags"]["import.source"] == "***github-token***.jsonl"
        assert self.sources(aivcs, run)[0]["name"] == "***github-token***.jsonl"
        for name, (_, content) in snapshot(aivcs.store).items():
            assert TOKEN.encode() not in (content or b""), name

    def test_of_standard_input_is_not_kept(self, aivcs):
        path = write(aivcs, samples.CLAUDE)
        with open(path, "rb") as stdin:
            aivcs.start("run", "import", "--seal", "-", stdin=stdin).wait()
        assert aivcs.record(samples.CLAUDE_ID)["status"] == "COMPLETED"
        assert not aivcs.record(samples.CLAUDE_ID).get("annotations")

    def test_goes_back_where_its_program_resumes_it(self, aivcs):
        aivcs.ok("run", "import", "--seal", write(aivcs, samples.CLAUDE))
        done = aivcs.ok("run", "session", samples.CLAUDE_ID)
        assert f"claude --resume {samples.CLAUDE_ID}" in done.text
        (placed,) = (aivcs.home / ".claude/projects").rglob("*.jsonl")
        assert placed.read_bytes() == samples.CLAUDE


def test_each_of_several_files_that_cannot_be_imported_is_named(aivcs):
    names = [write(aivcs, b"nothing that is known\n", f"{name}.txt") for name in "ab"]
    done = aivcs("run", "import", *names, "c.txt", code=2)
    for name in (*names, "c.txt"):
        assert name.encode() in done.err
