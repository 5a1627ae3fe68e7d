"""The folder of a store: its paths, its modes, its temporaries, and what repair sets aside."""

import os
from _thread import get_ident

from aivcs.backends.fs import files
from aivcs.codec.sha256 import hex_digest
from aivcs.errors import BackendError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from aivcs.store.settings import Settings


class Folder:
    """A store's folder, by path.

    Attributes:
        root: The folder that holds `format`.
        settings: How the store behaves.
        file_mode: The mode of every file in it, whatever the umask.
        folder_mode: The mode of every folder in it.
    """

    __slots__ = ("_holds", "file_mode", "folder_mode", "root", "settings")

    def __init__(self, root: str, settings: "Settings", *, shared: bool) -> None:
        """Takes the path as it is."""
        self.root = root
        self.settings = settings
        self.file_mode = 0o664 if shared else 0o644
        # The set-group-id bit hands the folder's group on to what is made in it.
        self.folder_mode = 0o2775 if shared else 0o755
        # Of each thread that is in a hold: how many deep, and the descriptor that is locked.
        self._holds: dict[int, list[int]] = {}

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

    def require_folder(self, name: str) -> None:
        """Refuses a part of the store that should be a real folder and is not; absent is fine.

        Raises:
            BackendError: It is a link or a file.
        """
        with files.doing("look at", self.path(name)):
            try:
                files.require_folder(self.path(name))
            except FileNotFoundError:
                pass

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
        """Makes durable the entries of all folders on the way to a part, the root's last.

        All of them, always: one may have been made a moment ago by a process that has not come to
        make it durable yet.
        """
        if not self.is_durable:
            return
        at = name.rfind("/")
        while at >= 0:
            files.sync_folder(self.path(name[:at]))
            at = name.rfind("/", 0, at)
        files.sync_folder(self.root)

    def hold(self, *, later: bool = False) -> "Hold":
        """Returns a block in which no object vanishes that is found or put in it.

        Args:
            later: Whether the lock is taken only when something inside asks for a hold, as putting
                does: so nobody waits for whoever reads a slow input first.
        """
        return Hold(self, later=later)

    def lock_objects(self, *, shared: bool) -> int:
        """Locks the objects as a whole, and returns the descriptor whose closing frees them.

        Who relies on an object that is there has the lock shared, who removes objects has it alone.

        Raises:
            LockTimeoutError: Somebody else holds it for too long.
            BackendError: It cannot be locked.
        """
        path = f"{self.root}/objects"
        with files.doing("lock", path):
            try:
                fd = files.open_folder(path)
            except FileNotFoundError:  # a store need not have folders that are empty
                files.make_folder(path, self.folder_mode)
                fd = files.open_folder(path)
        try:
            files.lock_file(fd, path, self.settings.lock_timeout, shared=shared)
        except BaseException:
            os.close(fd)
            raise
        return fd

    def begin_hold(self, *, later: bool) -> None:
        """Enters a hold of this thread, which may be in one already.

        Raises:
            LockTimeoutError: Objects are being removed for too long.
            BackendError: The objects cannot be locked.
        """
        thread = get_ident()
        held = self._holds.setdefault(thread, [0, -1])
        try:
            if not later and held[1] < 0:
                held[1] = self.lock_objects(shared=True)
        except BaseException:
            if not held[0]:
                del self._holds[thread]
            raise
        held[0] += 1

    def end_hold(self) -> None:
        """Leaves the hold entered last; leaving the outermost frees the lock."""
        thread = get_ident()
        held = self._holds[thread]
        held[0] -= 1
        if not held[0]:
            del self._holds[thread]
            if held[1] >= 0:
                os.close(held[1])

    def create_temporary(self, *, are_parents_real: bool = False) -> "tuple[int, str]":
        """Creates an empty temporary file; returns its descriptor and path.

        Args:
            are_parents_real: Whether the caller has just seen that `tmp/` is no link.

        Raises:
            BackendError: It cannot be created.
        """
        if not are_parents_real:
            self.require_parents("tmp/")
        path = f"{self.root}/tmp/{os.getpid()}-{os.urandom(6).hex()}"
        try:
            with files.doing("create", path):
                try:
                    fd = files.create_file(path, os.O_WRONLY, self.file_mode)
                except FileNotFoundError:
                    files.make_folder(f"{self.root}/tmp", self.folder_mode)
                    fd = files.create_file(path, os.O_WRONLY, self.file_mode)
        except BaseException:
            self.discard(path)  # Ctrl-C mostly comes when it is just being made
            raise
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
                files.close(fd)
            self.rename(temporary, name)
        except BaseException:
            self.discard(temporary)
            raise
        self.sync_parents(name)

    def rename(self, temporary: str, name: str) -> None:
        """Gives a temporary file its name, replacing what has it; durable is neither of them.

        Raises:
            BackendError: It could not be done; nothing has changed.
        """
        path = self.path(name)
        with files.doing("store", path):
            try:
                os.rename(temporary, path)
            except FileNotFoundError:
                self.make_parents(name)
                os.rename(temporary, path)

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

    def keep_aside(self, name: str, data: bytes) -> None:
        """Keeps bytes that are about to be cut, in `damaged/`; doing it twice keeps them once."""
        self.require_parents("damaged/")
        self.write_file(f"damaged/{name}.{hex_digest(data)[:12]}", data)


class Hold:
    """A block in which no object vanishes that is found or put in it; may stand in another."""

    __slots__ = ("_folder", "_later")

    def __init__(self, folder: Folder, *, later: bool) -> None:
        """Takes the folder; see `Folder.hold`."""
        self._folder = folder
        self._later = later

    def __enter__(self) -> None:
        """Takes the lock, shared, unless that is for later.

        Raises:
            LockTimeoutError: Objects are being removed for too long.
            BackendError: The objects cannot be locked.
        """
        self._folder.begin_hold(later=self._later)

    def __exit__(self, *_: object) -> None:
        """Frees the lock, unless a block around this one goes on."""
        self._folder.end_hold()


def is_abandoned(name: str) -> bool:
    """Tells whether the process that a temporary file is named for is gone, as far as one can see.

    A name that is not of aivcs's making tells of no process, so nobody is writing.
    """
    pid = name.partition("-")[0]
    if not pid.isdecimal() or not pid.isascii() or not 0 < int(pid) < 1 << 31:
        return True
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except OSError:
        pass  # somebody else's process
    return False
