"""The kernel copies long contents, and what is stored is what was hashed, whatever happens."""

import hashlib
import io
import os
import subprocess
import threading
from pathlib import Path

import pytest
from crash.harness import require

from aivcs.api import Repository
from aivcs.commands.blob.get import get_to_file
from aivcs.errors import BackendError, IntegrityError

LENGTH = 21 << 20
"""Bytes of a content that is long enough for several stretches and a thread."""


@pytest.fixture
def repo(tmp_path):
    return Repository.init(tmp_path / "project")


@pytest.fixture
def content():
    block = hashlib.sha256(b"a block").digest() * 1000
    return (block * (LENGTH // len(block) + 1))[:LENGTH]


@pytest.fixture
def source(tmp_path, content):
    path = tmp_path / "source"
    path.write_bytes(content)
    return path


def put(repo, path, at=0):
    with open(path, "rb", buffering=0) as file:
        file.seek(at)
        return repo.blobs.put_stream(file)


def object_of(repo, digest):
    return Path(repo.path, "objects", digest[:2], digest[2:])


def require_stored(repo, digest, content):
    assert digest == hashlib.sha256(content).hexdigest()
    assert object_of(repo, digest).read_bytes() == content


def require_nothing_left(repo, threads):
    assert os.listdir(f"{repo.path}/tmp") == []
    assert not list(repo.blobs.list_digests())
    assert threading.active_count() == threads


def each_call(monkeypatch, before):
    """Has a function called before the kernel copies; with the number of the call."""
    calls = []
    real = os.copy_file_range

    def copy(*arguments):
        calls.append(arguments)
        given = before(len(calls))
        return real(*arguments) if given is None else given

    monkeypatch.setattr(os, "copy_file_range", copy)
    return calls


def test_the_kernel_copies_a_long_file(repo, source, content, monkeypatch, tmp_path):
    calls = each_call(monkeypatch, lambda _: None)
    digest = put(repo, source)
    require_stored(repo, digest, content)
    assert len(calls) > 2
    calls.clear()
    get_to_file(repo, digest, str(tmp_path / "copy"))
    assert (tmp_path / "copy").read_bytes() == content
    assert len(calls) > 2


@pytest.mark.parametrize("at", [1, (9 << 20) + 5, LENGTH - 3, LENGTH])
def test_a_file_is_stored_from_where_it_stands(repo, source, content, at):
    require_stored(repo, put(repo, source, at), content[at:])


def test_a_stream_over_a_file_is_read_as_the_stream_says(repo, source, content):
    class Shouting(io.FileIO):
        def read(self, size=-1):
            return super().read(size).upper()

    with Shouting(source) as shouting:
        require_stored(repo, repo.blobs.put_stream(shouting), content.upper())
    with open(source, "rb") as file:
        file.read(10)
        require_stored(repo, repo.blobs.put_stream(file), content[10:])


@pytest.mark.parametrize("fails_at", [1, 3])
def test_what_the_kernel_leaves_over_is_read(repo, source, content, monkeypatch, fails_at):
    """As it leaves files of /proc, which it takes for empty."""
    each_call(monkeypatch, lambda number: 0 if number >= fails_at else None)
    require_stored(repo, put(repo, source), content)


@pytest.mark.parametrize("size", [5 << 20, 30 << 20])
def test_a_file_that_changes_meanwhile_is_stored_under_the_digest_of_what_is_stored(
    repo, source, monkeypatch, size
):
    def change(number):
        if number == 3:
            os.truncate(source, size)
            with open(source, "r+b") as file:
                file.write(b"changed")

    each_call(monkeypatch, change)
    digest = put(repo, source)
    require_stored(repo, digest, object_of(repo, digest).read_bytes())
    assert os.listdir(f"{repo.path}/tmp") == []


def test_an_interruption_leaves_nothing(repo, source, monkeypatch):
    def interrupt(number):
        if number == 4:
            raise KeyboardInterrupt

    each_call(monkeypatch, interrupt)
    threads = threading.active_count()
    with pytest.raises(KeyboardInterrupt):
        put(repo, source)
    require_nothing_left(repo, threads)


@pytest.mark.parametrize("good", [0, 2, 70])
def test_what_cannot_be_read_back_is_not_stored(repo, source, monkeypatch, good):
    real, calls = os.pread, []

    def read(*arguments):
        calls.append(arguments)
        if len(calls) > good:
            raise OSError(5, os.strerror(5))
        return real(*arguments)

    monkeypatch.setattr(os, "pread", read)
    threads = threading.active_count()
    with pytest.raises(BackendError, match="Input/output error"):
        put(repo, source)
    require_nothing_left(repo, threads)


def test_a_damaged_blob_is_not_copied_to_a_file(repo, source, tmp_path):
    digest = put(repo, source)
    with open(object_of(repo, digest), "r+b") as file:
        file.seek(LENGTH - 1)
        file.write(b"?")
    target = tmp_path / "target"
    target.write_text("as it was")
    with pytest.raises(IntegrityError, match=f"blob {digest} is damaged"):
        get_to_file(repo, digest, str(target))
    assert target.read_text() == "as it was"
    assert sorted(os.listdir(tmp_path)) == ["project", "source", "target"]


def test_a_copy_that_is_not_the_blob_is_not_blamed_on_the_blob(repo, source, tmp_path, monkeypatch):
    digest = put(repo, source)
    real = os.pread
    monkeypatch.setattr(os, "pread", lambda *arguments: real(*arguments)[::-1])
    with pytest.raises(BackendError, match="what was written cannot be read back"):
        get_to_file(repo, digest, str(tmp_path / "target"))
    assert sorted(os.listdir(tmp_path)) == ["project", "source"]


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["btrfs", "xfs"])
def test_no_byte_is_stored_twice_where_files_can_share_them(kind, tmp_path, content):
    image, root = tmp_path / "image", tmp_path / "disk"
    root.mkdir()
    subprocess.run(["truncate", "-s", "400M", image], check=True)
    try:
        subprocess.run([f"mkfs.{kind}", "-q", image], check=True, capture_output=True)
        subprocess.run(["mount", "-o", "loop", image, root], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        require(False, f"{kind} cannot be made and mounted: {error}")
    try:
        repo = Repository.init(root / "project")
        (root / "source").write_bytes(content)
        os.sync()
        before = os.statvfs(root).f_bfree
        digest = put(repo, root / "source")
        get_to_file(repo, digest, str(root / "copy"))
        os.sync()
        grown = (before - os.statvfs(root).f_bfree) * os.statvfs(root).f_frsize
        require_stored(repo, digest, content)
        assert (root / "copy").read_bytes() == content
        assert grown < LENGTH / 10, "a copy takes room"
    finally:
        subprocess.run(["umount", root], check=True)
