"""`aivcs blob`: contents by their digest."""

import os
from stat import S_ISDIR, S_ISREG

from aivcs.errors import AivcsError, BackendError, ConflictError, NotFoundError, UsageError
from aivcs.model.digest import ContentDigest, is_hex

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections import deque
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from typing import BinaryIO

    from aivcs.repository import Repository
    from aivcs.store.references import ReachableSet

_CHUNK = 1 << 20
"""Bytes moved at once."""


def put(
    repo: "Repository", paths: "Iterable[str]", stdin: "BinaryIO"
) -> "Iterator[tuple[ContentDigest, str]]":
    """Stores files, and yields the digest and path of each once it is durable.

    Args:
        repo: Where to.
        paths: The files; `-` is `stdin`.
        stdin: What `-` reads.

    Several are stored together, so their digests come many at once. When one cannot be stored,
    those before it are, and the error says how many.

    Raises:
        UsageError: A file is not there or is a folder; nothing of a sequence of paths was stored.
        BackendError: One cannot be read or stored.
    """
    if isinstance(paths, (list, tuple)):
        for path in paths:
            if path != "-":
                require_file(path)
        if len(paths) == 1:
            for content in _contents(paths, stdin, []):
                yield repo.blobs.put_stream(content), paths[0]
            return
    from collections import deque

    read: deque[str] = deque()
    stored = 0
    try:
        for digest in repo.blobs.put_many(_contents(paths, stdin, read)):
            yield digest, read.popleft()
            stored += 1
    except AivcsError as error:
        # Whoever goes on from there need not count the digests.
        error.args = (f"{error}; {stored} before it {'is' if stored == 1 else 'are'} stored",)
        raise


def _contents(
    paths: "Iterable[str]", stdin: "BinaryIO", read: "list[str] | deque[str]"
) -> "Iterator[BinaryIO]":
    """Yields each file, open, until the next is asked for, and appends its path to a list."""
    for path in paths:
        read.append(path)
        if path == "-":
            yield stdin
        else:
            with open_input(path) as file:
                yield file


def require_file(path: str) -> None:
    """Refuses a path that cannot be read as a file, before anything is stored.

    Raises:
        UsageError: It is empty, is not there, or is a folder.
    """
    if not path:
        raise UsageError("FILE is empty; is a variable unset?")
    try:
        mode = os.stat(path).st_mode
    except (FileNotFoundError, NotADirectoryError):
        raise UsageError(f"no file {path!a}") from None
    except ValueError:
        raise UsageError(f"{path!a} cannot be a path") from None
    except OSError as error:
        raise BackendError(f"cannot read {path!a}: {error.strerror}") from error
    if S_ISDIR(mode):
        raise UsageError(
            f"{path!a} is a folder; put its files: "
            "find FOLDER -type f -print0 | aivcs blob put -z --stdin-paths"
        )


def open_input(path: str) -> "BinaryIO":
    """Opens a user's file for reading.

    Raises:
        UsageError: It is not there or is a folder.
        BackendError: It cannot be opened.
    """
    try:
        return open(path, "rb", buffering=0)
    except (OSError, ValueError) as error:
        require_file(path)  # which says it better, if it is no file at all
        raise BackendError(
            f"cannot read {path!a}: {getattr(error, 'strerror', None) or error}"
        ) from error


def read_input(stream: "BinaryIO", size: int, what: str) -> bytes:
    """Reads up to `size` bytes of what the user gave.

    Raises:
        BackendError: It cannot be read.
    """
    try:
        return stream.read(size)
    except OSError as error:
        raise BackendError(f"cannot read {what}: {error.strerror}") from error


def read_paths(stream: "BinaryIO", separator: bytes) -> "Iterator[str]":
    """Yields the paths that a stream lists, each ended by `separator`.

    Raises:
        UsageError: One is empty.
        BackendError: The stream cannot be read.
    """
    carry = b""
    while chunk := read_input(stream, _CHUNK, "standard input"):
        *paths, carry = (carry + chunk).split(separator)
        for path in paths:
            if not path:
                raise UsageError("an empty path on standard input")
            yield _listed(path)
    if carry:
        yield _listed(carry)


