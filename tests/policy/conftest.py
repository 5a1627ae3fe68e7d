"""Keys as ssh-keygen makes them, and the file that says whose count."""

import os
import shutil
import subprocess

import pytest


class Keys:
    """Private keys in a folder, made when they are asked for."""

    def __init__(self, folder):
        self.folder = folder

    def __call__(self, name, passphrase=""):
        """The file of a key."""
        path = self.folder / name
        if not path.exists():
            subprocess.run(
                [
                    "ssh-keygen",
                    "-q",
                    "-t",
                    "ed25519",
                    "-N",
                    passphrase,
                    "-C",
                    name,
                    "-f",
                    str(path),
                ],
                check=True,
            )
        return path

    def allow(self, **options):
        """A file that allows each of some keys, as NAME@example.com, with some options."""
        path = self.folder / "allowed_signers"
        lines = []
        for name, option in options.items():
            kind, key, _ = self(name).with_suffix(".pub").read_text().split(" ", 2)
            lines.append(" ".join(filter(None, [f"{name}@example.com", option, kind, key])))
        path.write_text("\n".join(lines) + "\n")
        return path

    def agent(self, *names):
        """The environment of an ssh-agent that holds some keys, and its process to be ended."""
        socket = self.folder / "agent"
        process = subprocess.Popen(
            ["ssh-agent", "-D", "-a", str(socket)], stdout=subprocess.DEVNULL
        )
        environment = {**os.environ, "SSH_AUTH_SOCK": str(socket)}
        while not socket.exists():
            assert process.poll() is None
        for name in names:
            subprocess.run(
                ["ssh-add", "-q", str(self(name))], env=environment, check=True,
                stderr=subprocess.DEVNULL,
            )  # fmt: skip
        return environment, process


@pytest.fixture
def keys(tmp_path):
    if shutil.which("ssh-keygen") is None:
        pytest.skip("there is no ssh-keygen")
    folder = tmp_path / "keys"
    folder.mkdir()
    return Keys(folder)
