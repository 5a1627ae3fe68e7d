"""The guarantees of a backend's driver (`aivcs.store.driver`), as tests for your own."""

from __future__ import annotations

import time
from threading import Event, Thread
from time import sleep
from typing import TYPE_CHECKING

import pytest

from aivcs.errors import ConflictError, LockTimeoutError
from aivcs.log import chain
from aivcs.model.digest import ContentDigest
from aivcs.store.place import START, Place
from aivcs.testing.race import race

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from aivcs.store.driver import Backend, LogView

LOG = "release/team/bot"


def number_of(line: bytes) -> int:
    """The number that a line of these tests bears, as a release does."""
    number = chain.members(line)["seq"]
    assert isinstance(number, int)
    return number


def numbered(view: LogView | None, count: int = 1) -> list[bytes]:
    """Some lines for the end of a log, which go on with its numbers."""
    number = 0 if view is None else number_of(view.last)
    link = "" if view is None else chain.hash_of(view.last) or ""
    lines = []
    for seq in range(number + 1, number + count + 1):
        line, link = chain.link(f'{{"type":"release","seq":{seq}', link)
        lines.append(line)
    return lines


def extend(backend: Backend, count: int = 1, log: str = LOG) -> None:
    """Appends some lines to a log."""
    backend.logs.update(log, lambda view: numbered(view, count))


def lines_of(backend: Backend, log: str = LOG, after: Place = START) -> list[bytes]:
    """The lines of a log after a place."""
    return [line for line, _ in backend.logs.read(log, after)]


def places_of(backend: Backend, log: str = LOG) -> list[Place]:
    """The places after the lines of a log."""
    return [place for _, place in backend.logs.read(log)]


