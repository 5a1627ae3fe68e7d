"""Writes the parts of a spec back as files and folders, all of them or none.

What a spec names may come from anybody, so nothing is written before every manifest was checked
(`aivcs.specs.manifest`), and nothing outside of a folder that was made for it, in which nobody else
writes. There all is written and verified; then each part is renamed into place.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from aivcs.commands.spec.spec import Part, parts_of, read
from aivcs.errors import BackendError, ConflictError, NotFoundError, UsageError
from aivcs.specs.folder import digest_part, find_part
from aivcs.util.write_behind import write_all

if TYPE_CHECKING:
    from aivcs.model import ContentDigest
    from aivcs.repository import Repository

_CHUNK = 1 << 20
"""Bytes moved at once."""
_BEFORE = ".before"
"""What the name of a part ends with that was there and gave way."""


def checkout(repo: Repository, spec: str, folder: str, *, force: bool = False) -> list[str]:
    """Writes each part of a spec to `FOLDER/prompts` and so on; returns their paths.

    What is there and the same already is left as it is.

    Args:
        repo: Where the spec is.
        spec: The spec, as for `Repository.resolve_spec`.
        folder: Where to; made if it is not there.
        force: Whether a part that is there and differs is replaced, with everything in it.

    Raises:
        UsageError: The blob is no spec.
        NotFoundError: It, or a blob that it names, is not in the store; nothing was written.
        SerializationError: A manifest is not safe to follow; nothing was written.
        ConflictError: Something else is there already, and not forced; nothing was written.
        IntegrityError: A blob is damaged; everything is as before.
        BackendError: It cannot be written; everything is as before.
    """
    if not folder:
        raise UsageError("DIR is empty; is a variable unset?")
    found = read(repo, spec)
    parts = list(parts_of(repo, found))
    for part in parts:
        _require_stored(repo, part)
    places = [(part, os.path.join(folder, part.name)) for part in parts]
    try:
        wanted = [(part, place) for part, place in places if not _is_there(part, place, force)]
        if wanted:
            _write(repo, folder, wanted)
    except ValueError:
        raise UsageError(f"DIR {folder!a} cannot be a path") from None
    except OSError as error:
        raise BackendError(f"cannot write to {folder!a}: {error.strerror}") from error
    return [place for _, place in places]


def _require_stored(repo: Repository, part: Part) -> None:
    if not part.is_stored:
        missing = part.digest or "a digest that it does not say"
        raise NotFoundError(
            str(missing), f"the part {part.name} of the spec, {missing}, is not in this store"
        )
    for file in part.files or ():
        if not repo.blobs.contains(file.digest):
            raise NotFoundError(
                file.digest,
                f"the file {file.path!a} of the part {part.name}, {file.digest}, "
                "is not in this store",
            )


def _is_there(part: Part, place: str, force: bool) -> bool:
    """Whether a place holds just this part; refuses what must not be lost."""
    if not os.path.lexists(place):
        return False
    try:
        if not os.path.islink(place) and digest_part(find_part(place, place)) == part.digest:
            return True
    except UsageError:
        pass  # nothing that could be a part, so something else
    if not force:
        raise ConflictError(
            f"{place!a} is there and is not what the spec has; nothing was written. "
            "--force replaces it"
        )
    return False


def _write(repo: Repository, folder: str, wanted: list[tuple[Part, str]]) -> None:
    missing = _missing_folders(folder)
    # Of this user alone, under a name that nobody could have prepared.
    staging = os.path.join(folder, f".aivcs-checkout-{os.urandom(6).hex()}")
    try:
        if missing:
            os.makedirs(folder)
        os.mkdir(staging, 0o700)
        for part, _ in wanted:
            _write_part(repo, part, os.path.join(staging, part.name))
        _place(staging, wanted)
    except BaseException:
        _clean(staging)
        for path in missing:
            try:
                os.rmdir(path)
            except OSError:
                continue  # it was not made, or somebody else has begun to use it
        raise
    _clean(staging, replaced=True)


def _clean(staging: str, *, replaced: bool = False) -> None:
    """Removes what was written aside; never what was replaced, unless it is to be."""
    from shutil import rmtree

    if not os.path.isdir(staging):
        return
    if replaced or not any(name.endswith(_BEFORE) for name in os.listdir(staging)):
        rmtree(staging, ignore_errors=True)


def _missing_folders(folder: str) -> list[str]:
    """A folder and those above it that are not there, innermost first.

    Raises:
        UsageError: A file is in the way.
    """
    missing = []
    path = os.path.abspath(folder)
    while not os.path.isdir(path):
        if os.path.lexists(path):
            raise UsageError(f"DIR {folder!a}: {path!a} is no folder; name another")
        missing.append(path)
        path = os.path.dirname(path)
    return missing


def _write_part(repo: Repository, part: Part, path: str) -> None:
    assert part.digest is not None
    if part.files is None:
        _write_file(repo, part.digest, os.fsencode(path), None)
        return
    os.mkdir(path)
    for file in part.files:
        below = os.path.join(os.fsencode(path), file.path.encode())
        if not os.path.isdir(os.path.dirname(below)):
            os.makedirs(os.path.dirname(below))
        _write_file(repo, file.digest, below, int(file.mode, 8))


def _write_file(repo: Repository, digest: ContentDigest, path: bytes, mode: int | None) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o666)
    try:
        with repo.blobs.open(digest) as stream:
            while data := stream.read(_CHUNK):
                write_all(fd, data)
        if mode is not None:
            os.fchmod(fd, mode)
    finally:
        os.close(fd)


def _place(staging: str, wanted: list[tuple[Part, str]]) -> None:
    """Renames all parts into place; when one cannot be, what was there comes back."""
    undo: list[tuple[str, str]] = []
    try:
        for part, place in wanted:
            if os.path.lexists(place):
                aside = os.path.join(staging, part.name + _BEFORE)
                os.rename(place, aside)
                undo.append((aside, place))
            new = os.path.join(staging, part.name)
            os.rename(new, place)
            undo.append((place, new))
    except BaseException:
        for there, back in reversed(undo):
            os.rename(there, back)
        raise