def _listed(path: bytes) -> str:
    """A path from a list, where `-` is a file of that name and not standard input."""
    return "./-" if path == b"-" else os.fsdecode(path)


def read(repo: "Repository", digest: str) -> "Iterator[bytes | memoryview]":
    """Yields the bytes of a blob; nothing before all of them are verified.

    Each piece is to be used before the next is asked for, which may be in the same memory. A small
    blob is read once; a large one is read twice, because what went down a pipe cannot be
    taken back.

    Raises:
        NotFoundError: No blob has this digest.
        IntegrityError: What is stored is damaged.
    """
    whole = repo.resolve_digest(digest)
    with repo.blobs.open(whole) as stream:
        first = _read_full(stream)
        if len(first) < _CHUNK:
            yield first
            return
        from aivcs.util.write_behind import PIECE, read_into

        buffer = memoryview(bytearray(PIECE))
        while read_into(stream, buffer):
            pass
    with repo.blobs.open(whole) as stream:
        while count := read_into(stream, buffer):
            yield buffer[:count]


def read_to_file(repo: "Repository", digest: str, path: str) -> None:
    """Writes a blob to a file, which afterwards is as before or has exactly the verified bytes.

    Raises:
        NotFoundError: No blob has this digest.
        IntegrityError: What is stored is damaged.
        BackendError: The file cannot be written.
    """
    whole = repo.resolve_digest(digest)
    try:
        mode = _mode_of(path)
        if mode is None or S_ISREG(mode):
            if mode is not None and (descriptor := _descriptor_of(path)) is not None:
                from aivcs.util.write_behind import write_all

                for chunk in read(repo, whole):
                    write_all(descriptor, chunk)
                return
            with repo.blobs.open(whole) as stream:
                _replace_file(os.path.realpath(path), stream, mode)
        else:  # a pipe or a device cannot be replaced, only written to
            from aivcs.util.write_behind import write_all

            with open(path, "wb", buffering=0) as out:
                for chunk in read(repo, whole):
                    write_all(out.fileno(), chunk)
    except OSError as error:
        raise BackendError(f"cannot write {path!a}: {error.strerror}") from error


def has(repo: "Repository", digests: "Sequence[str]") -> "Iterator[tuple[str, bool]]":
    """Yields, for each digest or prefix, what it names and whether it is there.

    Raises:
        InvalidDigestError: One is no digest.
        AmbiguousError: A prefix fits several blobs.
    """
    for text in digests:
        try:
            digest = repo.resolve_digest(text)
        except NotFoundError:
            yield text, False
        else:
            yield digest, repo.blobs.contains(digest)


def remove(repo: "Repository", digests: "Sequence[str]", *, force: bool = False) -> None:
    """Removes blobs; all are checked before any is removed.

    Forced, it takes the pins of these blobs away as well, which would ask for what is gone.

    Raises:
        UsageError: One is not a whole digest.
        NotFoundError: One is not there, unless forced.
        ConflictError: One is referred to, unless forced.
    """
    wanted = []
    for text in digests:
        if len(text) != 64:
            raise UsageError(f"{text[:64]!a}: rm takes whole digests of 64 characters only")
        wanted.append(ContentDigest(text))
    if force:
        with repo.store.objects.removal():
            for digest in wanted:
                repo.unpin(digest)
                repo.blobs.delete(digest)
        return
    from aivcs.store.references import ReachableSet

    reachable = ReachableSet(repo)
    _require_removable(repo, wanted, reachable)  # all of the reading, while nobody has to wait
    with repo.store.objects.removal():
        _require_removable(repo, wanted, reachable)
        for digest in wanted:
            repo.blobs.delete(digest)


