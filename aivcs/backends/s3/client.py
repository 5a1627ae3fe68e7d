"""The requests of a store to its S3 server: retried, counted in time, with errors of a backend.

Keys are relative to the store's prefix.
"""

from __future__ import annotations

import os
from threading import Lock
from time import monotonic, sleep
from typing import TYPE_CHECKING, NamedTuple

from aivcs.backends.s3.connection import Connection
from aivcs.backends.s3.errors import Failure, error_of, failure_of
from aivcs.errors import BackendError, OutcomeUnknownError, StorageError
from aivcs.util.retry import backoff

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from concurrent.futures import ThreadPoolExecutor
    from typing import Any, BinaryIO, TypeVar

    from aivcs.backends.s3.location import Location
    from aivcs.store.remote import RemoteSettings

    Result = TypeVar("Result")
    Argument = TypeVar("Argument")

NONCE = "nonce"
"""The member of an object's metadata that tells one writer's attempt from all others."""
PARALLEL = 16
"""Requests of one opening at a time, at most."""
PART_BYTES = 8 << 20
"""Bytes of a part of a large object, and of what is written in one piece."""
_FIRST_PAUSE_S = 0.05
_LAST_PAUSE_S = 5.0
_SAID_S = 0.4
"""Seconds of a pause from which the user is told why it takes so long."""
_LEAVE_S = 2.0
"""Seconds for which requests in flight are waited for when nobody wants their results any more."""


class Stored(NamedTuple):
    """An object that was read.

    Attributes:
        data: Its bytes.
        metadata: Its user metadata.
        modified: The time of its last write by the server's clock, in POSIX seconds.
    """

    data: bytes
    metadata: Mapping[str, str]
    modified: float


class Entry(NamedTuple):
    """An object in a listing.

    Attributes:
        key: Its key, below the store's prefix.
        size: Its size in bytes.
        modified: The time of its last write by the server's clock, in POSIX seconds.
    """

    key: str
    size: int
    modified: float


