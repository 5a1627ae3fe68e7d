"""Logs in memory: the lines a file would hold, judged by the same rules. Thread-safe."""

from __future__ import annotations

from contextlib import contextmanager
from threading import Lock
from typing import TYPE_CHECKING

from aivcs.errors import IntegrityError
from aivcs.log import chain
from aivcs.store.place import START, Place

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from aivcs.store.driver import LogView, NumberOf


class MemoryLogDriver:
    """A `LogDriver` that keeps each log as a list of lines.

    Attributes:
        logs: The lines of each log, with their newlines, by its name. Tests damage lines through
            it; nothing else should touch it.
    """

    def __init__(self) -> None:
        """Begins empty."""
        self.logs: dict[str, list[bytes]] = {}
        self._lock = Lock()

    def names(self, prefix: str = "") -> Iterator[str]:
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
            for number, line in chain.right_lines(lines[after.lines :], after.hash, after.lines):
                place = Place(number, chain.hash_of(line) or "")
                yield line, place
        except IntegrityError as error:
            if not error.where.isdigit():
                raise
            raise _damaged(name, int(error.where), error) from error

    def _view(self, name: str) -> _MemoryView | None:
        lines = self.logs.get(name)
        return _MemoryView(name, lines) if lines else None


class _MemoryView:
    """A `LogView` on a list that is never changed: an update makes a new one."""

    def __init__(self, name: str, lines: list[bytes]) -> None:
        self._name = name
        self._lines = lines
        self.last = self._checked(len(lines))
        self.before = self._hash_before(len(lines))

    def first(self) -> bytes:
        return self._checked(1)

    def back(self) -> Iterator[bytes]:
        return map(self._checked, range(len(self._lines), 0, -1))

    def forth(self) -> Iterator[bytes]:
        return iter(self._lines)

    def line(self, number: int, number_of: NumberOf) -> bytes | None:
        if not 0 < number <= len(self._lines):
            return None
        line = self._checked(number)
        return line if number_of(line) == number else None

    def _hash_before(self, number: int) -> str:
        return (chain.hash_of(self._lines[number - 2][:-1]) or "") if number > 1 else ""

    def _checked(self, number: int) -> bytes:
        line, previous = self._lines[number - 1][:-1], self._hash_before(number)
        if not self._lines[number - 1].endswith(b"\n") or not chain.is_right(line, previous):
            error = IntegrityError(chain.hash_of(line), chain.expected_hash(line, previous), "")
            raise _damaged(self._name, number, error)
        return line


def _damaged(name: str, number: int, error: IntegrityError) -> IntegrityError:
    return IntegrityError(error.expected, error.actual, f"{name} line {number}")
