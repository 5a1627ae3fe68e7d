"""A run with a secret in it, in a store, and the search for bytes in every file of a store."""

import subprocess

import pytest
from cli import conftest as of_cli

SECRET = "sk-live-2f8c4e1d9b7a6053"
terminal = of_cli.terminal


@pytest.fixture
def secret_run(aivcs):
    """A run that has ended, with the secret in events 1, 4 and 6, and in the blob of event 3."""
    return record(aivcs)


@pytest.fixture
def keys(aivcs, tmp_path):
    """The key of an allowed eraser, who signs by default."""
    key = tmp_path / "eraser"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    public = " ".join(key.with_suffix(".pub").read_text().split()[:2])
    (aivcs.home / "erasers").write_text(f"ada@example.com {public}\n")
    aivcs.ok("config", "set", "--user", "signing.allowed_erasers", str(aivcs.home / "erasers"))
    aivcs.ok("config", "set", "--user", "signing.key", str(key))


def record(aivcs, *, is_over=True):
    run = aivcs.begin("bot", b"a spec\n")
    (aivcs.folder / "out.txt").write_text(f"export TOKEN={SECRET}\n")
    aivcs.ok("run", "log", run, "tool_called", f"cmd=curl -H {SECRET}")
    aivcs.ok("run", "log", run, "output", "text=nothing")
    aivcs.ok("run", "log", "--blob", "file=out.txt", run, "output")
    aivcs.ok("run", "log", run, "output", f'{{"lines":[{{"text":"{SECRET}"}}]}}')
    aivcs.ok("run", "log", run, "evaluation", "score:=0.9")
    aivcs.ok("run", "log", run, "output", f'{{"{SECRET}":1,"kept":"this"}}')
    (aivcs.folder / "out.txt").unlink()
    if is_over:
        aivcs.ok("run", "finish", run, "--exit-code", "0")
    return run


def quarantine(aivcs):
    """Damages the blob with the secret, and lets a repair put it aside; returns its digest."""
    (path,) = holders(aivcs.store / "objects")
    place = aivcs.store / "objects" / path
    place.chmod(0o600)
    place.write_bytes(place.read_bytes() + b"junk")
    aivcs.ok("verify", "--repair")
    assert len(holders(aivcs.store / "damaged")) == 1
    return path.replace("/", "")


def holders(folder, text=SECRET):
    """The files below a folder that have a text in them, whatever they are."""
    return sorted(
        str(path.relative_to(folder))
        for path in folder.rglob("*")
        if path.is_file() and text.encode() in path.read_bytes()
    )


def records(aivcs):
    """The records of erasures in a store, by what was erased."""
    import json

    return [json.loads(path.read_bytes()) for path in sorted((aivcs.store / "erasures").iterdir())]
