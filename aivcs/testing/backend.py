"""The guarantees of a backend's driver (`aivcs.store.driver`), as tests for your own."""

from __future__ import annotations

import time
from threading import Event, Thread
from time import sleep
from typing import TYPE_CHECKING, Any

import pytest

from aivcs.errors import ConflictError, LockTimeoutError
from aivcs.log import chain
from aivcs.log.redaction import redacted_line
from aivcs.log.run import read_event
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


RUN = "run/0b-1"


def spoken(view: LogView | None, words: list[str]) -> list[bytes]:
    """The lines of some events for the end of a run's log."""
    link = "" if view is None else chain.hash_of(view.last) or ""
    seq = 0
    if view is not None:
        event = read_event(view.last)
        seq = 0 if event is None or event.seq is None else event.seq
    lines = []
    for number, word in enumerate(words, seq + 1):
        body = (
            f'{{"type":"event","seq":{number},"kind":"said","payload":{{"word":"{word}"}},'
            '"timestamp":"2026-01-31T12:00:00.000000Z"'
        )
        line, link = chain.link(body, link)
        lines.append(line)
    return lines


def record(backend: Backend, name: str = RUN) -> list[bytes]:
    """Records a run of four events; returns the lines of its log."""
    opening = (
        f'{{"type":"run","format":1,"run_id":"{name[4:]}","spec_digest":"{64 * "0"}","metadata":'
        '{"git_sha":null,"agent_name":"bot","tags":{}},"created_at":"2026-01-31T12:00:00.000000Z"'
    )
    backend.logs.update(name, lambda _: [chain.link(opening, "")[0]])
    backend.logs.update(name, lambda view: spoken(view, ["w1", "w2", "w3", "w4"]))
    return lines_of(backend, name)


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

    # creating many logs

    @pytest.fixture
    def creating(self, open_backend: Callable[[], Backend]) -> Callable[[], Any]:
        """Returns what opens the logs of the store, if many of them can be created at once."""
        if not hasattr(open_backend().logs, "create_many"):
            pytest.skip("the backend creates logs one by one: there is no `logs.create_many`")
        return lambda: open_backend().logs

    def test_many_logs_are_created_at_once(
        self, open_backend: Callable[[], Backend], creating: Callable[[], Any]
    ) -> None:
        before = record(open_backend(), "run/0b-2")
        lines = {f"run/0{kind}-{n}": spoken(None, [f"{kind}{n}"]) for kind in "abc" for n in (1, 2)}
        assert creating().create_many({}) == set()
        assert creating().create_many(lines) == lines.keys() - {"run/0b-2"}
        assert creating().create_many(lines) == set()
        assert lines_of(open_backend(), "run/0b-2") == before
        for name in lines.keys() - {"run/0b-2"}:
            assert lines_of(open_backend(), name) == [line[:-1] for line in lines[name]]
        assert list(open_backend().logs.names()) == sorted(lines)
        open_backend().logs.update("run/0c-1", lambda view: spoken(view, ["next"]))
        assert len(lines_of(open_backend(), "run/0c-1")) == 2

    def test_of_those_who_create_the_same_logs_one_creates_each(
        self, open_backend: Callable[[], Backend], creating: Callable[[], Any]
    ) -> None:
        names = [f"run/0{n % 8}-{n:02}" for n in range(40)]

        def create(number: int) -> set[str]:
            some = names if number % 2 else names[::-1]
            return set(creating().create_many({n: spoken(None, [f"by {number}"]) for n in some}))

        done = race(4, create)
        assert not done.raised
        assert sorted(name for created in done.returned for name in created) == sorted(names)
        for number, created in enumerate(done.returned):
            for name in created:
                assert f'"by {number}"'.encode() in lines_of(open_backend(), name)[0]

    # erasing

    @pytest.fixture
    def erasing(self, open_backend: Callable[[], Backend]) -> Callable[[], Any]:
        """Returns what opens the logs of the store, if lines can be erased from it."""
        if not getattr(open_backend().logs, "erases", False):
            pytest.skip("the backend says that it cannot erase: `logs.erases` is not true")
        return lambda: open_backend().logs

    def test_a_redacted_line_keeps_its_hash_and_all_other_lines(
        self, open_backend: Callable[[], Backend], erasing: Callable[[], Any]
    ) -> None:
        before = record(open_backend())
        stubs = {number: redacted_line(before[number - 1]) for number in (2, 4)}
        erasing().redact(RUN, stubs)
        lines = lines_of(open_backend(), RUN)
        assert list(map(chain.hash_of, lines)) == list(map(chain.hash_of, before))
        assert [n for n, line in enumerate(lines, 1) if line != before[n - 1]] == [2, 4]
        assert lines[1] == (
            b'{"type":"redacted","seq":1,"kind":"said","timestamp":"2026-01-31T12:00:00.000000Z",'
            b'"hash":"%b"}' % (chain.hash_of(before[1]) or "").encode()
        )
        with open_backend().logs.look(RUN) as view:
            assert view is not None
            assert [line[:-1] for line in view.forth()] == lines
            assert list(view.back()) == lines[::-1]
            assert view.first() == lines[0]
        events = [event for line in lines if (event := read_event(line))]
        assert [(event.seq, event.payload, event.redacted) for event in events] == [
            (1, None, True),
            (2, {"word": "w2"}, False),
            (3, None, True),
            (4, {"word": "w4"}, False),
        ]

    def test_redacting_again_changes_nothing_more(
        self, open_backend: Callable[[], Backend], erasing: Callable[[], Any]
    ) -> None:
        stub = redacted_line(record(open_backend())[1])
        erasing().redact(RUN, {2: stub})
        once = lines_of(open_backend(), RUN)
        erasing().redact(RUN, {2: stub})
        erasing().redact("run/0b-missing", {2: stub})
        assert lines_of(open_backend(), RUN) == once

    def test_a_redacted_log_goes_on(
        self, open_backend: Callable[[], Backend], erasing: Callable[[], Any]
    ) -> None:
        backend = open_backend()
        before = record(backend)
        places = places_of(backend, RUN)
        erasing().redact(RUN, {2: redacted_line(before[1]), 3: redacted_line(before[2])})
        open_backend().logs.update(RUN, lambda view: spoken(view, ["w5"]))
        for place in places[:4]:  # also those right behind a redacted line
            found = list(open_backend().logs.read(RUN, place))
            assert [after.lines for _, after in found] == list(range(place.lines + 1, 7))

    def test_no_other_line_is_redacted(
        self, open_backend: Callable[[], Backend], erasing: Callable[[], Any]
    ) -> None:
        before = record(open_backend())
        stub = redacted_line(before[1])
        for stubs in ({3: stub}, {9: stub}, {1: stub}, {2: stub, 4: stub}):
            with pytest.raises(ConflictError):
                erasing().redact(RUN, stubs)
        with pytest.raises(ConflictError):  # the last line: nothing would prove its hash
            erasing().redact(RUN, {5: redacted_line(before[4])})
        assert lines_of(open_backend(), RUN) == before

    def test_redacting_leaves_the_time_of_arrival(
        self, open_backend: Callable[[], Backend], erasing: Callable[[], Any]
    ) -> None:
        before = record(open_backend())
        record(open_backend(), "run/0c-2")
        ((name, arrived, size),) = erasing().arrivals("run/0b")
        assert name == RUN
        assert size == sum(len(line) + 1 for line in before)
        assert abs(arrived - open_backend().now()) < 60
        sleep(0.02)
        erasing().redact(RUN, {2: redacted_line(before[1])})
        (again, other) = erasing().arrivals()
        assert again[1] == pytest.approx(arrived, abs=0.001)
        assert (again[0], other[0]) == (RUN, "run/0c-2")
        assert list(erasing().arrivals("run/0d")) == []

    def test_a_removed_log_is_gone(
        self, open_backend: Callable[[], Backend], erasing: Callable[[], Any]
    ) -> None:
        for name in (RUN, "run/0b-2", "run/0c-3", "run/0c-4"):
            record(open_backend(), name)
        erasing().remove(RUN)
        erasing().remove(RUN)
        erasing().remove_many(["run/0b-2", "run/0c-4", "run/0d-missing"])
        assert list(open_backend().logs.names()) == ["run/0c-3"]
        with open_backend().logs.look(RUN) as view:
            assert view is None
        assert lines_of(open_backend(), RUN) == []
        assert len(record(open_backend())) == 5  # the rules say that no id is used again

    def test_whoever_redacts_loses_no_line_of_others(
        self, open_backend: Callable[[], Backend], erasing: Callable[[], Any]
    ) -> None:
        before = record(open_backend())

        def act(number: int) -> None:
            if number:
                for turn in range(10):
                    words = [f"{number}-{turn}"]
                    open_backend().logs.update(RUN, lambda view: spoken(view, words))  # noqa: B023
            else:
                for line in (2, 3, 4):
                    erasing().redact(RUN, {line: redacted_line(before[line - 1])})

        assert not race(3, act).raised
        lines = lines_of(open_backend(), RUN)
        assert len(lines) == 5 + 20
        assert [chain.is_redacted(line) for line in lines[:5]] == [False, True, True, True, False]

    # the rest

    def test_what_nothing_is_wrong_with_gives_no_findings(self, backend: Backend) -> None:
        told: list[tuple[str, int]] = []
        backend.objects.put(b"abc")
        parts = frozenset({"blobs", "runs", "releases"})
        assert list(backend.inspect(parts, lambda part, size: told.append((part, size)))) == []
        assert ("blobs", 3) in told
        assert backend.sweep(backend.now() + 60, delete=True) == 0
