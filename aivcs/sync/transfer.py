"""Copies runs from one store to another, after the blobs that they declare.

Everything goes through the drivers, so the stores may be of any two kinds. Each run is by itself:
one that has diverged, or is damaged, is reported, and the others are copied. A copy that is
interrupted, however, leaves beginnings of runs whose blobs are there; the next one goes on.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from itertools import islice
from threading import Lock
from typing import TYPE_CHECKING, NamedTuple

from aivcs import errors
from aivcs.errors import BackendError, ConflictError, IntegrityError, StorageError
from aivcs.log.chain import is_redacted
from aivcs.log.erasure import Erasures
from aivcs.log.names import check_log_name
from aivcs.model.digest import ContentDigest
from aivcs.model.record import Head
from aivcs.store import adopt as adopting
from aivcs.store.runs import UNTRUSTED
from aivcs.sync.blobs import BlobCopier
from aivcs.sync.homes import mark_copy, unmark_copy
from aivcs.sync.plan import BEHIND, DIVERGED, NEW, SAME, compare, hash_at
from aivcs.sync.references import declared, parts, skip_seen, spec_of
from aivcs.sync.scan import refuse_secrets

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from aivcs.repository import Repository
    from aivcs.sync.known import Known
    from aivcs.sync.plan import Candidate
    from aivcs.sync.stamps import Settled

_BATCH = 256
"""Runs that are copied together, after their blobs."""
_WORKERS = 8
"""Logs that are read or written at once: most of the time they wait for a disk or a server."""
_IN_MEMORY_BYTES = 1 << 20
"""Bytes of a log that is read once and kept; a longer one is read again where it is needed."""
_BATCH_BYTES = 16 << 20
"""Bytes of the logs of a batch that are kept, about."""
_MAX_SPECS = 256
"""Specs whose parts are remembered."""


class Copied(NamedTuple):
    """The result of copying a run.

    Attributes:
        run_id: The run.
        action: `NEW` or `EXTENDED`; `DIVERGED` or `FAILED` if it was left as it is.
        head: The head of the log in the target now.
        is_over: Whether the run has ended there.
        error: The reason why it was left as it is, or None.
        blobs: The blobs that it declares and the target lacked; only where nothing is written.
    """

    run_id: str
    action: str
    head: Head
    is_over: bool = False
    error: StorageError | None = None
    blobs: tuple[ContentDigest, ...] = ()


FAILED = "failed"
"""The action of a run that cannot be copied."""
ERASED = "erased"
"""The action of a run that was erased in the target."""
_NOTHING = Head(0, "")


class _Log:
    """The log of a run at the source, as far as it was when it was first looked at.

    Attributes:
        head: The head of the log.
        is_over: Whether the run has ended.
    """

    def __init__(self, repo: Repository, run_id: str, limit: int) -> None:
        """Reads the ends of the log, and keeps all of it if it has at most `limit` bytes.

        Raises:
            StorageError: There is no log, or it cannot be read.
        """
        self._repo = repo
        self.run_id = run_id
        self._kept: list[bytes] | None = None
        self.head = _NOTHING
        if not self._read_whole(limit):
            record, self.head = repo.runs.standing(run_id)
            self.is_over = record.status.is_terminal

    @property
    def kept_bytes(self) -> int:
        """The bytes of the lines that are kept; none are kept of a long log."""
        return sum(map(len, self._kept or ()))

    def _read_whole(self, limit: int) -> bool:
        """Reads a log at once if it is short; tells whether it is, and then has its head."""
        kept: list[bytes] = []
        size = 0
        for line, place in self._repo.store.logs.read(f"run/{self.run_id}"):
            kept.append(line)
            size += len(line)
            if size > limit:
                return False
            self.head = Head(place.lines, place.hash)
        if not kept:
            raise errors.RunNotFoundError(self.run_id)
        self._kept = kept
        self.is_over = kept[-1].startswith(b'{"type":"end"')
        return True

    def lines(self) -> Iterator[bytes]:
        """Yields the lines; those of a short log are kept from the first reading on."""
        if self._kept is not None:
            yield from self._kept
            return
        for line, place in self._repo.store.logs.read(f"run/{self.run_id}"):
            yield line
            if place.lines >= self.head.lines:
                break


@contextmanager
def _pool() -> Iterator[ThreadPoolExecutor]:
    """Returns a block with threads, which waits for none of them if it is broken off."""
    pool = ThreadPoolExecutor(_WORKERS)
    try:
        yield pool
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)
        raise
    pool.shutdown()


class RunCopier:
    """Copies runs.

    Attributes:
        blobs: The copier of their blobs.
        copied: The number of runs that were created or extended.
        behind: The number of runs of which the target has more than the source.
        erased: The ids of the runs that were erased in the target, and are not brought back.
    """

    def __init__(
        self,
        source: Repository,
        target: Repository,
        *,
        progress: Callable[[int], None] = lambda _: None,
        scans: bool = False,
        untrusted: str | None = None,
        dry_run: bool = False,
    ) -> None:
        """Takes both stores.

        Args:
            source: Where the runs are.
            target: Where they are copied to.
            progress: Called with the bytes of blobs and lines as they are read, by one thread at a
                time.
            scans: Whether a run with the form of a secret in it is held back.
            untrusted: The label under which the source is known, if nobody vouches for it: its
                runs are marked so, and it extends no run that is not. The same holds, whatever the
                source, for each run that is marked there.
            dry_run: Whether to write nothing.
        """
        self._source = source
        self._target = target
        self._untrusted = untrusted
        self._progress = progress
        self._scans = scans
        self._dry_run = dry_run
        self.blobs = BlobCopier(source.store, target.store, progress)
        self.copied = self.behind = 0
        self.erased: set[str] = set()
        self._erasures = Erasures()
        self._has_untrusted = self._is_source_marked = False
        self._parts: dict[ContentDigest, frozenset[ContentDigest]] = {}
        self._room = 0  # bytes that may be kept of this batch, about
        self._lock = Lock()  # of the room and of `progress`

    def copy(
        self, runs: Iterable[Candidate], known: Known | None, settled: Settled | None = None
    ) -> Iterator[Copied]:
        """Copies runs; yields what became of each that is not equal on both sides.

        Args:
            runs: The runs to look at.
            known: Takes the runs that are over and equal on both sides, or None.
            settled: Takes the runs that are not, or None.

        Raises:
            StorageError: The target failed, and the rest was not copied.
        """
        rest = iter(runs)
        self._erasures = self._target.erasures.load()
        self.blobs.erased = self._erasures.blobs
        documents = self._target.store.documents
        self._has_untrusted = next(documents.names(UNTRUSTED), None) is not None
        with _pool() as pool:
            while batch := list(islice(rest, _BATCH)):
                self._room = _BATCH_BYTES
                looked = list(pool.map(self._look, batch))
                # After the looks: a run is marked before its first line is there.
                marks = self._source.store.documents.names(UNTRUSTED)
                self._is_source_marked = next(marks, None) is not None
                to_copy = [work for work in looked if isinstance(work, _Work)]
                for run, outcome in zip(batch, looked, strict=True):
                    if settled is not None and not (
                        isinstance(outcome, Copied) and outcome.action == SAME and outcome.is_over
                    ):
                        settled.note_open(run.run_id, is_there=run.is_there)
                    if isinstance(outcome, Copied):
                        if outcome.action == SAME:
                            self._settle(outcome, known)
                        elif outcome.action == BEHIND:
                            self.behind += 1
                        elif outcome.action == ERASED:
                            self.erased.add(outcome.run_id)
                        else:
                            yield outcome
                if self._dry_run:
                    yield from map(self._foresee, to_copy)
                    continue
                with self._target.hold():
                    wanted = {digest for work in to_copy for digest in work.blobs}
                    self.blobs.copy(sorted(wanted))
                    created = self._create(pool, to_copy)
                    for outcome in pool.map(partial(self._adopt, created), to_copy):
                        if outcome.error is None:
                            self.copied += 1
                            self._settle(outcome, known)
                        yield outcome
                if known is not None:
                    known.save()

    def _settle(self, outcome: Copied, known: Known | None) -> None:
        is_trusted = self._has_untrusted and not self._dry_run and outcome.head.lines
        if is_trusted and self._label_of(outcome.run_id) is None:
            # A source that is trusted has the same run, not only its name, and so vouches for it.
            self._vouch_for(outcome.run_id)
        if outcome.is_over and known is not None and not self._dry_run:
            known.add(outcome.run_id, outcome.head)

    def _vouch_for(self, run_id: str) -> None:
        if self._target.untrusted_source(run_id) is None:
            return
        try:
            self._target.store.documents.drop(f"{UNTRUSTED}{run_id}")
        except BackendError as error:
            if error.is_store_away:
                raise
            # On a server only its owner may: the run stays one that nobody vouches for.

    def _look(self, run: Candidate) -> Copied | _Work:
        """Compares both logs; returns the work that is left to do, or what there is to say."""
        name = f"run/{run.run_id}"
        if name in self._erasures.logs:
            return Copied(run.run_id, ERASED, _NOTHING)
        try:
            check_log_name(name)  # it becomes a path in the target
            log = _Log(self._source, run.run_id, min(self._room, _IN_MEMORY_BYTES))
            with self._lock:
                self._room -= log.kept_bytes
            there = adopting.standing(self._target.store.logs, name) if run.is_there else None

            def target_lines() -> Iterator[bytes]:
                return (line for line, _ in self._target.store.logs.read(name))

            action = compare(log.head, there, hash_at(log.lines), hash_at(target_lines))
            if action == DIVERGED:
                line = adopting.parting(log.lines(), target_lines())
                assert there is not None
                error = adopting.DivergedError(name, line)
                return Copied(run.run_id, DIVERGED, there, error=error)
            if action in {SAME, BEHIND}:
                return Copied(run.run_id, action, log.head, is_over=log.is_over)
            return self._work(log, action, there.lines if there is not None else 0)
        except errors.RunNotFoundError:
            # A crash left the name without a first line; or it was removed since.
            return Copied(run.run_id, SAME, _NOTHING)
        except StorageError as error:
            if error.is_store_away:
                raise
            return Copied(run.run_id, FAILED, _NOTHING, error=error)

    def _work(self, log: _Log, action: str, start: int) -> _Work:
        """Reads what is to be copied of a log: scans it, and finds the blobs it declares."""
        specs: list[ContentDigest] = []
        found: set[ContentDigest] = set()
        for number, line in enumerate(log.lines(), 1):
            if self._untrusted is not None:
                self._refuse_redacted(log.run_id, number, line)
            if number <= start:
                continue
            with self._lock:
                self._progress(len(line))
            if self._scans:
                text = line.decode(errors="replace")
                refuse_secrets(text, f"run {log.run_id}", f"line {number}")
            spec = spec_of(line)
            if spec is not None:
                specs.append(spec)
            found.update(declared(line))
        for spec in specs:
            found |= self._parts_of(spec)
        return _Work(log, action, frozenset(found))

    def _parts_of(self, spec: ContentDigest) -> frozenset[ContentDigest]:
        """Returns a spec with all its parts; many runs have the same one."""
        found = self._parts.get(spec)
        if found is None:
            if len(self._parts) >= _MAX_SPECS:
                self._parts.clear()
            found = frozenset(parts(self._source.blobs, [spec], skip_seen(set())))
            self._parts[spec] = found
        return found

    def _refuse_redacted(self, run_id: str, number: int, line: bytes) -> None:
        if is_redacted(line) and number not in self._erasures.lines_of(f"run/{run_id}"):
            raise ConflictError(
                f"line {number} of run {run_id} is redacted; this store has no record of that, and "
                "takes none from an untrusted source. If you vouch for the source, pull without "
                "--from-untrusted"
            )

    def _foresee(self, work: _Work) -> Copied:
        log = work.log
        lacking = tuple(self.blobs.missing(work.blobs))
        return Copied(log.run_id, work.action, log.head, is_over=log.is_over, blobs=lacking)

    def _create(self, pool: ThreadPoolExecutor, to_copy: list[_Work]) -> dict[str, Copied]:
        """Brings over together the new runs that are short; returns what became of them."""
        create_many = getattr(self._target.store.logs, "create_many", None)
        if create_many is None:
            return {}
        short = [work for work in to_copy if work.action == NEW and work.log.kept_bytes]
        outcomes = {}
        works: dict[str, _Work] = {}
        for work, refused in zip(short, pool.map(self._prepare, short), strict=True):
            if refused is not None:
                outcomes[work.run_id] = refused
            else:
                works[f"run/{work.run_id}"] = work
        self._erasures = self._target.erasures.load()
        for name in works.keys() & self._erasures.logs.keys():
            del works[name]  # erased just now: adopting it alone says so
        sources = {name: work.log.lines for name, work in works.items()}
        for name, found in adopting.adopt_new(create_many, sources, self._erasures).items():
            log = works[name].log
            if isinstance(found, Head):
                outcomes[log.run_id] = Copied(log.run_id, NEW, found, is_over=log.is_over)
            else:
                outcomes[log.run_id] = Copied(log.run_id, FAILED, log.head, error=found)
        return outcomes

    def _adopt(self, created: dict[str, Copied], work: _Work) -> Copied:
        """Brings a run over that was not created, and reads back how it stands."""
        log, run_id = work.log, work.log.run_id
        if run_id in created:
            return created[run_id]
        refused = self._prepare(work)
        if refused is not None:
            return refused
        try:
            self._target.runs.adopt(run_id, log.lines)
            record, head = self._target.runs.standing(run_id)
            if head.lines < log.head.lines or (
                head.lines == log.head.lines and head.hash != log.head.hash
            ):
                raise IntegrityError.of(
                    f"run {run_id} was copied, but reads otherwise at {self._target.path}"
                )
            if record.status.is_terminal and work.action != NEW:
                unmark_copy(self._target, run_id)
            return Copied(run_id, work.action, head, is_over=record.status.is_terminal)
        except adopting.DivergedError as error:
            return Copied(run_id, DIVERGED, log.head, error=error)
        except (IntegrityError, ConflictError) as error:
            return Copied(run_id, FAILED, log.head, error=error)

    def _prepare(self, work: _Work) -> Copied | None:
        """Marks a run before its first line is there; returns the reason why it is left, if any."""
        log, run_id = work.log, work.log.run_id
        try:
            bad = next((d for d in sorted(work.blobs) if d in self.blobs.damaged), None)
            if bad is not None:
                raise self.blobs.damaged[bad]
            label = self._label_of(run_id)
            is_open = work.action == NEW and not log.is_over
            if is_open or (work.action == NEW and label is not None):
                # The mark of a run that is refused would keep its id from a run of this store.
                adopting.check(log.lines(), f"run/{run_id}", 0, self._erasures)
            if label is not None:
                self._mark_untrusted(work, label)
            if is_open:
                mark_copy(self._source, self._target, run_id)
        except (IntegrityError, ConflictError, errors.UnsupportedFormatError) as error:
            return Copied(run_id, FAILED, log.head, error=error)
        return None

    def _label_of(self, run_id: str) -> str | None:
        """Returns why nobody vouches for a run: a store that does not cannot make another do so."""
        if self._untrusted is not None or not self._is_source_marked:
            return self._untrusted
        return self._source.untrusted_source(run_id)

    def _mark_untrusted(self, work: _Work, label: str) -> None:
        run_id = work.log.run_id
        if work.action == NEW:
            mark = f"{label}\n".encode()
            self._target.store.documents.create(f"{UNTRUSTED}{run_id}", mark)
        elif self._target.untrusted_source(run_id) is None:
            raise ConflictError(
                f"run {run_id} is not from an untrusted source, and none extends it"
            )


class _Work(NamedTuple):
    """A run to be copied.

    Attributes:
        log: Its log.
        action: `NEW` or `EXTENDED`.
        blobs: The blobs that its new lines declare, with the parts of its spec.
    """

    log: _Log
    action: str
    blobs: frozenset[ContentDigest]

    @property
    def run_id(self) -> str:
        """The run."""
        return self.log.run_id
