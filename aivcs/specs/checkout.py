"""Writes the files of a spec to their paths, all of them or none.

A spec may come from anybody, so nothing is written before every manifest was checked
(`aivcs.specs.manifest`), and nothing outside the given folder, even if links in it lead out. First
all files are written and verified in a new private folder; then each is renamed into place. Files
that are not in the spec are left alone.

A part of an older spec is one file, or a folder with everything in it, under the part's name.
"""

from __future__ import annotations

import os
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from aivcs.errors import BackendError, ConflictError, NotFoundError, UsageError
from aivcs.specs.folder import digest_files, digest_part, find_part, open_regular
from aivcs.specs.manifest import TREE, File, check_files
from aivcs.specs.spec import Part, parts_of, read
from aivcs.specs.work_tree import modes_in_index
from aivcs.util.writing import require_outside_stores, write_blob

if TYPE_CHECKING:
    from collections.abc import Callable

    from aivcs.model.digest import ContentDigest
    from aivcs.repository import Repository

FORCE_HINT = ". --force replaces it"
"""The end of the error about a changed file, which a caller without that option removes."""
_BEFORE = ".before"
"""The suffix of a former file or folder that was moved out of the way."""


class _Piece(NamedTuple):
    """A unit that is renamed into place: a file of a tree, or a part of an older spec.

    Attributes:
        path: The path below the folder of the checkout.
        part: The part that it is, or belongs to.
        file: The file; None for a part of an older spec.
    """

    path: str
    part: Part
    file: File | None


def checkout(repo: Repository, spec: str, folder: str, *, force: bool = False) -> list[str]:
    """Writes the files of a spec below a folder; returns the paths of all its files or parts.

    An identical existing file is left as it is.

    Args:
        repo: The repository.
        spec: The spec, as for `Repository.resolve_spec`.
        folder: The folder; made if it does not exist.
        force: Whether to replace existing files that differ; for an older spec, a part with
            everything in it.

    Raises:
        UsageError: The blob is not a spec, or the folder is in a store.
        NotFoundError: The spec, or a blob that it names, is not in the store; nothing was written.
        SerializationError: A manifest is not safe to follow; nothing was written.
        ConflictError: A different file exists, without `force`; nothing was written.
        IntegrityError: A blob is damaged; everything is as before.
        BackendError: A file cannot be written; everything is as before.
    """
    if not folder:
        raise UsageError("DIR is empty; is a variable unset?")
    found = read(repo, spec)
    parts = list(parts_of(repo, found))
    for part in parts:
        _require_stored(repo, part)
    pieces = list(_pieces(parts))
    try:
        require_outside_stores(folder)
        _require_apart(folder, pieces)
        wanted = [piece for piece in pieces if not _is_there(folder, piece, force)]
        if wanted:
            _write(repo, folder, wanted)
    except ValueError:
        raise UsageError(f"DIR {folder!a} cannot be a path") from None
    except OSError as error:
        raise BackendError(f"cannot write to {folder!a}: {error.strerror}") from error
    return [os.path.join(folder, piece.path) for piece in pieces]


def _pieces(parts: list[Part]) -> list[_Piece]:
    """The units to write; raises if they exclude each other."""
    pieces = []
    for part in parts:
        if part.kind == TREE:
            pieces += [_Piece(file.path, part, file) for file in part.files]
        else:
            pieces.append(_Piece(part.name, part, None))
    check_files(piece.file or File(piece.path, "644", _digest_of(piece.part)) for piece in pieces)
    return pieces


def _digest_of(part: Part) -> ContentDigest:
    assert part.digest is not None  # it is stored
    return part.digest


def _require_stored(repo: Repository, part: Part) -> None:
    if not part.is_stored:
        missing = part.digest or "a digest that it does not say"
        raise NotFoundError(
            str(missing), f"the part {part.name} of the spec, {missing}, is not in this store"
        )
    for file in part.files:
        if not repo.blobs.contains(file.digest):
            raise NotFoundError(
                file.digest,
                f"the file {file.path!a} of the part {part.name}, {file.digest}, "
                "is not in this store",
            )


