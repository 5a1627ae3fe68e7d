"""Files that aivcs writes for a CI system or a script; opened before anything is changed."""

import os
from stat import S_ISREG

from aivcs.errors import BackendError, UsageError
from aivcs.util.writing import require_outside_stores

TYPE_CHECKING = False
if TYPE_CHECKING:
    from aivcs.cli.session.context import Context


_MAX_EVENT_BYTES = 8 << 20
"""Bytes of the file with a job's event, at most."""


class CiFile:
    """A file that aivcs writes for a CI system or a script.

    Attributes:
        is_for_steps: Whether the steps that follow in the same job read it.
    """

    def __init__(self, path: str, option: str = "--dotenv", *, is_for_steps: bool = False) -> None:
        """Opens a file, and creates it if it is missing.

        Raises:
            UsageError: The path is empty, or in a store.
            BackendError: The file cannot be written.
        """
        if not path:
            raise UsageError(f"the FILE of {option} is empty; is a variable unset?")
        self.is_for_steps = is_for_steps
        self._path = path
        try:
            require_outside_stores(path)
            self._file = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o666)
        except (OSError, ValueError) as error:
            raise self._failed(error) from error

    @classmethod
    def named_by(
        cls, context: "Context", option: str, variable: str, *, is_for_steps: bool = False
    ) -> "CiFile":
        """Opens the file that a variable of the CI system names.

        Raises:
            UsageError: The variable is not set.
            BackendError: The file cannot be written.
        """
        path = context.environment.get(variable, "")
        if not path:
            raise UsageError(
                f"{option} writes to the file in {variable}, which is not set; "
                "is this a step of GitHub Actions?"
            )
        return cls(path, is_for_steps=is_for_steps)

    def append(self, text: str) -> None:
        """Appends whole lines. First ends an unfinished last line.

        Raises:
            BackendError: The file cannot be written.
        """
        data = text.encode("utf-8", "surrogateescape")
        try:
            found = os.fstat(self._file)
            size = found.st_size if S_ISREG(found.st_mode) else 0
            if size and os.pread(self._file, 1, size - 1) != b"\n":
                data = b"\n" + data
            while data:
                data = data[os.write(self._file, data) :]
        except OSError as error:
            raise self._failed(error) from error

    def replace(self, text: str) -> None:
        """Replaces the content of the file.

        Raises:
            BackendError: The file cannot be written.
        """
        try:
            if S_ISREG(os.fstat(self._file).st_mode):
                os.ftruncate(self._file, 0)
        except OSError as error:
            raise self._failed(error) from error
        self.append(text)

    def _failed(self, error: Exception) -> BackendError:
        reason = getattr(error, "strerror", None) or "no path"
        return BackendError(f"cannot write {self._path!a}: {reason}")


def read_event(path: str) -> object:
    """Returns the event that started a job on GitHub; None if its file cannot be read."""
    from aivcs.codec.json import parse
    from aivcs.errors import SerializationError

    try:
        with open(path, "rb") as file:
            data = file.read(_MAX_EVENT_BYTES + 1)
        return parse(data.decode()) if len(data) <= _MAX_EVENT_BYTES else None
    except (OSError, ValueError, SerializationError):
        return None
