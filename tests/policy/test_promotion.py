"""Releases at the gate: refused, shown, let pass, and passed by force."""

import json
import subprocess

import pytest

EVENT = '{"kind":"evaluation","pointer":"/score","min":0.8}'


@pytest.fixture
def specs(aivcs):
    return [aivcs.put(b"spec %d" % number) for number in (1, 2)]


def rule(aivcs, name, value, pattern="bot"):
    aivcs.ok("config", "set", f"policy.{pattern}.{name}", value)


def live(aivcs):
    return aivcs.ok("release", "current", "bot", "--default", "none").text


def last_release(aivcs):
    return aivcs.ok("release", "history", "bot", "-n", "1", "--json").json


class TestPromote:
    def test_is_refused_with_what_was_found_what_is_needed_and_the_way_out(
        self, aivcs, specs, unchanged
    ):
        rule(aivcs, "require_label", "semver")
        rule(aivcs, "require_notes", "true")
        with unchanged:
            done = aivcs("release", "promote", "bot", specs[0], "--label", "v1", code=15)
            assert done.complaint == (
                "bot: refused by policy, nothing was changed. require_label: found the label v1, "
                "needed a version of SemVer 2.0.0, as in 1.4.0 (--label 1.4.0, without a v); "
                "require_notes: found none, needed --notes TEXT (say why: --notes)"
            )
        done = aivcs("release", "promote", "bot", specs[0], "--label", "1.0.0", "--notes", "x")
        assert (done.code, done.text) == (0, specs[0])

    def test_records_the_policy_that_was_applied_in_the_store(self, aivcs, specs, files):
        rule(aivcs, "require_notes", "true")
        aivcs.ok("release", "promote", "bot", specs[0], "--notes", "x")
        digest = last_release(aivcs)["policy"]
        document = aivcs.ok("blob", "get", digest).out
        assert document == b'{"format":1,"rules":{"require_notes":true},"type":"policy"}'
        aivcs.ok("gc", "--grace", "0s")
        assert files.sha256(aivcs.ok("blob", "get", digest).out) == digest

    def test_of_a_name_without_rules_records_none(self, aivcs, specs):
        rule(aivcs, "require_notes", "true", pattern="prod/*")
        aivcs.ok("release", "promote", "bot", specs[0])
        assert "policy" not in last_release(aivcs)

    def test_keeps_a_label_for_one_spec(self, aivcs, specs):
        rule(aivcs, "unique_label", "true")
        for _ in range(2):
            aivcs.ok("release", "promote", "bot", specs[0], "--label", "v1")
        aivcs.ok("release", "promote", "bot", specs[1])
        done = aivcs("release", "promote", "bot", specs[1], "--label", "v1", code=15)
        assert "v1 at @2" in done.complaint

    def test_is_refused_whatever_the_name_where_a_policy_is_not_understood(
        self, aivcs, specs, unchanged
    ):
        aivcs.ok("release", "promote", "bot", specs[0])
        config = aivcs.store / "config.toml"
        config.write_text('[policy."other"]\nrequire_runs = "3"\n')
        with unchanged:
            for command in (("promote", "bot", specs[1]), ("rollback", "bot", "--to", "@1")):
                done = aivcs("release", *command, code=2)
                assert f"{config}: policy.other.require_runs" in done.complaint

    @pytest.mark.parametrize(
        "text",
        [
            "[policies.bot]\nrequire_runs = 1\n", "[Policy.bot]\nrequire_runs = 1\n",
            '"policy.bot.require_runs" = 1\n', "policies = true\n",
        ],
    )  # fmt: skip
    def test_is_refused_where_what_is_meant_as_a_policy_is_none(
        self, aivcs, specs, unchanged, text
    ):
        config = aivcs.store / "config.toml"
        config.write_text(text)
        with unchanged:
            done = aivcs("release", "promote", "bot", specs[0], code=2)
            assert f"{config}: 'polic" in done.err.decode().lower().splitlines()[-1]
            assert '[policy."NAME"]' in done.err.decode()
            aivcs.ok("release", "list")

    def test_is_undone_as_it_says(self, aivcs, specs, keys):
        aivcs.ok("config", "set", "--user", "signing.allowed_signers", str(keys.allow(ada="")))
        aivcs.ok("config", "set", "--user", "signing.key", str(keys("ada")))
        rule(aivcs, "require_notes", "true")
        rule(aivcs, "require_signature", "true")
        for spec in specs[:2]:
            done = aivcs.ok("release", "promote", "bot", spec, "--notes", "x", "--sign")
        undo = next(line for line in done.err.decode().splitlines() if "undo with" in line)
        undo = undo.removeprefix("undo with: ").replace("TEXT", "worse")
        assert aivcs.shell(undo).text == specs[0]

    def test_is_held_to_the_systems_policy_first(self, aivcs, specs):
        folder = aivcs.folder / "xdg"
        (folder / "aivcs").mkdir(parents=True)
        (folder / "aivcs" / "config.toml").write_text("[policy.'*']\nrequire_notes = true\n")
        env = {"XDG_CONFIG_DIRS": str(folder)}
        rule(aivcs, "require_notes", "false")
        assert (
            "require_notes"
            in aivcs("release", "promote", "bot", specs[0], env=env, code=15).complaint
        )

    def test_still_says_what_the_log_refuses_and_stores_no_policy(self, aivcs, specs, unchanged):
        rule(aivcs, "require_notes", "true")
        promote = ("release", "promote", "bot", specs[0], "--notes", "x")
        with unchanged:
            done = aivcs(*promote, "--expect", specs[1], code=15)
            assert "expected" in done.complaint

    def test_is_judged_by_a_signature_that_counts(self, aivcs, specs, keys, unchanged):
        aivcs.ok("config", "set", "--user", "signing.allowed_signers", str(keys.allow(ada="")))
        rule(aivcs, "require_signature", "true")
        promote = ("release", "promote", "bot", specs[0])
        with unchanged:
            assert "add --sign" in aivcs(*promote, code=15).complaint
            done = aivcs(*promote, "--signing-key", str(keys("mallory")), code=15)
            assert "found one by ED25519 key SHA256:" in done.complaint
        aivcs.ok(*promote, "--signing-key", str(keys("ada")))
        aivcs.ok("config", "unset", "--user", "signing.allowed_signers")
        done = aivcs(*promote, "--signing-key", str(keys("ada")), code=15)
        assert "signing.allowed_signers is not set" in done.complaint


