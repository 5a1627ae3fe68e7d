"""Where runs come from: `run start --parent` and `--from`, `run tree`, `run state`."""

import json
import os
import signal
import time

import pytest
from command import COMMAND

from aivcs.cli.run.timeline_view import Timeline
from aivcs.model.digest import ContentDigest
from aivcs.model.run import RunEvent, RunId, RunMetadata, RunRecord, RunStatus
from aivcs.model.timestamp import Timestamp


@pytest.fixture
def start(aivcs):
    def start(*words, agent="a", env=None):
        spec = aivcs.put(b"spec")
        return aivcs.ok("run", "start", "--agent", agent, "--spec", spec, *words, env=env).text

    return start


def tags(aivcs, run):
    return aivcs.record(run)["metadata"]["tags"]


class TestStarting:
    def test_a_parent_is_named_by_its_whole_id(self, aivcs, start):
        parent = start()
        assert tags(aivcs, start("--parent", parent[:8])) == {"parent": parent}
        assert tags(aivcs, start("--parent", "@", env={"AIVCS_RUN": parent})) == {"parent": parent}

    def test_a_beginning_is_proven_by_the_hash_of_its_line(self, aivcs, start):
        run = start()
        for number in (1, 2):
            aivcs.ok("run", "log", run, "k", f"n:={number}")
        lines = [json.loads(line) for line in aivcs.run_log(run).read_bytes().splitlines()]
        begun = {"run_id": run, "seq": 1, "hash": lines[1]["hash"]}
        assert tags(aivcs, start("--from", f"{run}@1")) == {"from": begun}
        begun = {"run_id": run, "seq": 2, "hash": lines[2]["hash"]}
        assert tags(aivcs, start("--from", run)) == {"from": begun}
        assert tags(aivcs, start("--from", "@@2", env={"AIVCS_RUN": run})) == {"from": begun}

    @pytest.mark.parametrize(
        ("words", "code", "says"),
        [
            (("--parent", "0" * 8), 12, "no run"),
            (("--from", "0" * 8), 12, "no run"),
            (("--from", "RUN@9"), 12, "no event with the seq 9"),
            (("--from", "RUN@x"), 2, "write RUN@SEQ"),
            (("--from", ""), 2, "empty"),
            (("--parent", ""), 2, "empty"),
            (("--parent", "RUN", "--tag", "parent=x"), 2, "each once"),
        ],
    )
    def test_what_is_not_there_is_refused(self, aivcs, start, unchanged, words, code, says):
        run, spec = start(), aivcs.put(b"spec")
        words = [word.replace("RUN", run) for word in words]
        with unchanged:
            done = aivcs("run", "start", "--agent", "a", "--spec", spec, *words, code=code)
        assert says in done.complaint

    def test_runs_started_inside_run_exec_have_it_as_parent(self, aivcs, start):
        spec = aivcs.put(b"spec")
        exec_ = [*COMMAND, "run", "exec", "--agent", "inner", "--spec", spec, "--"]
        begin = [*COMMAND, "run", "start", "--agent", "leaf", "--spec", spec]
        aivcs.ok("run", "exec", "--agent", "outer", "--spec", spec, "--", *exec_, *begin)
        runs = {
            r["metadata"]["agent_name"]: r for r in aivcs.ok("run", "list", "--json").json_lines
        }
        assert runs["outer"]["metadata"]["tags"] == {}
        for child, parent in (("inner", "outer"), ("leaf", "inner")):
            assert runs[child]["metadata"]["tags"] == {"parent": runs[parent]["run_id"]}

    def test_a_parent_in_another_store_is_no_parent_here(self, aivcs, start):
        assert tags(aivcs, start(env={"AIVCS_PARENT": "0b1c2d3e-elsewhere"})) == {}
        assert tags(aivcs, start(env={"AIVCS_PARENT": ""})) == {}


