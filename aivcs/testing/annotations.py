"""The guarantees of an `AnnotationStore`, as tests for your own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from aivcs.errors import IntegrityError, SerializationError
from aivcs.model.annotation import Annotation
from aivcs.model.digest import ContentDigest
from aivcs.testing.race import race

if TYPE_CHECKING:
    from collections.abc import Callable

    from aivcs.store.contracts import AnnotationStore

RUN = "0b1c2d3e-run"
AT = "2026-01-31T12:00:00.000000Z"


def note(text: str = "fine", run: str = RUN, at: str = AT, by: str = "alice") -> Annotation:
    """A remark in words."""
    return Annotation(run, "note", {"text": text}, by=by, created_at=at)


class AnnotationStoreContract:
    """Subclass it and give `open_store`: a factory whose stores reach the same, empty data."""

    @pytest.fixture
    def open_store(self) -> Callable[[], AnnotationStore]:
        """Returns what opens the store of this test, again and again."""
        raise NotImplementedError

    @pytest.fixture
    def corrupt(self) -> Callable[[str, Callable[[bytes], bytes]], None]:
        """Returns what changes the bytes of a document, given by its name."""
        pytest.skip("there is no back door to the stored bytes")

    def test_an_annotation_is_stored_under_the_digest_of_its_line(
        self, open_store: Callable[[], AnnotationStore]
    ) -> None:
        digest = open_store().add(note())
        line = (
            b'{"by":"alice","created_at":"2026-01-31T12:00:00.000000Z","format":1,"kind":"note",'
            b'"payload":{"text":"fine"},"run_id":"0b1c2d3e-run","type":"annotation"}\n'
        )
        assert digest == ContentDigest.from_bytes(line)
        assert list(open_store().names()) == [f"notes/0b/{RUN}/{digest}"]
        (stored,) = open_store().of_run(RUN)
        assert (stored.digest, stored.value) == (digest, note())

    def test_adding_again_changes_nothing(self, open_store: Callable[[], AnnotationStore]) -> None:
        assert open_store().add(note()) == open_store().add(note())
        assert len(open_store().of_run(RUN)) == 1

    def test_those_of_a_run_come_by_their_time_and_then_by_digest(
        self, open_store: Callable[[], AnnotationStore]
    ) -> None:
        later = note("later", at="2026-01-31T12:00:01Z")
        at_once = [note(text) for text in ("a", "b", "c")]
        for annotation in (later, *at_once, note("other", run="0b1c2d3e")):
            open_store().add(annotation)
        found = open_store().of_run(RUN)
        digests = [stored.digest for stored in found[:3]]
        assert digests == sorted(digests)
        assert found[3].value == later
        assert [s.value.run_id for s in open_store().of_run("0b1c2d3e")] == ["0b1c2d3e"]
        assert open_store().of_run("unknown") == []

    def test_any_json_value_is_a_payload(self, open_store: Callable[[], AnnotationStore]) -> None:
        payloads: list[object] = [{"ä": [1, 2.5, None, "\U0001f600"]}, [], "text", 0, None, True]
        for payload in payloads:
            annotation = Annotation("run-1", "k", payload, by="me", created_at=AT)
            open_store().add(annotation)
        found = [stored.value.payload for stored in open_store().of_run("run-1")]
        assert len(found) == 6
        assert {"ä": [1, 2.5, None, "\U0001f600"]} in found

    @pytest.mark.parametrize("payload", [{1: 2}, float("nan"), 2**60, "\ud800", "x" * (2 << 20)])
    def test_what_has_no_canonical_form_or_is_too_large_is_refused(
        self, open_store: Callable[[], AnnotationStore], payload: object
    ) -> None:
        with pytest.raises(SerializationError):
            open_store().add(Annotation(RUN, "k", payload, by="me"))
        assert list(open_store().names()) == []

    def test_many_writers_lose_nothing(self, open_store: Callable[[], AnnotationStore]) -> None:
        def add(number: int) -> None:
            store = open_store()
            for other in range(5):
                store.add(note(f"{number} {other}"))
            store.add(note("all"))

        race(4, add)
        assert len(open_store().of_run(RUN)) == 4 * 5 + 1

    def test_a_changed_annotation_is_damage(
        self,
        open_store: Callable[[], AnnotationStore],
        corrupt: Callable[[str, Callable[[bytes], bytes]], None],
    ) -> None:
        open_store().add(note())
        (name,) = open_store().names()
        corrupt(name, lambda data: data.replace(b"fine", b"poor"))
        with pytest.raises(IntegrityError, match="damaged"):
            open_store().of_run(RUN)
        with pytest.raises(IntegrityError, match="damaged"):
            open_store().read(name)

    def test_what_is_not_there_is_none(self, open_store: Callable[[], AnnotationStore]) -> None:
        assert open_store().read(f"notes/0b/{RUN}/{64 * '0'}") is None
        with pytest.raises(IntegrityError, match="not the name"):
            open_store().read("notes/x")