@pytest.fixture
def runs(aivcs, specs):
    """Makes runs of the first spec that completed, each with an evaluation of some score."""

    def make(*scores, spec=0):
        made = []
        for score in scores:
            run = aivcs.ok("run", "start", "--agent", "other", "--spec", specs[spec]).text
            aivcs.ok("run", "log", run, "evaluation", "score:=0.1")
            aivcs.ok("run", "log", run, "evaluation", f"score:={score}")
            aivcs.ok("run", "finish", run)
            made.append(run)
        return made

    return make


def evidence(*runs):
    return [word for run in runs for word in ("--evidence", run)]


class TestEvidence:
    def test_is_the_last_evaluation_of_enough_runs_of_the_spec(self, aivcs, specs, runs, unchanged):
        rule(aivcs, "require_runs", "2")
        rule(aivcs, "require_event", EVENT)
        good, poor = runs(0.9, 0.8), runs(0.7)
        other = runs(0.9, spec=1)
        failed = aivcs.begin("bot", b"spec 1")
        aivcs.ok("run", "finish", failed, "--status", "failed")
        promote = ("release", "promote", "bot", specs[0])
        with unchanged:
            for given, complaint in (
                ([], "found 0 of 0 runs that count"),
                ([*good[:1], good[0]], "found 1 of 1 runs that count"),
                ([*good[:1], *other], f"{other[0]} is of spec {specs[1][:12]}"),
                ([*good[:1], failed], f"{failed} is FAILED"),
                ([*good, *poor], f"{poor[0]} has 0.7"),
            ):
                assert complaint in aivcs(*promote, *evidence(*given), code=15).complaint
        aivcs.ok(*promote, *evidence(*good, *other, failed))
        assert [item["run_id"] for item in last_release(aivcs)["evidence"]] == [
            *good, *other, failed,
        ]  # fmt: skip

    def test_is_a_run_that_was_said_to_be_completed_whatever_its_exit_code(self, aivcs, specs):
        rule(aivcs, "require_runs", "1")
        finds = aivcs.begin("bot", b"spec 1")
        aivcs.ok("run", "finish", finds, "--exit-code", "1", "--status", "completed")
        aivcs.ok("release", "promote", "bot", specs[0], *evidence(finds))

    def test_of_the_promotion_counts_when_it_is_returned_to(self, aivcs, specs, runs):
        good = runs(0.9)
        aivcs.ok("release", "promote", "bot", specs[0])
        aivcs.ok("release", "promote", "bot", specs[1])
        rule(aivcs, "require_runs", "1")
        rule(aivcs, "require_label", "semver")
        rule(aivcs, "require_notes", "true")
        back = ("release", "rollback", "bot", "--reason", "it loops")
        assert "require_runs" in aivcs(*back, code=15).complaint
        release = ("--label", "1.0.0", "--notes", "proven", *evidence(*good))
        aivcs.ok("release", "promote", "bot", specs[0], *release)
        aivcs.ok("release", "promote", "bot", specs[1], "--notes", "hurry", "--force")
        done = aivcs("release", "rollback", "bot", code=15)
        assert done.complaint == (
            "bot: refused by policy, nothing was changed. require_notes: found none, needed "
            "--reason TEXT (say why: --reason)"
        )
        aivcs.ok(*back)
        assert (live(aivcs), last_release(aivcs)["action"]) == (specs[0], "rollback")