class TestTree:
    @pytest.fixture
    def runs(self, aivcs, start):
        """A root with two children, one of which has a child that goes on from it."""
        root = start(agent="root")
        first = start("--parent", root, agent="first")
        second = start("--parent", root, agent="second")
        aivcs.ok("run", "log", first, "k")
        below = start("--from", first, agent="below")
        start(agent="other")
        return root, first, second, below

    def test_shows_each_run_below_the_one_it_comes_from(self, aivcs, runs):
        root, first, second, below = runs
        cells = [line.split("\t") for line in aivcs.ok("run", "tree", root).lines]
        assert [(c[0], c[1], c[5]) for c in cells] == [
            ("0", root, "-"), ("1", first, root), ("2", below, f"{first}@1"), ("1", second, root),
        ]  # fmt: skip
        assert aivcs.ok("run", "tree", below).lines[0].startswith(f"0\t{below}")
        assert len(aivcs.ok("run", "tree", below, "--root").lines) == 4
        told = aivcs.ok("run", "tree", root, "--json").json_lines
        assert told[2]["origin"] == {"run_id": first, "seq": 1}
        assert [node["depth"] for node in told] == [0, 1, 2, 1]

    def test_shows_a_person_branches(self, aivcs, runs):
        text = aivcs.ok("--table", "run", "tree", runs[0]).text
        ids = [run[:8] for run in runs]
        begins = [ids[0], f"├── {ids[1]}", f"│   └── {ids[3]}", f"└── {ids[2]}"]
        for line, begin in zip(text.splitlines(), begins, strict=True):
            assert line.startswith(f"{begin}  ")
        assert f"from {ids[1]}@1" in text

    def test_a_circle_ends(self, aivcs, start):
        run = start("--tag", "parent=0b1c2d3e")
        one = aivcs.ok("run", "tree", run, "--root").lines
        assert len(one) == 1

    def test_lists_those_that_come_from_a_run(self, aivcs, runs):
        root, first, second, below = runs

        def listed(run):
            return [line.split("\t")[0] for line in aivcs.ok("run", "list", "--parent", run).lines]

        assert listed(root) == [second, first]
        assert listed(first) == [below]
        assert listed(second) == []


class TestState:
    def test_the_last_one_is_got_back(self, aivcs, start, files):
        run = start()
        for text in ("one", "two"):
            digest = aivcs.ok("run", "state", "put", run, "-", stdin=text).text
            assert digest == files.sha256(text)
        assert aivcs.ok("run", "state", "get", run).out == b"two"
        assert aivcs.ok("run", "state", "get", f"{run}@1").out == b"one"
        aivcs.ok("run", "state", "get", run, "-o", "state")
        assert (aivcs.folder / "state").read_bytes() == b"two"
        aivcs.ok("gc", "--grace", "0s")
        assert aivcs.ok("run", "state", "get", run).out == b"two"

    def test_a_final_state_counts_more_and_a_new_run_has_that_of_its_origin(self, aivcs, start):
        run = start()
        aivcs.ok("run", "state", "put", run, "-", stdin="one")
        new = start("--from", f"{run}@1")
        newer = start("--from", new)
        assert aivcs.ok("run", "state", "get", new).out == b"one"
        assert aivcs("run", "state", "get", newer).code == 12  # it goes on from no event
        (aivcs.folder / "final").write_text("final")
        aivcs.ok("run", "finish", run, "--state-file", "final")
        assert aivcs.ok("run", "state", "get", run).out == b"final"
        assert aivcs.ok("run", "state", "get", new).out == b"one"
        assert "put RUN FILE" not in aivcs("run", "state", "put", run, "final", code=15).complaint

    @pytest.mark.parametrize(
        ("words", "code", "says"),
        [
            (("keep", "RUN"), 2, "neither put nor get"),
            (("put", "RUN"), 2, "name the file"),
            (("put", "RUN", "absent"), 2, "absent"),
            (("get", "RUN", "file"), 2, "-o FILE"),
            (("get", "RUN", "-o", ""), 2, "is a variable unset?"),
            (("get", "RUN"), 12, "has no state"),
        ],
    )
    def test_what_cannot_be_is_refused(self, aivcs, start, words, code, says):
        run = start()
        words = [word.replace("RUN", run) for word in words]
        done = aivcs("run", "state", *words)
        assert done.code in {code, 16}
        assert says in done.complaint


