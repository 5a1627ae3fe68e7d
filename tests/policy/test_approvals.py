"""`require_approvals` and `require_signatures`: others must have said yes, each for themselves."""

import json
import subprocess
from hashlib import sha256

import pytest

from aivcs.api import Repository
from aivcs.codec.canonical_json import canonical
from aivcs.errors import UsageError
from aivcs.log.release_changes import plan_approval
from aivcs.model.timestamp import Timestamp
from aivcs.policy.registry import check_rule

OLD = Timestamp("2026-01-01T00:00:00.000000Z")


@pytest.fixture
def spec(aivcs):
    return aivcs.put(b"a spec\n")


@pytest.fixture
def signers(aivcs, keys):
    allowed = keys.allow(ada="", bob="", cyd="")
    aivcs.ok("config", "set", "--user", "signing.allowed_signers", str(allowed))
    return allowed


def need(aivcs, **rule):
    aivcs.ok("config", "set", "policy.bot.require_approvals", json.dumps(rule))


def approve(aivcs, keys, spec, who, *words, name="bot", by=None, code=0):
    return aivcs(
        "release", "approve", name, spec, "--by", by or who, "--signing-key", keys(who), *words,
        code=code,
    )  # fmt: skip


def promote(aivcs, keys, spec, who, *words, by=None, code=0):
    return aivcs(
        "release", "promote", "bot", spec, "--by", by or who, "--signing-key", keys(who), *words,
        code=code,
    )  # fmt: skip


def results(aivcs, check, code=0):
    lines = aivcs("release", "verify", "bot", "--json", code=code).json_lines
    return [line["result"] for line in lines if line["check"] == check]


def lines(aivcs, name="bot"):
    return [json.loads(line) for line in aivcs.release_log(name).read_bytes().splitlines()]


def add_by_hand(aivcs, spec, entry, **changed):
    """Appends an approval with the signature of another, as who may write to the log can."""
    fields = {
        **{name: entry[name] for name in ("by", "notes", "store", "signature")},
        "created_at": Timestamp(entry["created_at"]),
        **changed,
    }
    releases = Repository.open(aivcs.store).releases
    releases.change("bot", lambda view: plan_approval(view, spec, **fields))


