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
    from typing import BinaryIO

    from aivcs.backends.fs.blobs import FileCasStore
    from aivcs.backends.fs.finding import Finding
    from aivcs.backends.fs.folder import Hold
    from aivcs.backends.fs.garbage import Exclusive
    from aivcs.backends.fs.glance import Glance
    from aivcs.backends.fs.logs import LogCursor, Place
    from aivcs.backends.fs.releases import FileReleaseRegistry
    from aivcs.backends.fs.runs import FileRunLedger
    from aivcs.model import ContentDigest

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
            BackendError: It cannot be made, the file system has no locks that exclude, or it is
                another user's, and only this one can share it.
            IntegrityError: There is a store, and its format is damaged.
            UnsupportedFormatError: There is a store of a later format.
        """
        from aivcs.backends.fs.filesystem import require_locks

        found = _read_format(path)
        if found is not None:
            _require_format(path, found)
        was_shared = found is not None and _is_shared(path)
        if shared and found is not None and not was_shared:
            _require_owner(path)
        folder = Folder(path, settings or Settings(), shared=shared or was_shared)
        with files.doing("make", path):
            _make_above(os.path.dirname(os.path.abspath(path)))
            is_new = files.make_folder(path, folder.folder_mode)
            for part in _PARTS:
                files.make_folder(folder.path(part), folder.folder_mode)
            if shared or was_shared:
                # Also again: a process that was killed may not have come to give a mode.
                _share(folder)
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
            # Before it is a store, since as soon as it is one somebody may rely on finding it; and
            # also when it was one already: whoever made it may not have come to sync it.
            files.sync_folder(path)
            files.sync_folder(os.path.dirname(os.path.abspath(path)))
            if found is None:
                # Last: until it is there, the folder is no store.
                folder.write_file("format", FORMAT.encode() + b"\n")
        return cls(folder)

    @classmethod
    def open(cls, path: str, settings: "Settings | None" = None) -> "FileBackend":
        """Opens a store.

        Args:
            path: The folder that holds `format`.
            settings: How the store behaves.

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
            except OSError as error:
                # Not to be taken for absent: a store further up is another store.
                raise BackendError(
                    f"cannot look for a store in {folder}: {error.strerror}"
                ) from error
            else:
                if _read_format(path) is not None:
                    return path
            above = os.path.dirname(folder)
            if above == folder:
                raise errors.NoRepositoryError(
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

    def glance(self) -> "Glance":
        """Returns a bounded look at what is here, for somebody who is typing a name."""
        from aivcs.backends.fs.glance import Glance

        return Glance(self._folder, self.runs)

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
            OutcomeUnknownError: Whether it is durable cannot be known.
        """
        if data:
            self._folder.write_file("config.toml", data)
            return
        with files.doing("remove", self._folder.path("config.toml")):
            try:
                os.unlink(self._folder.path("config.toml"))
            except FileNotFoundError:
                pass
        if self._folder.is_durable:
            files.sync_folder(self._folder.root)

    def pins(self) -> "Iterator[str]":
        """Yields the names in `pins/`: digests that are to be kept."""
        with files.doing("list", self._folder.path("pins")):
            try:
                names = sorted(os.listdir(self._folder.path("pins")))
            except FileNotFoundError:
                return
        yield from names

    def pin(self, digest: "ContentDigest") -> None:
        """Keeps a blob although nothing may refer to it; durable on return, harmless if repeated.

        Raises:
            BackendError: It cannot be recorded.
        """
        self._folder.write_file(f"pins/{_checked(digest)}", b"")
        if self._folder.is_durable:  # the folder itself may be new: where empty ones get lost
            files.sync_folder(self.path)

    def unpin(self, digest: "ContentDigest") -> bool:
        """Takes a pin away; tells whether there was one.

        Raises:
            BackendError: It cannot be removed.
        """
        name = f"pins/{_checked(digest)}"
        self._folder.require_parents(name)
        with files.doing("remove", self._folder.path(name)):
            try:
                os.unlink(self._folder.path(name))
            except FileNotFoundError:
                return False
        self._folder.sync_parents(name)
        return True

    def hold(self, *, later: bool = False) -> "Hold":
        """Returns a block in which no blob vanishes that is found or put in it.

        Who checks that a blob is there and then names it in a log or a pin does both in one hold.

        Args:
            later: Whether it begins only with the first blob that is put in it (or a hold inside
                it), so that nobody waits for whoever reads a slow input first.

        Raises:
            LockTimeoutError: From the block's beginning: blobs are being removed for too long.
        """
        return self._folder.hold(later=later)

    def exclusive(self) -> "Exclusive":
        """Returns a block in which nobody else is in a hold: where blobs may be removed.

        Raises:
            LockTimeoutError: From the block's beginning: others are in holds for too long.
        """
        from aivcs.backends.fs.garbage import Exclusive

        return Exclusive(self._folder)

    def list_logs(self) -> "Iterator[str]":
        """Yields the names of all logs, `release/<name>` and `run/<id>`, in order.

        Raises:
            BackendError: A part of the store cannot be looked into.
            IntegrityError: A log stands in the wrong place.
        """
        from aivcs.backends.fs.logs import list_logs

        return list_logs(self._folder)

    def read_log(self, name: str, place: "Place | None" = None) -> "LogCursor":
        """Returns a cursor at the beginning of a log, which need not be there.

        Args:
            name: The log's name.
            place: Where another cursor has stopped, to go on there.

        Raises:
            InvalidNameError: No log can have this name.
        """
        from aivcs.backends.fs.logs import LogCursor

        return LogCursor(self._folder, name, place)

    def stored_blobs(self) -> "Iterator[tuple[ContentDigest, int, float]]":
        """Yields digest, bytes, and the time of the last put (POSIX seconds) of every blob.

        Raises:
            BackendError: A part of the store cannot be looked into.
        """
        from aivcs.backends.fs.garbage import stored

        return stored(self._folder)

    def delete_older(self, digest: "ContentDigest", moment: float) -> bool:
        """Removes a blob unless it was put since a moment; to be called in `exclusive` only.

        Returns:
            Whether it was removed.

        Raises:
            BackendError: It cannot be removed.
        """
        from aivcs.backends.fs.garbage import delete_older

        return delete_older(self._folder, digest, moment)

    def leftovers(self, moment: float, *, delete: bool) -> int:
        """Counts, and removes if asked to, what processes that are gone left unfinished.

        Args:
            moment: Only what was last written before it (POSIX seconds).
            delete: Whether it is removed.

        Raises:
            BackendError: It cannot be removed.
        """
        from aivcs.backends.fs.garbage import leftovers

        return leftovers(self._folder, moment, delete=delete)

    def scratch(self) -> "BinaryIO":
        """Returns an empty file without a name, for what may be too much for memory."""
        from aivcs.backends.fs.garbage import scratch

        return scratch(self._folder)

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


def _require_owner(path: str) -> None:
    with files.doing("look at", path):
        owner = os.stat(path).st_uid
    if owner != os.geteuid():
        raise BackendError(
            f"cannot share {path}: it belongs to another user (id {owner}), who can: "
            "aivcs init --shared"
        )


def _share(folder: Folder) -> None:
    """Gives what is in a store the modes of a shared one, where they are ours to give."""
    for path, _, names in os.walk(folder.root):
        for target, mode in [(path, folder.folder_mode)] + [
            (f"{path}/{name}", folder.file_mode) for name in names
        ]:
            if os.lstat(target).st_uid == os.geteuid() and not os.path.islink(target):
                os.chmod(target, mode)


def _checked(digest: str) -> str:
    from aivcs.model import ContentDigest

    return ContentDigest(digest)


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
        raise IntegrityError(
            None,
            None,
            f"{path}/format",
            f"{path}/format is damaged: it holds {found!a}, not the number of a format. "
            f"If this store was of format {FORMAT}, write the line {FORMAT} into the file, "
            "then: aivcs verify",
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


def _is_shared(path: str) -> bool:
    """Whether the folder's group may write: what `init --shared` made of it."""
    with files.doing("look at", path):
        return bool(os.stat(path).st_mode & 0o020)
