"""Release logs of another store as they were pulled: to be read here, never to be live here.

The lines of a log are a blob, which a pin keeps. The document `remotes/REMOTE/releases/NAME` names
it, with the head of the log and the time of the pull. Nothing of it stands among the store's own
logs, so no command can take it for one.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from aivcs.codec.json import encode, parse
from aivcs.errors import BackendError, IntegrityError, SerializationError
from aivcs.model.digest import ContentDigest
from aivcs.model.record import Head
from aivcs.store.numbered import NumberedView, read_lines
from aivcs.store.place import START

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from aivcs.store.driver import Backend, LogView
    from aivcs.store.place import Place

PREFIX = "release/"


class Pulled(NamedTuple):
    """A pulled log.

    Attributes:
        head: The head of the log.
        digest: The blob with its lines.
        at: The time of the pull, in POSIX seconds by the clock of this store.
    """

    head: Head
    digest: ContentDigest
    at: float


class PulledLogs:
    """A `LogDriver` of the release logs that were pulled from a remote; read only."""

    def __init__(self, backend: Backend, remote: str) -> None:
        """Takes the store that holds the copies, and the name of the remote."""
        self._backend = backend
        self._remote = remote
        self._folder = f"remotes/{remote}/releases/"

    def find(self, name: str) -> Pulled | None:
        """Returns what is known of a release name at the remote; None if nothing was pulled.

        Raises:
            IntegrityError: The document is damaged.
        """
        found = self._backend.documents.read(self._folder + name)
        if found is None:
            return None
        try:
            value = parse(found[0].decode())
            head = Head(int(value["lines"]), str(value["hash"]))
            return Pulled(head, ContentDigest(value["digest"]), float(value["at"]))
        except (SerializationError, ValueError, KeyError, TypeError) as error:
            raise IntegrityError.of(
                f"what is known of {self._remote}:{name} is damaged; pull again", name
            ) from error

    def keep(self, name: str, lines: Iterable[bytes], head: Head) -> None:
        """Keeps the lines of a log, which were checked; replaces an earlier copy."""
        before = self.find(name)
        data = b"".join(line if line.endswith(b"\n") else line + b"\n" for line in lines)
        backend = self._backend
        with backend.hold():
            digest = backend.objects.put(data)
            backend.documents.create(f"pins/{digest}", b"")
            text = encode(
                {"lines": head.lines, "hash": head.hash, "digest": digest, "at": backend.now()}
            )
            backend.documents.write(self._folder + name, text.encode() + b"\n")
        if before is not None and before.digest != digest:
            backend.documents.drop(f"pins/{before.digest}")

    def drop_all(self) -> None:
        """Removes all copies of this remote."""
        documents = self._backend.documents
        for name in list(documents.names(self._folder)):
            known = self.find(name.removeprefix(self._folder))
            documents.drop(name)
            if known is not None:
                documents.drop(f"pins/{known.digest}")

    def names(self, prefix: str = "", *, strict: bool = True) -> Iterator[str]:  # noqa: ARG002
        """As `LogDriver.names`."""
        for name in self._backend.documents.names(self._folder):
            log = PREFIX + name.removeprefix(self._folder)
            if log.startswith(prefix):
                yield log

    def where(self, name: str) -> str:
        """As `LogDriver.where`."""
        return f"{self._remote}:{name.removeprefix(PREFIX)}"

    @contextmanager
    def look(self, name: str) -> Iterator[LogView | None]:
        """As `LogDriver.look`."""
        lines = self._lines(name)
        where = self.where(name)
        yield NumberedView(where, len(lines), lambda n: lines[n - 1]) if lines else None

    def update(
        self,
        name: str,
        decide: Callable[[LogView | None], Iterable[bytes]],  # noqa: ARG002
        *,
        durable: bool = True,  # noqa: ARG002
    ) -> None:
        """Refuses to append.

        Raises:
            BackendError: Always.
        """
        raise BackendError(f"{self.where(name)} is a copy of a log; it is changed at its home")

    def append_texts(self, name: str, texts: list[bytes]) -> int | None:  # noqa: ARG002
        """As `LogDriver.append_texts`; not offered."""
        return None

    def read(
        self,
        name: str,
        after: Place = START,
        *,
        settled: bool = False,  # noqa: ARG002 it is
    ) -> Iterator[tuple[bytes, Place]]:
        """As `LogDriver.read`."""
        lines = self._lines(name)  # both times those of one copy
        yield from read_lines(self.where(name), lambda: lines, after)

    def _lines(self, name: str) -> list[bytes]:
        known = self.find(name.removeprefix(PREFIX))
        if known is None:
            return []
        data = self._backend.objects.get(known.digest)
        return [line + b"\n" for line in data.removesuffix(b"\n").split(b"\n")]
