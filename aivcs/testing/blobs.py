"""The guarantees of every `aivcs.CasStore`, as tests."""

from __future__ import annotations

from contextlib import closing
from hashlib import sha256
from io import BytesIO, RawIOBase, StringIO
from random import Random
from typing import TYPE_CHECKING, Any, BinaryIO, cast

import pytest

from aivcs.errors import (
    BackendError,
    IntegrityError,
    InvalidDigestError,
    NotFoundError,
    SerializationError,
    StorageError,
)
from aivcs.model.digest import ContentDigest
from aivcs.testing.race import race
from aivcs.testing.refusal import refuses

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from aivcs.store.contracts import CasStore

    OpenStore = Callable[[], CasStore]
    Corrupt = Callable[[str, Callable[[bytes], bytes]], None]

# The examples of FIPS 180-4, and the empty content.
EMPTY = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
ABC = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
MILLION_A = "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"
ABSENT = ContentDigest("0" * 64)


def noise(size: int) -> bytes:
    """Bytes without a pattern, the same ones every time."""
    return Random(size).randbytes(size)  # noqa: S311 not for secrets


CONTENTS = {
    "empty": b"",
    "one byte": b"\0",
    "every byte": bytes(range(256)),
    "every line ending": b"a\nb\r\nc\rd\n",
    "not UTF-8": b"\xff\xfe\x80",
    "3 MiB": noise(3 << 20),
}
JUNK = ["", "abc", "g" * 64, "0" * 63, "0" * 65, " " + "0" * 63, "\u0660" * 64, "../" + "0" * 61]

DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "one bit flipped": lambda data: bytes([data[0] ^ 1]) + data[1:],
    "its end cut off": lambda data: data[:-1],
    "something appended": lambda data: data + b"\0",
    "emptied": lambda data: b"",  # noqa: ARG005
}

every_content = pytest.mark.parametrize("content", CONTENTS.values(), ids=CONTENTS)
every_damage = pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)


class Trickle(RawIOBase):
    """A stream that gives less than it is asked for, as pipes and sockets do."""

    def __init__(self, content: bytes, step: int) -> None:
        """Gives `step` bytes at once, at most."""
        super().__init__()
        self._rest = content
        self._step = step

    def read(self, size: int = -1) -> bytes:
        """Returns the next bytes; none at the end."""
        size = self._step if size < 0 else min(size, self._step)
        chunk, self._rest = self._rest[:size], self._rest[size:]
        return chunk


class Broken(Trickle):
    """A stream whose source fails before its end."""

    def read(self, size: int = -1) -> bytes:
        """Returns the next bytes, and fails at the end."""
        chunk = super().read(size)
        if not chunk:
            raise OSError(5, "Input/output error")
        return chunk


class Polled(Trickle):
    """A stream that does not block, and has no data yet."""

    def read(self, size: int = -1) -> bytes:
        """Returns the next bytes, then None for ever."""
        return super().read(size) or cast("bytes", None)


