"""The back doors to the bytes of each backend, and the event loop for the async twins."""

import pytest

from aivcs.backends.fs import FileBackend
from aivcs.testing import Bridge


@pytest.fixture
def bridge():
    with Bridge() as bridge:
        yield bridge


@pytest.fixture
def rewrite_memory():
    """Makes the suite's `rewrite` for the logs of a memory store."""

    def of(logs):
        def rewrite(name, edit):
            log = logs[name]
            log.lines[:] = [line + b"\n" for line in edit([line[:-1] for line in log.lines])]

        return rewrite

    return of


@pytest.fixture
def rewrite_in_memory():
    """Makes the suite's `rewrite` for the logs of a driver in memory."""

    def of(driver, kind):
        def rewrite(name, edit):
            lines = driver.logs[kind + name]
            driver.logs[kind + name] = [line + b"\n" for line in edit([ln[:-1] for ln in lines])]

        return rewrite

    return of


@pytest.fixture
def folder(tmp_path):
    """The folder of a new store on disk."""
    path = tmp_path / ".aivcs"
    FileBackend.init(str(path))
    return path


@pytest.fixture
def corrupt_object(folder):
    """The suite's `corrupt` for a store on disk."""

    def corrupt(digest, edit):
        path = folder / "objects" / digest[:2] / digest[2:]
        path.chmod(0o644)
        path.write_bytes(edit(path.read_bytes()))

    return corrupt


@pytest.fixture
def rewrite_run(folder):
    """The suite's `rewrite` for the runs of a store on disk."""
    return lambda run, edit: rewrite_file(folder / "runs" / run[:2] / f"{run}.jsonl", edit)


@pytest.fixture
def rewrite_release(folder):
    """The suite's `rewrite` for the releases of a store on disk."""
    return lambda name, edit: rewrite_file(folder / "releases" / f"{name}.jsonl", edit)


def rewrite_file(path, edit):
    lines = path.read_bytes().split(b"\n")
    assert lines.pop() == b""
    path.write_bytes(b"".join(line + b"\n" for line in edit(lines)))
