"""`aivcs release`: blocks, evidence, trials, and looking at what was recorded."""

import json
import subprocess
from types import SimpleNamespace

import pytest

from aivcs.commands.release.history import history
from aivcs.fakes import MemoryReleaseRegistry
from aivcs.model.digest import ContentDigest
from aivcs.model.release import ReleaseMetadata

ABSENT = "0" * 64
KEY_NAME = "aivcs-release@v1"


@pytest.fixture
def specs(aivcs):
    """Three specs, released as bot under the labels v1, v2, v3."""
    found = [aivcs.put(b"spec %d" % number) for number in (1, 2, 3)]
    for number, spec in enumerate(found, 1):
        aivcs.ok("release", "promote", "bot", spec, "--label", f"v{number}", "--by", "ci")
    return found


def live(aivcs):
    return aivcs.ok("release", "current", "bot").text


def columns(aivcs, number, *arguments):
    done = aivcs.ok("release", "history", "bot", *arguments)
    return [line.split("\t")[number] for line in done.lines]


class TestBlock:
    def test_keeps_a_spec_from_becoming_live(self, aivcs, specs, unchanged):
        _one, two, three = specs
        done = aivcs.ok("release", "block", "bot", "v2", "--reason", "leaks", "--by", "ada")
        assert done.text == two
        with unchanged:
            for command in (
                ("promote", "bot", two),
                ("rollback", "bot"),
                ("rollback", "bot", "--to", "v2"),
                ("rollback", "bot", "--force", "--reason", "now"),
                ("promote", "bot", two, "--dry-run"),
                ("rollback", "bot", "--dry-run"),
            ):
                refused = aivcs("release", *command, code=15)
                assert refused.out == b""
                for word in (two[:12], "ada", "leaks", f"unblock bot {two[:12]} --reason"):
                    assert word in refused.complaint
        assert "--to" in aivcs("release", "rollback", "bot", code=15).complaint
        assert live(aivcs) == three

    def test_is_not_taken_back_of_one_of_two_that_a_prefix_fits(self, aivcs, specs, unchanged):
        alike = [f"abcd{digit * 60}" for digit in "12"]
        for digest in alike:
            aivcs.ok("release", "block", "bot", digest, "--reason", "bad")
        with unchanged:
            done = aivcs("release", "unblock", "bot", "abcd", "--reason", "x", code=13)
            assert all(digest in done.complaint for digest in alike)
        aivcs.ok("release", "unblock", "bot", "abcd1", "--reason", "x")

    def test_is_undone_as_it_says(self, aivcs, specs):
        done = aivcs.ok("release", "block", "bot", "v2", "--reason", "leaks")
        undo = done.err.decode().splitlines()[-1].removeprefix("undo with: ")
        assert aivcs.shell(undo.replace("TEXT", "'it was the network'")).text == specs[1]
        assert aivcs.ok("release", "rollback", "bot").text == specs[1]
        aivcs("release", "unblock", "bot", "v2", "--reason", "again", code=15)

    @pytest.mark.parametrize(
        "form", ["digest", "upper", "prefix", "label", "@", "current", "missing"]
    )
    def test_takes_a_spec_in_every_form(self, aivcs, specs, form):
        one = specs[2 if form == "current" else 0]
        text = {
            "current": "current", "digest": one, "upper": one.upper(), "prefix": one[:6],
            "label": "v1", "@": "@1", "missing": ABSENT,
        }[form]  # fmt: skip
        for verb in ("block", "unblock"):
            done = aivcs.ok("release", verb, "bot", text, "--reason", "x")
            assert done.text == (ABSENT if form == "missing" else one)

    def test_of_what_was_never_released_takes_its_whole_digest(self, aivcs, specs, unchanged):
        lost = aivcs.put(b"never released")
        with unchanged:
            done = aivcs("release", "block", "bot", lost[:8], "--reason", "x", code=12)
            assert "whole digest" in done.complaint
        aivcs.ok("release", "block", "bot", lost, "--reason", "x")
        aivcs("release", "promote", "bot", lost, code=15)
        assert aivcs.ok("release", "unblock", "bot", lost[:8], "--reason", "x").text == lost

    def test_of_what_is_live_warns(self, aivcs, specs):
        done = aivcs.ok("release", "block", "bot", "v3", "--reason", "leaks")
        assert b"warning" in done.err
        assert live(aivcs) == specs[2]
        assert b"warning" not in aivcs.ok("release", "block", "bot", "v1", "--reason", "x").err

    @pytest.mark.parametrize(
        ("arguments", "code"),
        [
            (("bot", "v1", "--reason", ""), 2),
            (("bot", "v1", "--reason", b"\xff"), 2),
            (("bot", "v1"), 2),
            (("bot", "", "--reason", "x"), 2),
            (("", "v1", "--reason", "x"), 2),
            (("bot", "v1", "--reason", "x", "--by", ""), 2),
            (("bot", "v9", "--reason", "x"), 12),
            (("bot", "@9", "--reason", "x"), 12),
            (("new", "v1", "--reason", "x"), 12),
            (("new", ABSENT, "--reason", "x"), 12),
        ],
    )
    def test_refuses_what_makes_no_sense(self, aivcs, specs, unchanged, arguments, code):
        with unchanged:
            for verb in ("block", "unblock"):
                assert aivcs("release", verb, *arguments, code=code).complaint

    def test_of_racing_blocks_and_promotes_the_log_stays_right(self, aivcs, specs):
        racers = [
            aivcs.start("release", *command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            for command in [
                ("promote", "bot", specs[0]), ("block", "bot", "v1", "--reason", "x"),
            ] * 3
        ]  # fmt: skip
        codes = [(racer.communicate(timeout=60), racer.returncode)[1] for racer in racers]
        assert set(codes) <= {0, 15}
        aivcs.ok("verify")
        aivcs("release", "promote", "bot", specs[0], code=15)


class TestUndo:
    """What a change says of how to undo it, when that would be refused."""

    def test_of_a_promote_on_what_is_blocked_is_to_unblock_it_first(self, aivcs, specs):
        aivcs.ok("release", "block", "bot", "current", "--reason", "x")
        done = aivcs.ok("release", "promote", "bot", specs[0])
        assert "undo with" not in done.err.decode()
        assert f"aivcs release unblock bot {specs[2][:12]} --reason TEXT" in done.err.decode()

    def test_of_a_rollback_from_what_is_blocked_is_to_unblock_it_first(self, aivcs, specs):
        aivcs.ok("release", "block", "bot", "current", "--reason", "x")
        done = aivcs.ok("release", "rollback", "bot")
        assert "undo with" not in done.err.decode()
        assert f"aivcs release unblock bot {specs[2][:12]} --reason TEXT" in done.err.decode()


class TestList:
    def test_says_that_a_live_release_is_blocked(self, aivcs, specs, terminal):
        aivcs.ok("release", "promote", "good", specs[2])
        assert "blocked" not in terminal("release", "list")
        aivcs.ok("release", "block", "bot", "current", "--reason", "x")
        _, bot, good = terminal("release", "list", NO_COLOR="1").splitlines()
        assert "current, blocked" in bot
        assert "blocked" not in good
        told = aivcs.ok("release", "list", "--json").json_lines
        assert [(each["name"], each["blocked"]) for each in told] == [
            ("bot", True), ("good", False),
        ]  # fmt: skip
        aivcs.ok("release", "unblock", "bot", "current", "--reason", "x")
        assert "blocked" not in terminal("release", "list")


class TestRollback:
    def test_can_block_what_it_leaves(self, aivcs, specs, files):
        done = aivcs.ok("release", "rollback", "bot", "--block", "--reason", "loops", "--by", "ada")
        assert done.text == specs[1] == live(aivcs)
        *_, block, rollback = files.read_chain(aivcs.release_log("bot"))
        assert (block["mark"], block["spec_digest"], block["seq"]) == ("block", specs[2], 4)
        assert (block["by"], block["reason"]) == ("ada", "loops")
        assert (rollback["action"], rollback["seq"], rollback["block_seq"]) == ("rollback", 5, 4)
        assert f"aivcs release unblock bot {specs[2][:12]}" in done.err.decode()
        aivcs("release", "promote", "bot", specs[2], code=15)

    def test_that_was_cut_short_by_a_crash_can_be_done_again(self, aivcs, specs):
        log = aivcs.release_log("bot")
        before = len(log.read_bytes())
        command = ("release", "rollback", "bot", "--block", "--reason", "loops")
        aivcs.ok(*command)
        whole = log.read_bytes()
        first_line = whole.index(b"\n", before) + 1
        for end in (before, before + 9, first_line - 1, first_line, first_line + 9):
            log.write_bytes(whole[:end])
            assert live(aivcs) == specs[2]
            # Whatever is left of it, the next release is the one before, and v3 is blocked.
            assert aivcs.ok(*command).text == specs[1]
            aivcs("release", "promote", "bot", specs[2], code=15)
            aivcs.ok("verify")

    @pytest.mark.parametrize("flag", ["--block", "--force"])
    def test_needs_a_reason_for_what_is_out_of_the_ordinary(self, aivcs, specs, unchanged, flag):
        with unchanged:
            for reason in ((), ("--reason", ""), ("--reason", " ")):
                done = aivcs("release", "rollback", "bot", flag, *reason, code=2)
                assert flag in done.complaint

    def test_is_not_forced_where_there_is_no_rule_to_break(self, aivcs, specs, files):
        aivcs.ok("release", "rollback", "bot", "--force", "--reason", "now")
        aivcs.ok("release", "promote", "bot", specs[2], "--force", "--notes", "now")
        log = files.read_chain(aivcs.release_log("bot"))
        assert [line["seq"] for line in log[-2:]] == [4, 5]
        assert not any("forced" in line for line in log)

    def test_bears_the_label_of_the_release_that_was_named(self, aivcs, specs):
        aivcs.ok("release", "promote", "bot", specs[0], "--label", "v1-again")
        aivcs.ok("release", "rollback", "bot", "--to", "v1")
        assert columns(aivcs, 3, "-n", "1") == ["v1"]
        aivcs.ok("release", "rollback", "bot", "--to", "@4")
        assert columns(aivcs, 3, "-n", "1") == ["v1-again"]

    def test_tries_without_doing_anything(self, aivcs, specs, unchanged):
        with unchanged:
            done = aivcs.ok("release", "rollback", "bot", "--dry-run")
            assert done.text == specs[1]
            assert b"Nothing was changed" in done.err
            assert (
                aivcs.ok("release", "rollback", "bot", "--to", "v1", "--dry-run").text == specs[0]
            )
            aivcs("release", "rollback", "bot", "--dry-run", "--expect", "@1", code=15)
            aivcs("release", "rollback", "new", "--dry-run", code=12)


class TestPromote:
    def test_tries_without_doing_anything(self, aivcs, specs, unchanged):
        with unchanged:
            for name in ("bot", "new"):
                done = aivcs.ok("release", "promote", name, specs[0], "--dry-run")
                assert done.text == specs[0]
            aivcs("release", "promote", "bot", specs[0], "--dry-run", "--expect", "none", code=15)

    def test_records_runs_that_speak_for_it(self, aivcs, specs, files):
        first, second = aivcs.begin(), aivcs.begin()
        for run in (first, second):
            aivcs.ok("run", "log", run, "tested", "passed:=7")
            aivcs.ok("run", "finish", run, "--exit-code", "0")
        done = aivcs.ok(
            "release", "promote", "bot", specs[0], "--evidence", first[:8], "--evidence", "@",
            "--evidence", first, env={"AIVCS_RUN": second},
        )  # fmt: skip
        assert done.text == specs[0]
        entry = files.read_chain(aivcs.release_log("bot"))[-1]
        assert entry["evidence"] == [
            {
                "run_id": run,
                "lines": 3,
                "hash": json.loads(aivcs.run_log(run).read_bytes().splitlines()[-1])["hash"],
            }
            for run in (first, second)
        ]
        assert columns(aivcs, 8, "-n", "1") == ["2"]
        aivcs.ok("verify")

    def test_refuses_evidence_that_is_none(self, aivcs, specs, unchanged):
        run = aivcs.begin()
        with unchanged:
            for text, code in ((run, 15), ("", 2), ("abcd" * 9, 12), ("@", 2), ("ab", 2)):
                aivcs("release", "promote", "bot", specs[0], "--evidence", text, code=code)
            done = aivcs("release", "promote", "bot", specs[0], "--evidence", run, code=15)
        assert "still running" in done.complaint

    def test_what_is_recorded_keeps_its_blobs(self, aivcs, specs):
        lost = aivcs.put(b"only blocked")
        aivcs.ok("release", "block", "bot", lost, "--reason", "x")
        assert aivcs("blob", "rm", lost, code=15).complaint


class TestHistory:
    def test_says_what_has_become_of_each(self, aivcs, specs):
        aivcs.ok("release", "promote", "bot", specs[2], "--label", "v3.1")  # replaces the top
        assert columns(aivcs, 7) == ["current", "superseded", "superseded", "superseded"]
        aivcs.ok("release", "rollback", "bot", "--block", "--reason", "x")
        # entry 2 made live what the rollback made live again
        assert columns(aivcs, 7) == ["current", "blocked", "blocked", "current", "superseded"]
        aivcs.ok("release", "block", "bot", "v2", "--reason", "x")
        assert columns(aivcs, 7, "-n", "1") == ["current, blocked"]
        newest, rolled, *_ = aivcs.ok("release", "history", "bot", "--json").json_lines
        assert (newest["state"], newest["blocked"]) == ("current", True)
        assert (rolled["state"], rolled["blocked"]) == ("rolled back", True)

    def test_shows_a_person_one_current_entry(self, aivcs, specs, terminal):
        def shown():
            lines = terminal("release", "history", "bot", columns=200, NO_COLOR="1").splitlines()
            return [" ".join(line.split()) for line in lines[1:]]

        aivcs.ok("release", "rollback", "bot")
        states = ("current", "rolled back", "live again", "superseded")
        for line, state in zip(shown(), states, strict=True):
            assert f" {state} " in line
        assert [line[0] for line in shown()] == ["\u25cf", "3", "2", "1"]
        aivcs.ok("release", "block", "bot", "current", "--reason", "x")
        assert [" current, blocked " in line for line in shown()] == [
            False, True, False, False, False,
        ]  # fmt: skip
        assert "live again, blocked" in terminal("release", "show", "bot", "@2")
        # What programs are told is what became of the release, not of the entry.
        assert columns(aivcs, 7, "-n", "3")[2] == "current, blocked"

    def test_looks_only_for_blocks_of_what_it_shows(self):
        registry = MemoryReleaseRegistry()
        specs = [ContentDigest.from_bytes(b"%d" % number) for number in range(200)]
        for spec in specs:
            registry.promote("bot", spec, ReleaseMetadata("ci"))
        for spec in specs[100::2]:
            registry.block("bot", spec, by="ci", reason="x")
        told = list(history(SimpleNamespace(releases=registry), "bot"))  # type: ignore[arg-type]
        assert [each.is_blocked for each in told] == [False, True] * 50 + [False] * 100
        registry.blocks = None  # type: ignore[assignment, method-assign]  # as costly as there are blocks
        told = list(history(SimpleNamespace(releases=registry), "bot", limit=20))  # type: ignore[arg-type]
        assert [each.is_blocked for each in told] == [False, True] * 10

    def test_can_be_narrowed_down(self, aivcs, specs):
        assert columns(aivcs, 0, "--label", "v2") == ["2"]
        assert columns(aivcs, 0, "--label", "v9") == []
        assert columns(aivcs, 0, "--since", "1h", "-n", "2") == ["3", "2"]
        newest = aivcs.ok("release", "history", "bot", "-n1", "--json").json["created_at"]
        assert columns(aivcs, 0, "--since", newest) == ["3"]
        assert columns(aivcs, 0, "--since", "2999-01-01") == []
        aivcs("release", "history", "bot", "--since", "tomorrow", code=2)
        aivcs("release", "history", "new", "--since", "1h", code=12)

    def test_marks_are_no_part_of_it(self, aivcs, specs):
        for _ in range(3):
            aivcs.ok("release", "block", "bot", "v1", "--reason", "x")
        assert columns(aivcs, 0) == ["3", "2", "1"]
        assert live(aivcs) == specs[2]


class TestShow:
    def test_shows_everything_that_is_said(self, aivcs, specs):
        run = aivcs.begin()
        aivcs.ok("run", "finish", run, "--exit-code", "0")
        aivcs.ok(
            "release", "promote", "bot", specs[0], "--label", "v4", "--by", "ada",
            "--notes", "a\nb", "--evidence", run,
        )  # fmt: skip
        aivcs.ok("release", "block", "bot", "v4", "--reason", "leaks")
        aivcs.ok("release", "block", "bot", "v2", "--reason", "not this")
        shown = aivcs.ok("release", "show", "bot", "--json").json
        assert shown["seq"] == 4
        assert (shown["state"], shown["blocked"]) == ("current", True)
        assert [mark["reason"] for mark in shown["blocks"]] == ["leaks"]
        assert shown["signatures"] == []
        assert shown["evidence"][0]["run_id"] == run
        lines = aivcs.release_log("bot").read_bytes().splitlines()
        assert shown["hash"] == json.loads(lines[3])["hash"]
        told = dict(line.split("\t") for line in aivcs.ok("release", "show", "bot", "4").lines)
        assert told["reason"] == "a\\nb"
        assert told["state"] == "current, blocked"
        assert told["evidence"].split()[:2] == [run, "2"]
        assert told["block"].endswith(": leaks")
        for target in ("4", "@4", "v4", "current", specs[0], specs[0][:7]):
            assert aivcs.ok("release", "show", "bot", target, "--json").json == shown

    def test_shows_marks_too(self, aivcs, specs):
        aivcs.ok("release", "block", "bot", "v1", "--reason", "leaks")
        shown = aivcs.ok("release", "show", "bot", "@4", "--json").json
        assert (shown["mark"], shown["spec_digest"]) == ("block", specs[0])

    @pytest.mark.parametrize(
        ("target", "code"), [("", 2), ("9", 12), ("@9", 12), ("v9", 12), ("@x", 2), ("0000", 12)]
    )
    def test_refuses_what_is_not_there(self, aivcs, specs, target, code):
        done = aivcs("release", "show", "bot", target, code=code)
        assert done.complaint
        assert done.out == b""
        aivcs("release", "show", "new", code=12)
