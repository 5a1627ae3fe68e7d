"""A store in a folder, format 1: the only code that knows a path below `.aivcs/`.

`FileBackend` finds and opens the store, `create` makes it. `layout` has every path, `scan` walks
them, `folder` and `files` read and write. Folders hold one subject each: `objects`, `logs`, the
`index` of runs, and `check`, which verifies and repairs. The class of a driver stands in the
`__init__` of its folder, since every module more costs the start of each command.
"""

import os

from aivcs import errors
from aivcs.backends.fs import files, layout
from aivcs.backends.fs.folder import Folder, GcGuard
from aivcs.errors import BackendError, IntegrityError
from aivcs.store.settings import Settings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from aivcs.backends.fs.documents import FileDocuments
    from aivcs.backends.fs.index.completion import CompletionLookup
    from aivcs.backends.fs.logs import FileLogDriver
    from aivcs.backends.fs.objects import FileCasStore
    from aivcs.store.contracts import RunLedger
    from aivcs.store.driver import RunIndex
    from aivcs.store.finding import Finding
    from aivcs.store.listing import Unreadable
    from aivcs.store.sought import Sought

    Configure = Callable[[bytes | None], Settings]

FORMAT = "1"
STORE = ".aivcs"
"""The name of the folder of a store."""


class FileBackend:
    """A `Backend` in a folder."""

    STORE = STORE
    __slots__ = ("_folder",)

    def __init__(self, folder: Folder) -> None:
        """Takes the folder of a store; use `init` or `open`."""
        self._folder = folder

    @classmethod
    def init(
        cls,
        path: str,
        *,
        shared: bool = False,
        private: bool = False,
        settings: "Settings | Configure | None" = None,
    ) -> "FileBackend":
        """Makes a store, or completes an existing one; repeating it is harmless.

        The modes of a new store follow the umask, without write access for others than owner and
        group, and hold for all files made in it later. An existing store keeps its modes.

        Args:
            path: The folder that is to hold `format`; folders above it are made too.
            shared: Whether the folder's group may write.
            private: Whether only its owner may read and write.
            settings: As for `open`.

        Raises:
            UsageError: It would be inside a store, or both shared and private.
            BackendError: It cannot be made, the locks of the file system do not exclude, or it
                belongs to another user, and only that user can change its modes.
            IntegrityError: There is a store, and its format is damaged.
            UnsupportedFormatError: There is a store of a later format.
        """
        from aivcs.backends.fs.create import create

        return cls(create(path, settings, shared=shared, private=private))

    @classmethod
    def open(cls, path: str, settings: "Settings | Configure | None" = None) -> "FileBackend":
        """Opens a store; reads its format once, and its configuration if `settings` is a function.

        Args:
            path: The folder that holds `format`.
            settings: How the store behaves, or a function that derives it from `config.toml`.

        Raises:
            NoRepositoryError: There is no store.
            IntegrityError: Its format is damaged.
            UnsupportedFormatError: It is of a later format.
        """
        found = read_format(path)
        if found is None:
            raise errors.NoRepositoryError(
                f"{path} is not a store: it has no file named format; make one with: aivcs init"
            )
        require_format(path, found)
        folder = Folder(path, mode_of(path))
        if callable(settings):
            settings = settings(folder.read_file("config.toml"))
        folder.settings = settings or Settings()
        return cls(folder)

    @classmethod
    def discover(cls, start: str) -> str:
        """Returns the path of the store of a folder: the one in it, or the nearest above.

        A regular file of that name, which may name a store elsewhere, is found as well.

        Raises:
            NoRepositoryError: There is none.
            BackendError: It is a symbolic link or a device, or cannot be looked for.
        """
        folder = os.path.abspath(start)
        while True:
            path = f"{folder}/{STORE}" if folder != "/" else f"/{STORE}"
            try:
                files.require_folder(path)
                os.lstat(f"{path}/format")
                return path
            except (FileNotFoundError, NotADirectoryError):
                pass
            except BackendError:
                if files.is_regular(path):
                    return path
                raise
            except OSError as error:
                # Not to be taken for absent: a store further up would be another store.
                raise BackendError(
                    f"cannot look for a store in {folder}: {error.strerror}"
                ) from error
            above = os.path.dirname(folder)
            if above == folder:
                raise errors.NoRepositoryError(
                    f"no {STORE} in {start} or any folder above it; make one with: aivcs init"
                )
            folder = above

    @property
    def url(self) -> str:
        """The folder that holds `format`."""
        return self._folder.root

    folder = url

    @property
    def settings(self) -> Settings:
        """The settings of the store."""
        return self._folder.settings

    @property
    def poll_seconds(self) -> tuple[float, float]:
        """As `Backend.poll_seconds`: reading the status of a file costs next to nothing."""
        return 0.05, 0.5

    @property
    def documents(self) -> "FileDocuments":
        """The small files."""
        from aivcs.backends.fs.documents import FileDocuments

        return FileDocuments(self._folder)

    @property
    def objects(self) -> "FileCasStore":
        """The blobs."""
        from aivcs.backends.fs.objects import FileCasStore

        return FileCasStore(self._folder)

    @property
    def logs(self) -> "FileLogDriver":
        """The logs."""
        from aivcs.backends.fs.logs import FileLogDriver

        return FileLogDriver(self._folder)

    def is_own(self, name: str) -> bool:
        """As `Backend.is_own`: by the owner of the file."""
        kind, _, run_id = name.partition("/")
        assert kind == "run"
        try:
            return os.stat(self._folder.path(layout.run_path(run_id))).st_uid == os.geteuid()
        except OSError:
            return False

    def now(self) -> float:
        """As `Backend.now`: by the clock of this machine, which also stamps the files."""
        from time import time

        return time()

    def hold(self, *, later: bool = False) -> GcGuard:
        """As `Backend.hold`."""
        return GcGuard(self._folder, later=later)

    def doubts(self) -> "Iterator[str]":
        """As `Backend.doubts`."""
        from aivcs.backends.fs.filesystem import NETWORK, find_type

        network = find_type(self.url)
        if network in NETWORK:
            yield (
                f"{self.url} is on a network file system ({network}): what is stored is as "
                "durable, and locks exclude as well, as the server and all its clients see to it. "
                "A local disk is safer"
            )

    def list_runs(self, ledger: "RunLedger", unreadable: "Unreadable") -> "RunIndex":
        """As `Backend.list_runs`; from an index where there is one."""
        from aivcs.backends.fs.index.query import IndexedListing

        return IndexedListing(self._folder, ledger, unreadable)

    def list_holding(
        self, ledger: "RunLedger", unreadable: "Unreadable", sought: "Sought"
    ) -> "RunIndex":
        """As `Searched.list_holding`."""
        from aivcs.backends.fs.index.holding import HoldingListing

        return HoldingListing(self._folder, ledger, unreadable, sought)

    def index_texts(self, *, seconds: "float | None", progress: "Callable[[int], None]") -> bool:
        """As `Searched.index_texts`."""
        from aivcs.backends.fs.index.texts_making import make

        return make(self._folder, seconds=seconds, progress=progress)

    def has_more_runs(self, number: int) -> bool:
        """As `Searched.has_more_runs`."""
        from aivcs.backends.fs.index.refresh import has_more_than

        return has_more_than(self._folder, number)

    def forget_text(self, run_id: "str | None" = None) -> None:
        """As `Searched.forget_text`."""
        from aivcs.backends.fs.index.texts import forget

        forget(self._folder, run_id)

    def specs_of_runs(self, ledger: "RunLedger") -> "set[str] | None":
        """As `Searched.specs_of_runs`."""
        from aivcs.backends.fs.index.query import IndexedListing

        return IndexedListing(self._folder, ledger, lambda *_: None).specs()

    def lookup(self, ledger: "RunLedger") -> "CompletionLookup":
        """As `Backend.lookup`."""
        from aivcs.backends.fs.index.completion import CompletionLookup

        return CompletionLookup(self._folder, self.logs, ledger)

    def inspect(
        self,
        parts: "frozenset[str]",
        progress: "Callable[[str, int], None] | None" = None,
        *,
        repair: bool = False,
    ) -> "Iterator[Finding]":
        """As `Backend.inspect`.

        Raises:
            UsageError: There is no such part.
        """
        from aivcs.backends.fs.check.verify import verify

        return verify(self._folder, parts, progress, fix=repair)

    def measure(self, parts: "frozenset[str]") -> int:
        """As `Backend.measure`."""
        from aivcs.backends.fs.check.verify import estimate_bytes

        return estimate_bytes(self._folder, parts)

    def sweep(self, moment: float, *, delete: bool) -> int:
        """As `Backend.sweep`."""
        from aivcs.backends.fs.objects.removal import sweep_temporaries

        return sweep_temporaries(self._folder, moment, delete=delete)

    def close(self) -> None:
        """As `Backend.close`; only a GC guard keeps anything open."""


def mode_of(path: str) -> int:
    """Returns the mode of the folder of a store; all others in it follow from it."""
    with files.os_errors("look at", path):
        return os.stat(path).st_mode & 0o7777


def read_format(path: str) -> "str | None":
    """Returns the text of the format of a store, or None if there is no store."""
    try:
        fd = files.open_file(f"{path}/format", os.O_RDONLY)
    except BackendError as error:
        if isinstance(error.__cause__, NotADirectoryError):
            return None
        raise
    if fd is None:
        return None
    try:
        with files.os_errors("read", f"{path}/format"):
            return os.read(fd, 64).decode(errors="replace").strip()
    finally:
        os.close(fd)


def require_format(path: str, found: str) -> None:
    """Refuses a store whose format is damaged or unknown."""
    if not (found.isascii() and found.isdecimal()):
        raise IntegrityError.of(
            f"{path}/format is damaged: it holds {found!a}, not the number of a format. "
            f"If this store was of format {FORMAT}, write the line {FORMAT} into the file, "
            "then: aivcs verify",
            f"{path}/format",
        )
    if found != FORMAT:
        raise errors.UnsupportedFormatError(
            f"{path} is a store of format {found!a}, which needs a newer aivcs; "
            f"this one knows format {FORMAT}"
        )