def test_a_tree_three_deep_that_was_killed_goes_on_from_its_last_state(aivcs, tmp_path):
    spec = aivcs.put(b"spec")
    exec_ = [*COMMAND, "run", "exec", "--agent"]
    deepest = [*exec_, "three", "--spec", spec, "--", "sh", "-c",
               'echo half >s && aivcs run state put @ s && touch ready && sleep 60']  # fmt: skip
    middle = [*exec_, "two", "--spec", spec, "--", *deepest]
    path = tmp_path / "bin"
    path.mkdir()
    (path / "aivcs").write_text(f'#!/bin/sh\nexec {" ".join(COMMAND)} "$@"\n')
    (path / "aivcs").chmod(0o755)
    env = {"PATH": f"{path}:{os.environ['PATH']}"}
    first = aivcs.start("run", "exec", "--agent", "one", "--spec", spec, "--", *middle, env=env)
    until = time.monotonic() + 30
    while not (aivcs.folder / "ready").exists():
        assert time.monotonic() < until
        time.sleep(0.05)
    first.kill()
    first.wait()
    runs = {r["metadata"]["agent_name"]: r for r in aivcs.ok("run", "list", "--json").json_lines}
    top, last = runs["one"]["run_id"], runs["three"]["run_id"]
    (state,) = [e for e in aivcs.events(last) if e["kind"] == "state"]
    again = aivcs.ok(
        "run", "start", "--agent", "three", "--spec", spec, "--from", f"{last}@{state['seq']}"
    ).text
    tree = aivcs.ok("run", "tree", top, "--json").json_lines
    assert [(one["run_id"], one["depth"]) for one in tree] == [
        (top, 0), (runs["two"]["run_id"], 1), (last, 2), (again, 3)
    ]  # fmt: skip
    lines = [json.loads(line) for line in aivcs.run_log(last).read_bytes().splitlines()]
    (proof,) = [line for line in lines if line.get("seq") == state["seq"]]
    begun = json.loads(aivcs.run_log(again).read_bytes().splitlines()[0])
    assert begun["metadata"]["tags"]["from"] == {
        "run_id": last, "seq": state["seq"], "hash": proof["hash"],
    }  # fmt: skip
    aivcs.ok("run", "state", "get", again, "-o", "resumed")
    assert (aivcs.folder / "resumed").read_text() == "half\n"
    for name in ("two", "three"):
        pid = runs[name]["owner"]["pid"]
        try:
            os.kill(pid, signal.SIGTERM)
        except ProcessLookupError:
            pass


def test_a_timeline_says_where_the_runs_began_that_it_started():
    def run(run_id, second):
        return RunRecord(
            run_id=RunId(run_id),
            spec_digest=ContentDigest("0" * 64),
            metadata=RunMetadata(f"agent-{run_id}"),
            status=RunStatus.RUNNING,
            summary=None,
            created_at=Timestamp(f"2026-01-31T12:00:{second:02}.000000Z"),
            completed_at=None,
        )

    events = [
        RunEvent("step", {}, seq=n, timestamp=f"2026-01-31T12:00:{second:02}.000000Z")
        for n, second in ((1, 1), (2, 1), (3, 30))
    ]
    begun = [run("late", 59), run("early", 10)]
    lines = list(Timeline(run("parent", 0), 70, color=False).lines(events, begun))
    starts = [line.split()[:1] + line.split()[-1:] for line in lines if "┌" in line]
    assert starts == [["+10.0s", "early"], ["+59.0s", "late"]]
    steps = [n for n, line in enumerate(lines) if "step" in line]
    (early,) = [n for n, line in enumerate(lines) if "early" in line]
    assert steps[1] < early
