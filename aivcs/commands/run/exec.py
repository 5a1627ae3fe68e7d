"""`aivcs run exec`: records a command as a run: its start, its output, its end.

Events are stored in threads of their own, while the command runs. Code that passes the output on
hands a copy over, and waits only if the backlog exceeds a limit. When the store fails, the rest is
discarded and the failure is reported at the end: the command must not suffer from it.
"""

import _thread
from _queue import Empty, SimpleQueue
from time import monotonic, sleep

from aivcs.codec.json import encode_trusted
from aivcs.commands.run.output_lines import LineSplitter
from aivcs.log.bulk_events import BulkEvents
from aivcs.model.run import RunEvent, RunSummary
from aivcs.model.timestamp import Timestamp

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from aivcs.commands.run.event_lines import EventLines
    from aivcs.formats.masked_json import JsonMasker
    from aivcs.formats.masking import Masker
    from aivcs.model.run import RunId
    from aivcs.repository import Repository
    from aivcs.trace.budget import Exceeded
    from aivcs.trace.redaction import Redactor

LINES, BLOBS, NONE = "lines", "blobs", "none"
"""Ways to record output: an event per line, a blob per stream, or not at all."""
STARTED, OUTPUT, FINISHED = "exec_started", "output", "exec_finished"
EXCEEDED = "budget_exceeded"
"""The kinds of the events."""
OVER_BUDGET = 124
"""The exit code of a command that was ended for its budget, as of timeout(1)."""
MAX_EVENT_LINES = 100_000
"""The maximum number of lines of a stream that become events; the rest becomes a blob."""
MAX_EVENT_BYTES = 16 << 20
"""The maximum number of bytes of a stream that become events."""
_MAX_TEXT_BYTES = 1 << 16
"""The maximum size of one event's text, in bytes."""
_FLUSH_INTERVAL_S = 0.2
"""Seconds that a line may wait for more lines before it is stored."""
_BATCH_BYTES = 1 << 20
"""The approximate size of a stored batch, in bytes."""
_LAST_ATTEMPTS_S = 5.0
"""Seconds to try to end the run in a store on a network, after the recording failed."""
_MAX_BACKLOG_BYTES = 64 << 20
"""Bytes that may wait to be stored before the output is held back."""


