"""Finds all references to blobs: the only rule that decides which blobs may be removed.

The rule is conservative: exactly 64 hexadecimal digits between other characters are a reference,
wherever they are found: in a line of any log, even in unknown members; in an annotation; as a pin;
or in a blob of any kind (JSON, YAML, a prompt) that is itself referred to. Unreadable data could
contain any reference, so a damaged log or blob is an error.
"""

from __future__ import annotations

import marshal
import re
from contextlib import contextmanager, suppress
from functools import partial

from aivcs.errors import BackendError, IntegrityError, NotFoundError
from aivcs.log import chain
from aivcs.log.annotation import FOLDER
from aivcs.model.digest import ContentDigest
from aivcs.store.place import START, Place
from aivcs.util.disk_map import DiskMap, DiskStack

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from aivcs.repository import Repository
    from aivcs.store.driver import Backend

_CHUNK = 1 << 18
"""Bytes of a blob searched at once."""
_DIGITS = re.compile(rb"[0-9a-fA-F]{64,}")
_ESCAPE = re.compile(rb"\\u00(?:3[0-9]|[46][1-6])")
_ESCAPED = re.compile(rb"(?<![0-9a-fA-F])(?:[0-9a-fA-F]|%b){64,}" % _ESCAPE.pattern)
"""A digest with any of its digits escaped as in a JSON string."""
_MAX_MATCH_BYTES = 64 * 6 + 8
"""Bytes needed to recognise a digest, at most: 64 escapes, an escape before it, and its bounds."""
_STRIDE = 8
"""Distance in bytes at which a text is sampled: 64 digits in a row give 64 / 8 digits in a row."""
_SAMPLE = b"x" * (64 // _STRIDE)
_IS_DIGIT = bytes(ord("x") if byte in b"0123456789abcdefABCDEF" else 0 for byte in range(256))
_MARK = b"\xef\xbb\xbf"
"""The byte order mark of UTF-8, with which JSON should not begin, but sometimes does."""
_SEQ = re.compile(rb'\{"type":"event","seq":(\d+),')


def require_log_folders(store: Backend) -> None:
    """Requires the folders of all logs, before anything goes because no log refers to it.

    Raises:
        IntegrityError: One is absent: what its logs refer to, if it had any, is not known.
    """
    absent: list[str] = getattr(store.logs, "absent_folders", list)()
    if absent:
        what = f"without {' and '.join(f'{name}/' for name in absent)} in {store.url}"
        raise IntegrityError.of(
            f"{what} it is not known what logs there refer to; nothing was deleted. Restore or "
            "mount what was moved or lost; if there never was a log: aivcs init makes it",
        )


class ReachableSet:
    """The digests that a store refers to, as far as it was read.

    `digest in reachable` tells whether a reference was found. The set is kept in disk-backed maps,
    because it may be larger than memory (`aivcs.util.disk_map`).
    """

    def __init__(self, repo: Repository) -> None:
        """Takes a store; reads nothing yet."""
        self._repo = repo
        # Digests as raw bytes: `_found` = referenced, and scanned unless absent; `_searched` =
        # scanned, not referenced; `_absent` = to be scanned, but not in the store.
        self._found = DiskMap()
        self._searched = DiskMap()
        self._absent = DiskMap()
        self._read = DiskMap()  # the names of the annotations read so far
        # The place where reading of each log stopped, in the order of names. On disk, because there
        # may be more logs than memory can hold.
        self._places = _Places()

    def __contains__(self, digest: ContentDigest) -> bool:
        """Whether anything read so far refers to a digest."""
        return bytes.fromhex(digest) in self._found

    def catch_up(self) -> Iterator[tuple[ContentDigest, str]]:
        """Reads everything new; yields each digest found, once, with the source of the reference.

        A further call costs little more than a look at each log. The iterator must be exhausted.

        Raises:
            IntegrityError: A log or a blob is damaged, so its references are unknown.
            StorageError: A log or a blob cannot be read.
        """
        logs = self._repo.store.logs
        was_absent = bool(self._absent)
        for pin in self._repo.pins():
            found = digests_in(b'"%b"' % pin.encode(errors="replace"))
            yield from self._follow(found, partial("the pin {}".format, pin))
        for name in self._repo.store.documents.names(FOLDER):
            document = self._repo.store.documents.read(name)
            if document is not None and self._read.add(name):
                found = digests_in(document[0])
                yield from self._follow(found, partial("the annotation {}".format, name))
        places = _Places()
        for name, place in self._places.merged_with(logs.names()):
            last = place
            for line, last in logs.read(name, place):
                # The hash at the end of a line is that of a line, not of a blob.
                found = digests_in(line[: -chain.LINK_BYTES])
                yield from self._follow(found, partial(_describe, name, last.lines, line))
            places.add(name, last)
        self._places.close()
        self._places = places
        # An absent blob may have been put since, with references of its own; not in the first pass.
        for key in self._absent.keys() if was_absent else ():
            digest = ContentDigest(key.hex())
            if self._repo.blobs.contains(digest):
                yield from self._follow(self._parts(digest), partial("blob {}".format, digest))

    def search(self, digest: ContentDigest) -> None:
        """Adds the references of a blob, transitively, even if nothing refers to the blob itself.

        Raises:
            IntegrityError: A blob is damaged.
            StorageError: A blob cannot be read.
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
        """Pushes each digest in a blob, with the blob, unless the blob was scanned already."""
        key = bytes.fromhex(digest)
        if key not in self._searched:
            for part in self._parts(digest):
                waiting.push((bytes.fromhex(part), key))

    def _parts(self, digest: ContentDigest) -> Iterator[ContentDigest]:
        """Yields the digests in a blob, none if it is absent; the whole blob is verified."""
        key = bytes.fromhex(digest)
        try:
            yield from digests_in_blob(self._repo, digest)
        except NotFoundError:
            self._absent.add(key)
            self._searched.pop(key)
        else:
            self._absent.pop(key)


class _Places:
    """The place where reading of each log stopped, in the order of names, in a file."""

    def __init__(self) -> None:
        from tempfile import SpooledTemporaryFile

        # On disk only if there are many logs.
        self._file = SpooledTemporaryFile(1 << 20)

    def add(self, name: str, place: Place) -> None:
        with _writing():
            marshal.dump((name, *place.values()), self._file)

    def merged_with(self, names: Iterable[str]) -> Iterator[tuple[str, Place]]:
        """Yields names, given in order, each with its place, or the start if it is new."""
        with _writing():
            self._file.seek(0)
        known, place = self._next()
        for name in names:
            while known and known < name:
                known, place = self._next()
            yield name, place if known == name else START

    def close(self) -> None:
        with suppress(OSError):  # its content is not needed any more
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
        raise BackendError(
            f"cannot write a temporary file: {error.strerror or error}; TMPDIR names the folder"
        ) from error


def _describe(log: str, number: int, line: bytes) -> str:
    """Names the line of a log that holds a reference."""
    kind, _, rest = log.partition("/")
    if kind == "release":
        return f"release {rest}@{number}"
    event = _SEQ.match(line)
    return f"event {int(event[1])} of run {rest}" if event else f"run {rest}"


def digests_in_blob(
    repo: Repository, digest: ContentDigest, *, strings: bool = False
) -> Iterator[ContentDigest]:
    """Yields every digest in a blob.

    The whole blob is read, whatever it is: damage may have changed only its beginning.

    Args:
        repo: The store.
        digest: The blob.
        strings: Whether to yield only digests that are whole JSON strings, in a blob that begins
            like JSON: those are meant as references, those within other text may be anything.

    Raises:
        NotFoundError: No blob has this digest.
        IntegrityError: The blob is damaged.
    """
    carry, begins = b"", b""
    with repo.blobs.open(digest) as stream:
        while block := stream.read(_CHUNK):
            begins = begins or block.removeprefix(_MARK).lstrip(b" \t\r\n")[:1]
            if not strings or begins in {b"{", b"[", b'"'}:
                yield from digests_in(carry + block, strings=strings)
                carry = (carry + block)[-_MAX_MATCH_BYTES:]


def digests_in(text: bytes, *, strings: bool = False) -> Iterator[ContentDigest]:
    """Yields every digest in a text, also in keys of JSON; possibly more than once.

    Args:
        text: Any bytes.
        strings: Whether to yield only digests between two quotation marks.
    """
    pattern = _DIGITS
    if _ESCAPE.search(text):
        pattern = _ESCAPED
    elif _SAMPLE not in text[::_STRIDE].translate(_IS_DIGIT):
        return  # a quick test that rules out most texts without a digest
    for found in pattern.finditer(text):
        digits, begin = found[0], found.start()
        if len(digits) > 64 and b"\\" in digits:
            import json

            digits = json.loads(b'"%b"' % digits).encode()
        # A JSON escape before the digest may end in hexadecimal digits: \u201c, \b, \f.
        if len(digits) == 68 and text[max(0, begin - 2) : begin] == rb"\u":
            digits = digits[4:]
        elif len(digits) == 65 and text[max(0, begin - 1) : begin] == b"\\" and digits[0] in b"bf":
            digits = digits[1:]
        quotes = text[max(0, begin - 1) : begin] + text[found.end() : found.end() + 1]
        if len(digits) == 64 and (not strings or quotes == b'""'):
            yield ContentDigest(digits.decode())
