"""What refers to a blob: the one rule by which a blob may be removed.

The rule is conservative: exactly 64 hexadecimal digits between other characters are a reference,
wherever they stand: in a line of a log (of a run or a release, in members that are not known yet
too), as a pin, or in a blob that is itself referred to, whatever it is (JSON, YAML, a prompt). What
cannot be read could say anything, so damage to a log or to such a blob is an error, not an absence
of references.
"""

from __future__ import annotations

import json
import marshal
import re
from contextlib import contextmanager, suppress
from functools import partial
from tempfile import SpooledTemporaryFile
from typing import TYPE_CHECKING

from aivcs.errors import BackendError, NotFoundError
from aivcs.log import chain
from aivcs.model.digest import ContentDigest
from aivcs.store.place import START, Place
from aivcs.util.disk_map import DiskMap, DiskStack

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from aivcs.repository import Repository

_CHUNK = 1 << 18
"""Bytes of a blob searched at once."""
_DIGITS = re.compile(rb"[0-9a-fA-F]{64,}")
_ESCAPE = re.compile(rb"\\u00(?:3[0-9]|[46][1-6])")
_ESCAPED = re.compile(rb"(?<![0-9a-fA-F])(?:[0-9a-fA-F]|%b){64,}" % _ESCAPE.pattern)
"""The same, with any of them escaped as in a string of JSON, the only escapes of them."""
_LONGEST = 64 * 6 + 8
"""Bytes that are needed to tell a digest, at most, with an escape before it and what bounds it."""
_STRIDE = 8
"""Of 64 digits in a row, so many in such distances are digits too."""
_SAMPLE = b"x" * (64 // _STRIDE)
_IS_DIGIT = bytes(ord("x") if byte in b"0123456789abcdefABCDEF" else 0 for byte in range(256))
_MARK = b"\xef\xbb\xbf"
"""A byte order mark, which JSON should not begin with, and sometimes does."""
_SEQ = re.compile(rb'\{"type":"event","seq":(\d+),')


class ReachableSet:
    """The digests that a store refers to, as far as it was read.

    `digest in reachable` tells whether one was found. There may be more of them than memory should
    hold (`aivcs.util.disk_map`).
    """

    def __init__(self, repo: Repository) -> None:
        """Takes a store; nothing is read yet."""
        self._repo = repo
        # By the bytes of the digests: what is referred to, has been searched unless it is absent;
        # what was searched beside; and what was to be searched and was not there.
        self._found = DiskMap()
        self._searched = DiskMap()
        self._absent = DiskMap()
        # Where reading each log has stopped, in the order of their names. Not in memory: there may
        # be more logs than it can hold.
        self._places = _Places()

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
        logs = self._repo.store.logs
        was_absent = bool(self._absent)
        for pin in self._repo.pins():
            found = digests_in(b'"%b"' % pin.encode(errors="replace"))
            yield from self._follow(found, partial("the pin {}".format, pin))
        places = _Places()
        for name, place in self._places.beside(logs.names()):
            last = place
            for line, last in logs.read(name, place):
                # The hash that closes a line is of lines, not of a blob.
                found = digests_in(line[: -chain.LINK_BYTES])
                yield from self._follow(found, partial(_describe, name, last.lines, line))
            places.add(name, last)
        self._places.close()
        self._places = places
        # One may have been put since, and name others itself; but of the first reading, hardly.
        for key in self._absent.keys() if was_absent else ():
            digest = ContentDigest(key.hex())
            if self._repo.blobs.contains(digest):
                yield from self._follow(self._parts(digest), partial("blob {}".format, digest))

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
            for _ in self._follow(self._parts(digest), partial("blob {}".format, digest)):
                pass

    def _follow(
        self, digests: Iterable[ContentDigest], describe: Callable[[], str]
    ) -> Iterator[tuple[ContentDigest, str]]:
        waiting = DiskStack()
        for first in digests:
            if not self._found.add(bytes.fromhex(first)):
                continue
            yield first, describe()
            self._push_parts(waiting, first)
            while waiting:
                key, whole = waiting.pop()
                if self._found.add(key):
                    digest = ContentDigest(key.hex())
                    yield digest, f"blob {whole.hex()}"
                    self._push_parts(waiting, digest)

    def _push_parts(self, waiting: DiskStack, digest: ContentDigest) -> None:
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

    def __init__(self) -> None:
        # On disk only where there are many logs.
        self._file = SpooledTemporaryFile(1 << 20)

    def add(self, name: str, place: Place) -> None:
        with _writing():
            marshal.dump((name, *place.values()), self._file)

    def beside(self, names: Iterable[str]) -> Iterator[tuple[str, Place]]:
        """Yields some names, which come in order, too, each with its place, or the start."""
        with _writing():
            self._file.seek(0)
        known, place = self._next()
        for name in names:
            while known and known < name:
                known, place = self._next()
            yield name, place if known == name else START

    def close(self) -> None:
        with suppress(OSError):  # it is not wanted any more
            self._file.close()

    __del__ = close

    def _next(self) -> tuple[str, Place]:
        try:
            with _writing():
                name, *values = marshal.load(self._file)  # noqa: S302 our own
        except EOFError:
            return "", START
        return name, Place(*values)


@contextmanager
def _writing() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise BackendError(f"cannot keep what was read: {error.strerror or error}") from error


def _describe(log: str, number: int, line: bytes) -> str:
    """Says which line of a log refers to something."""
    kind, _, rest = log.partition("/")
    if kind == "release":
        return f"release {rest}@{number}"
    event = _SEQ.match(line)
    return f"event {int(event[1])} of run {rest}" if event else f"run {rest}"


def digests_in_blob(
    repo: Repository, digest: ContentDigest, *, strings: bool = False
) -> Iterator[ContentDigest]:
    """Yields every digest in a blob.

    The whole blob is read, whatever it is, for damage may have changed just its beginning.

    Args:
        repo: The store.
        digest: The blob.
        strings: Only those that are a string each in a blob that begins as JSON does: which are
            meant as names of blobs, where those in a text may be anything.

    Raises:
        NotFoundError: No blob has this digest.
        IntegrityError: It is damaged.
    """
    carry, begins = b"", b""
    with repo.blobs.open(digest) as stream:
        while block := stream.read(_CHUNK):
            begins = begins or block.removeprefix(_MARK).lstrip(b" \t\r\n")[:1]
            if not strings or begins in {b"{", b"[", b'"'}:
                yield from digests_in(carry + block, strings=strings)
                carry = (carry + block)[-_LONGEST:]


def digests_in(text: bytes, *, strings: bool = False) -> Iterator[ContentDigest]:
    """Yields every digest in some text, keys of JSON included; some maybe twice.

    Args:
        text: Any bytes.
        strings: Only those between two quotation marks.
    """
    pattern = _DIGITS
    if _ESCAPE.search(text):
        pattern = _ESCAPED
    elif _SAMPLE not in text[::_STRIDE].translate(_IS_DIGIT):
        return  # a quick look, which most of what is not JSON does not pass
    for found in pattern.finditer(text):
        digits, begin = found[0], found.start()
        if len(digits) > 64 and b"\\" in digits:
            digits = json.loads(b'"%b"' % digits).encode()
        # What is escaped in JSON may end in what looks like digits: \u201c, \b, \f.
        if len(digits) == 68 and text[max(0, begin - 2) : begin] == rb"\u":
            digits = digits[4:]
        elif len(digits) == 65 and text[max(0, begin - 1) : begin] == b"\\" and digits[0] in b"bf":
            digits = digits[1:]
        quotes = text[max(0, begin - 1) : begin] + text[found.end() : found.end() + 1]
        if len(digits) == 64 and (not strings or quotes == b'""'):
            yield ContentDigest(digits.decode())
