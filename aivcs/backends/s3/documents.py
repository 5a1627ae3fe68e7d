"""The documents of a store on S3: numbered versions, because the server compares only presence.

A version of a document is an object whose name nobody gives twice, as a chunk of a log; the one
with the highest number counts. Its bytes are the document and a newline; an empty object tells that
the document was removed. `format` and `id` are written once and lie where a folder has them.
"""

from __future__ import annotations

from time import time
from typing import TYPE_CHECKING

from aivcs.codec.sha256 import hex_digest
from aivcs.errors import ConflictError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aivcs.backends.s3.client import Client

_FOLDER = "documents"
_MARK = "!"
_WRITTEN = "written"
"""The member of a version's metadata with the writer's time: the server's may be whole seconds."""
_ERASED = "notes/"
"""The beginning of the names of documents that are dropped only to erase them: annotations."""
_PLAIN = frozenset({"format", "id"})
"""Documents that are written once."""


class S3Documents:
    """The `Documents`. Thread-safe."""

    def __init__(self, client: Client) -> None:
        """Takes the client of the store."""
        self._client = client

    def read(self, name: str) -> tuple[bytes, str] | None:
        """As `Documents.read`; two requests, or one if there is no such document."""
        if name in _PLAIN:
            found = self._client.get(name)
            return None if found is None else (found.data, hex_digest(found.data))
        return self._latest(name)[1]

    def create(self, name: str, data: bytes) -> bool:
        """As `Documents.create`."""
        if name in _PLAIN:
            return self._client.create(name, data) is None
        while True:
            number, size = self._last(name)
            if size:
                return False
            if self._add(name, number + 1, data + b"\n"):
                return True

    def write(self, name: str, data: bytes, *, expect: str | None = None) -> None:
        """As `Documents.write`."""
        if name in _PLAIN:
            self._require(name, self.read(name), expect)
            self._client.put(name, data)
            return
        while True:
            number = self._expected(name, expect)
            if self._add(name, number + 1, data + b"\n"):
                return

    def names(self, prefix: str, *, newest_first: bool = False) -> Iterator[str]:
        """As `Documents.names`."""
        if not newest_first:
            # Some servers list folder by folder, so "a/x" before "a-b".
            return iter(sorted(name for name, _, _ in self._present(prefix)))
        return iter(self._newest_first(prefix))

    def drop(self, name: str, *, expect: str | None = None) -> bool:
        """As `Documents.drop`."""
        if name in _PLAIN:
            found = self.read(name)
            self._require(name, found, expect)
            self._client.delete(name)
            return found is not None
        while True:
            if expect is None:
                number, size = self._last(name)
                if not size:
                    return False
            else:
                number = self._expected(name, expect)
                if not expect:
                    return False
            if self._add(name, number + 1, b""):
                self._empty(name, number)
                return True

    def _empty(self, name: str, number: int) -> None:
        """Empties the versions of a document up to a number, if its content must be gone.

        Others keep theirs: who may drop a pin may not write over it.
        """
        if name.startswith(_ERASED):
            for each in range(1, number + 1):
                self._client.put(_key(name, each), b"")

    def _add(self, name: str, number: int, text: bytes) -> bool:
        written = {_WRITTEN: f"{time():.6f}"}
        return self._client.create(_key(name, number), text, written) is None

    def _expected(self, name: str, expect: str | None) -> int:
        """The number of the last version, which is as expected."""
        if expect is None:
            return self._last(name)[0]
        number, found = self._latest(name)
        self._require(name, found, expect)
        return number

    def _require(self, name: str, found: tuple[bytes, str] | None, expect: str | None) -> None:
        if expect is not None and expect != (found[1] if found else ""):
            raise ConflictError(f"{name} was changed by somebody else; nothing was written")

    def _last(self, name: str) -> tuple[int, int]:
        """Number and size of the last version; zeros if there is none."""
        number = size = 0
        for entry in self._client.entries(f"{_FOLDER}/{name}{_MARK}"):
            number, size = int(entry.key.rpartition("/")[2]), entry.size
        return number, size

    def _latest(self, name: str) -> tuple[int, tuple[bytes, str] | None]:
        number, size = self._last(name)
        found = self._client.get(_key(name, number)) if size else None
        if found is None:
            return number, None
        data = found.data[:-1]
        return number, (data, hex_digest(data))

    def _present(self, prefix: str) -> Iterator[tuple[str, int, float]]:
        """Name, number of the last version and time of each document that is not removed."""
        folder, _, begin = prefix.rpartition("/")
        top = f"{_FOLDER}/{folder}" if folder else _FOLDER
        place = f"{_FOLDER}/{prefix}"
        current: tuple[str, int, int, float] = ("", 0, 0, 0.0)
        for entry in self._client.entries(top, place if begin else ""):
            if not entry.key.startswith(place):
                break
            name, _, number = entry.key[len(_FOLDER) + 1 :].partition(f"{_MARK}/")
            if name != current[0] and current[2]:
                yield current[0], current[1], current[3]
            current = (name, int(number), entry.size, entry.modified)
        if current[2]:
            yield current[0], current[1], current[3]

    def _newest_first(self, prefix: str) -> list[str]:
        """The names by time; where the server's times are equal, by those of the writers."""
        from collections import Counter

        found = list(self._present(prefix))
        times = Counter(modified for _, _, modified in found)

        def order(entry: tuple[str, int, float]) -> tuple[float, float]:
            name, number, modified = entry
            if times[modified] == 1:
                return modified, 0.0
            stored = self._client.get(_key(name, number))
            written = stored.metadata.get(_WRITTEN, "") if stored else ""
            return modified, float(written or 0)

        ordered = zip(self._client.each(order, found), found, strict=True)
        return [name for _, (name, _, _) in sorted(ordered, reverse=True)]


def _key(name: str, number: int) -> str:
    return f"{_FOLDER}/{name}{_MARK}/{number:08d}"