class Client:
    """The requests to one store. Thread-safe."""

    def __init__(self, location: Location, remote: RemoteSettings) -> None:
        """Connects to nothing yet.

        Args:
            location: The place of the store.
            remote: How long a request is tried again, and who is told of it.
        """
        self.location = location
        self.remote = remote
        self._lock = Lock()
        self._connection = Connection(location, remote.timeout)
        self._pool: ThreadPoolExecutor | None = None

    # reading

    def get(self, key: str) -> Stored | None:
        """Returns an object; None if there is none."""

        def act(store: Any, path: str) -> Stored:
            from obstore import get

            found = get(store, path)
            return Stored(bytes(found.bytes()), found.attributes, _time(found.meta))

        return self._read(act, key)

    def get_range(self, key: str, start: int, end: int) -> bytes | None:
        """Returns bytes of an object from `start` up to `end`; None if there is no object."""

        def act(store: Any, path: str) -> bytes:
            from obstore import get_range

            return bytes(get_range(store, path, start=start, end=end))

        return self._read(act, key) if end > start else b""

    def stream(self, key: str) -> tuple[int, Iterator[bytes]] | None:
        """Returns an object's size and its bytes as they come; None if there is none.

        The bytes end early, or raise, if the connection is cut.
        """

        def act(store: Any, path: str) -> tuple[int, Iterator[bytes]]:
            from obstore import get

            found = get(store, path)
            return found.meta["size"], map(bytes, found.stream(1 << 20))

        return self._read(act, key)

    def head(self, key: str) -> Entry | None:
        """Returns size and time of an object; None if there is none."""

        def act(store: Any, path: str) -> Entry:
            from obstore import head

            found = head(store, path)
            return Entry(key, found["size"], _time(found))

        return self._read(act, key)

    def metadata(self, key: str) -> Mapping[str, str]:
        """Returns the user metadata of an object without reading it; empty for a missing object."""

        def act(store: Any, path: str) -> Mapping[str, str]:
            from obstore import get

            found: Mapping[str, str] = get(store, path, options={"head": True}).attributes
            return found

        return self._read(act, key) or {}

    def pages(self, folder: str, after: str = "") -> Iterator[list[Entry]]:
        """Yields the objects below a folder in the order of their keys, a page per request.

        Args:
            folder: The folder, without a slash at its end.
            after: A key below the folder; only greater keys are listed.
        """
        count = len(self.location.prefix)
        path = f"{self.location.prefix}{folder}"

        def begin(store: Any, after: str) -> Any:
            from obstore import list as list_objects

            return iter(list_objects(store, path, offset=after or None, chunk_size=1000))

        place = f"{self.location.prefix}{after}" if after else ""
        open_pages: list[Any] = []

        def step(store: Any, _: str) -> Any:
            if not open_pages:
                open_pages.append(begin(store, place))
            try:
                return next(open_pages[0], None)
            except Exception:
                open_pages.clear()  # begin again behind what was seen
                raise

        while True:
            page = self._request(step, folder, f"list {folder}")
            if page is None:
                return
            if page:
                place = page[-1]["path"]
                yield [Entry(m["path"][count:], m["size"], _time(m)) for m in page]

    def entries(self, folder: str, after: str = "") -> Iterator[Entry]:
        """Yields the objects below a folder in the order of their keys."""
        for page in self.pages(folder, after):
            yield from page

    def folders(self, folder: str) -> list[str]:
        """Returns the names of the folders in a folder, in order."""

        def act(store: Any, path: str) -> list[str]:
            from obstore import list_with_delimiter

            found = list_with_delimiter(store, path)["common_prefixes"]
            return sorted(name[len(path) + 1 :].rstrip("/") for name in found)

        return self._request(act, folder, f"list {folder}")

    # writing

    def put(self, key: str, data: bytes, metadata: Mapping[str, str] | None = None) -> str | None:
        """Writes an object, replacing any; durable on return. Repeating it is harmless.

        Returns:
            The version that the bucket gave it; None if it keeps none.
        """

        def act(store: Any, path: str) -> str | None:
            from obstore import put

            done = put(store, path, data, attributes=dict(metadata or {}), use_multipart=False)
            version: str | None = done.get("version")
            return version

        return self._request(act, key, f"write {key}", write=True)

    def put_file(self, key: str, file: BinaryIO) -> None:
        """Writes a large object in parallel parts from a file, which is read from its start."""

        def act(_: Any, path: str) -> None:
            from obstore import put

            file.seek(0)
            put(
                self._connection.steady_store(), path, file,
                use_multipart=True, chunk_size=PART_BYTES, max_concurrency=PARALLEL // 2,
            )  # fmt: skip

        self._request(act, key, f"write {key}", write=True)

    def create(
        self, key: str, data: bytes, metadata: Mapping[str, str] | None = None
    ) -> Stored | None:
        """Creates an object if there is none with its key; durable on return.

        An error tells nothing: the object may be stored although the answer was lost. So every
        attempt bears a nonce, the key is read back after any error, and what is absent is tried
        again with the same bytes and the same nonce, which the server accepts once at most.

        Returns:
            None if this call created it, else the object of somebody else.

        Raises:
            OutcomeUnknownError: The object may be there now, or appear later.
            UnreachableError: The server is away or throttling; nothing was done.
        """
        nonce = os.urandom(12).hex()
        attributes = {**(metadata or {}), NONCE: nonce}
        began = monotonic()
        pauses = backoff(_FIRST_PAUSE_S, _LAST_PAUSE_S)
        is_decided = True  # whether no attempt can land any more
        while True:
            failure = self._try_create(key, data, attributes)
            if failure is None:
                return None
            if not failure.is_decided:
                is_decided = False
            elif not failure.exists and not failure.is_transient:
                if is_decided:
                    raise error_of(failure, self.location.name, f"write {key}")
                raise self._unknown(key)
            try:
                found = self.get(key)
            except StorageError as error:  # away, or credentials that have expired meanwhile
                if is_decided:
                    raise
                raise self._unknown(key) from error
            if found is not None:
                return None if found.metadata.get(NONCE) == nonce else found
            if monotonic() - began >= self.remote.timeout:
                if is_decided:
                    seconds = monotonic() - began
                    raise error_of(failure, self.location.name, f"write {key}", seconds)
                raise self._unknown(key)
            self._pause(next(pauses), began)

    def copy(self, key: str, target: str) -> bool:
        """Copies an object within the store; tells whether it exists."""

        def act(store: Any, path: str) -> bool:
            from obstore import copy

            copy(store, path, f"{self.location.prefix}{target}")
            return True

        return bool(self._read(act, key, f"copy {key}", write=True))

    def delete(self, key: str) -> None:
        """Removes an object; no error if there is none."""

        def act(store: Any, path: str) -> None:
            from obstore import delete

            delete(store, path)

        self._read(act, key, f"remove {key}", write=True)

    # many at once

    def each(
        self,
        act: Callable[[Argument], Result],
        arguments: Iterable[Argument],
        parallel: int = PARALLEL,
    ) -> Iterator[Result]:
        """Calls a function with each argument, several at a time; yields the results in order.

        An error of the iterable is raised after the results of the arguments before it. When it
        ends early, by an error or because the caller stops, no further call begins, and those that
        have begun are waited for, unless their server is slow.
        """
        from collections import deque
        from concurrent.futures import wait

        waiting: deque[Any] = deque()
        pool = self.pool()
        failed: BaseException | None = None
        rest = iter(arguments)
        try:
            while True:
                try:
                    argument = next(rest)
                except StopIteration:
                    break
                except BaseException as error:  # noqa: BLE001 raised below
                    failed = error
                    break
                waiting.append(pool.submit(act, argument))
                if len(waiting) >= parallel:
                    yield waiting.popleft().result()  # its error ends it: no result is skipped
            while waiting:
                yield waiting.popleft().result()
        finally:
            wait([future for future in waiting if not future.cancel()], timeout=_LEAVE_S)
        if failed is not None:
            raise failed

    def pool(self) -> ThreadPoolExecutor:
        """Returns the threads of this opening."""
        from concurrent.futures import ThreadPoolExecutor

        with self._lock:
            if self._pool is None:
                self._pool = ThreadPoolExecutor(PARALLEL, thread_name_prefix="aivcs-s3")
            return self._pool

    def close(self) -> None:
        """Ends the threads and the connections."""
        with self._lock:
            if self._pool is not None:
                self._pool.shutdown(wait=False)
            self._pool = None
        self._connection.close()

    # one request

    def _read(
        self, act: Callable[[Any, str], Result], key: str, what: str = "", *, write: bool = False
    ) -> Result | None:
        """The result of a request, None if there is no such key."""
        try:
            return self._request(act, key, what or f"read {key}", write=write)
        except FileNotFoundError:
            return None

    def _request(
        self, act: Callable[[Any, str], Result], key: str, what: str, *, write: bool = False
    ) -> Result:
        """The result of a request that may be repeated.

        Raises:
            FileNotFoundError: There is no such key.
        """
        path = f"{self.location.prefix}{key}"
        began = monotonic()
        pauses = backoff(_FIRST_PAUSE_S, _LAST_PAUSE_S)
        is_decided = True
        while True:
            store = self._connection.store()
            try:
                return act(store, path)
            except Exception as error:
                failure = self._failure(error)
                if failure.absent:
                    raise FileNotFoundError(key) from error
                is_decided = is_decided and failure.is_decided
                seconds = monotonic() - began
                if not failure.is_transient or seconds >= self.remote.timeout:
                    if write and not is_decided:
                        raise self._unknown(key) from error
                    raise error_of(failure, self.location.name, what, seconds) from error
            self._pause(next(pauses), began)

    def _pause(self, seconds: float, began: float) -> None:
        """Waits before another attempt, the last one at the limit; says so once if it is long."""
        if seconds > _SAID_S:
            with self._lock:  # one of the threads that wait
                notify, self.remote.notify = self.remote.notify, None
            if notify is not None:
                notify(
                    f"cannot reach the server of {self.location.name}; "
                    f"trying for {self.remote.timeout:g} s"
                )
        sleep(max(0.0, min(seconds, began + self.remote.timeout - monotonic())))

    def _try_create(self, key: str, data: bytes, attributes: dict[str, str]) -> Failure | None:
        from obstore import put

        store = self._connection.store()
        try:
            put(
                store, f"{self.location.prefix}{key}", data,
                mode="create", attributes=attributes, use_multipart=False,
            )  # fmt: skip
        except Exception as error:  # noqa: BLE001 sorted below
            return self._failure(error)
        return None

    def _failure(self, error: Exception) -> Failure:
        """The failure of a request, if it is one.

        The client library raises its own errors, FileNotFoundError for a missing key, and other
        errors of the system with what they are about: the connection, or the file to be uploaded.
        """
        from obstore.exceptions import BaseError

        if isinstance(error, (BaseError, FileNotFoundError, ConnectionError, TimeoutError)):
            return failure_of(error)
        if isinstance(error, OSError):
            raise BackendError(f"cannot use {self.location.name}: {error}") from error
        raise error

    def _unknown(self, key: str) -> OutcomeUnknownError:
        return OutcomeUnknownError(
            f"the server of {self.location.name} did not confirm {key}: it may be stored, or be "
            "stored later. Look before you repeat it"
        )


def _time(meta: Any) -> float:
    return float(meta["last_modified"].timestamp())
