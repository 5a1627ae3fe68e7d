"""The small files of a store, which are replaced atomically, one writer at a time."""

import os
from stat import S_ISDIR

from aivcs.backends.fs import files
from aivcs.codec.sha256 import hex_digest
from aivcs.errors import ConflictError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from aivcs.backends.fs.folder import Folder


class FileDocuments:
    """The `Documents` of a folder: small files below it, by their paths."""

    __slots__ = ("_folder",)

    def __init__(self, folder: "Folder") -> None:
        """Takes the store's folder."""
        self._folder = folder

    def where(self, name: str) -> str:
        """Returns the path of a document, for messages."""
        return self._folder.path(name)

    def read(self, name: str) -> "tuple[bytes, str] | None":
        """As `Documents.read`."""
        data = self._folder.read_file(name)
        return None if data is None else (data, hex_digest(data))

    def create(self, name: str, data: bytes) -> bool:
        """As `Documents.create`."""
        with _Locked(self._folder, name):
            if self._folder.read_file(name) is not None:
                self._folder.sync_parents(name)  # its writer may not have synced it yet
                return False
            self._folder.write_file(name, data)
            return True

    def write(self, name: str, data: bytes, *, expect: "str | None" = None) -> None:
        """As `Documents.write`."""
        with _Locked(self._folder, name):
            self._require(name, expect)
            self._folder.write_file(name, data)

    def names(self, prefix: str, *, newest_first: bool = False) -> "Iterator[str]":
        """As `Documents.names`; newest by the modification time of the file."""
        return self._newest_first(prefix) if newest_first else self._names(prefix)

    def _newest_first(self, prefix: str) -> "Iterator[str]":
        aged = []
        for name in self._names(prefix):
            with files.os_errors("look at", self._folder.path(name)):
                try:
                    aged.append((os.lstat(self._folder.path(name)).st_mtime_ns, name))
                except FileNotFoundError:
                    continue  # gone since
        return (name for _, name in sorted(aged, reverse=True))

    def _names(self, prefix: str) -> "Iterator[str]":
        above = prefix[: prefix.rfind("/") + 1]
        path = self._folder.path(above)
        found = []
        for entry in self._folder.names_in(above.rstrip("/")):
            if not f"{above}{entry}".startswith(prefix):
                continue
            with files.os_errors("look at", path + entry):
                try:
                    is_folder = S_ISDIR(os.lstat(path + entry).st_mode)
                except FileNotFoundError:
                    continue  # gone since
            found.append(f"{entry}/" if is_folder else entry)
        for entry in sorted(found):  # a folder as its names are: a-b/x comes before a/x
            if entry[-1] == "/":
                yield from self._names(above + entry)
            else:
                yield above + entry

    def drop(self, name: str, *, expect: "str | None" = None) -> bool:
        """As `Documents.drop`."""
        with _Locked(self._folder, name):
            self._require(name, expect)
            self._folder.require_parents(name)
            with files.os_errors("remove", self._folder.path(name)):
                try:
                    os.unlink(self._folder.path(name))
                except FileNotFoundError:
                    return False
            self._folder.sync_parents(name)
            return True

    def _require(self, name: str, expect: "str | None") -> None:
        if expect is not None:
            found = self.read(name)
            if expect != (found[1] if found else ""):
                raise ConflictError(
                    f"{self._folder.path(name)} was changed by another process meanwhile; "
                    "nothing was written: try again"
                )


class _Locked:
    """A block during which no other process writes a document of the store."""

    __slots__ = ("_fd", "_folder", "_name")

    def __init__(self, folder: "Folder", name: str) -> None:
        self._folder = folder
        self._name = name
        self._fd = -1

    def __enter__(self) -> None:
        path = self._folder.root
        with files.os_errors("lock", path):
            self._fd = files.open_folder(path)
        try:
            name = self._folder.path(self._name)  # in messages, the document that others wait for
            files.lock_file(self._fd, name, self._folder.settings.lock_timeout)
        except BaseException:
            os.close(self._fd)
            raise

    def __exit__(self, *_: object) -> None:
        os.close(self._fd)
