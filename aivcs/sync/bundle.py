"""Writes a store, or a selection of it, as a bundle: one plain tar that can be checked by itself.

The tar holds a format-1 store below `.aivcs/`: `format`, blobs, logs, the marks of untrusted runs,
annotations, records of erasures, pins, and last `heads.json`, the heads manifest of its logs and
records. Times and
owners are zero, and names are in order, so the same content gives the same bytes. A selection has
the blobs that its runs and releases declare; a whole store has all its blobs.

Logs are written as far as they were at the beginning, before the blobs are looked for. What is
recorded meanwhile is for the next bundle: its blobs may be too late for this one.
"""

from __future__ import annotations

from tarfile import PAX_FORMAT, TarInfo
from tempfile import SpooledTemporaryFile
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from aivcs.errors import BackendError, NotFoundError
from aivcs.log import chain
from aivcs.log.annotation import split_name
from aivcs.log.heads import pieces
from aivcs.log.statement import encode_statement
from aivcs.log.verify_run import blobs_in
from aivcs.model.digest import ContentDigest
from aivcs.model.record import Head
from aivcs.store.adopt import standing
from aivcs.store.runs import UNTRUSTED
from aivcs.sync.references import declared, parts, spec_of
from aivcs.util.disk_map import DiskMap

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from aivcs.repository import Repository
    from aivcs.store.place import Place

_SPOOL_BYTES = 8 << 20
"""Bytes of a log or a blob that are kept in memory until its size is known."""
_CHUNK = 1 << 20
_BLOCK = 512


class Written(NamedTuple):
    """The content of a bundle.

    Attributes:
        logs: The number of logs.
        blobs: The number of blobs.
        absent: The blobs that are declared, but are not in the store.
        heads: The digest of the heads manifest.
    """

    logs: int
    blobs: int
    absent: list[ContentDigest]
    heads: ContentDigest