def _require_apart(folder: str, pieces: list[_Piece]) -> None:
    """Requires that no path leads out of the folder by a link, and no two lead to one file."""
    root = os.path.realpath(os.fsencode(folder))
    taken: dict[bytes, _Piece] = {}
    for piece in pieces:
        place = _place_of(folder, piece)
        above = os.path.realpath(os.path.dirname(place))
        if above != root and not above.startswith(root.rstrip(b"/") + b"/"):
            raise ConflictError(
                f"{piece.path!a} would be written out of {folder!a}, where a link leads; "
                "nothing was written. Move the link away"
            )
        other = taken.setdefault(os.path.join(above, os.path.basename(place)), piece)
        if (other.file and other.file.digest) != (piece.file and piece.file.digest):
            raise ConflictError(
                f"{other.path!a} and {piece.path!a} are one file in {folder!a}, where a link leads "
                "from one to the other, and two in the spec; nothing was written"
            )


def _is_there(folder: str, piece: _Piece, force: bool) -> bool:
    """Whether a place holds the same content already; raises if other content would be lost."""
    place = _place_of(folder, piece)
    _require_folders(folder, piece.path)
    if not os.path.lexists(place):
        return False
    if piece.file is not None:
        if _is_same_file(folder, place, piece.file):
            return True
        if not os.path.islink(place) and os.path.isdir(place):
            raise ConflictError(
                f"{os.fsdecode(place)!a} is a folder, and a file in the spec; nothing was written. "
                "Move it away"
            )
    elif _is_same_part(os.fsdecode(place), piece.part):
        return True
    if not force:
        raise ConflictError(
            f"{os.fsdecode(place)!a} is there and is not what the spec has; nothing was written"
            f"{FORCE_HINT}"
        )
    return False


def _require_folders(folder: str, path: str) -> None:
    """Requires that every existing part of a path but the last is a folder."""
    place = os.fsencode(folder)
    for name in path.encode().split(b"/")[:-1]:
        place = os.path.join(place, name)
        if not os.path.lexists(place):
            return
        if not os.path.isdir(place):
            raise ConflictError(
                f"{os.fsdecode(place)!a} is not a folder, and {path!a} of the spec is below it; "
                "nothing was written. Move it away"
            )


def _is_same_file(folder: str, place: bytes, file: File) -> bool:
    real = os.path.realpath(place)
    root = os.path.realpath(os.fsencode(folder))
    if not os.path.isfile(real) or not real.startswith(root.rstrip(b"/") + b"/"):
        return False
    with open_regular(real) as there:
        is_executable = bool(os.fstat(there.fileno()).st_mode & 0o100)
        (digest,) = digest_files([there])
    if digest != file.digest:
        return False
    return is_executable == (file.mode == "755") or modes_in_index(root) is not None


def _is_same_part(place: str, part: Part) -> bool:
    try:
        return not os.path.islink(place) and digest_part(find_part(place, place)) == part.digest
    except UsageError:
        return False  # nothing that could be a part, so something else


def _write(repo: Repository, folder: str, wanted: list[_Piece]) -> None:
    missing = _missing_folders(folder)
    # Of this user alone, under a name that nobody could have prepared.
    staging = os.path.join(folder, f".aivcs-checkout-{os.urandom(6).hex()}")
    try:
        if missing:
            os.makedirs(folder)
        os.mkdir(staging, 0o700)
        if os.path.lexists(os.path.join(folder, os.path.basename(staging).upper())):
            _require_distinct(wanted)
        for number, piece in enumerate(wanted):
            _write_piece(repo, piece, os.path.join(staging, str(number)))
        _place(folder, staging, wanted)
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
    """Removes the private folder; replaced files in it only if they are to be removed."""
    from shutil import rmtree

    if not os.path.isdir(staging):
        return
    if replaced or not any(name.endswith(_BEFORE) for name in os.listdir(staging)):
        rmtree(staging, ignore_errors=True)


