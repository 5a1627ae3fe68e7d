"""What refers to a blob: the one rule by which a blob may be removed.

The rule is conservative: every string of exactly 64 hexadecimal digits counts as a reference,
wherever it stands in a line of a log (of a run or a release, in members that are not known yet
too), as a pin, or in a blob that is itself referred to and begins as JSON does. What cannot be read
could say anything, so damage to a log or to such a blob is an error, not an absence of references.
"""

from __future__ import annotations

import json
import marshal
import re
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from aivcs.errors import BackendError, NotFoundError
from aivcs.log import chain
from aivcs.model import ContentDigest
from aivcs.util.disk_map import Stack, Table

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from aivcs.backends.fs.logs import LogCursor, Place
    from aivcs.repository import Repository

_CHUNK = 1 << 18
"""Bytes of a blob searched at once."""
_QUOTED = re.compile(rb'"([0-9a-fA-F]{64})"')
"""A string of JSON that reads as a digest; found in what is not quite JSON too, to be safe."""
_ESCAPED = re.compile(rb'"((?:[0-9a-fA-F]|\\u00(?:3[0-9]|[46][1-6])){64})"')
"""The same, with any of its characters escaped; JSON has no other escape for these."""
_LONGEST = 64 * 6 + 2
"""Bytes of such a string, at most."""
_MARK = b"\xef\xbb\xbf"
"""A byte order mark, which JSON should not begin with, and sometimes does."""
_SEQ = re.compile(rb'\{"type":"event","seq":(\d+),')


class References:
    """The digests that a store refers to, as far as it was read.

    `digest in references` tells whether one was found. There may be more of them than memory should
    hold (`aivcs.util.disk_map`).
    """

    def __init__(self, repo: Repository) -> None:
        """Takes a store; nothing is read yet."""
        self._repo = repo
        # By the bytes of the digests: what is referred to, has been searched unless it is absent;
        # what was searched beside; and what was to be searched and was not there.
        self._found = Table()
        self._searched = Table()
        self._absent = Table()
        # Where reading each log has stopped, in the order of their names. Not in memory: there may
        # be more logs than it can hold.
        self._places = _Places(repo)

    def __contains__(self, digest: ContentDigest) -> bool:
        """Whether anything that was read refers to a digest."""
        return bytes.fromhex(digest) in self._found

    def catch_up(self) -> Iterator[tuple[ContentDigest, str]]:
        """Reads what was not read yet; yields every digest found, once, and what refers to it.

        Called again it costs little more than a look at each log. It must be read to its end.

        Raises:
            IntegrityError: A log or a blob is damaged, so what it refers to cannot be known.
            StorageError: One cannot be read.
        """
        backend = self._repo.backend
        was_absent = bool(self._absent)
        for pin in backend.pins():
            yield from self._follow(digests_in(b'"%b"' % pin.encode(errors="replace")), None, pin)
        places = _Places(self._repo)
        for name, place in self._places.beside(backend.list_logs()):
            log = backend.read_log(name, place)
            for line in log.more():
                # The hash that closes a line is of lines, not of a blob.
                found = digests_in(line[: -chain.LINK_BYTES])
                yield from self._follow(found, log, line)
            places.add(name, log.place)
        self._places.close()
        self._places = places
        # One may have been put since, and name others itself; but of the first reading, hardly.
        for key in self._absent.keys() if was_absent else ():
            digest = ContentDigest(key.hex())
            if self._repo.blobs.contains(digest):
                yield from self._follow(self._parts(digest), None, digest)

    def search(self, digest: ContentDigest) -> None:
        """Counts what a blob refers to, and so on, though nothing may refer to the blob itself.

        Raises:
            IntegrityError: It is damaged.
            StorageError: It cannot be read.
        """
        key = bytes.fromhex(digest)
        if key in self._found and key not in self._absent:
            return
        if self._searched.add(key):
            for _ in self._follow(self._parts(digest), None, digest):
                pass

    def _follow(
        self, digests: Iterable[ContentDigest], log: LogCursor | None, source: str | bytes
    ) -> Iterator[tuple[ContentDigest, str]]:
        waiting = Stack()
        for first in digests:
            if not self._found.add(bytes.fromhex(first)):
                continue
            yield first, _describe(log, source)
            self._push_parts(waiting, first)
            while waiting:
                key, whole = waiting.pop()
                if self._found.add(key):
                    digest = ContentDigest(key.hex())
                    yield digest, f"blob {whole.hex()}"
                    self._push_parts(waiting, digest)

    def _push_parts(self, waiting: Stack, digest: ContentDigest) -> None:
        """Puts what a blob refers to on a stack, and the blob with each, unless that was done."""
        key = bytes.fromhex(digest)
        if key not in self._searched:
            for part in self._parts(digest):
                waiting.push((bytes.fromhex(part), key))

    def _parts(self, digest: ContentDigest) -> Iterator[ContentDigest]:
        """Yields what a blob refers to, if it is there; the whole blob is verified."""
        key = bytes.fromhex(digest)
        try:
            yield from digests_in_blob(self._repo, digest)
        except NotFoundError:
            self._absent.add(key)
            self._searched.pop(key)
        else:
            self._absent.pop(key)


