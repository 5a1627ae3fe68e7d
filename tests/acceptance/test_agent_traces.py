"""Real agents' traces through the command, checked with tools that are not aivcs."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

TRACES = Path(
    os.environ.get(
        "AIVCS_TEST_TRACES",
        Path(__file__).resolve().parents[2].parent / "shared" / "data" / "agent-traces",
    )
)
NAMES = [
    "marshmallow-1867-default", "marshmallow-1867-function-calling", "marshmallow-1867-xml",
]  # fmt: skip
pytestmark = [
    pytest.mark.skipif(not TRACES.is_dir(), reason=f"there are no traces in {TRACES}"),
    pytest.mark.skipif(shutil.which("jq") is None, reason="there is no jq"),
    pytest.mark.skipif(shutil.which("sha256sum") is None, reason="there is no sha256sum"),
]


def run_tool(*command, stdin=None):
    return subprocess.run(command, input=stdin, capture_output=True, check=True).stdout


def sum_of(path):
    return run_tool("sha256sum", str(path)).decode()[:64]


@pytest.fixture
def deployed(aivcs):
    """Each of the three runs stored, logged, finished and promoted in turn."""
    runs = {}
    for name in NAMES:
        base = TRACES / "events" / name
        prompt, config, patch = (
            Path(f"{base}.{what}")
            for what in ("system-prompt.txt", "config.json", "submission.patch")
        )
        digests = aivcs.ok("blob", "put", str(prompt), str(config)).lines
        assert digests == [sum_of(prompt), sum_of(config)]
        spec = json.dumps({"prompt": digests[0], "config": digests[1]}).encode()
        spec_digest = aivcs.put(spec)
        run = aivcs.ok(
            "run", "start", "--agent", "swe-agent", "--spec", spec_digest, "--tag", f"task={name}"
        ).text
        lines = Path(f"{base}.jsonl").read_bytes()
        done = aivcs.ok("run", "log", "--stdin", "--print-seq", run, stdin=lines)
        assert done.lines == [str(n) for n in range(1, lines.count(b"\n") + 1)]
        aivcs.ok("run", "finish", run, "--state-file", str(patch))
        said = aivcs.ok("release", "promote", "swe-agent", spec_digest, "--label", name)
        assert said.text == spec_digest
        runs[name] = (run, spec_digest, digests, patch)
    return runs


def test_every_byte_comes_back(aivcs, deployed):
    for name, (run, spec, digests, patch) in deployed.items():
        base = TRACES / "events" / name
        for digest, what in zip(digests, ("system-prompt.txt", "config.json"), strict=True):
            assert aivcs.ok("blob", "get", digest).out == Path(f"{base}.{what}").read_bytes()
        record = aivcs.record(run)
        assert record["status"] == "COMPLETED"
        assert record["spec_digest"] == spec
        state = record["summary"]["final_state_digest"]
        assert state == sum_of(patch)
        assert aivcs.ok("blob", "get", state).out == patch.read_bytes()
    objects = [path for path in (aivcs.store / "objects").rglob("*") if path.is_file()]
    # The runs share what is the same in them.
    assert len(objects) == len({sum_of(path) for path in objects})
    for path in objects:
        assert sum_of(path) == path.parent.name + path.name


def test_every_event_comes_back_as_jq_reads_it(aivcs, deployed):
    for name, (run, _, _, _) in deployed.items():
        given = TRACES / "events" / f"{name}.jsonl"
        printed = aivcs.ok("run", "events", run, "--json").out
        for expression in (".payload", ".kind"):
            assert run_tool("jq", "-c", expression, stdin=printed) == run_tool(
                "jq", "-c", expression, str(given)
            )
        count = given.read_bytes().count(b"\n")
        assert run_tool("jq", ".seq", stdin=printed).split() == [
            b"%d" % n for n in range(1, count + 1)
        ]
        assert aivcs.record(run)["summary"]["total_events"] == count


def test_every_chain_holds_by_sha256sum(aivcs, deployed):
    logs = [aivcs.run_log(run) for run, _, _, _ in deployed.values()]
    logs.append(aivcs.release_log("swe-agent"))
    for log in logs:
        previous = b""
        for line in log.read_bytes().splitlines():
            body, _, rest = line.rpartition(b',"hash":"')
            previous = run_tool("sha256sum", stdin=previous + body)[:64]
            assert rest == previous + b'"}'
        head = run_tool("jq", "-r", ".hash", stdin=log.read_bytes().splitlines()[-1])
        assert head.strip() == previous


def test_two_rollbacks_lead_back_to_the_first(aivcs, deployed):
    specs = [spec for _, spec, _, _ in deployed.values()]
    assert aivcs.ok("release", "current", "swe-agent").text == specs[2]
    assert aivcs.ok("release", "rollback", "swe-agent").text == specs[1]
    assert aivcs.ok("release", "rollback", "swe-agent").text == specs[0]
    assert aivcs("release", "rollback", "swe-agent").code == 15
    history = aivcs.ok("release", "history", "swe-agent", "--json").json_lines
    assert [entry["spec_digest"] for entry in history] == [
        specs[0], specs[1], specs[2], specs[1], specs[0],
    ]  # fmt: skip
    assert [entry["metadata"]["version_label"] for entry in history] == [
        NAMES[0], NAMES[1], NAMES[2], NAMES[1], NAMES[0],
    ]  # fmt: skip


def test_what_the_specs_are_made_of_cannot_be_removed(aivcs, deployed, unchanged):
    with unchanged:
        for _, spec, digests, patch in deployed.values():
            for digest in (spec, *digests, sum_of(patch)):
                assert aivcs("blob", "rm", digest, code=15).complaint


def test_the_store_verifies_until_a_byte_is_changed(aivcs, deployed):
    assert aivcs.ok("verify").out == b""
    run = deployed[NAMES[0]][0]
    log = aivcs.run_log(run)
    log.write_bytes(log.read_bytes().replace(b"marshmallow", b"marshmellow", 1))
    assert run in aivcs("verify", code=14).text


def test_what_two_configurations_did_differently_is_what_jq_finds(aivcs, deployed):
    a, b = (deployed[name][0] for name in NAMES[:2])
    given = [TRACES / "events" / f"{name}.jsonl" for name in NAMES[:2]]
    # Their agents called the same tools in the same order, so call by call can be compared.
    script = """
        [.[] | select(.kind == "tool_called") | .payload] as $all | ($all | length / 2) as $n
        | [range($n) | [$all[.], $all[. + $n]]]
        | if all(.[0].tool_name == .[1].tool_name) then . else error end
        | map(select(.[0] != .[1]) | map(.command))
    """
    expected = json.loads(run_tool("jq", "-cs", script, *map(str, given)))
    assert len(expected) == 2
    found = aivcs.ok("run", "diff", a, b, "--json").json
    assert [
        [change["a"], change["b"]]
        for step in found["param_changed"]
        for change in step["changes"]
        if change["path"] == "command"
    ] == expected
    assert found["added"] == found["removed"] == found["reordered"] == []
    assert found["tool_call_changes"] == len(expected)


@pytest.mark.skipif(shutil.which("patch") is None, reason="there is no patch")
def test_patch_makes_one_prompt_of_the_other(aivcs, deployed):
    prompts = [TRACES / "events" / f"{name}.system-prompt.txt" for name in NAMES[:2]]
    made = []
    for path in prompts:
        shutil.copy(path, aivcs.folder / "prompt.txt")
        made.append(aivcs.ok("spec", "create", "prompt.txt").text)
    text = "\n".join(aivcs.ok("spec", "diff", *made).lines[1:]) + "\n"
    done = run_tool("patch", "-s", "-o", "-", str(prompts[0]), stdin=text.encode())
    assert done == prompts[1].read_bytes()
