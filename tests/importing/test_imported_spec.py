"""Sessions of the same agent share a spec, which is stored once."""

from aivcs.api import Repository
from aivcs.commands.run.imported_spec import store_spec
from aivcs.formats.model import Session
from aivcs.model.digest import ContentDigest


def test_what_this_process_stored_is_not_stored_again_unless_it_is_gone(tmp_path, monkeypatch):
    repo = Repository.init(str(tmp_path / "store"))
    session = Session("one", "claude-code", "claude", "claude", version="1")
    put = type(repo.blobs).put
    stored: list[bytes] = []

    def noting(blobs, data):
        stored.append(data)
        return put(blobs, data)

    monkeypatch.setattr(type(repo.blobs), "put", noting)
    durable: set[ContentDigest] = set()
    spec = store_spec(repo, session, [], durable)
    assert len(stored) == len(durable) == 3  # facts, manifest, spec
    assert store_spec(repo, session._replace(id="two"), [], durable) == spec
    assert len(stored) == 3
    other = store_spec(repo, session._replace(version="2"), [], durable)
    assert other != spec
    assert len(stored) == 6
    repo.blobs.delete(spec)
    assert store_spec(repo, session, [], durable) == spec
    assert len(stored) == 7
    assert repo.blobs.contains(spec)
    assert store_spec(repo, session, [], set()) == spec  # another process: synced once more
    assert len(stored) == 10
