"""The drivers keep every guarantee that the contracts are written over."""

import os

import pytest

from aivcs.backends.fs import FileBackend
from aivcs.errors import IntegrityError
from aivcs.opening import load_backend
from aivcs.store.identity import identify
from aivcs.store.place import START
from aivcs.store.settings import Settings
from aivcs.testing import BackendContract
from aivcs.testing.backend import LOG, extend, lines_of, places_of


class TestMemory(BackendContract):
    @pytest.fixture
    def open_backend(self):
        backend = load_backend("memory")(Settings(lock_timeout=5))
        return lambda: backend


class TestFolder(BackendContract):
    @pytest.fixture
    def open_backend(self, folder):
        return lambda: FileBackend.open(str(folder), Settings(durability="none"))

    @pytest.fixture
    def log(self, folder, backend):
        extend(backend, 3)
        return folder / "releases" / "team" / "bot.jsonl"

    def test_reading_begins_anew_when_the_log_was_cut(self, backend, log):
        last = places_of(backend)[-1]
        log.write_bytes(log.read_bytes().splitlines(keepends=True)[0])
        assert [place.lines for _, place in backend.logs.read(LOG, last)] == [1]

    def test_reading_goes_on_when_the_log_went_and_came_back(self, backend, log):
        last = places_of(backend)[-1]
        content = log.read_bytes()
        log.unlink()
        assert lines_of(backend, after=last) == []
        log.write_bytes(content)
        assert lines_of(backend, after=last) == []
        extend(backend)
        assert len(lines_of(backend, after=last)) == 1

    def test_reading_refuses_a_line_that_does_not_follow(self, backend, log):
        last = places_of(backend)[-1]
        with log.open("ab") as file:
            file.write(log.read_bytes().splitlines(keepends=True)[1])
        with pytest.raises(IntegrityError, match="line 4"):
            lines_of(backend, after=last)

    def test_a_line_that_lost_its_newline_is_a_line(self, backend, log):
        log.write_bytes(log.read_bytes()[:-1])
        last = places_of(backend)[-1]
        assert last.lines == 3
        assert lines_of(backend, after=last) == []
        extend(backend)
        assert [place.lines for _, place in backend.logs.read(LOG, last)] == [4]

    def test_a_store_of_an_older_version_gets_its_id_with_its_next_log(self, folder, backend):
        before = identify(backend.documents)
        assert (folder / "id").read_text() == f"{before}\n"
        os.unlink(folder / "id")
        extend(backend)
        assert (folder / "id").read_text() != f"{before}\n"
        assert START.lines == 0
