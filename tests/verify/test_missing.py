"""`aivcs verify` on what is not there: for whom that is damage, and for whom a notice."""

import json
import os
import subprocess

import pytest
from crash.harness import Tracer, require_strace


def findings(aivcs, *arguments, code=0):
    """Severity, place and problem of all that is found."""
    found = aivcs("verify", "--json", *arguments, code=code).json_lines
    return [(finding["severity"], finding["where"], finding["problem"]) for finding in found]


@pytest.fixture
def live(aivcs):
    """The digests of a live spec, a manifest of its tools, a tool, and a prompt."""
    prompt, tool = aivcs.put(b"you are a bot"), aivcs.put(b"#!/bin/sh")
    tools = aivcs.put(json.dumps([{"name": "sh", "file": tool}]).encode())
    spec = aivcs.put(json.dumps({"prompt": prompt, "tools": {"$blob": tools}}).encode())
    aivcs.ok("release", "promote", "team/bot", spec)
    return {"spec": spec, "tools": tools, "tool": tool, "prompt": prompt}


class TestPins:
    def test_whose_blob_is_gone_are_damage(self, aivcs):
        digest = aivcs.put(b"to be kept")
        aivcs.ok("blob", "pin", digest)
        assert findings(aivcs) == []
        aivcs.object(digest).unlink()
        for command in ("verify", "blob verify"):
            done = aivcs(*command.split(), code=14)
            ((severity, where, problem, remedy),) = (line.split("\t") for line in done.lines)
            assert (severity, where) == ("damage", digest)
            assert "pinned" in problem
            assert f"aivcs blob unpin {digest}" in remedy
        aivcs.ok("run", "verify")
        aivcs.ok("release", "verify")

    @pytest.mark.parametrize("way_out", ["put", "unpin"])
    def test_have_two_ways_out(self, aivcs, way_out):
        digest = aivcs.put(b"to be kept")
        aivcs.ok("blob", "pin", digest)
        aivcs.object(digest).unlink()
        if way_out == "put":
            aivcs.put(b"to be kept")
        else:
            aivcs.ok("blob", "unpin", digest)
        assert findings(aivcs) == []

    def test_say_so_when_a_repair_has_set_their_blob_aside(self, aivcs):
        digest = aivcs.put(b"to be kept")
        aivcs.ok("blob", "pin", digest)
        aivcs.object(digest).write_bytes(b"to be kepT")
        (repaired, missing) = findings(aivcs, "--repair", code=14)
        assert repaired[:2] == missing[:2] == ("damage", digest)
        (aside,) = (aivcs.store / "damaged").iterdir()
        assert f"damaged/{aside.name}" in missing[2]
        assert findings(aivcs, code=14) == [missing]

    def test_a_manifest_of_heads_is_missed_although_nobody_names_it(self, aivcs):
        head = aivcs.ok("head").text
        aivcs.object(head).unlink()
        assert [found[:2] for found in findings(aivcs, code=14)] == [("damage", head)]

    def test_what_is_none_is_a_notice_and_moved_by_a_repair(self, aivcs):
        (aivcs.store / "pins/README").write_text("mine")
        assert [found[:2] for found in findings(aivcs)] == [("notice", "pins/README")]
        aivcs.ok("verify", "--repair")
        assert os.listdir(aivcs.store / "pins") == []
        (aside,) = (aivcs.store / "damaged").iterdir()
        assert aside.read_text() == "mine"

    def test_in_capitals_keep_their_blob_too(self, aivcs):
        digest = aivcs.put(b"to be kept")
        (aivcs.store / "pins" / digest.upper()).touch()
        assert findings(aivcs) == []
        aivcs.object(digest).unlink()
        assert [found[:2] for found in findings(aivcs, code=14)] == [("damage", digest)]

    def test_whose_blob_cannot_be_looked_at_are_not_taken_for_gone(self, aivcs):
        require_strace()
        digest = aivcs.put(b"to be kept")
        aivcs.ok("blob", "pin", digest)
        calls, _ = Tracer(aivcs).calls("blob", "verify", names=["lstat", "newfstatat"])
        last = [call for call in calls if f"objects/{digest[:2]}/{digest[2:]}" in call.text][-1]
        _, done = Tracer(aivcs).fail(
            f"{last.name}:error=EIO:when={last.number}",
            "blob",
            "verify",
            "--json",
            trace=[last.name],
        )
        assert done.returncode == 14
        assert b"cannot be read" in done.stdout
        assert b"pinned" not in done.stdout


