"""The folder of a store: modes, temporary files, the GC guard, quarantine."""

import os
from _thread import allocate_lock

from aivcs.backends.fs import files, layout
from aivcs.codec.sha256 import hex_digest
from aivcs.errors import BackendError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from aivcs.store.settings import Settings


_PAUSE = 0.002
"""Seconds between two tries to lock the objects exclusively, at most: where many put blobs in turn,
the lock that they share is free for moments only."""


class Folder:
    """The folder of a store, whose parts are named by their paths in it (`layout`).

    Attributes:
        root: The path of the folder that holds `format`.
        settings: How the store behaves. To be set before anything is done in the folder.
        file_mode: The mode of every file in the store, whatever the umask of its writer.
        folder_mode: The mode of every folder in the store, that of `root`.
        guards: How many GC guards this opening is in, by whatever thread; under `mutex`.
        guard_fd: The descriptor that they have locked, or -1; under `mutex`.
        mutex: Excludes other threads.
    """

    __slots__ = ("file_mode", "folder_mode", "guard_fd", "guards", "mutex", "root", "settings")

    settings: "Settings"

    def __init__(self, root: str, mode: int) -> None:
        """Takes the path of the store's folder as it is, and its mode."""
        self.root = root
        # The set-group-id bit hands the folder's group on to new files and folders.
        self.folder_mode = mode & 0o2775 | 0o700
        self.file_mode = self.folder_mode & 0o666
        self.guards = 0
        self.guard_fd = -1
        self.mutex = allocate_lock()

    @property
    def is_durable(self) -> bool:
        """Whether writes are made durable at all."""
        return self.settings.durability != "none"

    def path(self, name: str) -> str:
        """Returns the path of a part of the store.

        Raises:
            InvalidNameError: It would lead out of the store.
        """
        if ".." in name and ".." in name.split("/"):
            from aivcs.errors import InvalidNameError

            raise InvalidNameError(f"{name[:80]!a} leads out of the store")
        return f"{self.root}/{name}"

    def require_parents(self, name: str) -> None:
        """Refuses a path that leads through anything but real folders; absent ones are fine.

        Raises:
            BackendError: A link or a file is in the place of a folder.
        """
        at = name.find("/")
        with files.os_errors("look at", self.path(name)):
            while at >= 0:
                try:
                    files.require_folder(f"{self.root}/{name[:at]}")
                except FileNotFoundError:
                    return
                at = name.find("/", at + 1)

    def require_folder(self, name: str) -> None:
        """Refuses a link or a file in the place of a folder; an absent one is fine.

        Raises:
            BackendError: It is a link or a file.
        """
        with files.os_errors("look at", self.path(name)):
            try:
                files.require_folder(self.path(name))
            except FileNotFoundError:
                pass

    def make_parents(self, name: str) -> None:
        """Makes the missing folders on the way to a path.

        Raises:
            OSError: One cannot be made.
            BackendError: One of them is a link or a file.
        """
        at = name.find("/")
        while at >= 0:
            files.make_folder(f"{self.root}/{name[:at]}", self.folder_mode)
            at = name.find("/", at + 1)

    def sync_parents(self, name: str) -> None:
        """Makes the entries of all folders on the way to a path durable, those of the root last.

        Always all of them: another process may have made one and not have synced it yet.
        """
        if not self.is_durable:
            return
        at = name.rfind("/")
        while at >= 0:
            files.sync_folder(self.path(name[:at]))
            at = name.rfind("/", 0, at)
        files.sync_folder(self.root)

    def names_in(self, name: str) -> "list[str]":
        """Returns the names of the entries of a folder, in order; none if it is absent.

        Raises:
            BackendError: It cannot be listed, or the way to it is not made of real folders.
        """
        self.require_parents(f"{name}/")
        with files.os_errors("list", name):
            try:
                return sorted(os.listdir(self.path(name)))
            except FileNotFoundError:
                return []

    def lock_gc_guard(self, *, shared: bool) -> int:
        """Takes the lock of the GC guard, and returns the descriptor whose closing frees it.

        A process that relies on an object has the lock shared; one that removes objects has it
        exclusively.

        Raises:
            LockTimeoutError: Another process holds it for too long.
            BackendError: It cannot be locked.
        """
        path = f"{self.root}/{layout.OBJECTS}"
        with files.os_errors("lock", path):
            try:
                fd = files.open_folder(path)
            except FileNotFoundError:  # git, for one, keeps no empty folder
                files.make_folder(path, self.folder_mode)
                fd = files.open_folder(path)
        try:
            pause = files.LONGEST_PAUSE if shared else _PAUSE
            timeout = self.settings.lock_timeout
            files.lock_file(fd, path, timeout, shared=shared, longest_pause=pause)
        except BaseException:
            os.close(fd)
            raise
        return fd

    def temporary_path(self) -> str:
        """Returns a path for a new temporary file of this process."""
        return f"{self.root}/tmp/{layout.temporary_name(os.getpid(), os.urandom(6))}"

    def create_temporary(self, *, are_parents_real: bool = False) -> "tuple[int, str]":
        """Creates an empty temporary file; returns its descriptor and path.

        Args:
            are_parents_real: Whether the caller has just checked that `tmp/` is a real folder.

        Raises:
            BackendError: It cannot be created.
        """
        if not are_parents_real:
            self.require_parents(f"{layout.TEMPORARY}/")
        path = self.temporary_path()
        try:
            with files.os_errors("create", path):
                try:
                    fd = files.create_file(path, os.O_RDWR, self.file_mode)
                except FileNotFoundError:
                    files.make_folder(f"{self.root}/tmp", self.folder_mode)
                    fd = files.create_file(path, os.O_RDWR, self.file_mode)
        except BaseException:
            self.discard(path)  # Ctrl-C may come just when the file has been made
            raise
        if fd is None:
            raise BackendError(f"{path} exists already; is the system's random source broken?")
        return fd, path

    def publish(self, fd: int, temporary: str, name: str) -> None:
        """Renames a written temporary file, replacing any file of that name; durable on return.

        Closes the descriptor. After a failure the temporary file is gone.

        Raises:
            BackendError: It could not be renamed; nothing has changed.
            OutcomeUnknownError: Whether it is durable cannot be known.
        """
        try:
            try:
                if self.is_durable:
                    files.sync_file(fd, temporary)
            finally:
                files.close(fd)
            self.rename(temporary, name)
        except BaseException:
            self.discard(temporary)
            raise
        self.sync_parents(name)

    def rename(self, temporary: str, name: str) -> None:
        """Renames a temporary file, replacing any file of that name; not durable on return.

        Raises:
            BackendError: It could not be renamed; nothing has changed.
        """
        path = self.path(name)
        with files.os_errors("store", path):
            try:
                os.rename(temporary, path)
            except FileNotFoundError:
                self.make_parents(name)
                os.rename(temporary, path)

    def discard(self, temporary: str) -> None:
        """Removes a temporary file, if the system lets it."""
        try:
            os.unlink(temporary)
        except OSError:
            pass

    def write_file(self, name: str, data: bytes) -> None:
        """Replaces a small file atomically and durably.

        Raises:
            BackendError: It could not be written.
        """
        fd, temporary = self.create_temporary()
        try:
            with files.os_errors("write", self.path(name)):
                files.write_all(fd, data)
        except BaseException:
            os.close(fd)
            self.discard(temporary)
            raise
        self.publish(fd, temporary, name)

    def read_file(self, name: str) -> "bytes | None":
        """Returns the bytes of a small file, or None if it is absent.

        Raises:
            BackendError: It cannot be read.
        """
        path = self.path(name)
        if "/" in name:
            self.require_parents(name)
        fd = files.open_file(path, os.O_RDONLY)
        if fd is None:
            return None
        try:
            with files.os_errors("read", path):
                return os.read(fd, os.fstat(fd).st_size + 1)
        finally:
            os.close(fd)

    def quarantine(self, name: str, offset: int, data: bytes) -> None:
        """Copies bytes that are about to be cut off a file to `damaged/`; repeating is harmless.

        Raises:
            BackendError: They cannot be written.
        """
        path = layout.quarantine_path(name, hex_digest(data), offset)
        self.require_parents(path)
        self.write_file(path, data)


