"""Signatures by SSH keys: the boundary to `ssh-keygen -Y`. Knows no release and no store.

The signed text is 64 hexadecimal characters without a newline, so that anybody can check:

    printf %s HASH | ssh-keygen -Y verify -f ALLOWED_SIGNERS -I WHO -n aivcs-release@v1 -s FILE

Nothing here ever prompts: ssh-keygen gets no terminal, no input and no askpass program. A key with
a passphrase is used through ssh-agent, or refused.
"""

from __future__ import annotations

import os
from base64 import b64encode
from binascii import a2b_base64
from contextlib import contextmanager
from stat import S_ISREG
from typing import TYPE_CHECKING, NamedTuple

from aivcs.codec.sha256 import hasher
from aivcs.errors import BackendError, SerializationError, UsageError
from aivcs.model.release_entries import NAMESPACE, fingerprint_of
from aivcs.signing.check import TRUSTED, UNKNOWN, WRONG, SignatureCheck

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from subprocess import CompletedProcess

    from aivcs.model.timestamp import Timestamp

RELEASE = NAMESPACE
"""The namespace of a signature of a release: the hash of its entry is signed."""
HEAD = "aivcs-head@v1"
"""The namespace of a signature of a manifest of heads: its digest is signed."""
SECONDS = 60
"""Seconds that ssh-keygen may take: a hardware key waits for a touch."""
MAX_SIGNATURE = 64 << 10
"""Bytes of a signature, at most; the longest real ones have some 2 KiB."""
_PROBE = ("aivcs", "aivcs-probe")
"""Text and namespace of a known good signature, by a key that was thrown away."""
_GOOD = """\
-----BEGIN SSH SIGNATURE-----
U1NIU0lHAAAAAQAAADMAAAALc3NoLWVkMjU1MTkAAAAgil0pbg9tL4nIElXgjCUndyO88N
WJgeVHs82vWeDerM8AAAALYWl2Y3MtcHJvYmUAAAAAAAAABnNoYTUxMgAAAFMAAAALc3No
LWVkMjU1MTkAAABAdtZ93q/1swhEzgzyv2d3RBWpuM0G7XXZ7caa7ddlaLSvDH0p8Vq67K
xBndvwKR4RtGau62+A5EB4yqSty4azCQ==
-----END SSH SIGNATURE-----
"""
"""The known good signature. If ssh-keygen rejects it, ssh-keygen does not work here."""


class Signer(NamedTuple):
    """A signer: a key and the environment to use it in.

    Attributes:
        key: The file of a private key, or of a public key whose private half ssh-agent holds.
        environment: The environment for ssh-keygen, which names the ssh-agent.
    """

    key: str
    environment: Mapping[str, str]

    def sign(self, text: str, namespace: str) -> str:
        """Returns the armored signature of a text.

        Raises:
            BackendError: The signature could not be made; the message tells why and the way out.
        """
        if not os.path.isfile(self.key):
            raise BackendError(
                f"cannot sign: there is no key {self.key!a}; make one with: ssh-keygen -t ed25519"
            )
        # By its streams, not by files: nothing is left behind, whatever ends this process.
        done = _run(
            ["sign", "-f", os.path.abspath(self.key), "-n", namespace],
            self.environment,
            text.encode(),
        )
        signature = done.stdout.decode(errors="replace")
        if done.returncode or not signature:
            _require_working(self.environment)
            raise BackendError(
                f"cannot sign with {self.key!a}: {_said(done)}. A key with a passphrase has to be "
                f"in ssh-agent (ssh-add), named by its public half: --signing-key FILE.pub"
            )
        return signature

    def fingerprint(self) -> str:
        """Returns the fingerprint of the key by its public half; empty if that cannot be read."""
        for path in (f"{self.key}.pub", self.key):
            try:
                with open(path, "rb") as file:
                    kind, key = file.read(MAX_SIGNATURE).split(maxsplit=2)[:2]
                if kind.startswith((b"ssh-", b"ecdsa-", b"sk-")):
                    blob = a2b_base64(key)
                    shown = b64encode(hasher(len(blob), blob).digest()).decode()
                    return f"SHA256:{shown.rstrip('=')}"
            except (OSError, ValueError):
                continue
        return ""


class Verifier(NamedTuple):
    """A verifier of signatures against a file of allowed signers.

    Attributes:
        allowed_signers: A file as ssh-keygen(1) describes it under ALLOWED SIGNERS.
        environment: The environment for ssh-keygen.
    """

    allowed_signers: str
    environment: Mapping[str, str]

    def require_readable(self) -> None:
        """Requires that the file of allowed signers can be read: without it every key is unknown.

        Raises:
            UsageError: The file cannot be read.
        """
        why: str | None = "it is not a regular file"
        try:
            if S_ISREG(os.stat(self.allowed_signers).st_mode):  # a pipe would keep us waiting
                with open(self.allowed_signers, "rb") as file:
                    file.read(1)
                return
        except OSError as error:
            why = error.strerror
        except ValueError:  # it holds a NUL
            why = "it cannot be a path"
        raise UsageError(
            f"signing.allowed_signers is {self.allowed_signers!a}, which cannot be read: {why}"
        )

    def check(
        self, text: str, signature: str, namespace: str, moment: Timestamp | None
    ) -> SignatureCheck:
        """Checks a signature of a text.

        Args:
            text: The signed text.
            signature: The armored signature.
            namespace: The namespace of the signature.
            moment: The time at which its key must have been allowed; None is now.

        Raises:
            BackendError: ssh-keygen is missing, or does not work here.
            UsageError: The allowed signers cannot be read.
        """
        self.require_readable()
        at = [] if moment is None else ["-O", f"verify-time={_compact(moment)}"]
        signers = ["-f", os.path.abspath(self.allowed_signers), *at]
        made = signature.encode()[:MAX_SIGNATURE]
        with _unnamed(made) as file:
            found = _run(["find-principals", *signers], self.environment, signature=file)
            for who in _principals(found.stdout.decode(errors="replace")):
                done = _run(
                    ["verify", "-I", who, "-n", namespace, *signers],
                    self.environment,
                    text.encode(),
                    signature=file,
                )
                if _is_good(done):
                    return SignatureCheck(TRUSTED, who, _fingerprint(signature))
        return look(text, signature, namespace, self.environment)


