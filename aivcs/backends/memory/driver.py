"""Logs in memory: the lines a file would hold, judged by the same rules. Thread-safe."""

from __future__ import annotations

from contextlib import contextmanager
from threading import Lock
from time import time
from typing import TYPE_CHECKING

from aivcs.errors import IntegrityError
from aivcs.log import chain
from aivcs.log.redaction import replaced
from aivcs.store.numbered import NumberedView
from aivcs.store.place import START, Place

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from aivcs.model.digest import ContentDigest
    from aivcs.store.driver import LogView


class MemoryLogDriver:
    """A `LogDriver` that keeps each log as a list of lines.

    Attributes:
        logs: The lines of each log, with their newlines, by its name. Tests damage lines through
            it; nothing else should touch it.
    """

    erases = True

    def __init__(self) -> None:
        """Begins empty."""
        self.logs: dict[str, list[bytes]] = {}
        self._arrived: dict[str, float] = {}
        self._lock = Lock()

    def names(self, prefix: str = "", *, strict: bool = True) -> Iterator[str]:  # noqa: ARG002
        """As `LogDriver.names`, of this moment."""
        with self._lock:
            return iter(sorted(name for name in self.logs if name.startswith(prefix)))

    def where(self, name: str) -> str:
        """As `LogDriver.where`."""
        return name

    @contextmanager
    def look(self, name: str) -> Iterator[LogView | None]:
        """As `LogDriver.look`."""
        yield self._view(name)

    def update(
        self,
        name: str,
        decide: Callable[[LogView | None], Iterable[bytes]],
        *,
        durable: bool = True,  # noqa: ARG002 memory is never
    ) -> None:
        """As `LogDriver.update`; `decide` is called once, under the lock of all logs."""
        with self._lock:
            lines = list(decide(self._view(name)))
            if lines:
                self.logs[name] = [*self.logs.get(name, ()), *lines]
                self._arrived[name] = time()

    def redact(self, name: str, stubs: Mapping[int, bytes]) -> None:
        """As `Erasing.redact`."""
        with self._lock:
            if name in self.logs:
                self.logs[name] = list(replaced(name, self.logs[name], stubs))

    def remove(self, name: str) -> None:
        """As `Erasing.remove`."""
        with self._lock:
            self.logs.pop(name, None)
            self._arrived.pop(name, None)

    def remove_many(self, names: Iterable[str]) -> None:
        """As `Erasing.remove_many`."""
        for name in names:
            self.remove(name)

    def arrivals(self, prefix: str = "run/") -> Iterator[tuple[str, float, int]]:
        """As `Erasing.arrivals`, of this moment."""
        with self._lock:
            found = sorted(name for name in self.logs if name.startswith(prefix))
            return iter(
                [(n, self._arrived.get(n, 0.0), sum(map(len, self.logs[n]))) for n in found]
            )

    def forget_blob(self, digest: ContentDigest) -> None:
        """As `Erasing.forget_blob`: nothing is ever beside its place."""

    def append_texts(self, name: str, texts: list[bytes]) -> int | None:  # noqa: ARG002
        """As `LogDriver.append_texts`; not offered."""
        return None

    def read(
        self,
        name: str,
        after: Place = START,
        *,
        settled: bool = False,  # noqa: ARG002 memory is as settled as it gets
    ) -> Iterator[tuple[bytes, Place]]:
        """As `LogDriver.read`."""
        lines = self.logs.get(name, [])
        before = lines[after.lines - 1][:-1] if 0 < after.lines <= len(lines) else b""
        if (chain.hash_of(before) or "") != after.hash:
            after = START
        place = after
        try:
            for number, line in chain.verified_lines(lines[after.lines :], after.hash, after.lines):
                place = Place(number, chain.hash_of(line) or "")
                yield line, place
        except IntegrityError as error:
            chain.name_error(name, error)
            raise

    def _view(self, name: str) -> NumberedView | None:
        lines = self.logs.get(name)  # which is never changed: an update makes another list
        return NumberedView(name, len(lines), lambda n: lines[n - 1]) if lines else None
