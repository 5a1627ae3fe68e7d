"""Tokens, cost and scores: one sum wherever they are shown, estimated from prices."""

import json

import pytest

SPEC = b"a spec\n"


@pytest.fixture
def run(aivcs):
    """A run with calls that tell tokens in different words, one of them its cost."""
    made = aivcs.begin("bot", SPEC)
    for payload in (
        {"model": "m-1.5", "input_tokens": 1000, "cached_input_tokens": 400, "output_tokens": 10},
        {"model": "m-1.5", "usage": {"prompt_tokens": 500, "completion_tokens": 20}},
        {"model": "other", "input_tokens": 1, "output_tokens": 1, "cost_usd": 0.5},
    ):
        aivcs.ok("run", "log", made, "model_called", json.dumps(payload))
    aivcs.ok("run", "log", made, "evaluation", '{"name":"quality","score":0.5}')
    aivcs.ok("run", "finish", made, "--exit-code", "0")
    return made


@pytest.fixture
def priced(aivcs):
    for what, dollars in (("input", 2), ("output", 10), ("cached_input", 0.5)):
        aivcs.ok("config", "set", f"prices.m-1*.{what}", str(dollars))
    # (600 + 500) · 2 + 400 · 0.5 + 30 · 10 per million, and what the other call tells
    return 0.5 + 0.0027


def figures(aivcs, *command):
    return aivcs.ok(*command, "--figures", "--json").json["figures"]


def test_are_the_same_wherever_they_are_shown(aivcs, run, priced):
    expected = {
        "input_tokens": 1501, "cached_input_tokens": 400, "output_tokens": 31,
        "reasoning_tokens": None, "cost_usd": pytest.approx(priced), "score": 0.5,
        "scores": {"quality": 0.5}, "cost_estimated": True,
    }  # fmt: skip
    assert figures(aivcs, "run", "show", run) == expected
    assert figures(aivcs, "run", "list") == expected
    assert figures(aivcs, "run", "stats") == {**expected, "scores": {}}
    line = aivcs.ok("run", "list", "--figures").text.split("\t")[-5:]
    assert line == ["1501", "31", "0.5027", "estimated", "0.5"]
    assert aivcs.ok("run", "stats", "--figures").text.split("\t")[-5:] == line
    report = aivcs.ok("report", "--now", "2026-12-01T00:00:00Z", "-o", "-").text
    assert "1,532" in report
    assert "$0.50" in report
    assert aivcs.ok("run", "export", run, "--format", "markdown").text.endswith(
        "model calls: 3, input tokens: 1501, output tokens: 31, cost: $0.5000"
    )


def test_without_a_price_only_what_is_told_is_added(aivcs, run):
    told = figures(aivcs, "run", "show", run)
    assert (told["cost_usd"], told.get("cost_estimated")) == (0.5, None)
    assert "0.5\t-\t0.5" in aivcs.ok("run", "list", "--figures").text


def test_of_a_whole_run_are_not_added_to_its_parts(aivcs):
    made = aivcs.begin("bot", SPEC)
    aivcs.ok("run", "log", made, "model_called", "cost_usd:=1", "input_tokens:=5")
    aivcs.ok("run", "log", made, "session_ended", "total_cost_usd:=1.25")
    told = figures(aivcs, "run", "show", made)
    assert (told["cost_usd"], told["input_tokens"]) == (1.25, 5)


def test_a_small_total_does_not_hide_the_calls(aivcs):
    made = aivcs.begin("bot", SPEC)
    for cost in (5, 5):
        aivcs.ok("run", "log", made, "model_called", f"cost_usd:={cost}")
    aivcs.ok("run", "log", made, "note", "total_cost_usd:=0.0001")
    assert figures(aivcs, "run", "show", made)["cost_usd"] == 10


