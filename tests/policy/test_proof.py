"""Signed releases and heads, and what of them can be proven: by ssh-keygen itself, and by us."""

import json
import os
import signal
import subprocess
import time
from typing import Any

import pytest


@pytest.fixture
def specs(aivcs):
    return [aivcs.put(b"spec %d" % number) for number in (1, 2, 3)]


@pytest.fixture
def signers(aivcs, keys):
    """Ada signs, and is allowed to; so is bob."""
    aivcs.ok("config", "set", "--user", "signing.key", str(keys("ada")))
    allowed = keys.allow(ada="", bob="")
    aivcs.ok("config", "set", "--user", "signing.allowed_signers", str(allowed))
    return allowed


def entries(aivcs, name="bot"):
    return [json.loads(line) for line in aivcs.release_log(name).read_bytes().splitlines()]


def checks(aivcs, *arguments, code=0, **options):
    """What is said of each entry: (seq, check) → results, in order."""
    found: dict[Any, Any] = {}
    done = aivcs("release", "verify", "bot", *arguments, "--json", code=code, **options)
    for check in done.json_lines:
        assert check["name"] == "bot"
        found.setdefault((check["seq"], check["check"]), []).append(check["result"])
    return found


def ssh_keygen(*arguments, data):
    return subprocess.run(
        ["ssh-keygen", "-Y", *map(str, arguments)], input=data.encode(), capture_output=True,
        check=False,
    ).returncode  # fmt: skip


class TestSigning:
    def test_with_a_release_can_be_checked_without_aivcs(self, aivcs, specs, signers, tmp_path):
        aivcs.ok("release", "promote", "bot", specs[0], "--sign")
        release, mark = entries(aivcs)
        (tmp_path / "sig").write_text(mark["signature"])
        verify = ("verify", "-f", signers, "-I", "ada@example.com", "-n", "aivcs-release@v1",
                  "-s", tmp_path / "sig")  # fmt: skip
        assert ssh_keygen(*verify, data=release["hash"]) == 0
        assert ssh_keygen(*verify, data=release["hash"] + "\n") != 0

    def test_afterwards_is_of_what_is_live_or_of_any_entry(self, aivcs, specs, signers):
        aivcs.ok("release", "promote", "bot", specs[0])
        aivcs.ok("release", "promote", "bot", specs[1])
        done = aivcs.ok("release", "sign", "bot")
        assert done.out == b""
        assert b"@2 is signed with ada@example.com" in done.err
        mark = aivcs.ok("release", "sign", "bot", "@1", "--json").json
        assert (mark["signed_seq"], mark["signed_hash"]) == (1, entries(aivcs)[0]["hash"])
        assert aivcs.ok("release", "current", "bot").text == specs[1]
        assert aivcs.ok("release", "rollback", "bot").text == specs[0]

    def test_with_a_rollback_takes_a_key_of_its_own(self, aivcs, specs, keys, signers):
        for spec in specs[:2]:
            aivcs.ok("release", "promote", "bot", spec)
        aivcs.ok("release", "rollback", "bot", "--signing-key", str(keys("bob")))
        assert checks(aivcs, "@3")[3, "signature"] == ["ok"]

    @pytest.mark.parametrize("action", ["promote", "sign"])
    def test_that_fails_changes_nothing(self, aivcs, specs, keys, unchanged, action):
        aivcs.ok("release", "promote", "bot", specs[0])
        command = ("promote", "bot", specs[1], "--sign") if action == "promote" else ("sign", "bot")
        with unchanged:
            done = aivcs("release", *command, code=2)
            assert "signing.key" in done.complaint
            for key, complaint in (
                ("/absent", "there is no key"),
                (str(keys("locked", "secret")), "ssh-add"),
                (str(keys("lone").with_suffix(".pub")), "cannot sign"),
            ):
                keys("lone").unlink(missing_ok=True)
                done = aivcs("release", *command, "--signing-key", key, code=16)
                assert complaint in done.complaint
            keygenless = {"PATH": str(aivcs.home)}
            done = aivcs(
                "release", *command, "--signing-key", str(keys("ada")), env=keygenless, code=16
            )
            assert "install OpenSSH" in done.complaint

    def test_of_what_was_not_released_is_not_found(self, aivcs, specs, signers, unchanged):
        aivcs.ok("release", "promote", "bot", specs[0], "--sign")
        with unchanged:
            assert aivcs("release", "sign", "nobody", code=12).complaint
            assert "@9" in aivcs("release", "sign", "bot", "@9", code=12).complaint
            assert "@2" in aivcs("release", "sign", "bot", "2", code=12).complaint  # a mark
            assert "v1" in aivcs("release", "sign", "bot", "v1", code=12).complaint


