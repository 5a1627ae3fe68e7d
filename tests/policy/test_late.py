"""`late`: gates that look at evaluations which were added to runs afterwards."""

import json

import pytest

from aivcs.api import Repository
from aivcs.model.erasure import Erasure

SPEC = b"a spec\n"


@pytest.fixture
def gated(aivcs):
    """A run whose own score is too low, and the rule that asks for more."""
    rule = '{"kind":"evaluation","pointer":"/score","min":0.8}'
    aivcs.ok("config", "set", "policy.bot.require_event", rule)
    run = aivcs.begin("bot", SPEC)
    aivcs.ok("run", "log", run, "evaluation", "score:=0.1")
    aivcs.ok("run", "finish", run, "--exit-code", "0")
    return run


def judged(aivcs, run, score, *words):
    return aivcs.ok("run", "annotate", run, "evaluation", f"score:={score}", *words).text


def promote(aivcs, run, **options):
    return aivcs("release", "promote", "bot", aivcs.put(SPEC), "--evidence", run, **options)


def evidence(aivcs):
    (entry,) = aivcs.ok("release", "history", "bot", "--json").json_lines
    return entry["evidence"][0]


def checks(aivcs, code=0, env=None):
    told = aivcs("release", "verify", "bot", "--json", code=code, env=env).json_lines
    return {check["check"]: check["result"] for check in told}


def test_a_late_score_opens_a_gate_only_where_it_may(aivcs, gated):
    aivcs.ok("config", "set", "policy.bot.late", "signed")
    said = "judge the runs: aivcs run annotate RUN evaluation … --sign"
    assert said in promote(aivcs, gated, code=15).complaint
    aivcs.ok("config", "unset", "policy.bot.late")
    digest = judged(aivcs, gated, 0.9)
    assert "judge the runs" not in promote(aivcs, gated, code=15).complaint
    aivcs.ok("config", "set", "policy.bot.late", "true")
    promote(aivcs, gated, code=0)
    assert evidence(aivcs)["annotations"] == [digest]
    assert checks(aivcs)["require_event"] == "ok"


def test_the_newest_counts_also_if_it_is_worse(aivcs, gated):
    aivcs.ok("config", "set", "policy.bot.late", "true")
    judged(aivcs, gated, 0.9)
    judged(aivcs, gated, 0.2)
    promote(aivcs, gated, code=15)
    aivcs.ok("run", "annotate", gated, "other", "score:=0.99")
    promote(aivcs, gated, code=15)


def test_what_was_said_afterwards_changes_no_verdict(aivcs, gated):
    aivcs.ok("config", "set", "policy.bot.late", "true")
    judged(aivcs, gated, 0.9)
    promote(aivcs, gated, code=0)
    judged(aivcs, gated, 0.0)
    assert checks(aivcs)["require_event"] == "ok"


def test_one_that_is_gone_or_changed_is_noticed(aivcs, gated):
    aivcs.ok("config", "set", "policy.bot.late", "true")
    digest = judged(aivcs, gated, 0.9)
    promote(aivcs, gated, code=0)
    path = aivcs.store / "notes" / gated[:2] / gated / digest
    data = path.read_bytes()
    path.chmod(0o644)
    path.write_bytes(data.replace(b"0.9", b"0.8"))
    assert checks(aivcs, code=14)["policy"] == "failed"
    path.unlink()
    assert checks(aivcs, code=14)["policy"] == "failed"


def test_signed_asks_for_an_allowed_signer(aivcs, gated, keys):
    aivcs.ok("config", "set", "policy.bot.late", "signed")
    aivcs.ok("config", "set", "--user", "signing.allowed_signers", str(keys.allow(ada="")))
    judged(aivcs, gated, 0.9)
    promote(aivcs, gated, code=15)
    judged(aivcs, gated, 0.95, "--signing-key", str(keys("eve")))
    promote(aivcs, gated, code=15)
    digest = judged(aivcs, gated, 0.85, "--signing-key", str(keys("ada")))
    judged(aivcs, gated, 0.0)  # by nobody: it does not count, either way
    promote(aivcs, gated, code=0)
    assert evidence(aivcs)["annotations"] == [digest]
    assert checks(aivcs)["require_event"] == "ok"
    keys.allow(eve="")  # who signed is no longer allowed: so nothing is proven any more
    assert checks(aivcs, code=14)["require_event"] == "failed"


