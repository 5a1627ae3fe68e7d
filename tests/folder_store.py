"""A store in a folder, opened by the path of that folder: what most tests of files begin with."""

from aivcs.backends.fs import FileBackend
from aivcs.repository import Repository


class FolderStore(Repository):
    """A repository whose backend is known to be a folder."""

    __slots__ = ()

    @classmethod
    def init(cls, path, **options):
        return cls(FileBackend.init(path, **options))

    @classmethod
    def open(cls, path, settings=None):
        return cls(FileBackend.open(path, settings))

    def verify(self, parts, progress=None, *, repair=False):
        return self.store.inspect(parts, progress, repair=repair)
