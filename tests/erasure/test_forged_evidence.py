"""Somebody rewrites a run that is evidence, and hides the break of its chain as an erasure."""

import hashlib
import json

import pytest
from erasure.test_attacks import forge, lines, rewrite, stub

from aivcs.log import chain

RULE = '{"kind":"evaluation","pointer":"/score","min":0.8}'


@pytest.fixture
def spec(aivcs):
    aivcs.ok("config", "set", "policy.bot.require_event", RULE)
    return aivcs.put(b"a spec\n")


def recorded(aivcs, score):
    run = aivcs.begin("bot", b"a spec\n")
    aivcs.ok("run", "log", run, "evaluation", f"score:={score}")
    aivcs.ok("run", "log", run, "note", "text=hello")
    aivcs.ok("run", "finish", run, "--exit-code", "0")
    return run


def forged(aivcs, run, *, recorded=True):
    """Makes the score of a run a good one; the line after it is redacted, so all else stays."""
    found = lines(aivcs, run)
    body = found[1][: -chain.LINK_BYTES].replace(b"0.1", b"0.9")
    digest = hashlib.sha256(json.loads(found[0])["hash"].encode() + body).hexdigest()
    found[1] = body + f',"hash":"{digest}"}}'.encode()
    found[2] = stub(found[2])
    rewrite(aivcs, run, found)
    if recorded:
        forge(aivcs, run, 3, found)


def promote(aivcs, spec, run, code=0):
    return aivcs("release", "promote", "bot", spec, "--evidence", run, "--by", "ada", code=code)


def redact(aivcs, run, seq, *more):
    aivcs.ok("run", "redact", run, seq, "--reason", "r", "--by", "ada", *more)


class TestWithoutARecord:
    def test_no_gate_opens(self, aivcs, spec):
        run = recorded(aivcs, 0.1)
        forged(aivcs, run, recorded=False)
        assert "no record of an erasure" in promote(aivcs, spec, run, code=14).err.decode()

    def test_no_release_is_proven(self, aivcs, spec):
        run = recorded(aivcs, 0.9)
        promote(aivcs, spec, run)
        found = lines(aivcs, run)
        found[2] = stub(found[2])
        rewrite(aivcs, run, found)
        told = aivcs("release", "verify", "bot", code=14).text
        assert "evidence\tfailed\t" in told

    def test_a_record_of_another_line_does_not_help(self, aivcs, spec):
        run = recorded(aivcs, 0.1)
        redact(aivcs, run, "2")
        found = lines(aivcs, run)
        body = found[1][: -chain.LINK_BYTES].replace(b"0.1", b"0.9")
        digest = hashlib.sha256(json.loads(found[0])["hash"].encode() + body).hexdigest()
        found[1] = body + f',"hash":"{digest}"}}'.encode()
        rewrite(aivcs, run, found)
        promote(aivcs, spec, run, code=14)


class TestWithAForgedRecord:
    def test_nothing_is_proven_where_nobody_says_who_may_erase(self, aivcs, spec):
        run = recorded(aivcs, 0.1)
        forged(aivcs, run)
        done = promote(aivcs, spec, run)
        assert f"warning: run {run} has redacted lines" in done.err.decode()
        told = aivcs.ok("release", "verify", "bot").text
        assert "evidence\tnot proven\t" in told
        assert "require_event\tnot proven\t" in told

    @pytest.mark.usefixtures("keys")
    def test_no_gate_opens_where_allowed_erasers_are_set(self, aivcs, spec):
        run = recorded(aivcs, 0.1)
        forged(aivcs, run)
        assert "no allowed eraser" in promote(aivcs, spec, run, code=15).err.decode()

    @pytest.mark.usefixtures("keys")
    def test_none_opens_without_a_policy_either(self, aivcs):
        run = recorded(aivcs, 0.1)
        forged(aivcs, run)
        promote(aivcs, aivcs.put(b"a spec\n"), run, code=15)

    @pytest.mark.usefixtures("keys")
    def test_it_lowers_no_bar(self, aivcs, spec):
        good, other = recorded(aivcs, 0.9), recorded(aivcs, 0.85)
        promote(aivcs, spec, good)
        rule = '{"kind":"evaluation","pointer":"/score","max_regression":0}'
        aivcs.ok("config", "set", "policy.bot.require_baseline", rule)
        redact(aivcs, good, "2")
        spec = aivcs.put(b"b spec\n")
        other = aivcs.begin("bot", b"b spec\n")
        aivcs.ok("run", "log", other, "evaluation", "score:=0.85")
        aivcs.ok("run", "finish", other, "--exit-code", "0")
        assert "no allowed eraser" in promote(aivcs, spec, other, code=15).err.decode()


@pytest.mark.usefixtures("keys")
class TestAnErasureThatIsSigned:
    def test_counts(self, aivcs, spec):
        run = recorded(aivcs, 0.9)
        redact(aivcs, run, "2", "--sign")
        promote(aivcs, spec, run)
        told = aivcs.ok("release", "verify", "bot").text
        assert "evidence\tok\t" in told
        assert "require_event\tok\t" in told

    def test_counts_if_the_signed_record_came_later(self, aivcs, spec):
        run = recorded(aivcs, 0.9)
        redact(aivcs, run, "2")
        promote(aivcs, spec, run, code=15)
        redact(aivcs, run, "2", "--sign")
        promote(aivcs, spec, run)
