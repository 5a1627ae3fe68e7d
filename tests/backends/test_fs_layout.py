"""Every path of a store leads back to the thing it belongs to, and strays to none."""

import pytest

from aivcs import Repository
from aivcs.backends.fs import layout
from aivcs.backends.fs.folder import Folder
from aivcs.backends.fs.scan import Scanner
from aivcs.errors import InvalidNameError

DIGEST = "ab" + "0" * 62
RUN = "06dcdf26-2f32-4b96-aa1c-0644d832e2ec"


def test_a_path_leads_back_to_its_thing():
    assert layout.digest_of(*layout.object_path(DIGEST).split("/")[1:]) == DIGEST
    assert layout.run_id_of(layout.run_path(RUN).rpartition("/")[2]) == RUN
    assert layout.release_name_of(layout.release_path("team/bot")) == "team/bot"
    assert layout.log_path(f"run/{RUN}") == layout.checked_log_path(f"run/{RUN}")
    assert layout.log_path("release/a/b") == layout.checked_log_path("release/a/b")
    name = layout.quarantine_path(layout.object_path(DIGEST), "c" * 64).removeprefix("damaged/")
    assert layout.quarantined_digest_of(name) == DIGEST
    assert layout.is_temporary(layout.temporary_name(7, b"123456"))
    assert layout.process_of(layout.temporary_name(7, b"123456")) == 7


@pytest.mark.parametrize(("shard", "name"), [("ab", "0" * 61), ("AB", "0" * 62), ("abc", "0" * 61)])
def test_a_stray_is_no_object(shard, name):
    assert layout.digest_of(shard, name) == ""


@pytest.mark.parametrize("path", ["releases/a", "releases/.jsonl", "releases/a b.jsonl", "a.jsonl"])
def test_a_stray_is_no_release_log(path):
    assert layout.release_name_of(path) == ""


@pytest.mark.parametrize("name", ["remotes/o/releases/../../../../x", "..", "pins/../../x"])
def test_no_name_leads_out_of_a_store(tmp_path, name):
    documents = Repository.init(tmp_path / "in").store.documents
    for act in (documents.read, documents.drop, lambda name: documents.create(name, b"x")):
        with pytest.raises(InvalidNameError, match="leads out of the store"):
            act(name)
    assert [path.name for path in tmp_path.iterdir()] == ["in"]
    assert documents.create("pins/a..b", b"x")


def test_the_path_of_a_quarantined_file_is_cut_but_its_offset_never_is():
    path = layout.release_path("a" * 200)
    assert layout.quarantine_path(path, "c" * 64) == f"damaged/releases-{'a' * 171}.{'c' * 12}"
    assert layout.quarantine_path(path, "c" * 64, 9).endswith(f".jsonl.9.{'c' * 12}")


def test_logs_are_walked_in_the_order_of_their_names(tmp_path):
    names = ["a", "a-b", "a/c", "ab"]
    for name in names:
        path = tmp_path / layout.release_path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    assert [entry.name for entry in Scanner(Folder(str(tmp_path), 0o700)).releases()] == names
