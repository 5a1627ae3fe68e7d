"""Signatures through ssh-keygen: made and looked at here, checked by ssh-keygen itself."""

import os
import signal
import subprocess

import pytest

from aivcs.errors import BackendError, UsageError
from aivcs.model.digest import ContentDigest
from aivcs.model.timestamp import Timestamp
from aivcs.signing.check import TRUSTED, UNKNOWN, WRONG
from aivcs.signing.ssh import HEAD, RELEASE, Signer, Verifier

HASH = str(ContentDigest.from_bytes(b"an entry"))
NOW = Timestamp("2026-11-23T17:18:12.809765Z")


def sign(key, text=HASH, namespace=RELEASE, environment=None):
    return Signer(str(key), environment or os.environ).sign(text, namespace)


def check(allowed, signature, text=HASH, namespace=RELEASE, moment=NOW):
    return Verifier(str(allowed), os.environ).check(text, signature, namespace, moment)


class TestSigning:
    def test_makes_what_ssh_keygen_accepts_for_the_bare_hash(self, keys, tmp_path):
        (tmp_path / "sig").write_text(sign(keys("ada")))
        done = subprocess.run(
            ["ssh-keygen", "-Y", "verify", "-f", keys.allow(ada=""), "-I", "ada@example.com",
             "-n", "aivcs-release@v1", "-s", tmp_path / "sig"],
            input=HASH.encode(), capture_output=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done

    def test_uses_a_key_that_ssh_agent_has(self, keys, tmp_path):
        environment, agent = keys.agent("ada")
        try:
            alone = tmp_path / "ada.pub"
            alone.write_bytes(keys("ada").with_suffix(".pub").read_bytes())
            signature = sign(alone, environment=environment)
        finally:
            agent.terminate()
            agent.wait()
        assert check(keys.allow(ada=""), signature)[:2] == (TRUSTED, "ada@example.com")

    def test_never_asks_for_a_passphrase(self, keys):
        key = keys("locked", "secret")
        with pytest.raises(BackendError, match=r"cannot sign with .*passphrase.*ssh-agent") as info:
            sign(key, environment={**os.environ, "SSH_ASKPASS": "/bin/echo", "DISPLAY": ":0"})
        assert "\n" not in str(info.value)

    def test_says_that_no_agent_has_the_key(self, keys, tmp_path):
        alone = tmp_path / "ada.pub"
        alone.write_bytes(keys("ada").with_suffix(".pub").read_bytes())
        without = {name: v for name, v in os.environ.items() if name != "SSH_AUTH_SOCK"}
        with pytest.raises(BackendError, match="No private key found"):
            sign(alone, environment=without)

    def test_says_that_there_is_no_key(self, tmp_path):
        with pytest.raises(BackendError, match=r"there is no key .*absent"):
            sign(tmp_path / "absent")

    def test_says_that_there_is_no_ssh_keygen(self, keys, tmp_path):
        with pytest.raises(BackendError, match="install OpenSSH"):
            sign(keys("ada"), environment={"PATH": str(tmp_path)})


class TestChecking:
    def test_names_the_signer(self, keys):
        signature = sign(keys("ada"))
        assert check(keys.allow(bob="", ada=""), signature)[:2] == (TRUSTED, "ada@example.com")

    def test_tells_a_stranger_from_a_forgery(self, keys):
        allowed, signature = keys.allow(bob=""), sign(keys("ada"))
        state, detail, _ = check(allowed, signature)
        assert state == UNKNOWN
        assert detail.startswith("ED25519 key SHA256:")
        assert check(allowed, signature, text="0" * 64).state == WRONG
        assert check(allowed, signature, text=HASH + "\n").state == WRONG

    def test_does_so_where_the_system_forgets_how_processes_end(self, keys):
        allowed, signature = keys.allow(ada=""), sign(keys("ada"))
        before = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        try:
            assert check(allowed, signature).state == TRUSTED
            assert check(allowed, signature, text="0" * 64).state == WRONG
            assert check(allowed, "garbage").state == WRONG
        finally:
            signal.signal(signal.SIGCHLD, before)

    @pytest.mark.parametrize("signature", ["", "garbage", "\0", "-----BEGIN SSH SIGNATURE-----\n"])
    def test_takes_nothing_else_for_a_signature(self, keys, signature):
        assert check(keys.allow(ada=""), signature).state == WRONG

    @pytest.mark.parametrize("script", ["echo No user exists for uid 5 >&2; exit 255", "exit 127"])
    def test_calls_none_wrong_where_ssh_keygen_does_not_work(self, keys, tmp_path, script):
        """As for a user without an entry in the list of users, or where a library is missing."""
        allowed, signature = keys.allow(ada=""), sign(keys("ada"))
        (tmp_path / "ssh-keygen").write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / "ssh-keygen").chmod(0o755)
        environment = {"PATH": str(tmp_path)}
        before = os.environ["PATH"]
        os.environ["PATH"] = str(tmp_path)
        try:
            with pytest.raises(BackendError, match="ssh-keygen does not work here"):
                Verifier(str(allowed), environment).check(HASH, signature, RELEASE, NOW)
            with pytest.raises(BackendError, match="ssh-keygen does not work here"):
                sign(keys("ada"), environment=environment)
        finally:
            os.environ["PATH"] = before

    def test_keeps_purposes_apart(self, keys):
        allowed = keys.allow(ada="")
        assert check(allowed, sign(keys("ada"), namespace=HEAD)).state == WRONG
        allowed = keys.allow(ada='namespaces="git"')
        assert check(allowed, sign(keys("ada"))).state == UNKNOWN

    def test_asks_whether_the_key_was_allowed_at_the_time(self, keys):
        signature = sign(keys("ada"))
        allowed = keys.allow(ada='valid-before="20261124"')
        assert check(allowed, signature).state == TRUSTED
        late = Timestamp("2026-11-25T00:00:00Z")
        assert check(allowed, signature, moment=late).state == UNKNOWN

    def test_refuses_allowed_signers_that_cannot_be_read(self, keys, tmp_path):
        with pytest.raises(UsageError, match=r"signing.allowed_signers is .*absent"):
            check(tmp_path / "absent", sign(keys("ada")))

    def test_refuses_allowed_signers_that_are_no_file(self, keys, tmp_path):
        os.mkfifo(tmp_path / "pipe")  # to be opened by a reader, it waits for a writer
        for path in (tmp_path / "pipe", tmp_path, tmp_path / "a\0b"):
            with pytest.raises(UsageError, match=r"signing.allowed_signers is .*cannot be read"):
                check(path, sign(keys("ada")))
