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
        assert "evidence\tnot proven\t" in told

    def test_that_stays_counts_whatever_else_is_erased(self, aivcs, spec):
        run = run_with(aivcs, 0.2, 0.9)
        redact(aivcs, run, "1")
        promote(aivcs, spec, run)

    def test_a_rule_that_wants_any_event_of_a_kind_is_not_met_either(self, aivcs, spec):
        aivcs.ok("config", "set", "policy.bot.require_event", '{"kind":"evaluation"}')
        run = run_with(aivcs, 0.9)
        redact(aivcs, run, "1")
        promote(aivcs, spec, run, code=15)


class TestWhatIsLive:
    @pytest.fixture
    def good(self, aivcs, spec):
        """A run that is evidence of what is live, with a better score than the other one."""
        good, fair = run_with(aivcs, 0.9), run_with(aivcs, 0.5)
        words = ("release", "promote", "bot", spec, "--evidence", good, "--evidence", fair)
        aivcs.ok(*words, "--by", "ada")
        rule = '{"kind":"evaluation","pointer":"/score","max_regression":0}'
        aivcs.ok("config", "set", "policy.bot.require_baseline", rule)
        return good

    @pytest.fixture
    def worse(self, aivcs, good):
        """The spec and the run of a release that is worse than what is live."""
        other = aivcs.put(b"another spec\n")
        run = aivcs.begin("bot", b"another spec\n")
        aivcs.ok("run", "log", run, "evaluation", "score:=0.6")
        aivcs.ok("run", "finish", run, "--exit-code", "0")
        return other, run

    def test_loses_no_score_to_lower_the_bar(self, aivcs, good, worse):
        redact(aivcs, good, "1")
        assert "was erased" in promote(aivcs, worse[0], worse[1], code=15).err.decode()

    def test_loses_no_run_to_lower_the_bar(self, aivcs, good, worse):
        aivcs.ok("run", "rm", good, "--force", "--reason", "r")
        told = promote(aivcs, worse[0], worse[1], code=15).err.decode()
        assert good in told
        assert "--force --notes TEXT" in told
        words = ("--evidence", worse[1], "--force", "--notes", "the best run was erased")
        aivcs.ok("release", "promote", "bot", worse[0], *words, "--by", "ada")

    def test_is_not_proven_to_be_no_better_once_a_run_of_it_is_gone(self, aivcs, good):
        other = aivcs.put(b"another spec\n")
        run = aivcs.begin("bot", b"another spec\n")
        aivcs.ok("run", "log", run, "evaluation", "score:=0.8")
        aivcs.ok("run", "finish", run, "--exit-code", "0")
        promote(aivcs, other, run)
        assert "require_baseline\tok" in aivcs.ok("release", "verify", "bot").text
        aivcs.ok("run", "rm", good, "--force", "--reason", "r")
        told = aivcs.ok("release", "verify", "bot").text
        assert "require_baseline\tnot proven" in told


def test_a_state_that_was_erased_is_not_taken_for_an_older_one(aivcs):
    run = aivcs.begin("bot", b"a spec\n")
    for text in ("one", "two"):
        aivcs.ok("run", "state", "put", run, "-", stdin=text)
    events = [json.loads(e) for e in aivcs.ok("run", "events", run, "--json").text.splitlines()]
    redact(aivcs, run, str(events[-1]["seq"]))
    assert "was erased" in aivcs("run", "state", "get", run, code=12).err.decode()
