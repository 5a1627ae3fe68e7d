"""A store in a folder as a whole: making it, finding it, opening it, and its configuration file."""

import os

from aivcs.backends.fs import files
from aivcs.backends.fs.folder import Folder
from aivcs.errors import BackendError, NoRepositoryError, UnsupportedFormatError
from aivcs.settings import Settings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from aivcs.backends.fs.blobs import FileCasStore
    from aivcs.backends.fs.releases import FileReleaseRegistry
    from aivcs.backends.fs.runs import FileRunLedger
    from aivcs.backends.fs.verify import Finding

FORMAT = "1"
STORE = ".aivcs"
"""What the folder of a store is called inside the folder it belongs to."""
_PARTS = ("objects", "runs", "releases", "pins", "damaged", "tmp")


class FileBackend:
    """The three stores in one folder.

    Attributes:
        path: The folder that holds `format`.
        settings: How the store behaves.
    """

    __slots__ = ("_blobs", "_folder", "_releases", "_runs")

    def __init__(self, folder: Folder) -> None:
        """Takes a folder that is known to be a store; use `init` or `open`."""
        self._folder = folder
        self._blobs: FileCasStore | None = None
        self._runs: FileRunLedger | None = None
        self._releases: FileReleaseRegistry | None = None

    @classmethod
    def init(
        cls, path: str, *, shared: bool = False, settings: "Settings | None" = None
    ) -> "FileBackend":
        """Makes a store, or completes one that is there; doing it again is harmless.

        Args:
            path: The folder that is to hold `format`; folders above it are made too.
            shared: Whether the folder's group may write.
            settings: How the store behaves.

        Raises:
            BackendError: It cannot be made, or the file system has no locks that exclude.
            UnsupportedFormatError: There is a store of a later format.
        """
        from aivcs.backends.fs.filesystem import require_locks

        found = _read_format(path)
        if found is not None:
            _require_format(path, found)
            shared = shared or _is_shared(path)
        folder = Folder(path, settings or Settings(), shared=shared)
        with files.doing("make", path):
            os.makedirs(os.path.dirname(os.path.abspath(path)), exist_ok=True)
            is_new = files.make_folder(path, folder.folder_mode)
            if not is_new and shared:
                os.chmod(path, folder.folder_mode)
            for part in _PARTS:
                if not files.make_folder(folder.path(part), folder.folder_mode) and shared:
                    os.chmod(folder.path(part), folder.folder_mode)
            try:
                # A store that is there may be read-only, and is then as good as it was.
                if found is None or os.access(folder.path("tmp"), os.W_OK):
                    require_locks(folder)
            except BackendError:
                if is_new:
                    _unmake(folder)
                raise
            for name, content in (
                # Neither committed by accident nor, when added on purpose, rewritten on checkout.
                (".gitignore", b"*\n"),
                (".gitattributes", b"* -text\n"),
            ):
                if not os.path.lexists(folder.path(name)):
                    folder.write_file(name, content)
            if found is None:
                # Last: until it is there, the folder is no store.
                folder.write_file("format", FORMAT.encode() + b"\n")
            files.sync_folder(os.path.dirname(os.path.abspath(path)))
        return cls(folder)

    @classmethod
    def open(cls, path: str, settings: "Settings | None" = None) -> "FileBackend":
        """Opens a store.

        Args:
            path: The folder that holds `format`.
            settings: How the store behaves.

        Raises:
            NoRepositoryError: There is no store.
            UnsupportedFormatError: It is of a later format.
        """
        found = _read_format(path)
        if found is None:
            raise NoRepositoryError(
                f"{path} is no store: it has no file named format; make one with: aivcs init"
            )
        _require_format(path, found)
        return cls(Folder(path, settings or Settings(), shared=_is_shared(path)))

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
            except (FileNotFoundError, NotADirectoryError):
                pass
            except PermissionError as error:
                raise BackendError(
                    f"cannot look for a store in {folder}: {error.strerror}"
                ) from error
            else:
                if _read_format(path) is not None:
                    return path
            above = os.path.dirname(folder)
            if above == folder:
                raise NoRepositoryError(
                    f"no {STORE} in {start} or any folder above it; make one with: aivcs init"
                )
            folder = above

    @property
    def path(self) -> str:
        """The folder that holds `format`."""
        return self._folder.root

    @property
    def settings(self) -> Settings:
        """How the store behaves."""
        return self._folder.settings

    @settings.setter
    def settings(self, settings: Settings) -> None:
        self._folder.settings = settings

    @property
    def network(self) -> "str | None":
        """The type of the network file system that the store is on; None if it is on none."""
        from aivcs.backends.fs.filesystem import NETWORK, find_type

        kind = find_type(self.path)
        return kind if kind in NETWORK else None

    @property
    def owner(self) -> int:
        """The user id that owns the store.

        Raises:
            BackendError: It cannot be asked.
        """
        with files.doing("look at", self.path):
            return os.stat(self.path).st_uid

    @property
    def blobs(self) -> "FileCasStore":
        """The blobs."""
        if self._blobs is None:
            from aivcs.backends.fs.blobs import FileCasStore

            self._blobs = FileCasStore(self._folder)
        return self._blobs

    @property
    def runs(self) -> "FileRunLedger":
        """The runs."""
        if self._runs is None:
            from aivcs.backends.fs.runs import FileRunLedger

            self._runs = FileRunLedger(self._folder)
        return self._runs

    @property
    def releases(self) -> "FileReleaseRegistry":
        """The releases."""
        if self._releases is None:
            from aivcs.backends.fs.releases import FileReleaseRegistry

            self._releases = FileReleaseRegistry(self._folder)
        return self._releases

    def read_config(self) -> "bytes | None":
        """Returns the store's configuration file (TOML), or None if there is none.

        Raises:
            BackendError: It cannot be read.
        """
        path = self._folder.path("config.toml")
        fd = files.open_file(path, os.O_RDONLY)
        if fd is None:
            return None
        try:
            with files.doing("read", path):
                return os.read(fd, os.fstat(fd).st_size + 1)
        finally:
            os.close(fd)

    def write_config(self, data: bytes) -> None:
        """Replaces the store's configuration file as a whole; with nothing in it, it is removed.

        Raises:
            BackendError: It cannot be written.
        """
        if data:
            self._folder.write_file("config.toml", data)
            return
        with files.doing("remove", self._folder.path("config.toml")):
            try:
                os.unlink(self._folder.path("config.toml"))
            except FileNotFoundError:
                pass

    def pins(self) -> "Iterator[str]":
        """Yields the names in `pins/`: digests that are to be kept."""
        with files.doing("list", self._folder.path("pins")):
            try:
                names = sorted(os.listdir(self._folder.path("pins")))
            except FileNotFoundError:
                return
        yield from names

    def verify(
        self,
        parts: "frozenset[str]",
        progress: "Callable[[str, int], None] | None" = None,
        *,
        repair: bool = False,
    ) -> "Iterator[Finding]":
        """Reads all of some parts of the store and yields what is wrong.

        Args:
            parts: Any of `blobs`, `runs` and `releases`.
            progress: Called with the part and the number of bytes for each object and log read.
            repair: Whether to repair what can be repaired without a doubt; else nothing is changed.

        Raises:
            UsageError: There is no such part.
        """
        from aivcs.backends.fs.verify import verify

        return verify(self._folder, parts, progress, mend=repair)

    def measure(self, parts: "frozenset[str]") -> int:
        """Returns about how many bytes there are to be read of some parts of the store."""
        from aivcs.backends.fs.verify import measure

        return measure(self._folder, parts)


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
    if found != FORMAT:
        raise UnsupportedFormatError(
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


def _is_shared(path: str) -> bool:
    """Whether the folder's group may write: what `init --shared` made of it."""
    try:
        return bool(os.stat(path).st_mode & 0o020)
    except OSError:
        return False
