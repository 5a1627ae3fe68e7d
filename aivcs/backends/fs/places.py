"""Looking into a store that may be damaged: what cannot be looked at is noted, and it goes on."""

import os
from stat import S_ISREG

from aivcs.backends.fs import files
from aivcs.backends.fs.finding import FOREIGN, Finding, unreadable
from aivcs.errors import BackendError
from aivcs.log.verify_run import DAMAGE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from aivcs.backends.fs.folder import Folder


class Places:
    """The places of a store.

    Attributes:
        unread: What could not be looked at where there is no way to say it at once.
    """

    __slots__ = ("_folder", "unread")

    def __init__(self, folder: "Folder") -> None:
        """Takes the store's folder."""
        self._folder = folder
        self.unread: list[Finding] = []

    def has_blob(self, digest: str) -> bool:
        """Tells whether something stands in the place of a blob; yes, if that cannot be seen."""
        name = f"objects/{digest[:2]}/{digest[2:]}"
        try:
            return S_ISREG(os.lstat(self._folder.path(name)).st_mode)
        except (FileNotFoundError, NotADirectoryError):
            return False
        except OSError as error:
            self.unread.append(unreadable(digest, error))
            return True  # which is not to say that it is absent

    def unusable(self, name: str) -> "Finding | None":
        """Returns what keeps a folder from being read; an absent one is as good as an empty one."""
        path = self._folder.path(name)
        try:
            files.require_folder(path)
            os.listdir(path)  # what cannot be listed must not pass for empty
        except FileNotFoundError:
            return None
        except BackendError as error:
            return Finding(DAMAGE, name, None, str(error), FOREIGN)
        except OSError as error:
            return unreadable(name, error)
        return None

    def entries(self, name: str) -> "Iterator[tuple[str, os.stat_result]]":
        """Yields name and status of all that is in a folder, in order; nothing if there is none."""
        path = self._folder.path(name)
        try:
            names = sorted(os.listdir(path))
        except FileNotFoundError:
            return
        except OSError as error:
            self.unread.append(unreadable(name, error))
            return
        for entry in names:
            try:
                status = os.lstat(f"{path}/{entry}")
            except FileNotFoundError:
                continue  # gone since
            except OSError as error:
                self.unread.append(unreadable(f"{name}/{entry}", error))
                continue
            yield entry, status
