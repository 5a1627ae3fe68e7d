"""Making the folder of a store."""

import os

from aivcs import errors
from aivcs.backends.fs import FORMAT, files, layout, mode_of, read_format, require_format
from aivcs.backends.fs.documents import FileDocuments
from aivcs.backends.fs.filesystem import require_locks
from aivcs.backends.fs.folder import Folder
from aivcs.errors import BackendError
from aivcs.store.identity import identify
from aivcs.store.settings import Settings
from aivcs.util.writing import store_around

TYPE_CHECKING = False
if TYPE_CHECKING:
    from aivcs.backends.fs import Configure

_SHARED, _PRIVATE = 0o2775, 0o700
"""Modes of the folders of a store whose group may write, and of a private one."""


def create(
    path: str, settings: "Settings | Configure | None", *, shared: bool, private: bool
) -> Folder:
    """Makes a store; as `FileBackend.init`."""
    if shared and private:
        raise errors.UsageError("a store is shared or private, not both")
    found = read_format(path)
    if found is not None:
        require_format(path, found)
    else:
        _require_outside(path)
    mode = _SHARED if shared else _PRIVATE if private else None
    if mode is not None and found is not None and mode != mode_of(path):
        _require_owner(path)
    if callable(settings):  # before anything is made: it may refuse the configuration
        settings = settings(Folder(path, _PRIVATE).read_file("config.toml"))
    with files.os_errors("make", path):
        _make_above(os.path.dirname(os.path.abspath(path)))
        is_new = files.make_folder(path, mode or _mode_by_umask())
        folder = Folder(path, mode or mode_of(path))
        folder.settings = settings or Settings()
        for part in layout.FOLDERS:
            files.make_folder(folder.path(part), folder.folder_mode)
        if mode or folder.folder_mode == _SHARED:
            # Also in an existing store: a killed process may not have set all modes.
            _give_modes(folder)
        is_writable = found is None or os.access(folder.path(layout.TEMPORARY), os.W_OK)
        try:
            # An existing store may be read-only.
            if is_writable:
                require_locks(folder)
        except BackendError:
            if is_new:
                _unmake(folder)
            raise
        _complete(folder, is_writable=is_writable)
        # Before it is a store, since others may rely on it from then on; also if it was one
        # already: its maker may not have synced it.
        files.sync_folder(path)
        files.sync_folder(os.path.dirname(os.path.abspath(path)))
        if found is None:
            # Last: it makes the folder a store.
            folder.write_file("format", FORMAT.encode() + b"\n")
    return folder


def _make_above(path: str) -> None:
    """Makes a folder and the missing ones above it, durably."""
    missing = []
    while not os.path.isdir(path):
        missing.append(path)
        path = os.path.dirname(path)
    for folder in reversed(missing):
        try:
            os.mkdir(folder)
        except FileExistsError:
            pass  # another process makes it too
        files.sync_folder(os.path.dirname(folder))


def _complete(folder: Folder, *, is_writable: bool) -> None:
    """Writes the small files of a store that are missing."""
    if not os.path.lexists(folder.path(".gitignore")):
        folder.write_file(".gitignore", b"*\n")  # not committed by accident
    if is_writable:
        _complete_attributes(folder)
        identify(FileDocuments(folder))


def _require_owner(path: str) -> None:
    with files.os_errors("look at", path):
        owner = os.stat(path).st_uid
    if owner != os.geteuid():
        raise BackendError(
            f"cannot change the modes of {path}: it belongs to another user (id {owner}), who can: "
            "aivcs init --shared, or --private"
        )


def _require_outside(path: str) -> None:
    """Refuses to make a store inside another one."""
    if above := store_around(os.path.dirname(os.path.realpath(path))):
        raise errors.UsageError(
            f"{above} is a store, and no store can be inside of one; "
            f"give the folder that is to have one: aivcs init {os.path.dirname(above)}"
        )


def _complete_attributes(folder: Folder) -> None:
    """Keeps git from changing a byte of the store, should it be committed on purpose.

    Neither by a checkout (`text`), nor by a merge, which would write conflict markers into logs.
    """
    found = folder.read_file(".gitattributes") or b""
    lines = found.splitlines()
    missing = [line for line in (b"* -text", b"* -merge") if line not in lines]
    if missing:
        if found and not found.endswith(b"\n"):
            found += b"\n"
        folder.write_file(".gitattributes", found + b"".join(b"%b\n" % line for line in missing))


def _mode_by_umask() -> int:
    umask = os.umask(0o077)  # the only way to read it
    os.umask(umask)
    return 0o775 & ~umask | 0o700


def _give_modes(folder: Folder) -> None:
    """Sets the modes of all files and folders of a store that belong to this user."""
    for path, _, names in os.walk(folder.root):
        for target, mode in [(path, folder.folder_mode)] + [
            (f"{path}/{name}", folder.file_mode) for name in names
        ]:
            if os.lstat(target).st_uid == os.geteuid() and not os.path.islink(target):
                os.chmod(target, mode)


def _unmake(folder: Folder) -> None:
    """Removes the folders of a store that could not be made."""
    for path in (*map(folder.path, layout.FOLDERS), folder.root):
        try:
            os.rmdir(path)
        except OSError:
            return