class GcGuard:
    """A block during which no object of a store is removed; may be nested."""

    __slots__ = ("_folder", "_later")

    def __init__(self, folder: Folder, *, later: bool = False) -> None:
        """Takes the store's folder.

        Args:
            folder: The folder.
            later: Whether the lock is taken only when a guard inside needs it, as putting a blob
                does, so that a slow input keeps nobody waiting.
        """
        self._folder = folder
        self._later = later

    def __enter__(self) -> None:
        """Takes the lock, shared, unless that is for later or this opening has it already.

        Raises:
            LockTimeoutError: Objects are being removed for too long.
            BackendError: The objects cannot be locked.
        """
        folder = self._folder
        with folder.mutex:
            if not self._later and folder.guard_fd < 0:
                folder.guard_fd = folder.lock_gc_guard(shared=True)
            folder.guards += 1

    def __exit__(self, *_: object) -> None:
        """Frees the lock, unless another guard of this opening goes on."""
        folder = self._folder
        with folder.mutex:
            folder.guards -= 1
            if not folder.guards and folder.guard_fd >= 0:
                os.close(folder.guard_fd)
                folder.guard_fd = -1


def is_abandoned(name: str) -> bool:
    """Tells whether the process that a temporary file is named for seems to be gone.

    A name that aivcs did not make names no process, so nobody is writing.
    """
    pid = layout.process_of(name)
    if pid is None or not 0 < pid < 1 << 31:
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except OSError:
        pass  # another user's process
    return False