class CasStoreContract:
    """The guarantees of a `CasStore`; subclass it and override `open_store`."""

    @pytest.fixture
    def open_store(self) -> OpenStore:
        """Override: a factory of stores which all reach the same data, empty at first."""
        raise NotImplementedError("override the fixture open_store")

    @pytest.fixture
    def corrupt(self) -> Corrupt:
        """Override: `corrupt(digest, edit)` replaces stored bytes by `edit(bytes)`, unnoticed."""
        pytest.skip("this backend gives the suite no back door to its bytes")

    @pytest.fixture
    def store(self, open_store: OpenStore) -> CasStore:
        """A store of the factory."""
        return open_store()

    # put and get

    @pytest.mark.parametrize(
        ("content", "digest"), [(b"", EMPTY), (b"abc", ABC), (b"a" * 1_000_000, MILLION_A)]
    )
    def test_put_returns_the_sha256_of_the_content(
        self, store: CasStore, content: bytes, digest: str
    ) -> None:
        stored = store.put(content)
        assert stored == digest
        assert type(stored) is ContentDigest

    @every_content
    def test_get_returns_the_exact_bytes(self, store: CasStore, content: bytes) -> None:
        got = store.get(store.put(content))
        assert got == content
        assert type(got) is bytes

    @every_content
    def test_what_was_put_is_there_when_the_store_is_opened_again(
        self, open_store: OpenStore, content: bytes
    ) -> None:
        digest = open_store().put(content)
        assert open_store().contains(digest)
        assert open_store().get(digest) == content

    def test_the_same_content_is_one_object(self, open_store: OpenStore) -> None:
        assert open_store().put(b"abc") == open_store().put(b"abc")
        assert open_store().put_stream(BytesIO(b"abc")) == ABC
        assert list(open_store().list_digests()) == [ABC]

    def test_putting_again_changes_nothing(self, store: CasStore) -> None:
        store.put(b"other")
        digest = store.put(b"abc")
        before = list(store.list_digests())
        assert store.put(b"abc") == digest
        assert list(store.list_digests()) == before
        assert store.get(digest) == b"abc"

    def test_a_buffer_that_changes_after_put_does_not_change_the_blob(
        self, store: CasStore
    ) -> None:
        buffer = bytearray(b"abc")
        digest = store.put(cast("bytes", buffer))
        buffer[0] = 0
        assert digest == ABC
        assert store.get(digest) == b"abc"

    def test_put_takes_any_view_of_bytes(self, store: CasStore) -> None:
        assert store.put(cast("bytes", memoryview(b"xabcx")[1:4])) == ABC
        assert store.put(cast("bytes", memoryview(b"a.b.c.")[::2])) == ABC

    @pytest.mark.parametrize("value", ["abc", None, 3, [97, 98]])
    def test_put_refuses_what_is_not_bytes(self, store: CasStore, value: object) -> None:
        with pytest.raises(SerializationError):
            store.put(cast("bytes", value))
        assert list(store.list_digests()) == []

    # what is not there

    def test_getting_a_blob_that_is_not_there_raises_not_found(self, store: CasStore) -> None:
        store.put(b"abc")
        with pytest.raises(NotFoundError) as caught:
            store.get(ABSENT)
        assert caught.value.digest == ABSENT

    def test_opening_a_blob_that_is_not_there_raises_not_found(self, store: CasStore) -> None:
        with pytest.raises(NotFoundError) as caught:
            store.open(ABSENT)
        assert caught.value.digest == ABSENT

    @pytest.mark.parametrize("method", ["get", "open", "contains", "delete"])
    def test_what_is_no_digest_is_refused(self, store: CasStore, method: str) -> None:
        for text in JUNK:
            refuses(InvalidDigestError, ascii(text), getattr(store, method), text)

    def test_a_digest_may_be_given_in_upper_case(self, store: CasStore) -> None:
        store.put(b"abc")
        upper = cast("ContentDigest", ABC.upper())
        assert store.contains(upper)
        assert store.get(upper) == b"abc"
        with store.open(upper) as stream:
            assert stream.read() == b"abc"
        store.delete(upper)
        assert not store.contains(ContentDigest(ABC))

    # contains and delete

    def test_contains_tells_what_is_there(self, open_store: OpenStore) -> None:
        store = open_store()
        assert store.contains(ABSENT) is False
        digest = store.put(b"abc")
        assert store.contains(digest) is True
        assert open_store().contains(digest) is True

    def test_a_deleted_blob_is_gone(self, open_store: OpenStore) -> None:
        digest = open_store().put(b"abc")
        open_store().delete(digest)
        store = open_store()
        assert not store.contains(digest)
        assert list(store.list_digests()) == []
        with pytest.raises(NotFoundError):
            store.get(digest)

    def test_deleting_what_is_not_there_is_no_error(self, store: CasStore) -> None:
        store.delete(ABSENT)
        digest = store.put(b"abc")
        store.delete(digest)
        store.delete(digest)

    def test_deleting_a_blob_leaves_the_others(self, store: CasStore) -> None:
        kept, lost = store.put(b"kept"), store.put(b"lost")
        store.delete(lost)
        assert store.get(kept) == b"kept"
        assert list(store.list_digests()) == [kept]

    def test_a_deleted_blob_can_be_put_again(self, store: CasStore) -> None:
        digest = store.put(b"abc")
        store.delete(digest)
        assert store.put(b"abc") == digest
        assert store.get(digest) == b"abc"

    # put_stream

    @every_content
    def test_a_stream_is_stored_like_its_content(self, store: CasStore, content: bytes) -> None:
        digest = store.put_stream(BytesIO(content))
        assert digest == sha256(content).hexdigest()
        assert type(digest) is ContentDigest
        assert store.get(digest) == content

    @pytest.mark.parametrize("step", [1, 7, 4096])
    def test_a_stream_that_gives_less_than_asked_is_stored_whole(
        self, store: CasStore, step: int
    ) -> None:
        content = noise(step * 1000 + 1)
        digest = store.put_stream(cast("BinaryIO", Trickle(content, step)))
        assert digest == sha256(content).hexdigest()
        assert store.get(digest) == content

    def test_a_stream_is_stored_from_where_it_stands(self, store: CasStore) -> None:
        stream = BytesIO(b"xyzabc")
        stream.seek(3)
        assert store.put_stream(stream) == ABC

    @pytest.mark.parametrize("source", [Broken, Polled])
    def test_a_stream_that_fails_stores_nothing(
        self, open_store: OpenStore, source: type[Trickle]
    ) -> None:
        with pytest.raises(BackendError):
            open_store().put_stream(cast("BinaryIO", source(b"abc" * 50_000, 4096)))
        assert list(open_store().list_digests()) == []

    def test_a_closed_stream_is_an_error_of_the_store(self, store: CasStore) -> None:
        stream = BytesIO(b"abc")
        stream.close()
        with pytest.raises(BackendError):
            store.put_stream(stream)

    def test_many_are_stored_like_each_of_them(self, open_store: OpenStore) -> None:
        contents = [*CONTENTS.values(), b"abc", *CONTENTS.values()]
        stored = list(open_store().put_many(map(BytesIO, contents)))
        assert stored == [ContentDigest.from_bytes(content) for content in contents]
        assert {type(digest) for digest in stored} == {ContentDigest}
        assert list(open_store().list_digests()) == sorted(set(stored))
        assert [open_store().get(digest) for digest in stored] == contents

    def test_of_none_at_all_none_are_stored(self, store: CasStore) -> None:
        assert list(store.put_many([])) == []

    def test_a_thousand_are_stored_beside_what_is_there(self, store: CasStore) -> None:
        contents = [b"%d" % (number % 700) for number in range(1000)]
        for content in contents[::3]:
            store.put(content)
        stored = list(store.put_many(map(BytesIO, contents)))
        assert stored == [ContentDigest.from_bytes(content) for content in contents]
        assert [store.get(digest) for digest in stored] == contents
        assert len(list(store.list_digests())) == 700

    def test_each_of_many_is_read_before_the_next_is_asked_for(self, store: CasStore) -> None:
        def contents() -> Iterator[BinaryIO]:
            for size in (10, 3_000_000, 0):
                with Trickle(noise(size), 65_536) as stream:
                    yield cast("BinaryIO", stream)
                    assert not stream.read()

        assert len(list(store.put_many(contents()))) == 3

    @pytest.mark.parametrize("bad", [lambda: Broken(b"begun", 2), lambda: StringIO("text")])
    def test_those_before_one_that_fails_are_stored_and_no_others(
        self, store: CasStore, bad: Callable[[], BinaryIO]
    ) -> None:
        contents = iter([BytesIO(b"1"), BytesIO(b"2"), bad(), BytesIO(b"3")])
        self._stores_two_then_fails(store, contents, StorageError)

    def test_an_error_of_the_contents_comes_behind_those_that_are_stored(
        self, store: CasStore
    ) -> None:
        def contents() -> Iterator[BinaryIO]:
            yield from (BytesIO(b"1"), BytesIO(b"2"))
            raise LookupError("of the caller's own")

        self._stores_two_then_fails(store, contents(), LookupError)

    def _stores_two_then_fails(
        self, store: CasStore, contents: Iterator[BinaryIO], error: type[Exception]
    ) -> None:
        stored: list[ContentDigest] = []
        with pytest.raises(error):
            stored.extend(store.put_many(contents))
        assert stored == [ContentDigest.from_bytes(content) for content in (b"1", b"2")]
        assert list(store.list_digests()) == sorted(stored)

    def test_many_that_are_not_waited_for_leave_nothing_but_whole_blobs(
        self, store: CasStore
    ) -> None:
        with closing(cast("Any", store.put_many(BytesIO(b"%d" % n) for n in range(5)))) as digests:
            assert next(digests) == ContentDigest.from_bytes(b"0")
        for digest in store.list_digests():
            store.get(digest)

    @every_damage
    def test_putting_a_damaged_blob_among_many_repairs_it(
        self, store: CasStore, corrupt: Corrupt, damage: Callable[[bytes], bytes]
    ) -> None:
        digest = store.put(b"some content")
        corrupt(digest, damage)
        assert digest in list(store.put_many(map(BytesIO, (b"1", b"some content", b"2"))))
        assert store.get(digest) == b"some content"

    def test_a_stream_of_text_is_refused(self, store: CasStore) -> None:
        with pytest.raises(SerializationError):
            store.put_stream(cast("BinaryIO", StringIO("abc")))
        assert list(store.list_digests()) == []

    # open

    @every_content
    def test_a_stream_gives_the_exact_bytes(self, store: CasStore, content: bytes) -> None:
        with store.open(store.put(content)) as stream:
            assert stream.read() == content
            assert stream.read() == b""

    @pytest.mark.parametrize("size", [1, 3, 1000, 1001, 1 << 16])
    def test_a_stream_can_be_read_in_pieces_of_any_size(self, store: CasStore, size: int) -> None:
        content = noise(1001)
        pieces = []
        with store.open(store.put(content)) as stream:
            while piece := stream.read(size):
                assert len(piece) <= size
                pieces.append(piece)
        assert b"".join(pieces) == content

    def test_a_stream_need_not_be_read_to_its_end(self, store: CasStore) -> None:
        digest = store.put(CONTENTS["3 MiB"])
        with store.open(digest) as stream:
            assert stream.read(5) == CONTENTS["3 MiB"][:5]
        assert stream.closed
        store.delete(digest)

    # damage

    @every_damage
    def test_get_never_returns_damaged_bytes(
        self, store: CasStore, corrupt: Corrupt, damage: Callable[[bytes], bytes]
    ) -> None:
        digest = store.put(b"abc")
        corrupt(digest, damage)
        with pytest.raises(IntegrityError) as caught:
            store.get(digest)
        assert caught.value.expected == ABC
        assert caught.value.actual == sha256(damage(b"abc")).hexdigest()
        assert ABC in str(caught.value)

    @every_damage
    @pytest.mark.parametrize("size", [-1, 1, 3, 4, 100_000, 1 << 20])
    def test_a_stream_of_damaged_bytes_raises_instead_of_ending(
        self, store: CasStore, corrupt: Corrupt, damage: Callable[[bytes], bytes], size: int
    ) -> None:
        digest = store.put(b"abc" * 100_000 if size > 100 else b"abc")
        corrupt(digest, damage)

        def read_to_the_end() -> None:
            with store.open(digest) as stream:
                while stream.read(size):
                    pass

        with pytest.raises(IntegrityError) as caught:
            read_to_the_end()
        assert caught.value.expected == digest

    @every_damage
    @pytest.mark.parametrize("way", ["put", "put_stream"])
    def test_putting_a_damaged_blob_repairs_it(
        self,
        open_store: OpenStore,
        corrupt: Corrupt,
        damage: Callable[[bytes], bytes],
        way: str,
    ) -> None:
        digest = open_store().put(b"abc")
        corrupt(digest, damage)
        store = open_store()
        again = store.put(b"abc") if way == "put" else store.put_stream(BytesIO(b"abc"))
        assert again == digest
        assert open_store().get(digest) == b"abc"
        assert list(open_store().list_digests()) == [digest]

    def test_contains_does_not_read_the_blob(self, store: CasStore, corrupt: Corrupt) -> None:
        digest = store.put(b"abc")
        corrupt(digest, DAMAGES["emptied"])
        assert store.contains(digest)

    def test_a_damaged_blob_can_be_deleted(self, store: CasStore, corrupt: Corrupt) -> None:
        digest = store.put(b"abc")
        corrupt(digest, DAMAGES["emptied"])
        store.delete(digest)
        assert not store.contains(digest)

    def test_damage_to_one_blob_does_not_touch_another(
        self, store: CasStore, corrupt: Corrupt
    ) -> None:
        kept = store.put(b"kept")
        corrupt(store.put(b"abc"), DAMAGES["emptied"])
        assert store.get(kept) == b"kept"

    # list_digests

    def test_an_empty_store_lists_nothing(self, store: CasStore) -> None:
        assert list(store.list_digests()) == []
        assert list(store.list_digests("ab")) == []

    def test_digests_are_listed_in_order(self, open_store: OpenStore) -> None:
        contents = [b"%d" % number for number in range(50)]
        for content in contents:
            open_store().put(content)
        listed = list(open_store().list_digests())
        assert listed == sorted(sha256(content).hexdigest() for content in contents)
        assert {type(digest) for digest in listed} == {ContentDigest}

    @pytest.mark.parametrize("length", [0, 1, 2, 3, 4, 63, 64])
    def test_digests_are_listed_by_prefix(self, store: CasStore, length: int) -> None:
        # Enough that prefixes of one and two characters have company in the store.
        digests = sorted(sha256(b"%d" % number).hexdigest() for number in range(60))
        for number in range(60):
            store.put(b"%d" % number)
        for wanted in digests[::10]:
            prefix = wanted[:length]
            assert list(store.list_digests(prefix)) == [d for d in digests if d.startswith(prefix)]

    def test_a_prefix_that_nothing_has_lists_nothing(self, store: CasStore) -> None:
        store.put(b"abc")
        assert list(store.list_digests("bb")) == []
        assert list(store.list_digests(ABC[:63] + "0")) == []

    def test_blobs_can_be_deleted_while_they_are_listed(self, store: CasStore) -> None:
        for number in range(20):
            store.put(b"%d" % number)
        seen = 0
        for digest in store.list_digests():
            store.delete(digest)
            seen += 1
        assert seen == 20
        assert list(store.list_digests()) == []

    # many at once

    def test_threads_that_put_the_same_content_make_one_object(self, open_store: OpenStore) -> None:
        content = CONTENTS["3 MiB"]
        outcomes = race(8, lambda _: open_store().put(content))
        assert outcomes.raised == []
        assert outcomes.returned == [sha256(content).hexdigest()] * 8
        assert list(open_store().list_digests()) == outcomes.returned[:1]
        assert open_store().get(outcomes.returned[0]) == content

    def test_threads_that_put_different_contents_lose_none(self, store: CasStore) -> None:
        def put(thread: int) -> list[ContentDigest]:
            return [store.put(b"%d of %d" % (number, thread)) for number in range(8)]

        outcomes = race(8, put)
        assert outcomes.raised == []
        digests = [digest for returned in outcomes.returned for digest in returned]
        assert len(set(digests)) == 64
        assert list(store.list_digests()) == sorted(digests)
        assert all(sha256(store.get(digest)).hexdigest() == digest for digest in digests)

    def test_a_reader_beside_writers_sees_whole_blobs_or_none(self, store: CasStore) -> None:
        content = noise(1 << 18)
        digest = ContentDigest(sha256(content).hexdigest())

        def act(thread: int) -> None:
            for _ in range(10):
                if thread % 2:
                    store.put(content)
                    store.delete(digest)
                    continue
                try:
                    assert store.get(digest) == content
                except NotFoundError:
                    pass

        assert race(4, act).raised == []
