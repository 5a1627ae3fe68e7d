"""Files by which a CI system takes something from a step: opened before anything is done."""

import os

from aivcs.errors import BackendError, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from aivcs.cli.session.context import Context


class Handover:
    """A file at whose end something is written for a CI system."""

    def __init__(self, path: str) -> None:
        """Opens a file, and makes it if it is not there.

        Raises:
            UsageError: The path is empty.
            BackendError: It cannot be written.
        """
        if not path:
            raise UsageError("the FILE of --dotenv is empty; is a variable unset?")
        self._path = path
        try:
            self._file = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o666)
        except (OSError, ValueError) as error:
            raise self._failed(error) from error

    @classmethod
    def named_by(cls, context: "Context", option: str, variable: str) -> "Handover":
        """Opens the file that a variable of the CI system names.

        Raises:
            UsageError: It is not set.
            BackendError: The file cannot be written.
        """
        path = context.environment.get(variable, "")
        if not path:
            raise UsageError(
                f"{option} writes to the file in {variable}, which is not set; "
                "is this a step of GitHub Actions?"
            )
        return cls(path)

    def append(self, text: str) -> None:
        """Writes whole lines at the end, where a line that is unfinished is ended first.

        Raises:
            BackendError: It cannot be written.
        """
        data = text.encode("utf-8", "surrogateescape")
        try:
            size = os.fstat(self._file).st_size
            if size and os.pread(self._file, 1, size - 1) != b"\n":
                data = b"\n" + data
            while data:
                data = data[os.write(self._file, data) :]
        except OSError as error:
            raise self._failed(error) from error

    def _failed(self, error: Exception) -> BackendError:
        reason = getattr(error, "strerror", None) or "no path"
        return BackendError(f"cannot write {self._path!a}: {reason}")