class BundleWriter:
    """Writes a bundle of a store."""

    def __init__(
        self, repo: Repository, out: BinaryIO, progress: Callable[[int], None] = lambda _: None
    ) -> None:
        """Takes the store, and where the tar is written to.

        Args:
            repo: The store.
            out: Takes the bytes.
            progress: Called with the number of bytes that were written.
        """
        self._repo = repo
        self._out = out
        self._progress = progress
        self._heads: list[tuple[str, Head]] = []
        self._lines = DiskMap()  # of each log, how many there were at the beginning

    def write(
        self,
        runs: Iterable[str] | None = None,
        releases: Iterable[str] = (),
        sign: Callable[[ContentDigest], str] | None = None,
    ) -> Written:
        """Writes the bundle.

        Args:
            runs: The ids of the runs; None is the whole store with all its releases.
            releases: Further the releases of these names, with the runs that are their evidence.
            sign: Returns the signature of a heads manifest by its digest; None signs nothing.

        Raises:
            IntegrityError: Something of it is damaged.
            BackendError: Something cannot be read or written.
        """
        self._add("format", b"1\n")
        absent: list[ContentDigest] = []
        if runs is None:
            for name in self._repo.store.logs.names():
                self._note_lines(name)
            records = list(self._repo.annotations.names())
            count = self._add_all_blobs()
        else:
            chosen = {f"run/{run_id}" for run_id in runs}
            for name in releases:
                self._note_lines(f"release/{name}")
                chosen.add(f"release/{name}")
                chosen.update(f"run/{run}" for run in self._evidence(name))
            for name in sorted(chosen.difference(self._lines.keys())):
                self._note_lines(name)
            records = list(self._repo.annotations.names())
            wanted = self._declared(records)
            count = self._add_blobs(wanted, absent)
        for name in self._lines.keys():  # noqa: SIM118
            self._add_log(name)
        self._add_marks()
        records = self._add_erasures(is_whole=runs is None) + self._add_annotations(records)
        if runs is None:
            for pin in self._repo.pins():
                self._add(f"pins/{pin}", b"")
        manifest = b"".join(pieces(sorted(self._heads), records))
        self._add("heads.json", manifest)
        digest = ContentDigest.from_bytes(manifest)
        if sign is not None:
            self._add("heads.json.sig", sign(digest).encode())
        self._out.write(bytes(2 * _BLOCK))
        return Written(len(self._heads), count, absent, digest)

    def _note_lines(self, name: str) -> None:
        lines = standing(self._repo.store.logs, name).lines
        if lines:  # else a crash left its name
            self._lines[name] = lines

    def _read(self, name: str, *, settled: bool = False) -> Iterator[tuple[bytes, Place]]:
        """Yields the lines of a log that there were at the beginning."""
        lines = self._lines.get(name) or 0
        for line, place in self._repo.store.logs.read(name, settled=settled):
            if place.lines > lines:
                return
            yield line, place

    def _add_erasures(self, *, is_whole: bool) -> list[str]:
        """Adds the records of what was erased, of the runs in the bundle; returns their names."""
        added = []
        for name in self._repo.erasures.names():
            stored = self._repo.erasures.read(name)
            if stored is None:
                continue
            if is_whole or getattr(stored.value.target, "log", "") in self._lines:
                self._add(name, encode_statement(stored.value)[1])
                added.append(name)
        return added

    def _add_annotations(self, records: Iterable[str]) -> list[str]:
        """Adds those annotations whose runs are in the bundle; returns their names."""
        added = []
        for name in records:
            run_id, _ = split_name(name)
            if f"run/{run_id}" not in self._lines:
                continue
            self._repo.annotations.read(name)  # which checks it
            found = self._repo.store.documents.read(name)
            if found is not None:
                self._add(name, found[0])
                added.append(name)
        return added

    def _add_marks(self) -> None:
        """Adds the marks of runs that nobody vouches for, so that a copy of them has them, too."""
        for name in self._repo.store.documents.names(UNTRUSTED):
            found = self._repo.store.documents.read(name)
            if found is not None and f"run/{name.removeprefix(UNTRUSTED)}" in self._lines:
                self._add(name, found[0])

    def _evidence(self, name: str) -> Iterator[str]:
        for line, _ in self._read(f"release/{name}"):
            for run in chain.members(line).get("evidence", ()):
                run_id = str(run["run_id"])
                with self._repo.store.logs.look(f"run/{run_id}") as view:
                    if view is not None:
                        yield run_id

    def _declared(self, records: Iterable[str]) -> DiskMap:
        """Returns the blobs that the logs and the annotations of their runs declare, as bytes."""
        found = DiskMap()

        def skip(digest: ContentDigest) -> bool:
            return not followed.add(bytes.fromhex(digest))

        followed = DiskMap()
        for record in records:
            if f"run/{split_name(record)[0]}" in self._lines:
                annotation = self._repo.annotations.read(record)
                for digest in blobs_in(annotation.value.payload) if annotation else ():
                    found.add(bytes.fromhex(digest))
        for name in self._lines.keys():  # noqa: SIM118
            specs = []
            for line, _ in self._read(name):
                if name.startswith("release/"):
                    entry = chain.members(line)
                    specs += [ContentDigest(d) for d in [entry.get("spec_digest")] if d]
                    policy = entry.get("policy")
                    if policy:
                        found.add(bytes.fromhex(policy))
                    continue
                spec = spec_of(line)
                specs += [] if spec is None else [spec]
                for digest in declared(line):
                    found.add(bytes.fromhex(digest))
            for digest in parts(self._repo.blobs, specs, skip):
                found.add(bytes.fromhex(digest))
        return found

    def _add_all_blobs(self) -> int:
        sizes = DiskMap()
        for digest, size, _ in self._repo.store.objects.stored():
            sizes[bytes.fromhex(digest)] = size
        count = 0
        for key in sizes.keys():  # noqa: SIM118
            digest = ContentDigest(key.hex())
            with self._repo.blobs.open(digest) as stream:
                self._add_stream(_object(digest), stream, sizes.get(key))
            count += 1
        return count

    def _add_blobs(self, wanted: DiskMap, absent: list[ContentDigest]) -> int:
        count = 0
        for key in wanted.keys():  # noqa: SIM118
            digest = ContentDigest(key.hex())
            try:
                stream = self._repo.blobs.open(digest)
            except NotFoundError:
                absent.append(digest)
                continue
            with stream, SpooledTemporaryFile(_SPOOL_BYTES) as spool:
                size = 0
                while data := stream.read(_CHUNK):
                    spool.write(data)
                    size += len(data)
                spool.seek(0)
                self._add_stream(_object(digest), spool, size)  # type: ignore[arg-type]
            count += 1
        return count

    def _add_log(self, name: str) -> None:
        kind, _, rest = name.partition("/")
        path = f"runs/{rest[:2]}/{rest}.jsonl" if kind == "run" else f"releases/{rest}.jsonl"
        with SpooledTemporaryFile(_SPOOL_BYTES) as spool:
            size, head = 0, Head(0, "")
            for line, place in self._read(name, settled=True):
                spool.write(line)
                spool.write(b"\n")
                size += len(line) + 1
                head = Head(place.lines, place.hash)
            spool.seek(0)
            self._add_stream(path, spool, size)  # type: ignore[arg-type]
        self._heads.append((name, head))

    def _add(self, name: str, data: bytes) -> None:
        self._begin(name, len(data))
        self._out.write(data)
        self._end(len(data))

    def _add_stream(self, name: str, stream: BinaryIO, size: int) -> None:
        self._begin(name, size)
        left = size
        while left and (data := stream.read(min(_CHUNK, left))):
            self._out.write(data)
            self._progress(len(data))
            left -= len(data)
        if left or stream.read(1):
            raise BackendError(f"{name} changed its size while it was read")
        self._end(size)

    def _begin(self, name: str, size: int) -> None:
        info = TarInfo(f".aivcs/{name}")
        info.size = size
        info.mode = 0o644
        self._out.write(info.tobuf(PAX_FORMAT))

    def _end(self, size: int) -> None:
        self._out.write(bytes(-size % _BLOCK))


def _object(digest: ContentDigest) -> str:
    return f"objects/{digest[:2]}/{digest[2:]}"