class BackendContract:
    """Subclass it and give `open_backend`: a factory whose backends reach the same, empty store."""

    @pytest.fixture
    def open_backend(self) -> Callable[[], Backend]:
        """Returns what opens the store of this test, again and again."""
        raise NotImplementedError

    @pytest.fixture
    def backend(self, open_backend: Callable[[], Backend]) -> Backend:
        """The store, opened once."""
        return open_backend()

    # logs

    def test_logs_are_named_in_order(self, backend: Backend) -> None:
        names = ["release/a", "release/a-b", "release/a/b", "release/a.b", "run/0a", "run/0b-1"]
        for name in reversed(names):
            extend(backend, log=name)
        assert list(backend.logs.names()) == sorted(names)
        assert list(backend.logs.names("release/")) == sorted(names[:4])
        assert list(backend.logs.names("release/a/")) == ["release/a/b"]
        assert list(backend.logs.names("run/0b")) == ["run/0b-1"]
        assert list(backend.logs.names("run/0b-12", strict=False)) == []

    def test_a_log_that_is_not_there_has_no_view_and_no_lines(self, backend: Backend) -> None:
        with backend.logs.look(LOG) as view:
            assert view is None
        assert lines_of(backend) == []
        assert list(backend.logs.names()) == []

    def test_a_view_gives_the_log_from_every_side(
        self, open_backend: Callable[[], Backend]
    ) -> None:
        extend(open_backend(), 300)
        with open_backend().logs.look(LOG) as view:
            assert view is not None
            lines = [line[:-1] for line in view.forth()]
            assert list(map(number_of, lines)) == list(range(1, 301))
            assert view.first() == lines[0]
            assert view.last == lines[-1]
            assert view.before == chain.hash_of(lines[-2])
            assert list(view.back()) == lines[::-1]
            assert next(view.back()) == lines[-1]
            assert [line[:-1] for line in view.forth()] == lines
            for number in (1, 2, 150, 299, 300):
                assert view.line(number, number_of) == lines[number - 1]
            assert view.line(301, number_of) is None

    def test_the_first_line_has_none_before_it(self, backend: Backend) -> None:
        extend(backend)
        with backend.logs.look(LOG) as view:
            assert view is not None
            assert view.before == ""
            assert view.first() == view.last

    def test_a_view_is_one_state_whatever_comes(self, open_backend: Callable[[], Backend]) -> None:
        extend(open_backend(), 2)
        with open_backend().logs.look(LOG) as view:
            assert view is not None
            extend(open_backend(), 2)
            assert number_of(view.last) == 2
            assert len(list(view.forth())) == len(list(view.back())) == 2
            assert view.line(3, number_of) is None

    def test_what_decide_raises_passes_and_leaves_no_log(self, backend: Backend) -> None:
        def refuse(view: LogView | None) -> Iterable[bytes]:
            assert view is None
            raise ConflictError("no")

        with pytest.raises(ConflictError, match="no"):
            backend.logs.update(LOG, refuse)
        assert list(backend.logs.names()) == []

    def test_what_decide_raises_passes_and_leaves_the_log(self, backend: Backend) -> None:
        extend(backend, 3)
        before = lines_of(backend)

        def lines(view: LogView | None) -> Iterator[bytes]:
            yield numbered(view)[0]
            raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            backend.logs.update(LOG, lines)
        assert lines_of(backend) == before

    def test_no_lines_change_nothing(self, backend: Backend) -> None:
        backend.logs.update(LOG, lambda _: ())
        assert list(backend.logs.names()) == []
        extend(backend, 2)
        backend.logs.update(LOG, lambda _: ())
        assert len(lines_of(backend)) == 2

    def test_many_lines_are_one_update(self, open_backend: Callable[[], Backend]) -> None:
        backend = open_backend()
        extend(backend)
        backend.logs.update(LOG, lambda view: numbered(view, 20_000), durable=False)
        assert places_of(open_backend())[-1].lines == 20_001

    def test_nobody_comes_between_a_view_and_its_lines(
        self, open_backend: Callable[[], Backend]
    ) -> None:
        def act(_: int) -> None:
            backend = open_backend()
            for _ in range(10):
                extend(backend, 2)

        assert not race(4, act).raised
        assert list(map(number_of, lines_of(open_backend()))) == list(range(1, 81))

    # reading as it grows

    def test_reading_goes_on_behind_a_place(self, open_backend: Callable[[], Backend]) -> None:
        backend = open_backend()
        extend(backend, 3)
        first, _, last = places_of(backend)
        assert (first.lines, last.lines) == (1, 3)
        assert list(map(number_of, lines_of(backend, after=first))) == [2, 3]
        assert lines_of(backend, after=last) == []
        extend(open_backend(), 2)
        found = list(open_backend().logs.read(LOG, last))
        assert [(number_of(line), place.lines) for line, place in found] == [(4, 4), (5, 5)]
        assert found[-1][1].hash == chain.hash_of(found[-1][0])

    def test_a_place_is_three_plain_values(self, backend: Backend) -> None:
        extend(backend, 2)
        place = Place(*places_of(backend)[0].values())
        assert list(map(number_of, lines_of(backend, after=place))) == [2]

    @pytest.mark.parametrize("hint", [0, 1, 150, 10**6, -1])
    def test_a_stale_hint_costs_no_line(self, backend: Backend, hint: int) -> None:
        extend(backend, 4)
        for place in places_of(backend):
            stale = Place(place.lines, place.hash, hint)
            found = list(backend.logs.read(LOG, stale))
            assert [number_of(line) for line, _ in found] == list(range(place.lines + 1, 5))
            assert [behind.lines for _, behind in found] == list(range(place.lines + 1, 5))

    def test_a_place_of_another_log_begins_anew(self, backend: Backend) -> None:
        extend(backend, 2)
        for place in (Place(1, "0" * 64, 1), Place(9, "0" * 64, 10**6)):
            assert [p.lines for _, p in backend.logs.read(LOG, place)] == [1, 2]

    def test_settled_lines_are_the_same(self, backend: Backend) -> None:
        extend(backend, 2)
        assert [line for line, _ in backend.logs.read(LOG, settled=True)] == lines_of(backend)

    # documents

    def test_a_document_is_made_once(self, open_backend: Callable[[], Backend]) -> None:
        assert open_backend().documents.read("pins/a") is None
        assert open_backend().documents.create("pins/a", b"one")
        assert not open_backend().documents.create("pins/a", b"two")
        found = open_backend().documents.read("pins/a")
        assert found == (b"one", ContentDigest.from_bytes(b"one"))

    def test_a_document_is_written_if_it_is_as_expected(self, backend: Backend) -> None:
        documents = backend.documents
        documents.write("config.toml", b"one", expect="")
        with pytest.raises(ConflictError):
            documents.write("config.toml", b"two", expect="")
        version = (documents.read("config.toml") or (b"", ""))[1]
        documents.write("config.toml", b"two", expect=version)
        for expected in (version, ""):
            with pytest.raises(ConflictError):
                documents.write("config.toml", b"three", expect=expected)
            with pytest.raises(ConflictError):
                documents.drop("config.toml", expect=expected)
        assert (documents.read("config.toml") or (b"", ""))[0] == b"two"
        documents.write("config.toml", b"three")
        assert documents.drop("config.toml", expect=ContentDigest.from_bytes(b"three"))
        assert not documents.drop("config.toml")

    def test_documents_are_named_in_order(self, backend: Backend) -> None:
        assert list(backend.documents.names("pins/")) == []
        for name in ("pins/b", "pins/a", "pins/ab"):
            backend.documents.create(name, b"")
        assert list(backend.documents.names("pins/")) == ["pins/a", "pins/ab", "pins/b"]
        assert list(backend.documents.names("pins/a")) == ["pins/a", "pins/ab"]
        below = ["notes/0b-1/x", "notes/0b.x", "notes/0b/a", "notes/0b/b/c"]
        for name in below[::-1]:
            backend.documents.create(name, b"")
        assert list(backend.documents.names("notes/")) == below
        assert list(backend.documents.names("notes/0b/")) == below[2:]

    def test_documents_are_named_by_when_they_were_written(self, backend: Backend) -> None:
        for name in ("pins/b", "pins/a", "pins/c", "pins/b"):
            backend.documents.write(name, b"")
            sleep(0.01)
        newest = list(backend.documents.names("pins/", newest_first=True))
        assert newest == ["pins/b", "pins/c", "pins/a"]

    # blobs: what is beyond the contract of a CasStore

    def test_blobs_are_told_with_bytes_and_the_time_of_the_last_put(self, backend: Backend) -> None:
        before = backend.now()
        digest = backend.objects.put(b"abc")
        ((found, size, put),) = backend.objects.stored()
        assert (found, size) == (digest, 3)
        assert before - 1 <= put <= backend.now() + 1

    def test_a_blob_is_removed_unless_it_was_put_since(self, backend: Backend) -> None:
        digest = backend.objects.put(b"abc")
        with backend.objects.removal() as removal:
            assert not removal.remove(digest, unless_since=backend.now() - 60)
        assert backend.objects.contains(digest)
        with backend.objects.removal() as removal:
            assert removal.remove(digest, unless_since=backend.now() + 60)
            assert not removal.remove(digest)
            removal.confirm()
        assert not backend.objects.contains(digest)

    def test_nobody_removes_while_others_hold(self, open_backend: Callable[[], Backend]) -> None:
        holder, remover = open_backend(), open_backend()
        order = []
        with holder.hold(), holder.hold():
            waiting = Event()

            def remove() -> None:
                waiting.set()
                try:
                    with remover.objects.removal():
                        order.append("removed")
                except LockTimeoutError:
                    order.append("gave up")

            thread = Thread(target=remove)
            thread.start()
            waiting.wait()
            time.sleep(0.05)
            holder.objects.put(b"abc")
            order.append("put")
        thread.join()
        assert order[0] == "put" or order == ["gave up", "put"]

    def test_a_hold_for_later_begins_with_a_put(self, open_backend: Callable[[], Backend]) -> None:
        holder, other = open_backend(), open_backend()
        with holder.hold(later=True):
            with other.objects.removal():
                pass
            holder.objects.put(b"abc")

    # the rest

    def test_what_nothing_is_wrong_with_gives_no_findings(self, backend: Backend) -> None:
        told: list[tuple[str, int]] = []
        backend.objects.put(b"abc")
        parts = frozenset({"blobs", "runs", "releases"})
        assert list(backend.inspect(parts, lambda part, size: told.append((part, size)))) == []
        assert ("blobs", 3) in told
        assert backend.sweep(backend.now() + 60, delete=True) == 0
