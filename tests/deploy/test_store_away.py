"""A watch outlasts a store that cannot be reached; a command that ends does not."""

import pytest

from aivcs import Repository
from aivcs.cli.release.deploy_handlers import _Loop
from aivcs.cli.session.context import Context
from aivcs.commands.release.watch import Watch
from aivcs.errors import UnreachableError


class Restless(Watch):
    """A watch whose store is away at times: a true answer is a look, a false one an error."""

    def __init__(self, repo, looks):
        super().__init__(repo, "coder")
        self.looks = iter(looks)

    def look(self):
        if not next(self.looks):
            raise UnreachableError("postgresql://db/agents", "connection refused")
        return super().look()


@pytest.fixture
def loop(tmp_path, monkeypatch, capfd):
    repo = Repository.init(tmp_path)
    repo.promote("coder", repo.blobs.put(b"spec"), by="ada")
    monkeypatch.setattr("time.sleep", lambda _: None)

    def make(looks, words):
        watching = Restless(repo, looks)
        return _Loop(Context({}), repo, watching, words, None, as_json=False)

    return make


def test_a_watch_goes_on_when_the_store_is_back(loop, capfd):
    with pytest.raises(StopIteration):  # there are no more looks
        loop([False, False, False, True, True, False, True], ["echo", "deployed"]).run(once=False)
    told = capfd.readouterr()
    assert told.out == "deployed\n"
    assert told.err.count("cannot reach postgresql://db/agents") == 2
    assert told.err.count("can be reached again") == 2


def test_once_ends_with_the_error(loop):
    with pytest.raises(UnreachableError):
        loop([False, True], ["true"]).run(once=True)