class TestLiveSpecs:
    @pytest.mark.parametrize("part", ["tools", "tool", "prompt"])
    def test_whose_part_is_gone_are_named_with_it(self, aivcs, live, part):
        assert findings(aivcs) == []
        aivcs.object(live[part]).unlink()
        ((severity, where, problem),) = findings(aivcs)
        assert (severity, where) == ("notice", live[part])
        assert "team/bot@1" in problem
        assert live["tools" if part == "tool" else "spec"] in problem
        assert aivcs.ok("verify").err.endswith(b": no damage found, 1 notice\n")

    def test_that_are_gone_are_named_themselves(self, aivcs, live):
        aivcs.object(live["spec"]).unlink()
        in_log, missing = findings(aivcs)
        assert in_log[:2] == ("notice", "releases/team/bot.jsonl")
        assert missing[:2] == ("notice", live["spec"])
        assert "team/bot@1" in missing[2]

    def test_only_what_is_live_counts(self, aivcs, live):
        aivcs.ok("release", "promote", "team/bot", aivcs.put(b"another"))
        aivcs.object(live["prompt"]).unlink()
        assert findings(aivcs) == []
        aivcs.ok("release", "rollback", "team/bot")
        ((_, where, problem),) = findings(aivcs)
        assert where == live["prompt"]
        assert "team/bot@3" in problem

    def test_that_share_a_part_miss_it_once(self, aivcs, live):
        aivcs.ok("release", "promote", "other", live["spec"])
        aivcs.ok("release", "promote", "third", aivcs.put(json.dumps([live["prompt"]]).encode()))
        aivcs.object(live["prompt"]).unlink()
        assert len(findings(aivcs)) == 1

    def test_tell_of_a_part_that_a_repair_has_set_aside(self, aivcs, live):
        aivcs.object(live["prompt"]).write_bytes(b"damaged")
        assert [found[:2] for found in findings(aivcs, code=14)] == [("damage", live["prompt"])]
        repaired, missing = findings(aivcs, "--repair")
        assert repaired[0] == "damage"
        assert missing[:2] == ("notice", live["prompt"])
        assert findings(aivcs) == [missing]
        aivcs.put(b"you are a bot")
        assert findings(aivcs) == []

    def test_may_be_a_part_of_another(self, aivcs, live):
        aivcs.ok("release", "promote", "loop", aivcs.put(json.dumps([live["spec"]] * 3).encode()))
        assert findings(aivcs) == []


class TestEvents:
    def test_whose_file_is_gone_are_named(self, aivcs):
        run = aivcs.begin()
        (aivcs.folder / "file").write_bytes(b"output")
        aivcs.ok("run", "log", "--blob", "out=file", run, "step")
        digest = subprocess.run(
            ["sha256sum", aivcs.folder / "file"], capture_output=True, check=True, text=True
        ).stdout.split()[0]
        assert findings(aivcs) == []
        aivcs.object(digest).unlink()
        ((severity, where, problem),) = findings(aivcs)
        assert (severity, where) == ("notice", f"runs/{run[:2]}/{run}.jsonl")
        assert digest in problem

    def test_with_texts_that_only_look_like_digests_are_let_be(self, aivcs):
        run = aivcs.begin()
        aivcs.ok("run", "log", run, "step", json.dumps({"sha256": "0" * 64, "$blob": 1}))
        aivcs.ok("run", "log", run, "step", json.dumps({"$blob": "0" * 64, "and": "more"}))
        aivcs.ok("run", "log", run, "step", json.dumps({"$blob": "no digest"}))
        assert findings(aivcs) == []
