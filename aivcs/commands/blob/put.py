"""`aivcs blob put`: stores files."""

from aivcs.commands.blob.input_files import open_input, require_file
from aivcs.errors import AivcsError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections import deque
    from collections.abc import Iterable, Iterator
    from typing import BinaryIO

    from aivcs.model.digest import ContentDigest
    from aivcs.repository import Repository


def put(
    repo: "Repository", paths: "Iterable[str]", stdin: "BinaryIO"
) -> "Iterator[tuple[ContentDigest, str]]":
    """Stores files, and yields the digest and path of each once it is durable.

    Args:
        repo: The repository.
        paths: The files; `-` is `stdin`.
        stdin: Standard input, for `-`.

    Several are stored together, so their digests come many at once. When one cannot be stored,
    those before it are, and the error says how many.

    Raises:
        UsageError: A file is not there or is a folder; nothing of a sequence of paths was stored.
        BackendError: A file cannot be read or stored.
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
        # The caller can continue after these without counting digests.
        error.args = (f"{error}; {stored} before it {'is' if stored == 1 else 'are'} stored",)
        raise


def _contents(
    paths: "Iterable[str]", stdin: "BinaryIO", read: "list[str] | deque[str]"
) -> "Iterator[BinaryIO]":
    """Yields each file, open until the next one is requested, and appends its path to a list."""
    for path in paths:
        read.append(path)
        if path == "-":
            yield stdin
        else:
            with open_input(path) as file:
                yield file
