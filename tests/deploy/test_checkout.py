"""`release checkout`: versions side by side, and a link that is switched in one step."""

import os
import threading

import pytest
from conftest import snapshot


@pytest.fixture
def checkout(aivcs):
    return lambda *words, **options: aivcs("release", "checkout", *words, **options)


def test_makes_current_a_link_to_the_files_of_what_is_live(aivcs, release, checkout):
    spec = release("one")
    assert checkout("coder", "out", code=0).text == f"out/releases/{spec}"
    assert os.readlink(aivcs.folder / "out/current") == f"releases/{spec}"
    assert (aivcs.folder / "out/current/prompts/main.md").read_text() == "one"


def test_switches_and_keeps_some(aivcs, release, checkout):
    specs = []
    for number in range(5):
        specs.append(release(f"{number}"))
        checkout("coder", "out", "--keep", "2", code=0)
    assert set(os.listdir(aivcs.folder / "out/releases")) == set(specs[-2:])
    aivcs.ok("release", "rollback", "coder")
    checkout("coder", "out", "--keep", "1", code=0)
    assert os.listdir(aivcs.folder / "out/releases") == [specs[3]]
    assert (aivcs.folder / "out/current/prompts/main.md").read_text() == "3"


def test_twice_changes_nothing(aivcs, release, checkout):
    release("one")
    checkout("coder", "out", code=0)
    before = snapshot(aivcs.folder / "out")
    assert b"was current already" in checkout("coder", "out", code=0).err
    assert snapshot(aivcs.folder / "out") == before


def test_refuses_what_may_not_be_deployed(aivcs, release, checkout, tmp_path):
    release("one")
    checkout("coder", "out", code=0)
    before = snapshot(aivcs.folder / "out")
    (tmp_path / "etc/aivcs").mkdir(parents=True)
    (tmp_path / "etc/aivcs/config.toml").write_text('[policy."co*"]\nrequire_runs = 1\n')
    release("two")
    env = {"XDG_CONFIG_DIRS": str(tmp_path / "etc")}
    done = checkout("coder", "out", code=15, env=env)
    assert "require_runs" in done.complaint
    assert snapshot(aivcs.folder / "out") == before
    checkout("coder", "out", "--no-verify", code=0, env=env)


def test_a_changed_version_is_not_current_again(aivcs, release, checkout):
    spec = release("one")
    checkout("coder", "out", code=0)
    (aivcs.folder / "out/current/prompts/main.md").write_text("changed by hand")
    complaint = checkout("coder", "out", code=15).complaint
    assert "were changed" in complaint
    assert "--force" not in complaint  # which is an option of spec checkout
    release("two")
    checkout("coder", "out", code=0)
    aivcs.ok("release", "rollback", "coder")
    checkout("coder", "out", code=15)
    assert os.readlink(aivcs.folder / "out/current") != f"releases/{spec}"


def test_a_damaged_blob_leaves_the_link(aivcs, release, checkout):
    old = release("one")
    checkout("coder", "out", code=0)
    release("two")
    (digest,) = [d for d in aivcs.ok("blob", "ls").lines if aivcs.object(d).read_bytes() == b"two"]
    aivcs.object(digest).chmod(0o644)
    aivcs.object(digest).write_bytes(b"twx")
    checkout("coder", "out", code=14)
    assert os.readlink(aivcs.folder / "out/current") == f"releases/{old}"
    assert os.listdir(aivcs.folder / "out/releases") == [old]


def test_does_not_replace_what_is_not_a_link(aivcs, release, checkout):
    release("one")
    (aivcs.folder / "out/current").mkdir(parents=True)
    assert "is not a link" in checkout("coder", "out", code=15).complaint


def test_removes_what_a_crash_left_behind(aivcs, release, checkout):
    spec = release("one")
    left = aivcs.folder / "out/releases/.aivcs-0123456789ab"
    left.mkdir(parents=True)
    (left / "half").write_text("half")
    checkout("coder", "out", code=0)
    assert os.listdir(aivcs.folder / "out/releases") == [spec]


def test_who_follows_the_link_sees_one_version_or_the_other(aivcs, release, checkout):
    release("old")
    checkout("coder", "out", code=0)
    seen, over = set(), threading.Event()

    def look():
        while not over.is_set():
            seen.add((aivcs.folder / "out/current/prompts/main.md").read_text())

    reader = threading.Thread(target=look)
    reader.start()
    for text in ("new", "newer", "newest"):
        release(text)
        checkout("coder", "out", code=0)
    over.set()
    reader.join()
    assert seen <= {"old", "new", "newer", "newest"}


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["coder", ""], "unset"),
        (["coder", "out", "--keep", "0"], "1 or more"),
        (["coder@v1", "out"], "NAME alone"),
    ],
)
def test_explains_a_mistake(release, checkout, words, says):
    release("one")
    assert says in checkout(*words, code=2).complaint


def test_nothing_is_made_where_nothing_is_live(aivcs, checkout):
    checkout("coder", "out", code=12)
