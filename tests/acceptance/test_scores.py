"""Scores that come a day later: the gate that refused opens, and two releases are compared."""

import json

import pytest
from acceptance.test_agent_traces import NAMES, TRACES

pytestmark = pytest.mark.skipif(not TRACES.is_dir(), reason=f"there are no traces in {TRACES}")


def recorded(aivcs, spec, number):
    """Runs of a spec with the events of real traces."""
    runs = []
    for place in range(number):
        events = TRACES / "events" / f"{NAMES[place % len(NAMES)]}.jsonl"
        run = aivcs.ok("run", "start", "--agent", "swe-agent", "--spec", spec).text
        aivcs.ok("run", "log", "--stdin", run, stdin=events.read_bytes())
        aivcs.ok("run", "finish", run, "--exit-code", "0")
        runs.append(run)
    return runs


def test_a_judge_scores_the_ten_runs_of_yesterday(aivcs):
    aivcs.ok("config", "set", "policy.swe-agent.require_runs", "10")
    for rule, value in (
        ("require_event", {"kind": "evaluation", "pointer": "/score", "min": 0.5}),
        ("require_baseline", {"kind": "evaluation", "pointer": "/score", "max_regression": 0.05}),
        ("late", True),
    ):
        aivcs.ok("config", "set", f"policy.swe-agent.{rule}", json.dumps(value))
    specs = [aivcs.put(b"agent %d\n" % number) for number in (1, 2)]
    for spec, score in zip(specs, (0.7, 0.9), strict=True):
        runs = recorded(aivcs, spec, 10)
        words = [word for run in runs for word in ("--evidence", run)]
        refused = aivcs("release", "promote", "swe-agent", spec, *words, code=15)
        assert "require_event" in refused.complaint
        for run in runs:
            aivcs.ok("run", "annotate", run, "evaluation", "name=judge", f"score:={score}")
        aivcs.ok("release", "promote", "swe-agent", spec, *words)
    checks = aivcs.ok("release", "verify", "swe-agent", "--json").json_lines
    assert [c["result"] for c in checks if c["check"] == "require_baseline"] == ["ok", "ok"]
    lines = aivcs.ok("release", "diff", "swe-agent").lines
    assert "runs\t10\t10" in lines
    assert "score judge\t0.7\t0.9" in lines
