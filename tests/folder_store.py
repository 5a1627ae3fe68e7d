"""A store in a folder, opened by the path of that folder: what most tests of files begin with."""

from aivcs.api import Repository
from aivcs.backends.fs import FileBackend


class FolderStore(Repository):
    """A repository whose backend is known to be a folder."""

    __slots__ = ()

    @classmethod
    def init(cls, folder, *, shared=False, private=False, settings=None) -> "FolderStore":
        return cls(FileBackend.init(folder, shared=shared, private=private, settings=settings))

    @classmethod
    def open(cls, store, settings=None) -> "FolderStore":
        return cls(FileBackend.open(store, settings))

    def verify(self, parts, progress=None, *, repair=False):
        return self.store.inspect(parts, progress, repair=repair)
