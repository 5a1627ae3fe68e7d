"""No gate opens because something was erased."""

import json

import pytest


def run_with(aivcs, *scores):
    run = aivcs.begin("bot", b"a spec\n")
    for score in scores:
        aivcs.ok("run", "log", run, "evaluation", f"score:={score}")
    aivcs.ok("run", "finish", run, "--exit-code", "0")
    return run


@pytest.fixture
def spec(aivcs):
    return aivcs.put(b"a spec\n")


def promote(aivcs, spec, run, code=0):
    return aivcs("release", "promote", "bot", spec, "--evidence", run, "--by", "ada", code=code)


def redact(aivcs, run, *seqs):
    aivcs.ok("run", "redact", run, *seqs, "--reason", "r", "--by", "mallory")


class TestALastScore:
    @pytest.fixture(autouse=True)
    def policy(self, aivcs):
        rule = '{"kind":"evaluation","pointer":"/score","min":0.8}'
        aivcs.ok("config", "set", "policy.bot.require_event", rule)

    def test_that_was_bad_and_is_erased_lets_no_earlier_one_count(self, aivcs, spec):
        run = run_with(aivcs, 0.9, 0.2)
        redact(aivcs, run, "2")
        assert "whose content was erased" in promote(aivcs, spec, run, code=15).err.decode()

    def test_that_was_good_is_not_proven_once_it_is_erased(self, aivcs, spec):
        run = run_with(aivcs, 0.2, 0.9)
        promote(aivcs, spec, run)
        redact(aivcs, run, "2")
        told = aivcs.ok("release", "verify", "bot").text
        assert "require_event\tnot proven\t" in told
        assert "evidence\tok\t" in told

    def test_that_stays_counts_whatever_else_is_erased(self, aivcs, spec):
        run = run_with(aivcs, 0.2, 0.9)
        redact(aivcs, run, "1")
        promote(aivcs, spec, run)

    def test_a_rule_that_wants_any_event_of_a_kind_is_not_met_either(self, aivcs, spec):
        aivcs.ok("config", "set", "policy.bot.require_event", '{"kind":"evaluation"}')
        run = run_with(aivcs, 0.9)
        redact(aivcs, run, "1")
        promote(aivcs, spec, run, code=15)


def test_a_good_score_of_what_is_live_is_not_erased_to_lower_the_bar(aivcs, spec):
    rule = '{"kind":"evaluation","pointer":"/score","max_regression":0}'
    good, fair = run_with(aivcs, 0.9), run_with(aivcs, 0.5)
    words = ("release", "promote", "bot", spec, "--evidence", good, "--evidence", fair)
    aivcs.ok(*words, "--by", "ada")
    aivcs.ok("config", "set", "policy.bot.require_baseline", rule)
    redact(aivcs, good, "1")
    other = aivcs.put(b"another spec\n")
    run = aivcs.begin("bot", b"another spec\n")
    aivcs.ok("run", "log", run, "evaluation", "score:=0.6")
    aivcs.ok("run", "finish", run, "--exit-code", "0")
    assert "was erased" in promote(aivcs, other, run, code=15).err.decode()


def test_a_state_that_was_erased_is_not_taken_for_an_older_one(aivcs):
    run = aivcs.begin("bot", b"a spec\n")
    for text in ("one", "two"):
        aivcs.ok("run", "state", "put", run, "-", stdin=text)
    events = [json.loads(e) for e in aivcs.ok("run", "events", run, "--json").text.splitlines()]
    redact(aivcs, run, str(events[-1]["seq"]))
    assert "was erased" in aivcs("run", "state", "get", run, code=12).err.decode()