class TestAnApproval:
    def test_opens_the_gate_and_is_proven_then_and_later(self, aivcs, keys, spec, signers):
        need(aivcs, count=1, not_promoter=True)
        assert "0 of 1" in promote(aivcs, keys, spec, "ada", code=15).complaint
        assert approve(aivcs, keys, spec, "bob", "--notes", "fine").text == spec
        promote(aivcs, keys, spec, "ada")
        assert results(aivcs, "require_approvals") == ["ok"]
        assert results(aivcs, "approval") == ["ok"]
        aivcs.ok("verify")
        need(aivcs, count=2)
        assert results(aivcs, "require_approvals") == ["ok", "not proven"]

    def test_is_shown_by_a_trial_which_changes_nothing(self, aivcs, keys, spec, signers, unchanged):
        need(aivcs, count=2)
        approve(aivcs, keys, spec, "bob")
        with unchanged:
            done = promote(aivcs, keys, spec, "ada", "--dry-run", "--json", code=15)
        (verdict,) = done.json["verdicts"]
        assert (verdict["ok"], verdict["found"]) == (False, "1 of 2: bob@example.com")
        assert f"aivcs release approve bot {spec[:12]} --sign" in verdict["remedy"]

    def test_can_be_checked_with_ssh_keygen_alone(self, aivcs, keys, spec, signers, tmp_path):
        approve(aivcs, keys, spec, "bob", "--notes", "fine")
        (entry,) = lines(aivcs)
        signed = {
            name: entry[name]
            for name in ("name", "spec_digest", "by", "notes", "store", "created_at")
        }
        line = canonical({"type": "approval", "format": 1, **signed}) + b"\n"
        (tmp_path / "sig").write_text(entry["signature"])
        done = subprocess.run(
            ["ssh-keygen", "-Y", "verify", "-f", signers, "-I", "bob@example.com",
             "-n", "aivcs-approval@v1", "-s", tmp_path / "sig"],
            input=sha256(line).hexdigest().encode(), capture_output=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done

    def test_is_no_release(self, aivcs, keys, spec, signers):
        approve(aivcs, keys, spec, "bob")
        aivcs("release", "current", "bot", code=12)
        assert aivcs.ok("release", "list").text == ""
        assert "Nothing was released yet; an approval waits." in aivcs.ok("report").text
        promote(aivcs, keys, spec, "ada")
        approve(aivcs, keys, spec, "cyd")
        assert aivcs.ok("release", "current", "bot").text == spec
        assert len(aivcs.ok("release", "history", "bot").lines) == 1
        assert "approval" in aivcs.ok("release", "show", "bot", "@1").text
        aivcs("release", "rollback", "bot", code=15)
        aivcs.ok("release", "block", "bot", spec, "--reason", "x")
        aivcs.ok("verify")

    def test_is_refused_unsigned_or_of_what_is_not_there(
        self, aivcs, keys, spec, signers, unchanged
    ):
        with unchanged:
            assert "add --sign" in aivcs("release", "approve", "bot", spec, code=2).complaint
            approve(aivcs, keys, "0" * 64, "bob", code=12)
            approve(aivcs, keys, spec, "bob", name="../bot", code=2)
            aivcs("release", "approve", "bot@1", spec, "--signing-key", keys("bob"), code=2)


class TestWhatDoesNotCount:
    def test_the_same_key_twice(self, aivcs, keys, spec, signers):
        need(aivcs, count=2)
        approve(aivcs, keys, spec, "bob")
        approve(aivcs, keys, spec, "bob", by="cyd")
        promote(aivcs, keys, spec, "ada", code=15)

    def test_the_same_key_under_two_names(self, aivcs, keys, spec, signers):
        key = keys("bob").with_suffix(".pub").read_text().split(" ", 2)[:2]
        signers.write_text("".join(f"{who} {' '.join(key)}\n" for who in ("bob@x", "twin@x")))
        need(aivcs, count=2, by=["bob@x", "twin@x"])
        approve(aivcs, keys, spec, "bob")
        approve(aivcs, keys, spec, "bob", by="twin@x")
        promote(aivcs, keys, spec, "ada", code=15)

    def test_one_for_another_spec_or_name(self, aivcs, keys, spec, signers):
        need(aivcs, count=1)
        approve(aivcs, keys, aivcs.put(b"another\n"), "bob")
        approve(aivcs, keys, spec, "bob", name="bot2")
        promote(aivcs, keys, spec, "ada", code=15)

    def test_one_copied_from_another_spec_or_name(self, aivcs, keys, spec, signers):
        need(aivcs, count=1)
        other = aivcs.put(b"another\n")
        approve(aivcs, keys, other, "bob")
        approve(aivcs, keys, spec, "bob", name="bot2")
        for name in ("bot", "bot2"):
            add_by_hand(aivcs, spec, lines(aivcs, name)[0])
        done = promote(aivcs, keys, spec, "ada", code=15)
        assert "a signature that is not of it" in done.complaint

    def test_one_that_was_given_in_another_store(self, aivcs, keys, spec, signers, tmp_path):
        need(aivcs, count=1)
        approve(aivcs, keys, spec, "bob")
        (given,) = lines(aivcs)
        aivcs.release_log("bot").unlink()
        (aivcs.store / "id").unlink()
        approve(aivcs, keys, spec, "ada")  # in a store with an id of its own
        own = lines(aivcs)[0]
        assert own["store"] != given["store"]
        aivcs.release_log("bot").unlink()
        add_by_hand(aivcs, spec, given)
        done = promote(aivcs, keys, spec, "cyd", code=15)
        assert "@1 by bob@example.com was given in another store" in done.complaint
        add_by_hand(aivcs, spec, given, store=own["store"])
        done = promote(aivcs, keys, spec, "cyd", code=15)
        assert "a signature that is not of it" in done.complaint
        approve(aivcs, keys, spec, "bob")
        add_by_hand(aivcs, spec, given)  # hides none that counts
        promote(aivcs, keys, spec, "cyd")
        assert "failed" not in results(aivcs, "approval")

    def test_one_that_was_changed(self, aivcs, keys, spec, signers):
        need(aivcs, count=1, max_age="1d")
        approve(aivcs, keys, spec, "bob")
        log = aivcs.release_log("bot")
        log.write_bytes(log.read_bytes().replace(b'"by":"bob"', b'"by":"ada"'))
        assert "bot.jsonl" in promote(aivcs, keys, spec, "ada", code=14).complaint

    def test_one_that_is_too_old_or_made_younger(self, aivcs, keys, spec, signers, monkeypatch):
        need(aivcs, count=1, max_age="7d")
        monkeypatch.setattr(Timestamp, "now", lambda: OLD)
        monkeypatch.setenv("HOME", str(aivcs.folder))
        repo = Repository.open(aivcs.store)
        old = repo.approve("bot", spec, by="bob", signing_key=str(keys("bob")))
        assert old.created_at == OLD
        done = promote(aivcs, keys, spec, "ada", code=15)
        assert "by bob@example.com is older than 7d" in done.complaint
        monkeypatch.undo()
        add_by_hand(aivcs, spec, lines(aivcs)[0], created_at=Timestamp.now())
        promote(aivcs, keys, spec, "ada", code=15)

    def test_that_of_the_promoter_whatever_names_they_give(self, aivcs, keys, spec, signers):
        need(aivcs, count=1, not_promoter=True)
        approve(aivcs, keys, spec, "ada", by="bob")
        assert "who promotes" in promote(aivcs, keys, spec, "ada", by="cyd", code=15).complaint
        trial = promote(aivcs, keys, spec, "ada", "--dry-run", by="cyd", code=15)
        assert "who promotes" in trial.text
        done = aivcs("release", "promote", "bot", spec, "--by", "cyd", code=15)
        assert "shows who promotes" in done.complaint

    def test_but_that_of_another_key_with_the_same_name_does(self, aivcs, keys, spec, signers):
        need(aivcs, count=1, not_promoter=True)
        approve(aivcs, keys, spec, "bob", by="root")
        promote(aivcs, keys, spec, "ada", by="root")
        assert results(aivcs, "require_approvals") == ["ok"]

    def test_but_that_of_one_who_signs_the_release_later_does(self, aivcs, keys, spec, signers):
        need(aivcs, count=1, not_promoter=True)
        approve(aivcs, keys, spec, "bob")
        promote(aivcs, keys, spec, "ada")
        aivcs.ok("release", "sign", "bot", "--signing-key", keys("bob"))
        assert results(aivcs, "require_approvals") == ["ok"]

    def test_a_later_signature_makes_nobody_the_promoter(self, aivcs, keys, spec, signers):
        need(aivcs, count=1, not_promoter=True)
        approve(aivcs, keys, spec, "bob")
        promoted = ("release", "promote", "bot", spec, "--by", "ada", "--force", "--notes", "x")
        aivcs.ok(*promoted)
        approve(aivcs, keys, spec, "cyd")
        aivcs.ok("release", "sign", "bot", "--signing-key", keys("ada"))
        assert results(aivcs, "require_approvals") == ["not proven"]

    def test_one_that_a_block_took_back(self, aivcs, keys, spec, signers):
        need(aivcs, count=1)
        other = aivcs.put(b"another\n")
        approve(aivcs, keys, other, "bob")
        promote(aivcs, keys, other, "ada")
        approve(aivcs, keys, spec, "bob")
        aivcs.ok("release", "block", "bot", spec, "--reason", "bad")
        aivcs.ok("release", "unblock", "bot", spec, "--reason", "let us see")
        assert "0 of 1" in promote(aivcs, keys, spec, "ada", code=15).complaint
        promote(aivcs, keys, spec, "ada", "--force", "--notes", "an emergency")
        assert results(aivcs, "require_approvals") == ["ok", "not proven"]
        approve(aivcs, keys, spec, "bob")
        promote(aivcs, keys, spec, "ada")
        assert results(aivcs, "require_approvals") == ["ok", "not proven", "ok"]

    def test_one_of_a_stranger_or_of_whom_the_rule_does_not_name(self, aivcs, keys, spec, signers):
        need(aivcs, count=1, by=["cyd@*"])
        approve(aivcs, keys, spec, "eve")
        approve(aivcs, keys, spec, "bob")
        done = promote(aivcs, keys, spec, "ada", code=15)
        assert "not an allowed signer" in done.complaint
        assert "whom the rule does not name" in done.complaint
        approve(aivcs, keys, spec, "cyd")
        promote(aivcs, keys, spec, "ada")

    def test_one_made_afterwards(self, aivcs, keys, spec, signers):
        need(aivcs, count=1)
        promote(aivcs, keys, spec, "ada", "--force", "--notes", "an emergency")
        approve(aivcs, keys, spec, "bob")
        assert results(aivcs, "require_approvals") == ["not proven"]

    def test_a_forged_one_does_not_hide_a_good_one(self, aivcs, keys, spec, signers):
        need(aivcs, count=1)
        approve(aivcs, keys, spec, "bob")
        add_by_hand(aivcs, spec, lines(aivcs)[0], by="eve")
        promote(aivcs, keys, spec, "ada")
        assert sorted(results(aivcs, "approval")) == ["not proven", "ok"]


def test_a_rollback_returns_to_what_was_approved(aivcs, keys, spec, signers):
    need(aivcs, count=1, not_promoter=True)
    for content in (b"one\n", b"two\n"):
        approve(aivcs, keys, aivcs.put(content), "bob")
        promote(aivcs, keys, aivcs.put(content), "ada")
    aivcs.ok("release", "rollback", "bot", "--by", "bob")
    assert set(results(aivcs, "require_approvals")) == {"ok"}


def test_without_allowed_signers_nothing_can_be_told(aivcs, keys, spec):
    need(aivcs, count=1)
    approve(aivcs, keys, spec, "bob")
    done = promote(aivcs, keys, spec, "ada", code=15)
    assert "signing.allowed_signers" in done.complaint


def test_approvals_travel_with_the_log(aivcs, keys, spec, signers, tmp_path):
    need(aivcs, count=1)
    approve(aivcs, keys, spec, "bob")
    promote(aivcs, keys, spec, "ada")
    aivcs.ok("bundle", "create", tmp_path / "all.tar")
    aivcs.ok("clone", tmp_path / "all.tar", tmp_path / "copy")
    there = aivcs.ok("release", "verify", "bot", "--json", cwd=tmp_path / "copy").json_lines
    assert [c["result"] for c in there if c["check"] == "require_approvals"] == ["ok"]


class TestSignatures:
    def test_so_many_different_signers_sign_one_release(self, aivcs, keys, spec, signers):
        aivcs.ok("config", "set", "policy.bot.require_signatures", "2")
        assert "0 of 2" in aivcs("release", "promote", "bot", spec, code=15).complaint
        done = promote(aivcs, keys, spec, "ada", code=15)
        assert "1 of 2" in done.complaint
        done = promote(aivcs, keys, spec, "ada", "--signing-key", keys("bob"))
        assert "signed by ada@example.com, bob@example.com" in done.err.decode()
        assert results(aivcs, "require_signatures") == ["ok"]
        assert results(aivcs, "signature") == ["ok", "ok"]
        aivcs.ok("verify")

    def test_one_key_counts_once_and_a_strangers_never(self, aivcs, keys, spec, signers, unchanged):
        aivcs.ok("config", "set", "policy.bot.require_signatures", "2")
        (keys.folder / "again").write_bytes(keys("ada").read_bytes())
        (keys.folder / "again").chmod(0o600)
        keys("eve")
        with unchanged:
            for other in ("again", "eve"):
                done = promote(aivcs, keys, spec, "ada", "--signing-key", keys(other), code=15)
                assert "1 of 2: ada@example.com" in done.complaint

    def test_later_ones_count_when_it_is_proven(self, aivcs, keys, spec, signers):
        promote(aivcs, keys, spec, "ada")
        aivcs.ok("config", "set", "policy.bot.require_signatures", "2")
        assert results(aivcs, "require_signatures", code=14) == ["failed"]
        aivcs.ok("release", "sign", "bot", "--signing-key", keys("ada"))
        assert results(aivcs, "require_signatures", code=14) == ["failed"]
        aivcs.ok("release", "sign", "bot", "--signing-key", keys("bob"))
        assert results(aivcs, "require_signatures") == ["ok"]


@pytest.mark.parametrize(
    ("rule", "value", "complaint"),
    [
        ("require_approvals", True, "must be a table"),
        ("require_approvals", {"count": -1}, "count must be a number"),
        ("require_approvals", {"count": True}, "count must be a number"),
        ("require_approvals", {"cuont": 1}, "'cuont' means nothing"),
        ("require_approvals", {"count": 1, "by": 3}, "by must be a list of signers"),
        ("require_approvals", {"count": 1, "by": ["a b"]}, "names no signer"),
        ("require_approvals", {"count": 1, "not_promoter": 1}, "true or false"),
        ("require_approvals", {"count": 1, "max_age": 7}, "must be an age"),
        ("require_approvals", {"count": 1, "max_age": "0d"}, "must be an age"),
        ("require_approvals", {"count": 1, "max_age": "7 d"}, "must be an age"),
        ("require_signatures", -1, "number of signers"),
        ("require_signatures", True, "number of signers"),
    ],
)
def test_a_value_that_is_not_understood_is_refused(rule, value, complaint):
    with pytest.raises(UsageError, match=complaint):
        check_rule(rule, value, "here")


def test_a_count_alone_is_a_rule_and_none_asks_for_nothing():
    assert check_rule("require_approvals", 2, "here")["count"] == 2
    assert not check_rule("require_approvals", 0, "here")
    assert not check_rule("require_approvals", {"count": 0, "max_age": "7d"}, "here")
