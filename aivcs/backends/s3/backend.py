"""An open store on S3.

format id                             as in a folder
objects/ab/cdef…                      the blobs
open/run/<id>!/<line>                 the logs, in chunks named by their first line
open/release/<name>!/<line>
runs/ab/<id>.jsonl                    the log of a run that has ended, joined
index/runs/<time>-<id>                a row for a run, the newest first
index/segments/<newest>-<oldest>-…    rows of a thousand runs that have ended
documents/<name>!/<version>           configuration, pins and other documents
trash/<digest>/<collector>            removed blobs, for a day
erasing/<log>!/<process>              who erases from a log, while it does
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from functools import partial
from threading import Lock, Thread
from time import time
from typing import TYPE_CHECKING

from aivcs import errors
from aivcs.backends.s3.chunks import Chunks
from aivcs.backends.s3.client import Client
from aivcs.backends.s3.documents import S3Documents
from aivcs.backends.s3.index import Rows
from aivcs.backends.s3.location import Location
from aivcs.backends.s3.logs import S3Logs
from aivcs.backends.s3.objects import S3Objects, object_key
from aivcs.backends.s3.rows_cache import RowsCache
from aivcs.backends.s3.segments import Segments
from aivcs.backends.s3.tails import Tails, cache_folder
from aivcs.backends.s3.trash import TRASH_S, Trash
from aivcs.errors import BackendError
from aivcs.store.lookup import Lookup
from aivcs.store.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import TypeVar

    from aivcs.backends.s3.erasing import S3Eraser
    from aivcs.backends.s3.erasing_lock import ErasingLocks
    from aivcs.store.contracts import RunLedger
    from aivcs.store.driver import Backend, RunIndex
    from aivcs.store.finding import Finding
    from aivcs.store.listing import Unreadable
    from aivcs.store.remote import RemoteSettings

    Configure = Callable[[bytes | None], Settings]
    Result = TypeVar("Result")

_FORMAT = b"1\n"
_ID = "store"
"""The member of the metadata of `format` with the id of the store."""

_BLOBS_OF = "blobs-of"
"""The member of the metadata of `format` with the id of the store whose blobs are here."""


class S3Backend:
    """The `Backend` on S3.

    Attributes:
        dedicated_to: The id of the store whose blobs are here; empty if these are its own.
        referring: The open store with that id, whose logs refer to the blobs; None for its own.
    """

    folder = None
    poll_seconds = (0.5, 5.0)
    trash_seconds = TRASH_S
    """Seconds for which removed blobs stay in the trash."""

    def __init__(
        self, client: Client, settings: Settings, store_id: str, dedicated_to: str = ""
    ) -> None:
        """Takes an open client; use `open` or `init`."""
        self.dedicated_to = dedicated_to
        self.referring: Backend | None = None
        self._store_id = store_id
        self.url = client.location.url
        self.settings = settings
        self._client = client
        self._lock = Lock()
        self._holds = 0
        caches = cache_folder(store_id)
        self._rows_cache = RowsCache(caches)
        self._rows = Rows(client, Segments(client), self._rows_cache)
        self._chunks = Chunks(client)
        self._trash = Trash(client, object_key, keep=self.trash_seconds)
        self.logs = S3Logs(
            self._chunks, Tails(caches), self._rows, self._eraser,
            lock_timeout=settings.lock_timeout, owner=_user(),
        )  # fmt: skip
        self.objects = S3Objects(
            client, self._trash, is_held=lambda: self._holds > 0, may_remove=self._may_remove
        )
        self.documents = S3Documents(client)
        self._refuse_logs()

    def _refuse_logs(self) -> None:
        """Lets nothing be recorded here if the blobs are another store's: its gc reads its logs."""
        if self.dedicated_to:
            self.logs.refusal = (
                f"{self.url} has the blobs of another store, with the id {self.dedicated_to}, and "
                "no runs or releases; they are recorded in that store"
            )

    def _eraser(self) -> S3Eraser:
        from aivcs.backends.s3.erasing import S3Eraser
        from aivcs.backends.s3.signed import SignedRequests
        from aivcs.backends.s3.versions import Versions

        versions = Versions(self._client, SignedRequests(self._client.location))
        return S3Eraser(
            self._client, self._chunks, self._rows, self._trash, versions, self._erasing_locks()
        )

    def _erasing_locks(self) -> ErasingLocks:
        from aivcs.backends.s3.erasing_lock import ErasingLocks

        return ErasingLocks(self._client, self.settings.lock_timeout, _user())

    def _may_remove(self) -> None:
        """Raises an error if the references to the blobs are in another store."""
        if self.dedicated_to and self.referring is None:
            raise BackendError(
                f"{self.url} has the blobs of another store, with the id {self.dedicated_to}, "
                "and knows nothing of what refers to them; collect the garbage of that store"
            )

    @classmethod
    def open(cls, url: str, settings: Settings | Configure | None = None) -> S3Backend:
        """Opens a store; the format and the configuration are read at the same time.

        Raises:
            NoRepositoryError: There is no store.
            UnsupportedFormatError: A later version made the store.
            UnreachableError: The server cannot be reached.
            BackendError: The bucket does not exist, or may not be read.
        """
        client = Client(Location(url), _remote(settings))
        try:
            return cls._opened(client, settings)
        except BaseException:
            client.close()
            raise

    @classmethod
    def init(
        cls,
        url: str,
        *,
        shared: bool = False,
        private: bool = False,
        settings: Settings | Configure | None = None,
    ) -> S3Backend:
        """Makes a store, if the server can keep one; repeating it is harmless.

        Raises:
            UsageError: `shared` or `private`, which are for folders.
            BackendError: The bucket does not exist or may not be written, or the server lets two
                writers create the same object.
        """
        if shared or private:
            raise errors.UsageError(
                "--shared and --private are for folders; who may use a bucket, its policy says: "
                "aivcs store grants"
            )
        client = Client(Location(url), _remote(settings))
        try:
            if client.get("format") is None:
                cls._make(client)
            return cls._opened(client, settings)
        except BaseException:
            client.close()
            raise

    @classmethod
    def _make(cls, client: Client) -> None:
        from aivcs.backends.s3.probe import probe
        from aivcs.store.identity import identify

        probe(client)
        store_id = identify(S3Documents(client))
        client.create("format", _FORMAT, {_ID: store_id})

    @classmethod
    def _opened(cls, client: Client, settings: Settings | Configure | None) -> S3Backend:
        url = client.location.url
        documents = S3Documents(client)
        config = None
        if callable(settings):
            config = _aside(partial(documents.read, "config.toml"))
        found = client.get("format")
        if found is None:
            raise errors.NoRepositoryError(f"{url} is not a store; make one with: aivcs init {url}")
        if found.data != _FORMAT:
            told = found.data[:20].decode(errors="replace").strip()
            raise errors.UnsupportedFormatError(
                f"{url} has format {told!a}, which needs a newer aivcs; this one reads format 1"
            )
        if callable(settings):
            read = config() if config is not None else None
            settings = settings(read[0] if read else None)
        store_id = found.metadata.get(_ID, "")
        if not store_id:  # the store was copied without metadata
            from aivcs.store.identity import identify

            store_id = identify(documents)
        dedicated_to = found.metadata.get(_BLOBS_OF, "")
        return cls(client, settings or Settings(), store_id, dedicated_to)

    def dedicate(self, store_id: str) -> None:
        """Marks the store as the place of the blobs of the store with an id."""
        self._client.put("format", _FORMAT, {_ID: self._store_id, _BLOBS_OF: store_id})
        self.dedicated_to = store_id
        self._refuse_logs()

    def is_own(self, name: str) -> bool:
        """As `Backend.is_own`: by the user who began the log, as named on that machine."""
        return self.logs.is_own(name)

    def now(self) -> float:
        """As `Backend.now`: by our clock; removals make sure that the server's agrees."""
        return time()

    @contextmanager
    def hold(self, *, later: bool = False) -> Iterator[None]:  # noqa: ARG002 a hold locks nothing
        """As `Backend.hold`: a blob that is missed in it is looked for in the trash."""
        with self._lock:
            self._holds += 1
        try:
            yield
        finally:
            with self._lock:
                self._holds -= 1

    def doubts(self) -> Iterator[str]:
        """As `Backend.doubts`."""
        if self._client.location.endpoint.startswith("http://"):
            from urllib.parse import urlsplit

            server = urlsplit(self._client.location.endpoint).hostname
            if server not in {"127.0.0.1", "localhost", "::1"}:
                yield (
                    f"requests to {server} are not encrypted: everybody on the way reads and "
                    "changes what is stored; use an https:// endpoint"
                )

    def list_runs(self, ledger: RunLedger, unreadable: Unreadable) -> RunIndex:
        """As `Backend.list_runs`."""
        if not self._rows_cache.is_possible():
            from aivcs.store.listing import Listing

            return Listing(ledger, unreadable)
        from aivcs.backends.s3.run_index import RowIndex

        return RowIndex(ledger, unreadable, self._rows)

    def lookup(self, ledger: RunLedger) -> Lookup:
        """As `Backend.lookup`."""
        return Lookup(self, ledger)

    def inspect(
        self,
        parts: frozenset[str],
        progress: Callable[[str, int], None],
        *,
        repair: bool = False,
    ) -> Iterator[Finding]:
        """As `Backend.inspect`; the rows of the index are compared with the logs."""
        from aivcs.backends.s3.maintenance import erased_rows, missing_rows
        from aivcs.store.verify import inspect

        yield from inspect(self, parts, progress)
        if "runs" in parts:
            yield from missing_rows(self.logs, self._rows, repair=repair)
            yield from erased_rows(self, self._rows, self._erasing_locks(), repair=repair)

    def measure(self, parts: frozenset[str]) -> int:  # noqa: ARG002
        """As `Backend.measure`."""
        return 0

    def sweep(self, moment: float, *, delete: bool) -> int:
        """As `Backend.sweep`: empties the trash of a day ago, and joins the runs that ended.

        Uploads that were not completed within a day are aborted.
        """
        from aivcs.backends.s3.maintenance import needed_blobs, seal_all
        from aivcs.backends.s3.signed import SignedRequests
        from aivcs.backends.s3.uploads import Uploads

        if delete:
            self._may_remove()
        store = self.referring or self
        count = self._trash.purge(moment, lambda: needed_blobs(store), delete=delete)
        uploads = Uploads(SignedRequests(self._client.location))
        old = uploads.old(min(moment, self.now() - self.trash_seconds))
        if not delete:
            count += len(old)
        elif old:
            limit = self._trash.server_time() - self.trash_seconds
            count += uploads.abort([upload for upload in old if upload.begun < limit])
        if delete:
            seal_all(self._client, self._chunks)
            self._rows.make_segments(self._erasing_locks())
        return count

    def grants(self, role: str, names: str | None = None) -> str:
        """As `Administered.grants`: the IAM policy, as JSON."""
        from aivcs.backends.s3.grants import policy

        return policy(self._client.location, role, names)

    def check(self) -> Iterator[str]:
        """As `Administered.check`; the server is tried as by `init`, which leaves nothing."""
        from aivcs.backends.s3.probe import faults

        return faults(self._client)

    def upgrade(self) -> Iterator[str]:
        """As `Administered.upgrade`; format 1 has nothing to upgrade from."""
        return iter(())

    def close(self) -> None:
        """As `Backend.close`."""
        self._rows_cache.close()
        self._client.close()


def _aside(act: Callable[[], Result]) -> Callable[[], Result]:
    """Begins a call in a thread of its own; returns what waits for its result, or raises its error.

    Every command does this, and `concurrent.futures` would take a fifth of its time to load.
    """
    results: list[Result] = []
    failures: list[BaseException] = []

    def work() -> None:
        try:
            results.append(act())
        except BaseException as error:  # noqa: BLE001 raised below
            failures.append(error)

    thread = Thread(target=work, daemon=True)
    thread.start()

    def result() -> Result:
        thread.join()
        if failures:
            raise failures[0]
        return results[0]

    return result


def _remote(settings: Settings | Configure | None) -> RemoteSettings:
    """The settings for reaching the server; the store's own configuration does not affect them."""
    if callable(settings):
        settings = settings(None)
    return (settings or Settings()).remote


def _user() -> str:
    """The name of this user, as far as it is known; it goes into metadata, so in plain letters."""
    from pwd import getpwuid

    try:
        name = getpwuid(os.geteuid()).pw_name
    except KeyError:  # containers run with ids that have no name
        name = str(os.geteuid())
    return "".join(c for c in name if c.isascii() and (c.isalnum() or c in "._-"))[:64] or "user"
