"""`aivcs run import`: makes runs of the sessions that other programs recorded."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

from aivcs.commands.run.imported_run import FORMAT, MAPPING as MAPPING_TAG, Beginning, ImportedRun
from aivcs.commands.run.large_payload import Fitted
from aivcs.errors import BackendError, InvalidDigestError, InvalidNameError
from aivcs.formats import registry
from aivcs.formats.model import MAPPING, Outcome, Session, SessionEvent
from aivcs.formats.values import kind_of, safe_id, safe_kind
from aivcs.log.bulk_events import EncodedEvent
from aivcs.model.digest import ContentDigest
from aivcs.model.record import MAX_NAME, check_name
from aivcs.model.run import RunMetadata

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aivcs.formats.masking import Masker
    from aivcs.formats.model import Hint, Item, Reader
    from aivcs.repository import Repository

_CHUNK = 1 << 16
"""Bytes read at once."""
_MAX_PENDING = 4 << 20
"""Bytes of events that wait to be stored, at most, whichever runs they belong to."""
_BATCH = 1 << 20
"""Bytes of events of one run from which on they are stored."""
_MAX_OPEN = 64
"""Runs whose logs are open for comparing, at most."""


class Source(NamedTuple):
    """A file with sessions.

    Attributes:
        path: Its path, which may say which session it is; empty if there is none.
        name: Its name as the run's tag has it.
        stream: Its bytes.
        format: The name of its format; None for that of the options.
    """

    path: str
    name: str
    stream: BinaryIO
    format: str | None = None


class Options(NamedTuple):
    """The options for every source.

    Attributes:
        format: The name of the format; None for the one that is recognised.
        agent: The agent's name; None for what the source says.
        spec: The digest of the spec, which is stored; None for a partial spec of what the source
            says.
        seal: Whether the sessions are over, even if the source does not say so.
        masker: What masks secrets; None for nothing.
        by: Who imports, for the annotation of the original.
        durable: What `store_spec` has stored for other sources; None to remember nothing of it.
    """

    format: str | None = None
    agent: str | None = None
    spec: ContentDigest | None = None
    seal: bool = False
    masker: Masker | None = None
    by: str = "aivcs"
    durable: set[ContentDigest] | None = None


class Imported(NamedTuple):
    """The result of importing a session.

    Attributes:
        run_id: The run that holds its last event.
        session: Its id in the source.
        format: The format of the source.
        agent: The agent's name.
        status: The run's status.
        created: Whether the run is new.
        new_events: How many events were stored.
        events: How many events the source has.
        unknown: The number of records of each kind that the format's reader does not know.
        is_open: Whether the run can still grow.
        is_sealed: Whether this import ended it.
    """

    run_id: str
    session: str
    format: str
    agent: str
    status: str
    created: bool
    new_events: int
    events: int
    unknown: dict[str, int]
    is_open: bool
    is_sealed: bool


class Result(NamedTuple):
    """The result of importing a source.

    Attributes:
        sessions: Its sessions.
        pending: Bytes at its end that are not a whole record.
        held: Records that wait for more, and are not in any run yet.
        empty: Sessions in it that have no events, of which no run is made.
    """

    sessions: list[Imported]
    pending: int
    held: int
    empty: int


def import_source(repo: Repository, source: Source, options: Options) -> Result:
    """Makes a run of each session of a source, or extends the runs that it made before.

    A second import of the same source changes nothing.

    Raises:
        FormatError: The source has no known format, or breaks it; what came before is stored.
        BackendError: The source cannot be read, or the store not written.
    """
    head = _read(source, registry.HEAD, whole=True)
    if source.format:
        found = registry.find_format(source.format)
    elif options.format:
        found = registry.find_format_of(options.format, head)
    else:
        found = registry.detect(head)
    reader = found.reader(found.hint(source.path) if source.path else _no_hint())
    is_final = options.seal or not found.grows
    name = source.name if options.masker is None else options.masker.mask_text(source.name)
    importer = Importer(repo, reader, options, name, is_final=is_final)
    outcomes: list[Outcome] = []
    size = 0
    try:
        data = head
        while data:
            size += len(data)
            importer.take(reader.feed(data))
            data = _read(source, _CHUNK)
        outcomes = importer.take(reader.close(final=is_final))
    finally:
        importer.flush()
    ends = [importer.end(outcome, grows=found.grows) for outcome in outcomes]
    sessions = [one for one in ends if one is not None]
    ended = [one for one in sessions if one.is_sealed]
    if ended and source.path:  # standard input may begin anywhere in a file
        from aivcs.commands.run.imported_source import keep_source

        keep_source(
            repo, source.stream, size, ended, name=name, masker=options.masker, by=options.by
        )  # fmt: skip
    empty = sum(not outcome.events for outcome in outcomes)
    return Result(sessions, reader.pending, reader.held + importer.held, empty)


class Importer:
    """Stores what a reader gives: the runs of all sessions of one source, at the same time.

    The first few events of a session that goes on are not stored before one of them has a time: its
    run would begin at the time of the import.
    """

    def __init__(
        self, repo: Repository, reader: Reader, options: Options, source: str, *, is_final: bool
    ) -> None:
        """Begins before the first item.

        Args:
            repo: The repository.
            reader: The reader, for what it knows of a session.
            options: What was asked for.
            source: The name of the source, masked.
            is_final: Whether nothing more will be written to the source.
        """
        self._is_final = is_final
        self._repo = repo
        self._reader = reader
        self._options = options
        self._source = source
        self._runs: dict[str, ImportedRun] = {}
        self._kinds: dict[str, str] = {}
        self._limit = repo.store.settings.max_event
        self._is_ours = type(reader).__module__.startswith("aivcs.formats.")
        self._size = 0

    def take(self, items: list[Item]) -> list[Outcome]:
        """Takes items of the reader; returns the outcomes among them."""
        outcomes = []
        for item in items:
            if isinstance(item, SessionEvent):
                self._take_event(item)
            elif isinstance(item, Outcome):
                outcomes.append(item)
        return outcomes

    @property
    def held(self) -> int:
        """Events that are not stored yet."""
        return sum(len(run.pending) for run in self._runs.values())

    def flush(self) -> None:
        """Stores the events that wait."""
        for run in self._runs.values():
            self._flush(run)

    def _flush(self, run: ImportedRun) -> None:
        if self._is_final or run.is_dated or run.size >= _BATCH:
            self._size -= run.size
            run.flush()

    def end(self, outcome: Outcome, *, grows: bool) -> Imported | None:
        """Ends the run of a session if it is over; returns what became of it, if it has a run."""
        session = outcome.session
        run = self._run(session.id)
        if outcome.is_over:
            run.flush()
        if run.pending or not outcome.events:
            return None
        is_over = outcome.is_over or (outcome.status is not None and not grows)
        is_sealed = False
        if self._options.seal or is_over:
            status = outcome.status or "completed"
            is_sealed = run.seal(status, _duration(outcome), outcome.ended_at)
        run.rest()
        record = self._repo.runs.get_run(run.run_id)
        status, is_open = str(record.status), not record.status.is_terminal
        return Imported(
            run.run_id, session.id, session.format, record.metadata.agent_name, status,
            run.created, run.new, outcome.events, outcome.unknown, is_open, is_sealed,
        )  # fmt: skip

    def _take_event(self, item: SessionEvent) -> None:
        run = self._run(item.session)
        kind = self._kinds.get(item.kind)
        if kind is None:
            kind = self._kinds[item.kind] = self._kind(item.kind)
        fitted = Fitted(item.payload, self._limit, self._options.masker, is_trusted=self._is_ours)
        event = EncodedEvent(
            kind, fitted.payload, fitted.encoded, seq=item.seq, timestamp=item.timestamp
        )
        before = run.size
        run.take(event, fitted)
        self._size += run.size - before
        if run.size >= _BATCH:
            self._flush(run)
        elif self._size >= _MAX_PENDING:
            self.flush()

    def _kind(self, kind: str) -> str:
        """The kind of an event as a run can have it; a format of somebody else's may give any."""
        masked = kind if self._options.masker is None else self._options.masker.mask_text(kind)
        return kind_of(masked) if masked != kind else safe_kind(kind)

    def _run(self, session: str) -> ImportedRun:
        run = self._runs.pop(session, None)
        if run is None:
            run_id = session
            if self._options.masker is not None:
                run_id = safe_id(self._options.masker.mask_text(session))
            origin = (self._reader.format, MAPPING)
            run = ImportedRun(self._repo, run_id, origin, partial(self._begin, session))
        self._runs[session] = run  # the latest is the last
        if len(self._runs) > _MAX_OPEN:
            reading = [other for other in self._runs.values() if other.is_reading]
            for other in reading[:-_MAX_OPEN]:
                other.rest()
        return run

    def _begin(self, session: str, continued: str) -> Beginning:
        header = self._masked(self._reader.header(session))
        if continued:  # which counts under one agent, whenever its source named it
            agent = self._repo.runs.get_run(continued).metadata.agent_name
            header = header._replace(agent=agent)
        pending = self._runs[session].pending
        spec = self._options.spec
        if spec is None and header.spec is not None:
            try:
                spec = ContentDigest(header.spec)
            except InvalidDigestError:
                spec = None
        if spec is None:
            from aivcs.commands.run.imported_spec import store_spec

            durable = self._options.durable
            spec = store_spec(self._repo, header, pending, set() if durable is None else durable)
        own: dict[str, Any] = {
            FORMAT: header.format,
            MAPPING_TAG: MAPPING,
            "import.source": self._source,
            "import.version": header.version,
            "session": header.id,
            "parent": header.parent and safe_id(header.parent),
            "agent.id": header.agent_id,
            "model": header.model,
            "cwd": header.cwd,
            "git.branch": header.git_branch,
            "title": header.title,
        }
        metadata = RunMetadata(
            self._agent(header),
            git_sha=_printable(header.git_sha),
            # Tags that the source has, as a log of ours, stay where nothing else is known.
            tags=_known(header.tags or {}) | _known(own),
        )
        started = header.started_at
        if started is None:
            started = next((e.timestamp for e in pending if e.timestamp is not None), None)
        return Beginning(spec, metadata, started)

    def _masked(self, header: Session) -> Session:
        masker = self._options.masker
        if masker is None:
            return header
        masked: dict[str, Any] = {
            name: masker.mask(value)
            for name, value in header._asdict().items()
            if isinstance(value, (str, dict)) and name not in {"format", "started_at"}
        }
        return header._replace(**masked)

    def _agent(self, header: Session) -> str:
        if self._options.agent is not None:
            return self._options.agent
        for name in (header.agent, header.program):
            try:
                check_name("agent name", name)
            except InvalidNameError:
                kept = safe_id(name.replace("/", "-").replace(" ", "-"))
                return kept if len(kept) <= MAX_NAME else header.format
            return name
        return header.format


def _known(tags: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in tags.items() if value is not None}


def _duration(outcome: Outcome) -> int | None:
    """Milliseconds that a session took; None where its times tell."""
    if outcome.duration_ms is not None:
        return max(outcome.duration_ms, 0)
    return 0 if outcome.ended_at is None else None


def _printable(text: str | None) -> str | None:
    return text if text and text.isprintable() and len(text) <= MAX_NAME else None


def _no_hint() -> Hint:
    from aivcs.formats.model import Hint

    return Hint()


def _read(source: Source, size: int, *, whole: bool = False) -> bytes:
    """Reads the next bytes; `whole` reads until there are so many, or the end."""
    data = b""
    try:
        while len(data) < size:
            chunk = source.stream.read(size - len(data))
            data += chunk or b""
            if not chunk or not whole:
                break
    except OSError as error:
        raise BackendError(f"cannot read {source.name}: {error.strerror}") from error
    return data