class TestRace:
    def test_of_processes_that_want_one_label_for_other_specs_one_gets_it(self, aivcs, files):
        specs = [aivcs.put(b"spec %d" % number) for number in range(5)]
        rule(aivcs, "unique_label", "true")
        racers = [
            aivcs.start("release", "promote", "bot", spec, "--label", "v1", stderr=subprocess.PIPE)
            for spec in specs
        ]
        said = [racer.communicate(timeout=60)[1] for racer in racers]
        assert sorted(racer.returncode for racer in racers) == [0, 15, 15, 15, 15], said
        (line,) = files.read_chain(aivcs.release_log("bot"))
        assert line["spec_digest"] == specs[[racer.returncode for racer in racers].index(0)]


class TestForce:
    def test_goes_on_against_the_rules_and_is_recorded_for_ever(self, aivcs, specs):
        rule(aivcs, "require_runs", "3")
        promote = ("release", "promote", "bot", specs[0], "--force")
        assert "--notes" in aivcs(*promote, code=2).complaint
        done = aivcs.ok(*promote, "--notes", "the site is down")
        assert b"this breaks the policy, and is recorded as forced: require_runs" in done.err
        assert last_release(aivcs)["forced"] is True
        done = aivcs.ok("release", "verify", "bot")
        assert ["@1", "forced", "not proven", "against the rules: the site is down"] in [
            line.split("\t") for line in done.lines
        ]

    def test_is_said_by_a_trial_and_in_provenance(self, aivcs, specs):
        rule(aivcs, "require_runs", "3")
        promote = ("release", "promote", "bot", specs[0], "--force", "--notes", "now")
        assert aivcs.ok(*promote, "--dry-run", "--json").json["forced"] is True
        assert "forced" not in aivcs("release", "promote", "bot", specs[0], "--dry-run", "--json",
                                     code=15).json  # fmt: skip
        aivcs.ok(*promote)
        stated = aivcs.ok("release", "provenance", "bot").json["predicate"]["buildDefinition"]
        assert stated["externalParameters"]["forced"] is True

    def test_is_not_recorded_where_no_rule_was_broken(self, aivcs, specs):
        rule(aivcs, "require_notes", "true")
        aivcs.ok("release", "promote", "bot", specs[0], "--force", "--notes", "x")
        assert "forced" not in last_release(aivcs)

    def test_overrides_neither_a_block_nor_a_policy_that_is_not_understood(self, aivcs, specs):
        rule(aivcs, "require_runs", "3")
        promote = ("release", "promote", "bot", specs[0], "--force", "--notes", "x")
        aivcs.ok(*promote)
        aivcs.ok("release", "block", "bot", specs[0], "--reason", "bad")
        assert "blocked" in aivcs(*promote, code=15).complaint
        rule(aivcs, "require_notes", "true", pattern="x?")
        config = aivcs.store / "config.toml"
        config.write_text(config.read_text().replace("require_notes", "require_note"))
        assert "require_note" in aivcs(*promote, code=2).complaint


class TestTrial:
    def test_shows_the_verdict_of_every_rule_and_changes_nothing(self, aivcs, specs, unchanged):
        rule(aivcs, "require_label", "semver")
        rule(aivcs, "require_notes", "true")
        trial = ("release", "promote", "bot", specs[0], "--label", "1.0.0", "--dry-run")
        with unchanged:
            done = aivcs(*trial, code=15)
            label = "a version of SemVer 2.0.0, as in 1.4.0"
            assert [line.split("\t") for line in done.lines] == [
                ["require_label", "ok", "the label 1.0.0", label, "-"],
                ["require_notes", "failed", "none", "--notes TEXT", "say why: --notes"],
            ]
            assert b"would be refused by policy: require_notes" in done.err
            done = aivcs.ok(*trial, "--notes", "x")
            assert done.lines[0] == specs[0]
            assert [line.split("\t")[1] for line in done.lines[1:]] == ["ok", "ok"]
            done = aivcs.ok(*trial, "--notes", "x", "--json")
            assert (done.json["seq"], done.json["spec_digest"]) == (1, specs[0])
            assert [(v["rule"], v["ok"]) for v in done.json["verdicts"]] == [
                ("require_label", True), ("require_notes", True),
            ]  # fmt: skip
            assert aivcs(*trial, "--json", code=15).json["verdicts"][1]["ok"] is False

    def test_of_a_rollback_is_one_too(self, aivcs, specs, unchanged):
        for spec in specs:
            aivcs.ok("release", "promote", "bot", spec)
        rule(aivcs, "require_notes", "true")
        with unchanged:
            done = aivcs("release", "rollback", "bot", "--dry-run", code=15)
            assert done.text.startswith("require_notes\tfailed")
            trial = ("release", "rollback", "bot", "--reason", "x", "--dry-run")
            assert aivcs.ok(*trial).lines[0] == specs[0]

    def test_needs_no_policy(self, aivcs, specs, unchanged):
        with unchanged:
            done = aivcs.ok("release", "promote", "bot", specs[0], "--dry-run", "--json")
            assert done.json["verdicts"] == []


