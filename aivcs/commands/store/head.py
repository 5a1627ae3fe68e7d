"""`aivcs head` and `aivcs verify --head`: proves that no log was truncated or rewritten.

A chain proves the lines that are there. A missing end, or a replaced log, shows only against a head
kept elsewhere; the digest of one heads manifest stands for all logs.
"""

from __future__ import annotations

from io import BufferedReader, RawIOBase
from itertools import chain, groupby
from operator import itemgetter

from aivcs.codec.sha256 import hasher
from aivcs.commands.store.erased import ErasedSince
from aivcs.errors import (
    BackendError,
    IntegrityError,
    NotFoundError,
    SerializationError,
    StorageError,
    UsageError,
)
from aivcs.log.chain import members, require_name
from aivcs.log.erasure import FOLDER as ERASURES
from aivcs.log.heads import BEGINNING, heads_in, heads_in_pieces, pieces
from aivcs.log.verify_run import DAMAGE
from aivcs.model.digest import ContentDigest
from aivcs.model.record import Head
from aivcs.store.finding import Finding
from aivcs.store.place import START
from aivcs.util.disk_map import DiskMap

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from _typeshed import WriteableBuffer

    from aivcs.repository import Repository
    from aivcs.signing.ssh import Verifier

_CHUNK_BYTES = 64 << 10
"""The size of the pieces in which a manifest is written and read, in bytes."""
_FIX_ABSENT = (
    "put it back (aivcs blob put FILE) if it was kept elsewhere, and verify again; else this is "
    "not the store it was taken of, or a copy from before"
)
_FIX_TRUNCATED = (
    "restore the log from a copy that has this line; find out who cut it, or what lost it; "
    "if it was removed on purpose, take a new head: aivcs head"
)
_FIX_REWRITTEN = (
    "this log is not the one the head was taken of: restore it from a copy that has this line"
)
_FIX_RECORD = (
    "restore the file from a copy that has it; find out who removed or changed it; if it was "
    "removed on purpose, take a new head: aivcs head"
)

_FIX_UNSIGNED = (
    "take the head and its signature from where they were kept; find out who changed them"
)


class Taken:
    """A heads manifest.

    Attributes:
        digest: The digest of its blob.
        logs: The number of logs in it.
        refusal: Why the store does not keep it; None if it does, or was not asked to.
    """

    __slots__ = ("digest", "logs", "refusal")

    def __init__(
        self, digest: ContentDigest, logs: int, refusal: BackendError | None = None
    ) -> None:
        """Takes the fields."""
        self.digest = digest
        self.logs = logs
        self.refusal = refusal


def take(repo: Repository) -> Taken:
    """Stores and pins a manifest of the heads of all logs. The lines it names are durable.

    Each log is read while writers may append to it, up to the end of one of their writes. A store
    that one may only read does not keep the manifest, and the answer says so.

    Raises:
        IntegrityError: A log is damaged, or has the file name of another log.
        BackendError: A log cannot be read, or the manifest cannot be stored.
        LockTimeoutError: A writer holds a log for too long.
    """
    heads = _Heads(repo, settled=True)
    # The logs are read while the manifest is stored: it may be larger than memory should be.
    manifest = BufferedReader(_Pieces(pieces(heads, _records(repo))), _CHUNK_BYTES)
    try:
        with repo.hold(later=True):
            digest = repo.blobs.put_stream(manifest)
            repo.pin(digest)
    except BackendError as error:
        if not error.is_refusal:
            raise
        taken = compute(repo, settled=True)
        if not any(repo.pins(taken.digest)):
            taken.refusal = error
        return taken
    return Taken(digest, heads.count)


def compute(repo: Repository, *, settled: bool = False) -> Taken:
    """Returns what `take` would store, and stores nothing.

    Args:
        repo: The repository.
        settled: Whether the lines that it names are made durable.

    Raises:
        IntegrityError: A log is damaged, or has the file name of another log.
        BackendError: A log cannot be read.
    """
    heads = _Heads(repo, settled=settled)
    digest = hasher(0)
    for piece in pieces(heads, _records(repo)):
        digest.update(piece)
    return Taken(ContentDigest(digest.hexdigest()), heads.count)


def manifest(repo: Repository) -> Iterator[bytes]:
    """Yields the manifest that `take` would store, in pieces; raises as `compute`."""
    return pieces(_Heads(repo, settled=True), _records(repo))


def _records(repo: Repository) -> Iterator[str]:
    """Yields the names of all records, those of erasures first, as in a manifest."""
    return chain(repo.erasures.names(), repo.annotations.names())