class TestEnding:
    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
    @pytest.mark.parametrize("verb", ["sign", "verify"])
    def test_leaves_no_file_behind(self, aivcs, specs, signers, tmp_path, verb, number):
        aivcs.ok("release", "promote", "bot", specs[0], "--sign")
        slow = tmp_path / "slow"
        slow.mkdir()
        (slow / "ssh-keygen").write_text(f"#!/bin/sh\n: >{slow}/asked; exec sleep 2\n")
        (slow / "ssh-keygen").chmod(0o755)
        files = tmp_path / "files"
        files.mkdir()
        env = {"PATH": f"{slow}:{os.environ['PATH']}", "TMPDIR": str(files)}
        process = aivcs.start("release", verb, "bot", env=env, stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + 30
        while not (slow / "asked").exists():
            assert time.monotonic() < deadline
            time.sleep(0.01)
        process.send_signal(number)
        assert process.wait(30) in {-number, 130}
        assert list(files.iterdir()) == []


class TestProof:
    def test_says_what_is_proven_and_what_is_not(self, aivcs, specs, signers):
        aivcs.ok("release", "promote", "bot", specs[0])
        aivcs.ok("release", "promote", "bot", specs[1], "--sign")
        assert checks(aivcs) == {
            (None, "chain"): ["ok"],
            (None, "stack"): ["ok"],
            (1, "block"): ["ok"],
            (1, "policy"): ["not proven"],
            (1, "signature"): ["not proven"],
            (2, "block"): ["ok"],
            (2, "policy"): ["not proven"],
            (2, "signature"): ["ok"],
        }

    def test_prints_lines_for_programs_and_a_count_for_people(self, aivcs, specs, signers):
        aivcs.ok("release", "promote", "bot", specs[0], "--sign")
        done = aivcs.ok("release", "verify", "bot")
        head = entries(aivcs)[1]["hash"]
        assert [line.split("\t") for line in done.lines] == [
            ["-", "chain", "ok", f"2 lines, head {head}"],
            ["-", "stack", "ok", "every entry follows from those before it"],
            ["@1", "block", "ok", "the spec was not blocked"],
            ["@1", "policy", "not proven", "no policy was applied"],
            ["@1", "signature", "ok", "by ada@example.com"],
        ]
        assert done.err == b"bot: 4 ok, 1 not proven\n"

    def test_trusts_a_key_for_the_time_in_which_it_was_allowed(self, aivcs, specs, keys, signers):
        aivcs.ok("release", "promote", "bot", specs[0], "--sign")
        keys.allow(ada='valid-after="20200101"', bob="")
        assert checks(aivcs)[1, "signature"] == ["ok"]
        keys.allow(ada='valid-before="20200101"', bob="")
        assert checks(aivcs)[1, "signature"] == ["not proven"]

    def test_without_signers_proves_no_signature_and_says_so(self, aivcs, specs, keys):
        aivcs.ok("release", "promote", "bot", specs[0], "--signing-key", str(keys("ada")))
        done = aivcs.ok("release", "verify", "bot")
        assert "signing.allowed_signers is not set" in done.lines[-1]
        assert checks(aivcs)[1, "signature"] == ["not proven"]

    def test_needs_signers_that_can_be_read(self, aivcs, specs, keys):
        aivcs.ok("release", "promote", "bot", specs[0], "--signing-key", str(keys("ada")))
        aivcs.ok("config", "set", "--user", "signing.allowed_signers", "~/absent")
        done = aivcs("release", "verify", "bot", code=2)
        assert done.out == b""
        assert f"{aivcs.home}/absent" in done.complaint

    def test_fails_where_a_signature_is_of_something_else(self, aivcs, specs, signers, files):
        for name in ("bot", "other"):
            aivcs.ok("release", "promote", name, specs[0], "--sign")
        log = entries(aivcs)
        log[1]["signature"] = entries(aivcs, "other")[1]["signature"]
        for entry in log:
            del entry["hash"]
        aivcs.release_log("bot").write_bytes(files.seal(log))
        assert checks(aivcs, code=14)[1, "signature"] == ["failed"]
        aivcs.ok("config", "unset", "--user", "signing.allowed_signers")
        assert checks(aivcs, code=14)[1, "signature"] == ["failed"]

    def test_fails_where_the_log_was_written_anew(self, aivcs, specs, signers, files):
        aivcs.ok("release", "promote", "bot", specs[0], "--sign")
        log = entries(aivcs)
        for entry in log:
            del entry["hash"]
        log[0]["metadata"]["promoted_by"] = "mallory"
        aivcs.release_log("bot").write_bytes(files.seal(log))
        assert checks(aivcs, code=14)[1, "signature"] == ["failed"]

    def test_fails_where_the_chain_is_broken(self, aivcs, specs):
        aivcs.ok("release", "promote", "bot", specs[0], "--by", "ada")
        aivcs.ok("release", "promote", "bot", specs[1], "--by", "ada")
        log = aivcs.release_log("bot")
        log.write_bytes(log.read_bytes().replace(b'"ada"', b'"bob"', 1))
        assert checks(aivcs, code=14) == {(None, "chain"): ["failed"]}

    def test_is_of_a_name_that_was_released(self, aivcs, specs):
        assert aivcs("release", "verify", "nobody", code=12).complaint
        assert aivcs("release", "verify", "", code=2).complaint
        aivcs.ok("release", "promote", "bot", specs[0])
        assert "@7" in aivcs("release", "verify", "bot", "@7", code=12).complaint
        assert "seven" in aivcs("release", "verify", "bot", "seven", code=12).complaint
        assert aivcs("release", "verify", "bot", "--repair", code=2).complaint
        assert aivcs.ok("release", "verify").out == b""


class TestHeads:
    def test_are_signed_and_verified(self, aivcs, specs, signers, tmp_path):
        aivcs.ok("release", "promote", "bot", specs[0])
        kept = tmp_path / "head.txt"
        kept.write_bytes(aivcs.ok("head", "--sign").out)
        digest, *armor = kept.read_text().splitlines(keepends=True)
        (tmp_path / "sig").write_text("".join(armor))
        verify = ("verify", "-f", signers, "-I", "ada@example.com", "-n", "aivcs-head@v1",
                  "-s", tmp_path / "sig")  # fmt: skip
        assert ssh_keygen(*verify, data=digest.strip()) == 0
        command = ("verify", "--head", digest.strip(), "--head-signature")
        aivcs.ok(*command, str(kept))
        aivcs.ok(*command, str(tmp_path / "sig"))

    def test_are_not_believed_otherwise(self, aivcs, specs, keys, signers, tmp_path):
        aivcs.ok("release", "promote", "bot", specs[0])
        kept = tmp_path / "head.txt"
        kept.write_bytes(aivcs.ok("head", "--signing-key", str(keys("mallory"))).out)
        digest = kept.read_text()[:64]
        command = ("verify", "--head", digest, "--head-signature")
        (finding,) = aivcs(*command, str(kept), "--json", code=14).json_lines
        assert "not by an allowed signer" in finding["problem"]
        kept.write_bytes(aivcs.ok("head", "--sign").out.replace(b"A", b"B"))
        assert b"is not one of it" in aivcs(*command, str(kept), code=14).out
        assert "absent" in aivcs(*command, str(tmp_path / "absent"), code=2).complaint
        endless = tmp_path / "endless"  # as a device would be, but for a test that fails
        endless.touch()
        os.truncate(endless, (1 << 20) + 1)
        assert "more than 1048576 bytes" in aivcs(*command, str(endless), code=16).complaint
        assert "--head" in aivcs("verify", "--head-signature", str(kept), code=2).complaint
        aivcs.ok("config", "unset", "--user", "signing.allowed_signers")
        assert "signing.allowed_signers" in aivcs(*command, str(kept), code=2).complaint

    def test_come_with_their_signature_as_json(self, aivcs, signers):
        taken = aivcs.ok("head", "--sign", "--json").json
        assert taken["signature"].startswith("-----BEGIN SSH SIGNATURE-----\n")
        assert "signature" not in aivcs.ok("head", "--json").json
