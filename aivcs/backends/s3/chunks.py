"""The chunks of a log: whole lines in objects named by the number of their first line.

Who appends after line n creates the object n + 1, and the server lets one win. So success proves
that line n was the last one, whoever said so; that is why a remembered end of a log may be stale
but never leads to a wrong line. It also means that a number must never become free again: chunks
are not deleted, only emptied, and the first and the last of a log not even that.

A chunk's metadata has the hash of the line before it, and the nonce of its writer.
"""

from __future__ import annotations

from functools import partial
from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple

from aivcs.backends.s3.client import NONCE
from aivcs.errors import IntegrityError
from aivcs.log import chain

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aivcs.backends.s3.client import Client, Entry, Stored

PREVIOUS = "previous"
"""The member of a chunk's metadata with the hash of the line before the chunk."""
OWNER = "owner"
"""The member of a first chunk's metadata that says whose process began the log."""
PAGE = 1000
"""Keys in one answer to a listing."""
_FOLDER = "open"
_SLASH = "="
"""Replaces the slashes in a name: some servers walk folders, and so do not list keys in order."""
_MARK = "!"
"""Ends a log's name in keys. It sorts before every character of a name: keys are in order."""


class Chunk(NamedTuple):
    """Some lines of a log.

    Attributes:
        number: The number of the first line, from 1.
        lines: The lines, each with its newline; none if the chunk was emptied.
        before: The hash of the line before the first; empty if there is none.
    """

    number: int
    lines: list[bytes]
    before: str

    @property
    def end(self) -> int:
        """The number of the last line."""
        return self.number + len(self.lines) - 1

    @property
    def tail(self) -> tuple[bytes, str]:
        """The last line, without its newline, and the hash of the line before it."""
        before = self.before
        if len(self.lines) > 1:
            before = chain.hash_of(self.lines[-2][:-1]) or ""
        return self.lines[-1].rstrip(b"\n"), before


def folder(log: str) -> str:
    """Returns the folder of the chunks of a log."""
    kind, _, name = log.partition("/")
    return f"{_FOLDER}/{kind}/{name.replace('/', _SLASH)}{_MARK}"


def key(log: str, number: int) -> str:
    """Returns the key of the chunk that begins with a line."""
    return f"{folder(log)}/{number:016d}"


def joined_key(log: str) -> str:
    """Returns the key of a run's log in one piece, where a store in a folder has it."""
    run = log.removeprefix("run/")
    return f"runs/{run[:2]}/{run}.jsonl"


class LogEnd(NamedTuple):
    """The end of a log in a listing.

    Attributes:
        log: The log.
        last: Its last chunk.
        size: The bytes of all its chunks, of which some may be emptied.
    """

    log: str
    last: Entry
    size: int