class _Heads:
    """Reads the heads of all logs.

    Attributes:
        count: How many were read so far.
    """

    def __init__(self, repo: Repository, *, settled: bool) -> None:
        self.count = 0
        self._repo, self._settled = repo, settled

    def __iter__(self) -> Iterator[tuple[str, Head]]:
        logs = self._repo.store.logs
        for name in logs.names():
            last = START
            for line, place in logs.read(name, settled=self._settled):
                last = place
                if last.lines == 1:
                    _require_place(self._repo, name, line)
            if last.lines:
                self.count += 1
                yield name, Head(last.lines, last.hash)


def _require_place(repo: Repository, name: str, line: bytes) -> None:
    """Refuses a log whose first line names another one: a copy renamed by a sync tool."""
    kind, _, rest = name.partition("/")
    try:
        require_name(members(line).get("run_id" if kind == "run" else "name"), rest)
    except IntegrityError as error:
        where = repo.store.logs.where(name)
        raise IntegrityError.of(
            f"{where} {error}; no head is taken of a log in the wrong place: move it out "
            "of the store, or put it where it belongs, then: aivcs verify",
            f"{name} ({where})",
        ) from error


class _Pieces(RawIOBase):
    """A readable stream of the pieces of an iterator."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        view = memoryview(buffer).cast("B")
        size = 0
        while size < len(view):
            if not self._rest:
                self._rest = memoryview(next(self._pieces, b""))
                if not self._rest:
                    break
            count = min(len(view) - size, len(self._rest))
            view[size : size + count] = self._rest[:count]
            self._rest = self._rest[count:]
            size += count
        return size


def verify(
    repo: Repository,
    digests: Iterable[str],
    erasers: Verifier | None = None,
    *,
    taken: ContentDigest | None = None,
) -> Iterator[Finding]:
    """Yields the logs that contradict a heads manifest. A log that only grew does not.

    What was erased on purpose is a notice; but it is damage if the manifest does not have the
    record, and no allowed eraser signed it.

    Args:
        repo: The repository.
        digests: The manifests, as digests or prefixes.
        erasers: Knows the allowed erasers; None lets anybody erase.
        taken: A manifest that was just taken; of the logs, only those are read whose heads differ.

    Raises:
        UsageError: A blob is not a heads manifest.
        NotFoundError: A prefix fits no blob.
        UnsupportedFormatError: A manifest is of a later format.
    """
    # At once, not when the first finding is wanted: a mistake should not wait for the reading.
    wanted, records, same = DiskMap(), DiskMap(), DiskMap()
    for name, head in _heads_of(repo, taken) if taken else ():
        same.add(_packed(name, head))
    absent = []
    for digest in [repo.resolve_digest(text) for text in digests]:
        try:
            for _ in _pieces_of(repo, digest):
                pass  # first of all it must be whole
        except NotFoundError:
            absent.append(_missing(digest))
            continue
        except IntegrityError as error:
            absent.append(Finding(DAMAGE, digest, None, str(error), _FIX_ABSENT))
            continue
        for name, head in _heads_of(repo, digest):
            if (key := _packed(name, head)) in same:
                continue
            if head is None:
                records.add(name)
            else:
                wanted.add(key)
    erased = ErasedSince(repo.erasures.load_readable(), records, erasers)
    return chain(
        _disagreements(repo, absent, wanted, erased), _missing_records(repo, records, erased)
    )


def newest_kept(repo: Repository) -> ContentDigest | None:
    """Returns the newest pinned manifest of a store; None if none is readable.

    Raises:
        BackendError: The pins cannot be looked at.
    """
    for name in repo.pins(newest_first=True):
        try:
            digest = ContentDigest(name.removeprefix("pins/"))
            if next(_pieces_of(repo, digest), b"").startswith(BEGINNING):
                for _ in _heads_of(repo, digest):
                    pass  # it must be one, and whole
                return digest
        except (StorageError, UsageError) as error:
            if getattr(error, "is_store_away", False):
                raise
            continue  # which is found where blobs and pins are judged
    return None


def _pieces_of(repo: Repository, digest: ContentDigest) -> Iterator[bytes]:
    with repo.blobs.open(digest) as stream:
        while piece := stream.read(_CHUNK_BYTES):
            yield piece


def _heads_of(repo: Repository, digest: ContentDigest) -> Iterator[tuple[str, Head | None]]:
    """Yields the heads in a manifest. One that aivcs did not write is read as a whole."""
    try:
        for _ in heads_in_pieces(_pieces_of(repo, digest)):
            pass
    except SerializationError:
        try:
            if not next(_pieces_of(repo, digest), b"").lstrip().startswith(b"{"):
                raise SerializationError("it is not a JSON object")  # however large it is
            yield from heads_in(repo.blobs.get(digest))
        except SerializationError as error:
            raise UsageError(f"blob {digest} is not a heads manifest: {error}") from error
    else:
        yield from heads_in_pieces(_pieces_of(repo, digest))


def _packed(name: str, head: Head | None) -> bytes:
    """Packs a head into bytes whose order is that of names and lines; a record is its name."""
    if head is None:
        return name.encode()
    # No name has a NUL in it, so none is less than one that it begins with.
    return b"%b\0%b%b" % (name.encode(), head.lines.to_bytes(8, "big"), bytes.fromhex(head.hash))


def _unpacked(packed: bytes) -> tuple[str, int, str]:
    """Returns name, lines and hash of a packed head."""
    name, lines, link = packed[:-41], packed[-40:-32], packed[-32:]
    return name.decode(), int.from_bytes(lines, "big"), link.hex()


def verify_signature(
    repo: Repository, head: str, data: bytes, verifier: Verifier
) -> Iterator[Finding]:
    """Yields a finding if no allowed signer made the signature of a head.

    Args:
        repo: The repository.
        head: The manifest, as a digest or its prefix.
        data: The signature in its armor; text before it is ignored.
        verifier: Knows the allowed signers.

    Raises:
        UsageError: The allowed signers cannot be read.
        NotFoundError: A prefix fits no blob.
    """
    from aivcs.signing.check import TRUSTED, WRONG
    from aivcs.signing.ssh import HEAD

    digest = repo.resolve_digest(head)
    armor = data[max(0, data.find(b"-----BEGIN SSH SIGNATURE-----")) :]
    signed = verifier.check(digest, armor.decode(errors="replace"), HEAD, None)
    if signed.state != TRUSTED:
        what = "is not one of it" if signed.state == WRONG else "is not by an allowed signer"
        yield Finding(DAMAGE, digest, None, f"the signature {what}: {signed.detail}", _FIX_UNSIGNED)


def _disagreements(
    repo: Repository, absent: list[Finding], wanted: DiskMap, erased: ErasedSince
) -> Iterator[Finding]:
    yield from absent
    for name, entries in groupby(map(_unpacked, wanted.keys()), key=itemgetter(0)):
        heads: dict[int, set[str]] = {}
        for _, lines, link in entries:
            heads.setdefault(lines, set()).add(link)
        yield from _compare(repo, name, heads, erased)


def _compare(
    repo: Repository, name: str, heads: dict[int, set[str]], erased: ErasedSince
) -> Iterator[Finding]:
    """Reads a log as far as its heads reach, and yields the lines that contradict them."""
    log = START
    last = max(heads)
    try:
        for _, log in repo.store.logs.read(name):
            for link in sorted(heads.get(log.lines, set()) - {log.hash}):
                problem = f"the line has the hash {log.hash[:12]}, but the kept head is {link[:12]}"
                yield Finding(DAMAGE, name, log.lines, problem, _FIX_REWRITTEN)
            if log.lines == last:
                yield from erased.lines(name, last)
                return
    except (IntegrityError, BackendError) as error:
        if error.is_store_away:
            raise
        problem = f"a head that was kept is of this line, which cannot be reached: {error}"
        yield Finding(DAMAGE, name, last, problem, _FIX_TRUNCATED)
        return
    if not log.lines and name in erased.erasures.logs:
        yield from erased.log(name, heads)
        return
    what = f"the log ends at line {log.lines}" if log.lines else "the log is missing"
    for number in sorted(number for number in heads if number > log.lines):
        yield Finding(
            DAMAGE,
            name,
            number,
            f"a head that was kept is of this line, but {what}",
            _FIX_TRUNCATED,
        )


def _missing_records(repo: Repository, records: DiskMap, erased: ErasedSince) -> Iterator[Finding]:
    """Yields the records of a manifest that are not there any more, or damaged."""
    for key in records.keys():  # noqa: SIM118 a map on disk is not a dictionary
        name = str(key)
        is_annotation = not name.startswith(ERASURES)
        what = "an annotation" if is_annotation else "the record of an erasure"
        try:
            found = (repo.annotations if is_annotation else repo.erasures).read(name)
            if found is not None:
                continue
            records_of_it = erased.annotation(name) if is_annotation else ()
            if records_of_it:
                yield erased.finding(name, None, "the annotation", records_of_it)
                continue
            problem = f"{what} that was there when the head was taken is missing"
        except StorageError as error:
            if error.is_store_away:
                raise
            problem = str(error)
        yield Finding(DAMAGE, name, None, problem, _FIX_RECORD)


def _missing(digest: str) -> Finding:
    return Finding(
        DAMAGE, digest, None, "this manifest of heads is not in the store, though it is pinned "
        "where it is taken", _FIX_ABSENT,
    )  # fmt: skip