class Recording:
    """The recording of one command as a run.

    Attributes:
        repo: The repository.
        run_id: The run.
        failure: The error that stopped the recording, or None.
    """

    def __init__(
        self,
        repo: "Repository",
        run_id: "RunId",
        capture: str,
        secrets: "dict[bytes, str] | None" = None,
        *,
        events: "str | None" = None,
        masker: "Masker | None" = None,
    ) -> None:
        """Takes a run with the status RUNNING.

        Args:
            repo: The repository.
            run_id: The run.
            capture: `LINES`, `BLOBS` or `NONE`.
            secrets: Values to mask in arguments and output, with the name of each.
            events: The format of what is printed on standard output, `auto` for the one that is
                recognised; None: it is output as any other.
            masker: What masks further secrets in arguments, events and standard error.
        """
        self._events = events
        self._masker = masker
        self.run_id = run_id
        self.failure: Exception | None = None
        self.repo = repo
        self._capture = capture
        self._secrets = secrets
        self._queue: SimpleQueue[tuple[str, bytes, Timestamp] | None] = SimpleQueue()
        self._over = _thread.allocate_lock()
        self._streams: dict[str, _Stream] = {}
        self._pending: list[bytes] = []
        self._size = 0
        self._stored = 0
        self._taken: dict[str, int] = {}
        self._is_closed = False

    def begin(self, argv: "Sequence[str]", folder: str) -> None:
        """Records the command and its working directory, before it is executed.

        Raises:
            StorageError: The event could not be stored.
        """
        if self._secrets:
            from aivcs.trace.redaction import redact

            argv = [redact(word, self._secrets) for word in argv]
        words = [_text(word) for word in argv]
        payload: dict[str, Any] = {"argv": words, "cwd": _text(folder)}
        if self._masker is not None:
            payload = self._masker.mask(payload)
            words = payload["argv"]
        with self.repo.hold(later=True):
            text = encode_trusted(words).encode()
            if len(text) > self.repo.store.settings.max_event // 2:
                payload["argv"] = {"$blob": self.repo.blobs.put(text)}
            self._append(STARTED, payload)

    def listen(self) -> None:
        """Starts the thread that stores the output given to `take`.

        Raises:
            RuntimeError: The system has no further thread.
        """
        self._over.acquire()
        try:
            _thread.start_new_thread(self._serve, ())
        except RuntimeError:
            self._over.release()  # for `close`, which waits for the thread
            raise

    def take(self, stream: str, data: bytes) -> None:
        """Takes the next bytes of a stream. Thread-safe for one thread per stream."""
        self._taken[stream] = self._taken.get(stream, 0) + len(data)
        self._queue.put((stream, data, Timestamp.now()))
        while self._backlog() > _MAX_BACKLOG_BYTES:
            sleep(0.005)

    def close(self) -> None:
        """Waits until all of the output is stored, or has failed to be."""
        self._queue.put(None)
        with self._over:
            pass

    def finish(
        self,
        status: str,
        exit_code: int,
        signal: str,
        duration_ms: int,
        exceeded: "Exceeded | None" = None,
    ) -> None:
        """Records how the command ended, and ends the run.

        Args:
            status: `completed`, `failed` or `cancelled`.
            exit_code: The exit code, as shells report it.
            signal: The name of the signal that ended the command, or empty.
            duration_ms: Its duration in milliseconds.
            exceeded: The limit for which the command was ended, or None.

        Raises:
            InvalidRunStateError: The run is over.
            StorageError: The event could not be stored.
        """
        payload: dict[str, Any] = {"exit_code": exit_code}
        if signal:
            payload["signal"] = signal
        payload["duration_ms"] = duration_ms
        if exceeded is not None:
            self._append(EXCEEDED, exceeded.to_json())
            payload["limit"] = exceeded.limit
        if self._taken:
            payload["bytes"] = dict(sorted(self._taken.items()))
        if self.failure is not None:
            payload["lost"] = str(self.failure)
            # The command is over, and a store that was away may be so still.
            remote = self.repo.store.settings.remote
            remote.timeout = min(remote.timeout, _LAST_ATTEMPTS_S)
        if told := self._told():
            payload["sessions"] = told
            if status == "completed" and any(one.get("status") == "failed" for one in told):
                status = "failed"  # some programs exit with 0 all the same
        self._append(FINISHED, payload)
        runs = self.repo.runs
        end = {
            "completed": runs.complete_run,
            "failed": runs.fail_run,
            "cancelled": runs.cancel_run,
        }[status]
        end(
            self.run_id,
            RunSummary(
                success=status == "completed",
                duration_ms=duration_ms,
                exit_code=exit_code if exceeded is None else OVER_BUDGET,
            ),
        )

    def _told(self) -> "list[dict[str, Any]]":
        """The outcomes of the sessions in the output, as far as it says."""
        return [
            {"session": outcome.session.id, "format": outcome.session.format}
            | ({"status": outcome.status} if outcome.status else {})
            | outcome.figures
            for stream in self._streams.values()
            if stream.events is not None
            for outcome in stream.events.outcomes
        ]

    def _append(self, kind: str, payload: "dict[str, Any]") -> None:
        self.repo.runs.append_event(self.run_id, RunEvent(kind, payload))

    def _backlog(self) -> int:
        blobs = [stream.blob.done for stream in list(self._streams.values()) if stream.blob]
        return sum(self._taken.values()) - self._stored - sum(blobs)

    def _serve(self) -> None:
        try:
            self._store()
        except Exception as error:  # noqa: BLE001 whatever it is, the output goes on without us
            self._fail(error)
            while not self._is_closed:
                self._is_closed = self._queue.get() is None
            for stream in self._streams.values():
                if stream.blob:
                    stream.blob.close()
        finally:
            self._over.release()

    def _store(self) -> None:
        due: float | None = None
        while True:
            try:
                item = self._queue.get(True, None if due is None else max(0.0, due - monotonic()))
            except Empty:
                self._flush()
                due = None
                continue
            if item is None:
                self._is_closed = True
                self._end()
                return
            self._handle(*item)
            if self._size >= _BATCH_BYTES:
                self._flush()
            if not self._pending:
                due = None
            elif due is None:
                due = monotonic() + _FLUSH_INTERVAL_S

    def _fail(self, error: Exception) -> None:
        if self.failure is None:
            self.failure = error
        self._stored = 1 << 62  # nothing waits for the disk any more

    def _handle(self, name: str, data: bytes, moment: Timestamp) -> None:
        if self._capture == NONE and (self._events is None or name == "stderr"):
            self._stored += len(data)
            return
        stream = self._streams.get(name)
        if stream is None:
            masker = self._masker if name == "stderr" else None  # events are masked one by one
            stream = self._streams[name] = _Stream(name, self._piece(), self._secrets, masker)
            if self._events is not None and name != "stderr":
                stream.events = self._event_lines(self._events, stream)
            elif self._capture == BLOBS:
                stream.blob = _Blob(name, self.repo, self.run_id)
        size = len(data)
        for one in stream.filters:
            data = one.feed(data)
        self._keep(name, stream, data, size, moment)

    def _keep(
        self, name: str, stream: "_Stream", data: bytes, size: int, moment: Timestamp
    ) -> None:
        """Turns output into events or hands it to a blob. `size`: its bytes before masking."""
        if stream.events is not None:
            self._add_bodies(stream.events.feed(data, moment))
            self._stored += size
            return
        if stream.blob is None:
            at = stream.room(data)
            self._add(stream.lines.feed(data[:at]), moment)
            if at == len(data):
                self._stored += size
                return
            stream.blob = _Blob(name, self.repo, self.run_id)
            data = data[at:]
        stream.blob.put(data, size)

    def _piece(self) -> int:
        # A byte becomes six at worst, as \\u0000 or as U+FFFD and base64.
        limit = self.repo.store.settings.max_event
        return min(_MAX_TEXT_BYTES, (limit - 128) // 6)

    def _event_lines(self, name: str, stream: "_Stream") -> "EventLines":
        from aivcs.commands.run.event_lines import EventLines

        limit = self.repo.store.settings.max_event
        return EventLines(name, stream.lines, _body, limit, self._masker)

    def _add(self, payloads: "list[dict[str, Any]]", moment: Timestamp) -> None:
        self._add_bodies([_body(encode_trusted(one), OUTPUT, moment) for one in payloads])

    def _add_bodies(self, bodies: "list[bytes]") -> None:
        self._pending += bodies
        self._size += sum(map(len, bodies))

    def _flush(self) -> None:
        pending, self._pending, self._size = self._pending, [], 0
        if not pending:
            return
        with self.repo.hold(later=True):
            for stream in self._streams.values():
                if stream.events is not None:
                    blobs, stream.events.blobs = stream.events.blobs, []
                    for data in blobs:
                        self.repo.blobs.put(data)
            self.repo.runs.append_events(self.run_id, BulkEvents(pending))

    def _end(self) -> None:
        moment = Timestamp.now()
        for name, stream in self._streams.items():
            rest = b""
            for one in stream.filters:
                rest = one.feed(rest) + one.end()
            if rest:
                self._keep(name, stream, rest, 0, moment)
            if stream.events is not None:
                self._add_bodies(stream.events.end(moment))
            else:
                self._add(stream.lines.end(), moment)
        self._flush()
        for stream in self._streams.values():
            if stream.blob:
                failure = stream.blob.close()
                if failure:
                    self._fail(failure)


class _Stream:
    """The state of one stream."""

    def __init__(
        self, name: str, limit: int, secrets: "dict[bytes, str] | None", masker: "Masker | None"
    ) -> None:
        self.lines = LineSplitter(name, limit)
        self.filters: "list[Redactor | JsonMasker]" = []
        if secrets:
            from aivcs.trace.redaction import Redactor

            self.filters.append(Redactor(secrets))
        if masker is not None:
            from aivcs.formats.masked_json import JsonMasker

            self.filters.append(JsonMasker(masker))
        self.blob: _Blob | None = None
        self.events: EventLines | None = None
        self._lines = MAX_EVENT_LINES
        self._bytes = MAX_EVENT_BYTES

    def room(self, data: bytes) -> int:
        """Returns how many bytes may become events: whole lines, or one very long line."""
        if len(data) <= self._bytes and data.count(b"\n") <= self._lines:
            self._bytes -= len(data)
            self._lines -= data.count(b"\n")
            return len(data)
        at = 0
        while self._lines and (end := data.find(b"\n", at, self._bytes)) >= 0:
            at = end + 1
            self._lines -= 1
        self._bytes -= at
        return at


class _Blob:
    """The rest of a stream on its way into a blob: a readable for `put_stream`.

    Attributes:
        stored: The number of bytes read from it.
        done: The number of these bytes before masking.
    """

    def __init__(self, name: str, repo: "Repository", run_id: "RunId") -> None:
        self.stored = 0
        self.done = 0
        self._name = name
        self._repo = repo
        self._run_id = run_id
        self._failure: Exception | None = None
        self._rest: bytes | None = b""
        self._queue: SimpleQueue[tuple[bytes | None, int]] = SimpleQueue()
        self._over = _thread.allocate_lock()
        self._over.acquire()
        _thread.start_new_thread(self._store, ())

    def put(self, data: bytes, size: int) -> None:
        self._queue.put((data, size))

    def close(self) -> "Exception | None":
        """Waits until the blob is stored. Returns the failure, if any."""
        self._queue.put((None, 0))
        with self._over:
            return self._failure

    def read(self, size: int) -> bytes:
        while self._rest == b"":  # None is the end
            self._rest, size_before = self._queue.get()
            self.done += size_before
        if self._rest is None:
            return b""
        chunk, self._rest = self._rest[:size], self._rest[size:]
        self.stored += len(chunk)
        return chunk

    def _store(self) -> None:
        try:
            # A hold is of an opening: in one shared by threads it would last as long as the others.
            repo = type(self._repo).open(self._repo.path, self._repo.store.settings)
            try:
                with repo.hold(later=True):
                    digest = repo.blobs.put_stream(self)  # type: ignore[arg-type]
                    payload = {
                        "stream": self._name,
                        "blob": {"$blob": digest},
                        "bytes": self.stored,
                    }
                    repo.runs.append_event(self._run_id, RunEvent(OUTPUT, payload))
            finally:
                repo.store.close()
        except Exception as error:  # noqa: BLE001 kept for the end
            self._failure = error
            while self._rest is not None:
                self._rest, size = self._queue.get()
                self.done += size
        finally:
            self._over.release()


def _body(payload: str, kind: str, moment: Timestamp) -> bytes:
    """The part of an event's line between seq and hash."""
    return f'"kind":{encode_trusted(kind)},"payload":{payload},"timestamp":"{moment}"'.encode()


def _text(word: str) -> str:
    """Returns a word of the system as storable text."""
    return word.encode("utf-8", "surrogateescape").decode(errors="replace")
