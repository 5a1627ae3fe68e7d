"""A store as commands use it: its blobs, runs, releases, records and documents, and short names.

It depends on no backend: `aivcs.opening` opens a store by the scheme of its URL, and it is used
through the contracts and its driver (`aivcs.store.driver`). `aivcs.short_names` finds what somebody
names. Python programs use `aivcs.api`, which adds the commands.
"""

import os

from aivcs import errors
from aivcs.model.digest import ContentDigest, is_hex
from aivcs.model.record import is_safe
from aivcs.opening import (
    find_store,
    load_backend,
    split_url,
    stored_settings,
    trusting,
    with_blobs,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from typing import Self

    from aivcs.log.erasure import Erasures
    from aivcs.model.run import RunId
    from aivcs.opening import Configure
    from aivcs.store.contracts import AnnotationStore, CasStore, ReleaseRegistry, RunLedger
    from aivcs.store.driver import Backend, LogDriver, Lookup
    from aivcs.store.erasures import DocumentErasures
    from aivcs.store.runs import ListRuns
    from aivcs.store.settings import Settings

CONFIG = "config.toml"
"""The document that holds a store's configuration."""


class Repository:
    """The blobs, runs and releases of one store.

    Attributes:
        store: The backend; for maintenance only.
        blobs: The `CasStore`.
        runs: The `RunLedger`.
        releases: The `ReleaseRegistry`, which applies no policies (`aivcs.policy.enforce` does).
    """

    __slots__ = ("_erasures", "_remote", "_runs", "store")

    def __init__(self, store: "Backend") -> None:
        """Takes an open backend; use `init`, `open` or `discover`."""
        self.store = store
        self._runs: RunLedger | None = None
        self._erasures: DocumentErasures | None = None
        self._remote = ""

    @classmethod
    def init(
        cls,
        folder: "str | os.PathLike[str]",
        *,
        shared: bool = False,
        private: bool = False,
        settings: "Settings | Configure | None" = None,
    ) -> "Self":
        """Makes a store in a folder, `FOLDER/.aivcs`, or at a URL; repeating it is harmless.

        Args:
            folder: The folder that the store belongs to, made if it does not exist; or the URL.
            shared: Whether the folder's group may write.
            private: Whether only the owner may read and write; otherwise the umask decides.
            settings: The settings of this opening, as for `open`.

        Raises:
            UsageError: The folder is inside a store.
            BackendError: The store cannot be made.
        """
        scheme, where = split_url(folder)
        backend = load_backend(scheme)
        if scheme == "file":
            where = os.path.join(where, backend.STORE)
        configure = settings or stored_settings(where)
        return cls(backend.init(where, shared=shared, private=private, settings=configure))

    @classmethod
    def open(
        cls,
        store: "str | os.PathLike[str]",
        settings: "Settings | Configure | None" = None,
    ) -> "Self":
        """Opens a store by its path, the folder that holds `format`, or by its URL.

        Args:
            store: A path, or a URL with a scheme of `aivcs.opening.SCHEMES`.
            settings: The settings, or a function that makes them from the text of the store's own
                configuration; None uses that configuration alone.

        Raises:
            NoRepositoryError: There is no store.
            UnsupportedFormatError: A later version made the store.
            UsageError: The scheme is unknown, or the store's configuration is invalid.
        """
        scheme, where = split_url(store)
        backend = load_backend(scheme).open(where, settings or stored_settings(where))
        return cls(with_blobs(backend))

    @classmethod
    def discover(
        cls, start: "str | os.PathLike[str]" = ".", settings: "Settings | Configure | None" = None
    ) -> "Self":
        """Opens the store of a folder: its own `.aivcs`, or the nearest one above it.

        It does not check who owns the store; the command line does. A file `.aivcs` that names a
        store elsewhere is followed if the store is trusted (`aivcs.config.link`).

        Raises:
            NoRepositoryError: There is no store, or it is not trusted.
            ConflictError: A trusted URL leads to another store than before.
        """
        found = find_store(start)
        if os.path.isfile(found):
            from aivcs.config import link, trust

            linked = link.follow(found)
            repo = cls.open(linked.store, trusting(linked.store, settings))
            if linked.ids:
                trust.require_identity(repo.store, linked.ids)
            return repo
        return cls.open(found, trusting(found, settings))

    @property
    def remote(self) -> str:
        """The remote whose releases it has (`pulled_from`); empty for its own."""
        return self._remote

    @property
    def path(self) -> str:
        """The path or URL of the store."""
        return self.store.url

    @property
    def identity(self) -> str:
        """The id of the store, made for one that has none.

        Raises:
            IntegrityError: It is damaged.
            BackendError: It cannot be read or made.
        """
        from aivcs.store.identity import identify

        return identify(self.store.documents)

    @property
    def blobs(self) -> "CasStore":
        """The blobs."""
        return self.store.objects

    @property
    def runs(self) -> "RunLedger":
        """The runs."""
        if self._runs is None:
            self._runs = self.runs_listed_by(self.store.list_runs)
        return self._runs

    def runs_listed_by(self, list_runs: "ListRuns", logs: "LogDriver | None" = None) -> "RunLedger":
        """Returns the runs, with lists that come from elsewhere.

        Args:
            list_runs: As `Backend.list_runs`.
            logs: The logs, with more than the store's do; None for these.
        """
        from aivcs.store.runs import LogRunLedger

        store = self.store
        return LogRunLedger(
            store.logs if logs is None else logs,
            max_event=store.settings.max_event,
            list_runs=list_runs,
            find_home=self.home_of,
            erasures=self._load_erasures,
        )

    def untrusted_source(self, run_id: str) -> "str | None":
        """Returns the label of the untrusted source that a run came from; None for any other.

        Such a run is read like any other, but does not count as evidence for a release.
        """
        from aivcs.store.runs import UNTRUSTED, read_mark

        return read_mark(self.store.documents, UNTRUSTED, run_id)

    def home_of(self, run_id: str) -> "str | None":
        """Returns the store where a run is recorded if the run here is a copy; None if it is here.

        A copy of a run that has ended is a run like any other.
        """
        from aivcs.store.runs import REPLICAS, read_mark

        return read_mark(self.store.documents, REPLICAS, run_id)

    @property
    def annotations(self) -> "AnnotationStore":
        """The remarks on runs."""
        from aivcs.store.annotations import DocumentAnnotations

        return DocumentAnnotations(self.store.documents, max_payload=self.store.settings.max_event)

    @property
    def erasures(self) -> "DocumentErasures":
        """The records of what was erased on purpose."""
        from aivcs.store.erasures import DocumentErasures

        if self._erasures is None:
            self._erasures = DocumentErasures(self.store.documents)
        return self._erasures

    def _load_erasures(self) -> "Erasures":
        return self.erasures.load()

    @property
    def releases(self) -> "ReleaseRegistry":
        """The releases, without policies: `aivcs.policy.enforce` applies them."""
        from aivcs.store.releases import LogReleaseRegistry

        if self._remote:
            from aivcs.store.pulled import PulledLogs

            return LogReleaseRegistry(PulledLogs(self.store, self._remote))
        return LogReleaseRegistry(self.store.logs)

    def pulled_from(self, remote: str) -> "Repository":
        """Returns this repository with the releases of a remote, as they were pulled, to read."""
        other = Repository(self.store)
        other._remote = remote
        return other

    def require_store_of(self, name: str) -> None:
        """Requires that this store may have releases of a name, as the system's files say.

        Raises:
            ConflictError: The name belongs to another store (`require_store`).
            UsageError: A pattern in the system's configuration is not valid.
        """
        if self.store.settings.require_store:
            from aivcs.policy.required_store import require_store

            require_store(self.store, name)

    def require_spec(self, digest: ContentDigest) -> None:
        """Requires that a spec, its parts and their files are in the store; reads and verifies all.

        Raises:
            NotFoundError: The spec, or a part of it, is not in the store.
            IntegrityError: The spec, or a part of it, is damaged.
        """
        from aivcs.specs.check import require_spec

        require_spec(self.blobs, digest)

    def get_blob(self, digest: str) -> bytes:
        """Returns the content of a blob, verified.

        Args:
            digest: A digest or a unique prefix, as for `resolve_digest`.

        Raises:
            NotFoundError: There is no such blob.
            AmbiguousError: The prefix fits several blobs.
            IntegrityError: The blob is damaged.
        """
        return self.blobs.get(self.resolve_digest(digest))

    def hold(self, *, later: bool = False) -> "AbstractContextManager[None]":
        """Returns a block in which no blob is removed that was found or put in it.

        Check for a blob and refer to it in one hold, so that garbage collection cannot come
        between.

        Args:
            later: Whether the hold begins only with the first blob put in it.

        Raises:
            LockTimeoutError: Blobs are being removed for too long; raised when the block begins.
        """
        return self.store.hold(later=later)

    def staying(self) -> "AbstractContextManager[None]":
        """Returns a block in which the whole store is not removed; only days of spools ever are.

        Raises:
            BackendError: It was removed since it was opened; raised when the block begins.
        """
        from contextlib import nullcontext

        return nullcontext()

    def pins(self, prefix: str = "", *, newest_first: bool = False) -> "Iterator[str]":
        """Yields the pins, which keep blobs that nothing refers to, in order.

        Args:
            prefix: The prefix of the pins.
            newest_first: Whether to order by the time of pinning instead, newest first.
        """
        for name in self.store.documents.names(f"pins/{prefix}", newest_first=newest_first):
            yield name[5:]

    def pin(self, digest: str) -> None:
        """Pins a blob, so that gc keeps it; durable on return, harmless if repeated.

        Raises:
            BackendError: The pin cannot be recorded.
        """
        self.store.documents.create(f"pins/{ContentDigest(digest)}", b"")

    def unpin(self, digest: str) -> None:
        """Removes a pin, if there is one.

        Raises:
            BackendError: The pin cannot be removed.
        """
        self.store.documents.drop(f"pins/{ContentDigest(digest)}")

    def edit_config(self, edit: "Callable[[bytes | None], bytes]") -> None:
        """Replaces the store's configuration by the result of a function; an empty one is removed.

        If another process changes it at the same time, the function is called again.

        Raises:
            BackendError: The configuration cannot be read or written.
            OutcomeUnknownError: The change may or may not be durable.
        """
        documents = self.store.documents
        while True:
            text, version = documents.read(CONFIG) or (None, "")
            data = edit(text)
            try:
                if data:
                    documents.write(CONFIG, data, expect=version)
                elif text is not None:
                    documents.drop(CONFIG, expect=version)
                return
            except errors.ConflictError:
                continue

    def lookup(self) -> "Lookup":
        """Returns the completion lookup: bounded queries for somebody who is typing a name."""
        return self.store.lookup(self.runs)

    def resolve_digest(self, text: str) -> ContentDigest:
        """Returns the digest for a whole digest or a unique prefix: `short_names.resolve_digest`.

        A whole digest is returned whether it is stored or not.
        """
        if len(text) == 64:
            return ContentDigest(text)
        from aivcs import short_names

        return short_names.resolve_digest(self, text)

    def resolve_pin(self, text: str) -> ContentDigest:
        """Returns the digest for a whole digest or a prefix, preferring pins to other blobs."""
        from aivcs import short_names

        return short_names.resolve_pin(self, text)

    def resolve_run(self, text: str) -> "RunId":
        """Returns the run id for a whole id, a unique prefix, or `@last`.

        A whole id is returned whether there is such a run or not.
        """
        if len(text) == 36 and is_safe(text):
            from aivcs.model.run import RunId

            return RunId(text)
        from aivcs import short_names

        return short_names.resolve_run(self, text)

    def resolve_spec(self, text: str, *, allow_missing: bool = False) -> ContentDigest:
        """Returns the digest of a spec named by digest, NAME@current, NAME@SEQ or NAME@LABEL.

        Args:
            text: The name of the spec.
            allow_missing: Whether a whole digest need not be in the store.
        """
        if allow_missing and len(text) == 64 and is_hex(text):
            return ContentDigest(text)
        from aivcs import short_names

        return short_names.resolve_spec(self, text, allow_missing=allow_missing)

    def resolve_target(self, name: str, text: "str | int") -> "ContentDigest | int | str":
        """Returns the rollback target for @SEQ, a seq, a digest or its prefix, or else a label."""
        from aivcs import short_names

        return short_names.resolve_target(self, name, text)

    def resolve_expectation(self, text: "str | int") -> "ContentDigest | int | str":
        """Returns the expectation for @SEQ, a seq, `none`, or a digest or its prefix."""
        from aivcs import short_names

        return short_names.resolve_expectation(self, text)