def _require_removable(
    repo: "Repository", digests: "list[ContentDigest]", reachable: "ReachableSet"
) -> None:
    for digest in digests:
        if not repo.blobs.contains(digest):
            raise NotFoundError(digest)
    for digest, source in reachable.catch_up():
        if digest in digests:
            raise ConflictError(
                f"blob {digest} is referred to by {source}; nothing was removed. "
                "--force removes it all the same"
            )


def pin(repo: "Repository", digests: "Sequence[str]") -> None:
    """Pins blobs: they are kept although nothing may refer to them, until they are unpinned.

    All are checked before any is pinned; pinning again is harmless. `NAME@current` and the like
    name a spec that was released.

    Raises:
        InvalidDigestError: One is no digest.
        NotFoundError: One is not there.
        AmbiguousError: A prefix fits several blobs.
    """
    with repo.hold():
        wanted = [_resolve(repo, text) for text in digests]
        for digest in wanted:
            if not repo.blobs.contains(digest):
                raise NotFoundError(digest)
        for digest in wanted:
            repo.pin(digest)


def unpin(repo: "Repository", digests: "Sequence[str]") -> None:
    """Takes pins away; a blob that is not pinned is as it should be, so that is no error.

    A prefix may be of a pin or, if it fits none, of a blob; `NAME@SEQ` and the like as for `pin`.

    Raises:
        InvalidDigestError: One is no digest.
        NotFoundError: A prefix fits neither a pin nor a blob.
        AmbiguousError: A prefix fits several.
    """
    for digest in [_resolve(repo, text, repo.resolve_pin) for text in digests]:
        repo.unpin(digest)


def _resolve(
    repo: "Repository", text: str, resolve: "Callable[[str], ContentDigest] | None" = None
) -> ContentDigest:
    """The blob that a text names: what was released, or as `resolve` (by default any digest)."""
    if "@" in text:
        return repo.resolve_spec(text, allow_missing=True)
    return (resolve or repo.resolve_digest)(text)


def list_(repo: "Repository", prefix: str = "") -> "Iterator[ContentDigest]":
    """Yields the digests that begin with a prefix, in order.

    Raises:
        UsageError: The prefix is not hexadecimal.
    """
    if not is_hex(prefix.lower()):
        raise UsageError(f"{prefix[:64]!a} is no beginning of a digest")
    return repo.blobs.list_digests(prefix)


def _read_full(stream: "BinaryIO") -> bytes:
    """Reads up to `_CHUNK` bytes, and to the end if there are fewer, so that they are verified."""
    data = stream.read(_CHUNK)
    while 0 < len(data) < _CHUNK:
        more = stream.read(_CHUNK - len(data))
        if not more:
            break
        data += more
    return data


def _mode_of(path: str) -> "int | None":
    """The mode of a file that is to be written, None if there is none yet."""
    try:
        mode = os.stat(path).st_mode
    except FileNotFoundError:
        return None
    if S_ISDIR(mode):
        raise UsageError(f"{path!a} is a folder; name a file")
    return mode


def _descriptor_of(path: str) -> "int | None":
    """The descriptor that a path like /dev/stdout stands for, None if it is a file's own.

    The file behind it has what was written before, and is still open elsewhere: it must not be
    replaced, nor emptied.
    """
    descriptors = os.path.realpath("/dev/fd")
    while True:
        folder, name = os.path.split(path)
        if name.isdecimal() and os.path.realpath(folder) == descriptors:
            return int(name)
        if not os.path.islink(path):
            return None
        path = os.path.join(folder, os.readlink(path))


def _replace_file(path: str, stream: "BinaryIO", mode: "int | None") -> None:
    temporary = f"{path}.{os.urandom(4).hex()}.aivcs-tmp"
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
    try:
        try:
            if mode is not None:
                os.fchmod(fd, mode & 0o777)
            _copy(stream, fd)
            os.fsync(fd)
        finally:
            os.close(fd)
        os.rename(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def _copy(stream: "BinaryIO", fd: int) -> None:
    """Writes all of a stream to a file; a long one is read and written at once."""
    from aivcs.util.write_behind import copy, read_into

    copy(lambda buffer: read_into(stream, buffer), fd, sync=True)
