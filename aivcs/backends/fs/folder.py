"""The folder of a store: its paths, its modes, its temporaries, and what repair sets aside."""

import os

from aivcs.backends.fs import files
from aivcs.errors import BackendError
from aivcs.sha256 import hex_digest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from aivcs.settings import Settings


class Folder:
    """A store's folder, by path.

    Attributes:
        root: The folder that holds `format`.
        settings: How the store behaves.
        file_mode: The mode of every file in it, whatever the umask.
        folder_mode: The mode of every folder in it.
    """

    __slots__ = ("file_mode", "folder_mode", "root", "settings")

    def __init__(self, root: str, settings: "Settings", *, shared: bool) -> None:
        """Takes the path as it is."""
        self.root = root
        self.settings = settings
        self.file_mode = 0o664 if shared else 0o644
        # The set-group-id bit hands the folder's group on to what is made in it.
        self.folder_mode = 0o2775 if shared else 0o755

    @property
    def is_durable(self) -> bool:
        """Whether anything is to be made durable at all."""
        return self.settings.durability != "none"

    def path(self, name: str) -> str:
        """Returns the path of a part of the store."""
        return f"{self.root}/{name}"

    def require_parents(self, name: str) -> None:
        """Refuses a part whose folders below the root are not real folders; absent ones are fine.

        Raises:
            BackendError: One of them is a link or a file.
        """
        at = name.find("/")
        with files.doing("look at", self.path(name)):
            while at >= 0:
                try:
                    files.require_folder(f"{self.root}/{name[:at]}")
                except FileNotFoundError:
                    return
                at = name.find("/", at + 1)

    def make_parents(self, name: str) -> None:
        """Makes the folders below the root that a part needs.

        Raises:
            OSError: One cannot be made.
            BackendError: One of them is a link or a file.
        """
        at = name.find("/")
        while at >= 0:
            files.make_folder(f"{self.root}/{name[:at]}", self.folder_mode)
            at = name.find("/", at + 1)

    def sync_parents(self, name: str) -> None:
        """Makes durable the entries of all folders on the way to a part, innermost first.

        All of them, always: one may have been made a moment ago by a process that has not come to
        make it durable yet.
        """
        if not self.is_durable:
            return
        at = name.rfind("/")
        while at >= 0:
            files.sync_folder(f"{self.root}/{name[:at]}")
            at = name.rfind("/", 0, at)

    def create_temporary(self) -> "tuple[int, str]":
        """Creates an empty temporary file; returns its descriptor and path.

        Raises:
            BackendError: It cannot be created.
        """
        self.require_parents("tmp/")
        path = f"{self.root}/tmp/{os.getpid()}-{os.urandom(6).hex()}"
        with files.doing("create", path):
            try:
                fd = files.create_file(path, os.O_WRONLY, self.file_mode)
            except FileNotFoundError:
                files.make_folder(f"{self.root}/tmp", self.folder_mode)
                fd = files.create_file(path, os.O_WRONLY, self.file_mode)
        if fd is None:
            raise BackendError(f"{path} exists already; is the system's random source broken?")
        return fd, path

    def publish(self, fd: int, temporary: str, name: str) -> None:
        """Gives a written temporary file its name, replacing what has it; durable on return.

        Takes over the descriptor. When it fails, the temporary file is gone.

        Raises:
            BackendError: It could not be done; nothing has changed.
            OutcomeUnknownError: Whether it is durable cannot be known.
        """
        try:
            try:
                if self.is_durable:
                    files.sync_file(fd, temporary)
            finally:
                os.close(fd)
            path = self.path(name)
            with files.doing("store", path):
                try:
                    os.rename(temporary, path)
                except FileNotFoundError:
                    self.make_parents(name)
                    os.rename(temporary, path)
        except BaseException:
            self.discard(temporary)
            raise
        self.sync_parents(name)

    def discard(self, temporary: str) -> None:
        """Removes a temporary file, if that can be done."""
        try:
            os.unlink(temporary)
        except OSError:
            pass

    def write_file(self, name: str, data: bytes) -> None:
        """Writes a small file of the store as a whole: after a crash it is old or new.

        Raises:
            BackendError: It could not be written.
        """
        fd, temporary = self.create_temporary()
        try:
            with files.doing("write", self.path(name)):
                files.write_all(fd, data)
        except BaseException:
            os.close(fd)
            self.discard(temporary)
            raise
        self.publish(fd, temporary, name)
        if "/" not in name and self.is_durable:
            files.sync_folder(self.root)

    def keep_aside(self, name: str, data: bytes) -> None:
        """Keeps bytes that are about to be cut, in `damaged/`; doing it twice keeps them once."""
        self.require_parents("damaged/")
        self.write_file(f"damaged/{name}.{hex_digest(data)[:12]}", data)