def look(
    text: str, signature: str, namespace: str, environment: Mapping[str, str]
) -> SignatureCheck:
    """Checks that a signature is valid for a text, by any key: `UNKNOWN` if so, else `WRONG`.

    Raises:
        BackendError: ssh-keygen is missing, or does not work here.
    """
    done = _validate(text, signature, namespace, environment)
    if not _is_good(done):
        _require_working(environment)
        return SignatureCheck(WRONG, _said(done))
    _, _, key = done.stdout.decode(errors="replace").strip().partition(" signature with ")
    return SignatureCheck(UNKNOWN, key or "an unknown key", _fingerprint(signature))


def _fingerprint(signature: str) -> str:
    """The fingerprint of the key of a good signature; empty if only ssh-keygen can read it."""
    try:
        return fingerprint_of(signature)
    except SerializationError:
        return ""


def _validate(
    text: str, signature: str, namespace: str, environment: Mapping[str, str]
) -> CompletedProcess[bytes]:
    with _unnamed(signature.encode()[:MAX_SIGNATURE]) as file:
        return _run(
            ["check-novalidate", "-n", namespace], environment, text.encode(), signature=file
        )


def _require_working(environment: Mapping[str, str]) -> None:
    """Requires that ssh-keygen accepts a known good signature.

    Otherwise a failure says nothing about the signature: ssh-keygen needs an entry in the list of
    users, for example, which a container's user often lacks.

    Raises:
        BackendError: ssh-keygen rejects the known good signature.
    """
    text, namespace = _PROBE
    done = _validate(text, _GOOD, namespace, environment)
    if not _is_good(done):
        raise BackendError(f"ssh-keygen does not work here: {_said(done)}")


def _is_good(done: CompletedProcess[bytes]) -> bool:
    """Whether ssh-keygen accepted a signature.

    Not by its exit code alone: if the process inherited an ignored SIGCHLD, the system drops exit
    codes, and subprocess reports 0.
    """
    return not done.returncode and done.stdout.startswith(b'Good "')


def _principals(text: str) -> Iterator[str]:
    """The principals in ssh-keygen's output, one by one; a line may list several."""
    for line in text.splitlines():
        for name in line.split(","):
            if name and not name.startswith("!"):
                yield name


def _compact(moment: Timestamp) -> str:
    """A time in the form that ssh-keygen takes: in UTC, to the second."""
    return "".join(c for c in moment[:19] if c.isdigit()) + "Z"


@contextmanager
def _unnamed(data: bytes) -> Iterator[int]:
    """The descriptor of a file without a name, which vanishes however this process ends.

    Raises:
        BackendError: The file cannot be made, or ssh-keygen could not open it.
    """
    from tempfile import TemporaryFile

    try:
        with TemporaryFile(buffering=0) as file:
            file.write(data)
            if not os.path.exists(f"/dev/fd/{file.fileno()}"):
                # Checked here, because ssh-keygen would only say that it is not a signature.
                raise BackendError(
                    "signatures cannot be checked here: there is no /dev/fd (is /proc mounted?)"
                )
            yield file.fileno()
    except OSError as error:
        raise BackendError(f"cannot write a file for ssh-keygen: {error}") from error


def _run(
    arguments: list[str],
    environment: Mapping[str, str],
    data: bytes = b"",
    *,
    signature: int | None = None,
) -> CompletedProcess[bytes]:
    """Runs `ssh-keygen -Y` with data as input and a signature in an open file."""
    import subprocess

    quiet = {"SSH_ASKPASS_REQUIRE": "never", "LC_ALL": "C"}
    if signature is not None:
        os.lseek(signature, 0, os.SEEK_SET)  # not all systems open it anew
        arguments = [*arguments, "-s", f"/dev/fd/{signature}"]
    try:
        return subprocess.run(
            ["ssh-keygen", "-Y", *arguments],
            input=data,
            capture_output=True,
            pass_fds=() if signature is None else (signature,),
            env={**environment, **quiet},
            start_new_session=True,  # without a terminal there is nowhere to ask for a passphrase
            timeout=SECONDS,
            check=False,
        )
    except FileNotFoundError as error:
        raise BackendError(
            "ssh-keygen, which makes and checks signatures, is missing; install OpenSSH"
        ) from error
    except OSError as error:
        raise BackendError(f"cannot run ssh-keygen: {error.strerror}") from error
    except subprocess.TimeoutExpired as error:
        raise BackendError(f"ssh-keygen did not answer within {SECONDS} s") from error


def _said(done: CompletedProcess[bytes]) -> str:
    """The error output of ssh-keygen, on one line."""
    lines = done.stderr.decode(errors="replace").strip().splitlines()
    said = "; ".join(line.strip().rstrip(".") for line in lines if not line.startswith("Signing"))
    return f"ssh-keygen says: {said[:300] or f'exit code {done.returncode}'}"