def test_the_totals_of_sessions_are_added_up_and_each_is_one_so_far(aivcs):
    made = aivcs.begin("bot", SPEC)
    for kind, session, member in (
        ("turn_finished", "s1", "cost_usd:=0.5"),
        ("turn_finished", "s1", "cost_usd:=1.5"),
        ("result", "s2", "total_cost_usd:=2"),
        ("turn_finished", "s2", "cost_usd:=1.75"),
    ):
        aivcs.ok("run", "log", made, kind, f"session_id={session}", member)
    aivcs.ok("run", "finish", made)
    assert figures(aivcs, "run", "show", made)["cost_usd"] == 3.5
    for what in ("list", "stats"):
        assert figures(aivcs, "run", what)["cost_usd"] == 3.5
    report = aivcs.ok("report", "--now", "2026-12-01T00:00:00Z", "-o", "-").text
    assert "$3.50" in report


def test_a_later_score_counts_in_all_of_them(aivcs, run):
    aivcs.ok("run", "annotate", run, "evaluation", "name=quality", "score:=0.9")
    assert figures(aivcs, "run", "show", run)["scores"] == {"quality": 0.9}
    assert figures(aivcs, "run", "list")["score"] == 0.9
    assert "score\t0.9\t0.9" in aivcs.ok("run", "diff", run, run).text


def test_two_releases_side_by_side(aivcs, priced):
    for content, scores in ((b"one\n", (0.4, 0.6)), (b"two\n", (0.8, 0.9))):
        words = []
        for score in scores:
            made = aivcs.begin("bot", content)
            call = json.dumps({"model": "m-1", "input_tokens": 100, "output_tokens": 0})
            aivcs.ok("run", "log", made, "model_called", call)
            aivcs.ok("run", "finish", made, "--exit-code", "0")
            aivcs.ok("run", "annotate", made, "evaluation", "name=quality", f"score:={score}")
            words += ["--evidence", made]
        aivcs.ok("release", "promote", "bot", aivcs.put(content), *words)
    found = aivcs.ok("release", "diff", "bot", "--json").json["figures"]
    assert (found["a"]["runs"], found["a"]["score"], found["b"]["score"]) == (
        2, 0.5, pytest.approx(0.85)
    )  # fmt: skip
    assert found["b"]["cost_estimated"] is True
    lines = aivcs.ok("release", "diff", "bot").lines
    assert "score quality\t0.5\t0.85" in lines
    assert "tokens\t100\t100" in lines
    table = aivcs.ok("release", "diff", "bot", "--markdown").text
    assert "| `score quality` | `0.5` | `0.85` |" in table


@pytest.mark.parametrize("value", ["-1", "nan", "inf", "much"])
def test_a_price_is_a_number_of_dollars(aivcs, value, unchanged):
    with unchanged:
        aivcs("config", "set", "prices.m.input", "--", value, code=2)


def test_half_a_price_counts_as_none_and_config_list_says_so(aivcs, run):
    aivcs.ok("config", "set", "prices.*.input", "1")
    assert figures(aivcs, "run", "show", run)["cost_usd"] == 0.5
    for command in (("run", "list", "--figures"), ("run", "diff", run, run), ("report", "-o", "-")):
        aivcs.ok(*command)
    assert b"aivcs config set 'prices.*.output' DOLLARS" in aivcs.ok("config", "list").err
    aivcs.ok("config", "set", "prices.*.output", "1")
    assert not aivcs.ok("config", "list").err


def test_hostile_numbers_are_no_figures(aivcs):
    made = aivcs.begin("bot", SPEC)
    for payload in (
        '{"input_tokens":-5,"cost_usd":true}',
        '{"input_tokens":1e300,"model":[]}',
        "[]",
    ):
        aivcs.ok("run", "log", made, "model_called", payload)
    aivcs.ok("run", "log", made, "evaluation", '{"name":{},"score":"high"}')
    told = figures(aivcs, "run", "show", made)
    assert (told["input_tokens"], told["cost_usd"], told["score"]) == (None, None, None)


def test_a_run_of_strangers_says_so(aivcs, run, tmp_path):
    aivcs.ok("bundle", "create", tmp_path / "all.tar")
    other = tmp_path / "other"
    aivcs.ok("init", other)
    aivcs.ok("pull", tmp_path / "all.tar", "--from-untrusted", "a fork", cwd=other)
    assert "untrusted\ta fork" in aivcs.ok("run", "show", run, cwd=other).text
    assert aivcs.ok("run", "show", run, "--json", cwd=other).json["untrusted"] == "a fork"