class _Places:
    """Where reading stopped in each of some logs, in the order of their names, in a file."""

    def __init__(self, repo: Repository) -> None:
        self._file = repo.backend.scratch()

    def add(self, name: str, place: Place) -> None:
        with _writing():
            marshal.dump((name, place), self._file)

    def beside(self, names: Iterable[str]) -> Iterator[tuple[str, Place | None]]:
        """Yields some names, which come in order, too, each with its place, if there is one."""
        with _writing():
            self._file.seek(0)
        known, place = self._next()
        for name in names:
            while known and known < name:
                known, place = self._next()
            yield name, place if known == name else None

    def close(self) -> None:
        with suppress(OSError):  # it is not wanted any more
            self._file.close()

    __del__ = close

    def _next(self) -> tuple[str, Place | None]:
        try:
            with _writing():
                name, place = marshal.load(self._file)  # noqa: S302 our own
        except EOFError:
            return "", None
        return name, place


@contextmanager
def _writing() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise BackendError(f"cannot keep what was read: {error.strerror or error}") from error


def _describe(log: LogCursor | None, source: str | bytes) -> str:
    """Says what refers to something: a line of a log, a blob, or a pin."""
    if isinstance(source, str):
        return f"blob {source}" if isinstance(source, ContentDigest) else f"the pin {source}"
    assert log is not None
    kind, _, rest = log.name.partition("/")
    if kind == "release":
        return f"release {rest}@{log.lines}"
    event = _SEQ.match(source)
    return f"event {int(event[1])} of run {rest}" if event else f"run {rest}"


def digests_in_blob(repo: Repository, digest: ContentDigest) -> Iterator[ContentDigest]:
    """Yields every string in a blob that reads as a digest, if it begins as JSON does.

    The whole blob is read, whatever it is, for damage may have changed just its beginning.

    Raises:
        NotFoundError: No blob has this digest.
        IntegrityError: It is damaged.
    """
    carry, begins = b"", b""
    with repo.blobs.open(digest) as stream:
        while block := stream.read(_CHUNK):
            begins = begins or block.removeprefix(_MARK).lstrip(b" \t\r\n")[:1]
            if begins in {b"{", b"[", b'"'}:
                yield from digests_in(carry + block)
                carry = (carry + block)[1 - _LONGEST :]


def digests_in(text: bytes) -> Iterator[ContentDigest]:
    """Yields every string in some JSON that reads as a digest, keys included; some maybe twice."""
    if rb"\u00" not in text:
        for found in _QUOTED.finditer(text):
            yield ContentDigest(found[1].decode())
        return
    for found in _ESCAPED.finditer(text):
        yield ContentDigest(json.loads(found[0]))