def erase(aivcs, run, text):
    aivcs.ok("run", "redact", run, "--match", text, "--reason", "a secret")


@pytest.fixture(params=["late", "evidence_from"])
def judge(request, aivcs, keys, gated):
    """The words with which a judge says what counts, by either rule."""
    if request.param == "late":
        aivcs.ok("config", "set", "policy.bot.late", "true")
        return ()
    aivcs.ok("config", "set", "policy.bot.evidence_from", '["signer:ada@example.com"]')
    aivcs.ok("config", "set", "--user", "signing.allowed_signers", str(keys.allow(ada="")))
    return ("--signing-key", str(keys("ada")))


def test_erasing_a_bad_word_does_not_let_an_older_one_count(aivcs, gated, judge):
    judged(aivcs, gated, 0.9, "why=fine", *judge)
    judged(aivcs, gated, 0.2, "why=leaky", *judge)
    erase(aivcs, gated, "leaky")
    assert "was erased" in promote(aivcs, gated, code=15).complaint
    promote_anyway = ("--evidence", gated, "--force", "--notes", "an emergency")
    aivcs.ok("release", "promote", "bot", aivcs.put(SPEC), *promote_anyway)
    assert checks(aivcs)["require_event"] == "not proven"


def test_a_forged_record_with_an_early_date_lets_no_older_word_count(aivcs, gated, judge):
    judged(aivcs, gated, 0.9, "why=fine", *judge)
    judged(aivcs, gated, 0.2, "why=leaky", *judge)
    erase(aivcs, gated, "leaky")
    erasures = Repository.open(aivcs.store).erasures
    ((_, (true, *_)),) = erasures.load().annotations.items()
    early = "2020-01-01T00:00:00.000000Z"
    erasures.add(Erasure(true.value.target, by="eve", reason="x", created_at=early))
    promote(aivcs, gated, code=15)


def test_a_release_is_not_proven_after_its_annotation_was_erased(aivcs, gated, judge):
    judged(aivcs, gated, 0.9, "why=fine", *judge)
    promote(aivcs, gated, code=0)
    erase(aivcs, gated, "fine")
    assert checks(aivcs)["require_event"] == "not proven"


def test_a_new_word_after_an_erasure_counts_and_stays_proven(aivcs, gated, judge):
    judged(aivcs, gated, 0.2, "why=leaky", *judge)
    erase(aivcs, gated, "leaky")
    judged(aivcs, gated, 0.9, *judge)
    promote(aivcs, gated, code=0)
    judged(aivcs, gated, 0.3, "why=later", *judge)
    erase(aivcs, gated, "later")
    assert checks(aivcs)["require_event"] == "ok"


def test_a_bad_word_in_a_clone_goes_with_a_promotion_at_home(aivcs, gated, tmp_path):
    aivcs.ok("config", "set", "policy.bot.late", "true")
    judged(aivcs, gated, 0.9)
    clone = tmp_path / "clone"
    aivcs.ok("clone", aivcs.store, clone)
    digest = aivcs.ok("run", "annotate", gated, "evaluation", "score:=0.2", cwd=clone).text
    words = ("release", "promote", "bot", aivcs.put(SPEC), "--evidence", gated)
    assert "has 0.2" in aivcs(*words, cwd=clone, code=15).complaint
    assert (aivcs.store / "notes" / gated[:2] / gated / digest).exists()
    promote(aivcs, gated, code=15)


@pytest.mark.parametrize("value", ['"yes"', "1", "[]"])
def test_other_values_are_refused(aivcs, value):
    done = aivcs("config", "set", "policy.bot.late", value, code=2)
    assert "late must be true, false or" in done.complaint


def test_without_late_entries_are_as_they_were(aivcs, gated):
    judged(aivcs, gated, 0.9)
    aivcs.ok("config", "unset", "policy.bot.require_event")
    promote(aivcs, gated, code=0)
    assert evidence(aivcs).keys() == {"run_id", "lines", "hash"}
    line = json.loads(aivcs.release_log("bot").read_bytes().splitlines()[0])
    assert line["evidence"][0].keys() == {"run_id", "lines", "hash"}