class Chunks:
    """The chunks of all logs of a store."""

    def __init__(self, client: Client) -> None:
        """Takes the client of the store."""
        self._client = client

    def append(
        self, log: str, number: int, lines: list[bytes], before: str, owner: str = ""
    ) -> Stored | None:
        """Stores lines as the chunk with a number, if there is none; else returns that one."""
        metadata = {PREVIOUS: before} if before else {}
        if owner:
            metadata[OWNER] = owner
        return self._client.create(key(log, number), b"".join(lines), metadata)

    def get(self, log: str, number: int) -> Chunk | None:
        """Returns a chunk; None if there is none."""
        found = self._client.get(key(log, number))
        return None if found is None else read_chunk(number, found)

    def get_all(self, log: str, numbers: list[int], ahead: int) -> Iterator[Chunk | None]:
        """Yields chunks in order, up to `ahead` of them read at a time."""
        if len(numbers) < 2:
            return map(partial(self.get, log), numbers)
        return self._client.each(partial(self.get, log), numbers, ahead)

    def owner(self, log: str) -> str:
        """Returns whose process began a log; empty if that is not known."""
        found = self._client.get(key(log, 1))
        return "" if found is None else found.metadata.get(OWNER, "")

    def listed(self, log: str, after: int = 0) -> Iterator[tuple[int, int]]:
        """Yields number and size in bytes of each chunk with a higher number than `after`."""
        for page in self._pages(log, after):
            yield from page

    def listed_runs(self) -> Iterator[tuple[str, list[tuple[int, int]]]]:
        """Yields each run's log with number and size in bytes of its chunks, by one listing."""
        entries = self._client.entries(f"{_FOLDER}/run")
        for log, group in groupby(entries, lambda entry: _log_of(entry.key)):
            if log:
                yield log, [_numbered(entry) for entry in group]

    def ends(self, prefix: str) -> Iterator[LogEnd]:
        """Yields the ends of all runs' logs that begin with a prefix, by one listing."""
        entries = self._client.entries(f"{_FOLDER}/run")
        for log, group in groupby(entries, lambda entry: _log_of(entry.key)):
            if log and log.startswith(prefix):
                chunks = list(group)
                yield LogEnd(log, chunks[-1], sum(chunk.size for chunk in chunks))

    def last(self, log: str, after: int = 0) -> tuple[int, int] | None:
        """Returns number and size of the last chunk; None if none has a number above `after`.

        A long log is not listed as a whole: the listing leaps ahead, and halves what it leapt over.
        """
        page = next(self._pages(log, after), [])
        if not page:
            return None
        low, high = page[-1], 0
        step = max(low[0] - after, PAGE)
        while len(page) >= PAGE:
            guess = (low[0] + high) // 2 if high else low[0] + step
            page_after = next(self._pages(log, guess), [])
            if page_after:
                page, low = page_after, page_after[-1]
                step *= 2
            elif guess <= low[0]:
                break
            else:
                high = guess
        return low

    def empty(self, log: str, number: int) -> None:
        """Empties a chunk whose lines are in the joined log; its name stays taken."""
        place = key(log, number)
        found = self._client.get(place)
        if found is not None and found.data:
            metadata = {k: found.metadata[k] for k in (NONCE, PREVIOUS) if k in found.metadata}
            self._client.put(place, b"", metadata)

    def joined(self, log: str) -> list[bytes]:
        """Returns all lines of a joined log.

        Raises:
            IntegrityError: It is missing.
        """
        found = self._client.get(joined_key(log))
        if found is None:
            raise IntegrityError.of(
                f"{joined_key(log)} is missing, and chunks of {log} are empty", log
            )
        return split(found.data)

    def names(self, kind: str, prefix: str, *, strict: bool) -> Iterator[str]:
        """Yields the names of the logs of a kind, such as `run`, in order.

        Raises:
            IntegrityError: An object between the chunks is not a chunk; only if `strict`.
        """
        if kind == "run" and prefix:
            current = ""
            for place in self._places(f"{_FOLDER}/{kind}", prefix):
                name = _log_of(place)
                if not name and strict:
                    raise _foreign(place)
                if name and name != current:
                    current = name
                    yield name
            return
        found = []
        for name in self._client.folders(f"{_FOLDER}/{kind}"):
            if name.endswith(_MARK):
                found.append(name[: -len(_MARK)].replace(_SLASH, "/"))
            elif strict:
                raise _foreign(f"{_FOLDER}/{kind}/{name}")
        yield from (f"{kind}/{name}" for name in sorted(found) if name.startswith(prefix))

    def _places(self, top: str, prefix: str) -> Iterator[str]:
        """The keys of chunks whose log has a prefix, in order; of a long log not all."""
        begin = f"{top}/{prefix}"
        after: str | None = begin if prefix else ""
        while after is not None:
            pages, after = self._client.pages(top, after), None
            for page in pages:
                for entry in page:
                    if entry.key.startswith(begin):
                        yield entry.key
                    elif entry.key > begin:
                        return
                log = _log_of(page[-1].key)
                if len(page) >= PAGE and _log_of(page[0].key) == log:
                    after = f"{folder(log)}/~"  # pass over the rest of it
                    break

    def _pages(self, log: str, after: int) -> Iterator[list[tuple[int, int]]]:
        place = key(log, after) if after > 0 else ""
        for page in self._client.pages(folder(log), place):
            yield [_numbered(entry) for entry in page]


def read_chunk(number: int, found: Stored) -> Chunk:
    """Returns the chunk in an object."""
    return Chunk(number, split(found.data), found.metadata.get(PREVIOUS, ""))


def split(data: bytes) -> list[bytes]:
    """Returns the lines in some bytes, each with its newline, which only the last may lack."""
    lines = [line + b"\n" for line in data.split(b"\n")]
    lines[-1] = lines[-1][:-1]
    return lines if lines[-1] else lines[:-1]


def _numbered(entry: Entry) -> tuple[int, int]:
    digits = entry.key.rpartition("/")[2]
    if not digits.isdecimal():
        raise _foreign(entry.key)
    return int(digits), entry.size


def _log_of(place: str) -> str:
    """The log of a chunk's key; empty if it is not one."""
    name, mark, number = place.removeprefix(f"{_FOLDER}/").partition(f"{_MARK}/")
    return name if mark and number.isdecimal() else ""


def _foreign(place: str) -> IntegrityError:
    return IntegrityError.of(
        f"{place} is not an object of this store; remove it, or move it elsewhere", place
    )
