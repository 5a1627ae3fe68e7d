"""A store in one file: a plain tar of a format-1 store, with the heads of its logs. Read only.

`tar xf FILE` gives the folder of a store, and every object and log in it can be checked with
`sha256sum` and `jq`. `heads.json` is the heads manifest of its logs (`aivcs.log.heads`).
`aivcs.sync.bundle` writes such files; here they are read, from the file as it is.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from stat import S_ISREG
from time import time
from typing import TYPE_CHECKING

from aivcs.backends.bundle.content import BundleBlobs, BundleDocuments, BundleLogs, Index
from aivcs.backends.bundle.tar import Limits, TarReader
from aivcs.errors import BackendError, IntegrityError, NoRepositoryError, UnsupportedFormatError
from aivcs.store.listing import Listing
from aivcs.store.lookup import Lookup
from aivcs.store.settings import Settings
from aivcs.store.verify import inspect

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from aivcs.store.contracts import RunLedger
    from aivcs.store.driver import RunIndex
    from aivcs.store.finding import Finding
    from aivcs.store.listing import Unreadable

    Configure = Callable[[bytes | None], Settings]

SCHEME = "bundle://"
_FORMAT = b"1\n"
_UNTRUSTED_ENTRIES, _UNTRUSTED_BYTES = 100_000, 1 << 30
"""Members and bytes of a bundle from a stranger, at most."""
_LINE_BYTES = 1 << 20
"""Bytes of a line beside its payload, at most."""


class BundleBackend:
    """A `Backend` over a bundle, which is never changed."""

    folder = None
    poll_seconds = (1.0, 1.0)

    def __init__(self, fd: int, path: str, settings: Settings, limits: Limits) -> None:
        """Takes an open file and reads the headers of its members; use `open`."""
        self.url = SCHEME + path
        self.settings = settings
        self._fd = fd
        self._path = path
        index = Index(fd, path, limits.line)
        for member in TarReader(fd, path, limits).members():
            index.add(member)
        self.logs = BundleLogs(index)
        self.objects = BundleBlobs(index)
        self.documents = BundleDocuments(index)
        self._require_format()

    @classmethod
    def open(
        cls,
        url: str,
        settings: Settings | Configure | None = None,
        limits: Limits | None = None,
    ) -> BundleBackend:
        """Opens a bundle.

        Args:
            url: Its path, or that after `bundle://`.
            settings: The settings of this opening.
            limits: The limits of an untrusted bundle; None for a trusted one.

        Raises:
            NoRepositoryError: The file does not exist.
            IntegrityError: It is not a bundle, or has a member that a bundle cannot have.
            UnsupportedFormatError: A later version wrote it.
            BackendError: It cannot be read, or is over a limit.
        """
        path = url.removeprefix(SCHEME)
        try:
            fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        except (FileNotFoundError, NotADirectoryError):
            raise NoRepositoryError(f"no file {path}") from None
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or "no path"
            raise BackendError(f"cannot open {path}: {reason}") from error
        try:
            if not S_ISREG(os.fstat(fd).st_mode):
                raise BackendError(f"{path} is not a regular file")
            chosen = settings(None) if callable(settings) else settings
            return cls(fd, path, chosen or Settings(), limits or Limits())
        except BaseException:
            os.close(fd)
            raise

    @classmethod
    def open_untrusted(cls, url: str, settings: Settings) -> BundleBackend:
        """Opens a bundle from a stranger, within limits that hold before anything is stored.

        Args:
            url: As for `open`.
            settings: The settings of the store that is to take it: its limit of an event holds.

        Raises:
            NoRepositoryError: The file does not exist.
            IntegrityError: It is not a bundle, or has a member that a bundle cannot have.
            UnsupportedFormatError: A later version wrote it.
            BackendError: It cannot be read, or is over a limit.
        """
        limits = Limits(
            entries=_UNTRUSTED_ENTRIES,
            size=_UNTRUSTED_BYTES,
            line=settings.max_event + _LINE_BYTES,
        )
        return cls.open(url, settings, limits)

    @classmethod
    def init(
        cls,
        url: str,
        *,
        shared: bool = False,  # noqa: ARG003
        private: bool = False,  # noqa: ARG003
        settings: Settings | Configure | None = None,  # noqa: ARG003
    ) -> BundleBackend:
        """Refuses to make an empty bundle.

        Raises:
            BackendError: Always.
        """
        path = url.removeprefix(SCHEME)
        raise BackendError(f"a bundle is made of a store: aivcs bundle create {path}")

    def is_own(self, name: str) -> bool:  # noqa: ARG002
        """As `Backend.is_own`: nothing is known of it."""
        return False

    def now(self) -> float:
        """As `Backend.now`."""
        return time()

    @contextmanager
    def hold(self, *, later: bool = False) -> Iterator[None]:  # noqa: ARG002
        """As `Backend.hold`: nobody removes anything."""
        yield

    def doubts(self) -> Iterator[str]:
        """As `Backend.doubts`."""
        return iter(())

    def list_runs(self, ledger: RunLedger, unreadable: Unreadable) -> RunIndex:
        """As `Backend.list_runs`."""
        return Listing(ledger, unreadable)

    def lookup(self, ledger: RunLedger) -> Lookup:
        """As `Backend.lookup`."""
        return Lookup(self, ledger)

    def inspect(
        self,
        parts: frozenset[str],
        progress: Callable[[str, int], None],
        *,
        repair: bool = False,  # noqa: ARG002
    ) -> Iterator[Finding]:
        """As `Backend.inspect`."""
        return inspect(self, parts, progress)

    def measure(self, parts: frozenset[str]) -> int:  # noqa: ARG002
        """As `Backend.measure`."""
        return os.fstat(self._fd).st_size

    def sweep(self, moment: float, *, delete: bool) -> int:  # noqa: ARG002
        """As `Backend.sweep`."""
        return 0

    def close(self) -> None:
        """As `Backend.close`."""
        os.close(self._fd)

    def _require_format(self) -> None:
        found = self.documents.read("format")
        if found is None:
            raise IntegrityError.of(f"{self._path} is not a bundle: it has no format", self._path)
        if found[0] != _FORMAT:
            raise UnsupportedFormatError(
                f"{self._path} is of format {found[0][:20]!a}, which needs a newer aivcs"
            )