class TestProof:
    @pytest.fixture
    def promoted(self, aivcs, specs, runs):
        rule(aivcs, "require_runs", "2")
        rule(aivcs, "require_event", EVENT)
        made = runs(0.9, 0.8)
        aivcs.ok("release", "promote", "bot", specs[0], *evidence(*made))
        return made

    @staticmethod
    def results(aivcs, code=0):
        done = aivcs("release", "verify", "bot", "--json", code=code)
        return {(c["check"], c["result"]) for c in done.json_lines}

    def test_holds_when_the_configuration_has_long_been_changed(self, aivcs, promoted):
        aivcs.ok("config", "set", "policy.bot.require_runs", "9")
        assert self.results(aivcs) >= {
            ("evidence", "ok"), ("policy", "ok"), ("require_runs", "ok"), ("require_event", "ok"),
            ("require_runs", "not proven"),
        }  # fmt: skip

    def test_fails_where_a_run_was_written_anew(self, aivcs, promoted, files):
        log = aivcs.run_log(promoted[0])
        entries = [json.loads(line) for line in log.read_bytes().splitlines()]
        for entry in entries:
            del entry["hash"]
        entries[2]["payload"]["score"] = 0.99
        log.write_bytes(files.seal(entries))
        assert self.results(aivcs, 14) >= {("evidence", "failed"), ("policy", "failed")}

    @pytest.mark.parametrize("lost", ["run", "policy"])
    def test_fails_where_something_is_lost(self, aivcs, promoted, lost):
        if lost == "run":
            aivcs.run_log(promoted[0]).unlink()
        else:
            aivcs.object(last_release(aivcs)["policy"]).unlink()
        check = "evidence" if lost == "run" else "policy"
        assert (check, "failed") in self.results(aivcs, 14)

    def test_fails_where_the_rules_were_not_met_and_nobody_says_so(
        self, aivcs, specs, promoted, files
    ):
        entry = json.loads(aivcs.release_log("bot").read_bytes())
        del entry["hash"], entry["evidence"]
        aivcs.release_log("bot").write_bytes(files.seal([entry]))
        assert ("require_runs", "failed") in self.results(aivcs, 14)


def test_the_provenance_of_a_rollback_has_the_runs_of_the_promotion(aivcs, specs, runs):
    made = runs(0.9)
    aivcs.ok("release", "promote", "bot", specs[0], *evidence(*made))
    aivcs.ok("release", "promote", "bot", specs[1])
    aivcs.ok("release", "rollback", "bot")
    for seq in ("@1", "@3"):
        stated = aivcs.ok("release", "provenance", "bot", seq).json
        (product,) = stated["predicate"]["runDetails"]["byproducts"]
        last = json.loads(aivcs.run_log(made[0]).read_bytes().splitlines()[-1])
        assert product["name"] == f"run/{made[0]}"
        assert product["digest"] == {"aivcsHead": last["hash"]}
    assert aivcs.ok("release", "provenance", "bot").json == stated
    builder = ("--builder", "https://ci.example.com/workflow")
    stated = aivcs.ok("release", "provenance", "bot", *builder).json
    assert stated["predicate"]["runDetails"]["builder"]["id"] == builder[1]
    assert aivcs("release", "provenance", "bot", "--builder", "ci", code=2).complaint
    assert aivcs("release", "provenance", "nobody", code=12).complaint


class TestRaces:
    def test_leave_every_release_judged_by_what_was_before_it(self, aivcs, specs):
        rule(aivcs, "unique_label", "true")
        others = [aivcs.put(b"racing %d" % number) for number in range(6)]
        racing = [
            aivcs.start("release", "promote", "bot", spec, "--label", "same") for spec in others
        ]
        codes = sorted(process.wait(60) for process in racing)
        assert codes == [0, 15, 15, 15, 15, 15]
        assert len(aivcs.release_log("bot").read_bytes().splitlines()) == 1