def _missing_folders(folder: str) -> list[str]:
    """A folder and those above it that do not exist, innermost first.

    Raises:
        UsageError: A file is in the way.
    """
    missing = []
    path = os.path.abspath(folder)
    while not os.path.isdir(path):
        if os.path.lexists(path):
            raise UsageError(f"DIR {folder!a}: {path!a} is not a folder; name another")
        missing.append(path)
        path = os.path.dirname(path)
    return missing


def _require_distinct(wanted: list[_Piece]) -> None:
    """Requires, on a file system that ignores case, that no two paths differ in case only.

    Raises:
        ConflictError: Two of their paths differ in case only.
    """
    from unicodedata import normalize

    seen: dict[str, str] = {}
    for piece in wanted:
        below = [file.path for file in piece.part.files] if piece.file is None else []
        for whole in [f"{piece.path}/{path}" for path in below] or [piece.path]:
            names = whole.split("/")
            for count in range(1, len(names) + 1):
                path = "/".join(names[:count])
                other = seen.setdefault(normalize("NFC", path).casefold(), path)
                if other != path:
                    raise ConflictError(
                        f"{other!a} and {path!a} differ in case only, and the file system there "
                        "takes them for one; nothing was written. Check it out to one that tells "
                        "them apart"
                    )


def _place_of(folder: str, piece: _Piece) -> bytes:
    return os.path.join(os.fsencode(folder), piece.path.encode())


def _write_piece(repo: Repository, piece: _Piece, path: str) -> None:
    if piece.file is not None:
        _write_file(repo, piece.file.digest, os.fsencode(path), int(piece.file.mode, 8))
        return
    if piece.part.kind == "file":
        _write_file(repo, _digest_of(piece.part), os.fsencode(path), None)
        return
    os.mkdir(path)
    for file in piece.part.files:
        below = os.path.join(os.fsencode(path), file.path.encode())
        if not os.path.isdir(os.path.dirname(below)):
            os.makedirs(os.path.dirname(below))
        try:
            _write_file(repo, file.digest, below, int(file.mode, 8))
        except FileExistsError:
            raise _same_name(file.path, "another file of the spec") from None


def _write_file(repo: Repository, digest: ContentDigest, path: bytes, mode: int | None) -> None:
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o666)
    try:
        with repo.blobs.open(digest) as stream:
            write_blob(stream, fd)
        if mode is not None:
            os.fchmod(fd, mode)
    finally:
        os.close(fd)


def _place(folder: str, staging: str, wanted: list[_Piece]) -> None:
    """Renames all units into place; if one fails, restores the former state."""
    undo: list[Callable[[], None]] = []
    placed: dict[tuple[int, int], _Piece] = {}
    try:
        for number, piece in enumerate(wanted):
            place = _place_of(folder, piece)
            _make_folders(os.fsencode(folder), piece.path, undo)
            new = os.fsencode(os.path.join(staging, str(number)))
            if os.path.lexists(place):
                other = placed.get(_identity(place))
                if other is not None and other.file and piece.file:
                    if other.file.digest == piece.file.digest:
                        continue
                    raise _same_name(piece.path, ascii(other.path))
                aside = new + _BEFORE.encode()
                os.rename(place, aside)
                undo.append(partial(os.rename, aside, place))
            os.rename(new, place)
            undo.append(partial(os.rename, place, new))
            placed[_identity(place)] = piece
    except BaseException:
        for step in reversed(undo):
            step()
        raise


def _make_folders(place: bytes, path: str, undo: list[Callable[[], None]]) -> None:
    for name in path.encode().split(b"/")[:-1]:
        place = os.path.join(place, name)
        if not os.path.isdir(place):
            os.mkdir(place)
            undo.append(partial(os.rmdir, place))


def _identity(place: bytes) -> tuple[int, int]:
    state = os.lstat(place)
    return state.st_dev, state.st_ino


def _same_name(path: str, other: str) -> ConflictError:
    return ConflictError(
        f"{path!a} and {other} differ only in case, or in how they are spelled in Unicode, and "
        "this file system does not tell them apart; nothing was written"
    )
