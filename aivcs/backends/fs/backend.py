"""A store in a folder as a whole: making it, finding it, opening it, and its configuration file."""

import os

from aivcs import errors
from aivcs.backends.fs import files
from aivcs.backends.fs.folder import Folder
from aivcs.errors import BackendError, IntegrityError
from aivcs.store.settings import Settings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from aivcs.backends.fs.blobs import FileCasStore
    from aivcs.backends.fs.documents import FileDocuments
    from aivcs.backends.fs.folder import Hold
    from aivcs.backends.fs.glance import Glance
    from aivcs.backends.fs.logfile import FileLogDriver
    from aivcs.store.contracts import RunLedger
    from aivcs.store.driver import RunIndex
    from aivcs.store.finding import Finding
    from aivcs.store.listing import Unreadable

    Configure = Callable[[bytes | None], Settings]

FORMAT = "1"
STORE = ".aivcs"
"""What the folder of a store is called inside the folder it belongs to."""
_SHARED, _PRIVATE = 0o2775, 0o700
"""Modes of the folders of a store whose group may write, and of one that is nobody else's."""
_PARTS = ("objects", "runs", "releases", "pins", "damaged", "tmp")


class FileBackend:
    """A `Backend` in a folder."""

    STORE = STORE
    __slots__ = ("_folder",)

    def __init__(self, folder: Folder) -> None:
        """Takes a folder that is known to be a store; use `init` or `open`."""
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
        """Makes a store, or completes one that is there; doing it again is harmless.

        A new store has the modes that the umask gives, but nobody outside of its owner and group
        may write; they hold for whatever is made in it later. One that is there keeps its own.

        Args:
            path: The folder that is to hold `format`; folders above it are made too.
            shared: Whether the folder's group may write.
            private: Whether nobody but its owner may read or write.
            settings: As for `open`.

        Raises:
            UsageError: It would be inside of a store, or both shared and private.
            BackendError: It cannot be made, the file system has no locks that exclude, or it is
                another user's, and only this one can give it modes.
            IntegrityError: There is a store, and its format is damaged.
            UnsupportedFormatError: There is a store of a later format.
        """
        from aivcs.backends.fs.filesystem import require_locks

        if shared and private:
            raise errors.UsageError("a store is shared or private, not both")
        found = _read_format(path)
        if found is not None:
            _require_format(path, found)
        else:
            _require_outside(path)
        mode = _SHARED if shared else _PRIVATE if private else None
        if mode is not None and found is not None and mode != _mode_of(path):
            _require_owner(path)
        if callable(settings):  # before anything is made: what it says may be refused
            settings = settings(Folder(path, _PRIVATE).read_file("config.toml"))
        with files.doing("make", path):
            _make_above(os.path.dirname(os.path.abspath(path)))
            is_new = files.make_folder(path, mode or _mode_by_umask())
            folder = Folder(path, mode or _mode_of(path))
            folder.settings = settings or Settings()
            for part in _PARTS:
                files.make_folder(folder.path(part), folder.folder_mode)
            if mode or folder.folder_mode == _SHARED:
                # Also again: a process that was killed may not have come to give a mode.
                _give_modes(folder)
            is_writable = found is None or os.access(folder.path("tmp"), os.W_OK)
            try:
                # A store that is there may be read-only, and is then as good as it was.
                if is_writable:
                    require_locks(folder)
            except BackendError:
                if is_new:
                    _unmake(folder)
                raise
            _complete(folder, is_writable=is_writable)
            # Before it is a store, since as soon as it is one somebody may rely on finding it; and
            # also when it was one already: whoever made it may not have come to sync it.
            files.sync_folder(path)
            files.sync_folder(os.path.dirname(os.path.abspath(path)))
            if found is None:
                # Last: until it is there, the folder is no store.
                folder.write_file("format", FORMAT.encode() + b"\n")
        return cls(folder)

    @classmethod
    def open(cls, path: str, settings: "Settings | Configure | None" = None) -> "FileBackend":
        """Opens a store: reads its format once, and its configuration if that decides.

        Args:
            path: The folder that holds `format`.
            settings: How the store behaves, or what tells it from the store's own configuration.

        Raises:
            NoRepositoryError: There is no store.
            IntegrityError: Its format is damaged.
            UnsupportedFormatError: It is of a later format.
        """
        found = _read_format(path)
        if found is None:
            raise errors.NoRepositoryError(
                f"{path} is no store: it has no file named format; make one with: aivcs init"
            )
        _require_format(path, found)
        folder = Folder(path, _mode_of(path))
        if callable(settings):
            settings = settings(folder.read_file("config.toml"))
        folder.settings = settings or Settings()
        return cls(folder)

    @classmethod
    def discover(cls, start: str) -> str:
        """Returns the path of the store that a folder belongs to: its own, or the nearest above.

        Raises:
            NoRepositoryError: There is none.
            BackendError: What is found is no real folder.
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
            except OSError as error:
                # Not to be taken for absent: a store further up is another store.
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
        """How the store behaves."""
        return self._folder.settings

    @property
    def poll_seconds(self) -> tuple[float, float]:
        """As `Backend.poll_seconds`: a look at a file costs next to nothing."""
        return 0.05, 0.5

    @property
    def documents(self) -> "FileDocuments":
        """The small files."""
        from aivcs.backends.fs.documents import FileDocuments

        return FileDocuments(self._folder)

    @property
    def objects(self) -> "FileCasStore":
        """The blobs."""
        from aivcs.backends.fs.blobs import FileCasStore

        return FileCasStore(self._folder)

    @property
    def logs(self) -> "FileLogDriver":
        """The logs."""
        from aivcs.backends.fs.logfile import FileLogDriver

        return FileLogDriver(self._folder)

    def is_own(self, name: str) -> bool:
        """As `Backend.is_own`: by the owner of the file."""
        kind, _, run_id = name.partition("/")
        assert kind == "run"
        try:
            return os.stat(f"{self.url}/runs/{run_id[:2]}/{run_id}.jsonl").st_uid == os.geteuid()
        except OSError:
            return False

    def now(self) -> float:
        """As `Backend.now`: by the clock of this machine, as files have their times."""
        from time import time

        return time()

    def hold(self, *, later: bool = False) -> "Hold":
        """As `Backend.hold`."""
        return self._folder.hold(later=later)

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
        from aivcs.backends.fs.listing import IndexedListing

        return IndexedListing(self._folder, ledger, unreadable)

    def lookup(self, ledger: "RunLedger") -> "Glance":
        """As `Backend.lookup`."""
        from aivcs.backends.fs.glance import Glance

        return Glance(self._folder, self.logs, ledger)

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
        from aivcs.backends.fs.verify import verify

        return verify(self._folder, parts, progress, mend=repair)

    def measure(self, parts: "frozenset[str]") -> int:
        """As `Backend.measure`."""
        from aivcs.backends.fs.verify import measure

        return measure(self._folder, parts)

    def sweep(self, moment: float, *, delete: bool) -> int:
        """As `Backend.sweep`."""
        from aivcs.backends.fs.garbage import leftovers

        return leftovers(self._folder, moment, delete=delete)

    def close(self) -> None:
        """As `Backend.close`; nothing stays open but what a hold has locked."""


def _make_above(path: str) -> None:
    """Makes a folder and those above it that are missing, each durable in the one above it."""
    missing = []
    while not os.path.isdir(path):
        missing.append(path)
        path = os.path.dirname(path)
    for folder in reversed(missing):
        try:
            os.mkdir(folder)
        except FileExistsError:
            pass  # another process makes the same
        files.sync_folder(os.path.dirname(folder))


def _complete(folder: Folder, *, is_writable: bool) -> None:
    """Writes the small files of a store that are missing."""
    if not os.path.lexists(folder.path(".gitignore")):
        folder.write_file(".gitignore", b"*\n")  # not committed by accident
    if is_writable:
        from aivcs.backends.fs.documents import FileDocuments
        from aivcs.store.identity import identify

        _complete_attributes(folder)
        identify(FileDocuments(folder))


def _require_owner(path: str) -> None:
    with files.doing("look at", path):
        owner = os.stat(path).st_uid
    if owner != os.geteuid():
        raise BackendError(
            f"cannot change the modes of {path}: it belongs to another user (id {owner}), who can: "
            "aivcs init --shared, or --private"
        )


def _require_outside(path: str) -> None:
    """Refuses to make a store among the files of another one."""
    above = os.path.dirname(os.path.realpath(path))
    while above != "/":
        if _is_store(above):
            raise errors.UsageError(
                f"{above} is a store, and no store can be inside of one; "
                f"give the folder that is to have one: aivcs init {os.path.dirname(above)}"
            )
        above = os.path.dirname(above)


def _is_store(path: str) -> bool:
    try:
        return os.path.isdir(f"{path}/objects") and (_read_format(path) or "").isdecimal()
    except BackendError:
        return False


def _complete_attributes(folder: Folder) -> None:
    """Sees to it that git, where the store is added on purpose, changes no byte of it.

    Neither on checkout (`text`) nor by a merge, which would write conflict markers into logs.
    """
    found = folder.read_file(".gitattributes") or b""
    lines = found.splitlines()
    missing = [line for line in (b"* -text", b"* -merge") if line not in lines]
    if missing:
        if found and not found.endswith(b"\n"):
            found += b"\n"
        folder.write_file(".gitattributes", found + b"".join(b"%b\n" % line for line in missing))


def _mode_by_umask() -> int:
    umask = os.umask(0o077)  # there is no other way to learn it
    os.umask(umask)
    return 0o775 & ~umask | 0o700


def _mode_of(path: str) -> int:
    """The mode of a store's own folder, from which all others in it follow."""
    with files.doing("look at", path):
        return os.stat(path).st_mode & 0o7777


def _give_modes(folder: Folder) -> None:
    """Gives what is in a store the modes that it is to have, where they are ours to give."""
    for path, _, names in os.walk(folder.root):
        for target, mode in [(path, folder.folder_mode)] + [
            (f"{path}/{name}", folder.file_mode) for name in names
        ]:
            if os.lstat(target).st_uid == os.geteuid() and not os.path.islink(target):
                os.chmod(target, mode)


def _read_format(path: str) -> "str | None":
    try:
        fd = files.open_file(f"{path}/format", os.O_RDONLY)
    except BackendError as error:
        if isinstance(error.__cause__, NotADirectoryError):
            return None
        raise
    if fd is None:
        return None
    try:
        with files.doing("read", f"{path}/format"):
            return os.read(fd, 64).decode(errors="replace").strip()
    finally:
        os.close(fd)


def _require_format(path: str, found: str) -> None:
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


def _unmake(folder: Folder) -> None:
    """Removes the folders of a store that could not be made."""
    for path in (*map(folder.path, _PARTS), folder.root):
        try:
            os.rmdir(path)
        except OSError:
            return
