"""A checkout that cannot be done leaves everything as it was."""

import os

import pytest

from aivcs.api import Repository
from aivcs.errors import BackendError
from aivcs.specs.checkout import checkout
from aivcs.specs.selection import select
from aivcs.specs.spec import create
from aivcs.specs.work_tree import WorkTree


@pytest.fixture
def agent(tmp_path):
    """Two parts in a folder: one file, and one that is in a folder."""
    folder = tmp_path / "agent"
    (folder / "prompts").mkdir(parents=True)
    (folder / "prompts" / "system.md").write_text("new\n")
    (folder / "config").write_text("new\n")
    return folder


def seen(folder):
    return {str(path): path.read_bytes() if path.is_file() else None for path in folder.rglob("*")}


def outcome(repo, spec, out):
    try:
        return checkout(repo, spec, str(out), force=True)
    except BackendError as error:
        return error


@pytest.mark.parametrize("call", ["rename", "open", "mkdir"])
@pytest.mark.parametrize("is_there", [True, False])
def test_a_failure_at_any_step_undoes_the_others(tmp_path, agent, monkeypatch, call, is_there):
    repo = Repository.init(tmp_path)
    files = select(
        WorkTree(str(agent), store=repo.path), [(None, "prompts"), (None, "config")],
        folder=str(agent),
    )  # fmt: skip
    spec = create(repo, files).digest
    out = tmp_path / "out" / "there"
    if is_there:
        (out / "prompts").mkdir(parents=True)
        (out / "prompts" / "system.md").write_text("old\n")
        (out / "config").write_text("old\n")
    before = seen(tmp_path)
    real = getattr(os, call)
    for step in range(20):
        calls = 0

        def fail_at_step(path, *arguments, **options):
            nonlocal calls
            if b"out" in os.fsencode(path) and (call != "open" or arguments[0] & os.O_CREAT):
                calls += 1
                if calls == step + 1:  # noqa: B023 called only within this round
                    raise OSError(28, "No space left on device")
            return real(path, *arguments, **options)

        monkeypatch.setattr(os, call, fail_at_step)
        if isinstance(outcome(repo, spec, out), BackendError):
            assert seen(tmp_path) == before
        else:
            assert calls <= step
            break  # every one of them has failed once
    else:
        pytest.fail("it never succeeded")
    assert step > 0
    assert seen(out) == {
        str(out / "config"): b"new\n",
        str(out / "prompts"): None,
        str(out / "prompts" / "system.md"): b"new\n",
    }
