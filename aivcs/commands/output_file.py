"""Writes the output of a command to a file: all of it, or the file stays as it was."""

import os
from stat import S_ISDIR, S_ISREG

from aivcs.errors import BackendError, UsageError
from aivcs.util.writing import require_outside_stores, write_all

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable


def write_file(path: str, pieces: "Iterable[str | bytes]", *, is_private: bool = False) -> None:
    """Writes pieces to a file, which is replaced when all of them are written and durable.

    A pipe or a device cannot be replaced: it is written to as the pieces come.

    Args:
        path: The file.
        pieces: Its content, texts as UTF-8; what they raise passes through.
        is_private: Whether a new file is for its owner alone.

    Raises:
        UsageError: The path is a folder, or in a store.
        BackendError: The file cannot be written.
    """
    require_outside_stores(path)
    try:
        mode: int | None = os.stat(path).st_mode
    except FileNotFoundError:
        mode = None
    except OSError as error:
        raise BackendError(f"cannot write {path!a}: {error.strerror}") from error
    if mode is not None and S_ISDIR(mode):
        raise UsageError(f"{path!a} is a folder; name a file")
    if mode is not None and not S_ISREG(mode):
        _copy(path, path, os.O_WRONLY, pieces)
        return
    target = os.path.realpath(path)
    temporary = f"{target}.{os.urandom(4).hex()}.aivcs-tmp"
    try:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
        _copy(path, temporary, flags, pieces, mode=mode, is_private=is_private)
        try:
            os.rename(temporary, target)
        except OSError as error:
            raise BackendError(f"cannot write {path!a}: {error.strerror}") from error
    except BaseException:
        if os.path.lexists(temporary):
            os.unlink(temporary)
        raise


def _copy(
    named: str,
    path: str,
    flags: int,
    pieces: "Iterable[str | bytes]",
    *,
    mode: "int | None" = None,
    is_private: bool = False,
) -> None:
    source = iter(pieces)
    try:
        fd = os.open(path, flags | os.O_CLOEXEC, 0o600 if is_private else 0o666)
    except OSError as error:
        raise BackendError(f"cannot write {named!a}: {error.strerror}") from error
    try:
        while True:
            piece = next(source, None)  # outside: what it raises is no fault of this file
            try:
                if piece is None:
                    if flags & os.O_CREAT:
                        os.fsync(fd)
                    return
                write_all(fd, piece.encode() if isinstance(piece, str) else piece)
                if mode is not None:
                    os.fchmod(fd, mode & 0o777)
                    mode = None
            except OSError as error:
                raise BackendError(f"cannot write {named!a}: {error.strerror}") from error
    finally:
        os.close(fd)
