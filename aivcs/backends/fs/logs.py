"""Naming all logs of a store, and reading each as it grows.

Naming is strict unless another thing is asked for: a part of the store that cannot be looked into
is an error, never an absence, because who asks for all logs draws conclusions from what none of
them says.
"""

import os
from stat import S_ISDIR, S_ISREG

from aivcs.backends.fs import files
from aivcs.backends.fs.lines import LogLines
from aivcs.errors import BackendError, IntegrityError, InvalidNameError
from aivcs.log import chain
from aivcs.model.run import RunId

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from aivcs.backends.fs.folder import Folder
    from aivcs.store.place import Place


def read(
    folder: "Folder", name: str, after: "Place | None", *, settled: bool
) -> "Iterator[tuple[bytes, Place]]":
    """Yields the lines of a log behind a place; as `LogDriver.read`."""
    from aivcs.store.place import START, Place

    file = _path_of(name)
    after = after or START
    folder.require_parents(file)
    path = folder.path(file)
    fd = files.open_file(path, os.O_RDONLY)
    if fd is None:
        return
    try:
        with files.doing("read", path):
            lines = LogLines(fd, file)
            is_known = lines.is_behind(after.hint, after.hash)
            end = _end(folder, fd, path, lines, settled=settled)
            if not is_known or after.hint > end:
                after = _find(lines, end, after) or START
            number, offset = after.lines, after.hint
            if offset >= end:
                return
            for line in lines.forwards(end, offset, after.hash, number):
                number += 1
                offset += len(line) + 1
                yield line, Place(number, chain.hash_of(line) or "", offset)
    finally:
        os.close(fd)


def _find(lines: LogLines, end: int, wanted: "Place") -> "Place | None":
    """The place behind the line with the hash of a place, if there is such a line."""
    offset = 0
    for number, line in enumerate(lines.forwards(end) if wanted.lines else (), 1):
        offset += len(line) + 1
        if chain.hash_of(line) == wanted.hash:
            return type(wanted)(number, wanted.hash, offset)
    return None


def _end(folder: "Folder", fd: int, path: str, lines: LogLines, *, settled: bool) -> int:
    """Where a log ends; settled, also what a power cut will leave of it."""
    if not settled:
        try:
            return lines.read_tail().end
        except IntegrityError:
            pass  # seen from beside, a write that is being taken back looks like damage
    files.lock_file(fd, path, folder.settings.lock_timeout, shared=True)
    try:
        if settled and folder.is_durable:
            files.sync_file(fd, path)
        return lines.read_tail().end
    finally:
        files.unlock_file(fd)


def _path_of(name: str) -> str:
    """Returns the path below the store of a log, which need not be there, by its checked name.

    Raises:
        InvalidNameError: No log can have this name.
    """
    kind, _, rest = name.partition("/")
    if kind == "run":
        return f"runs/{RunId(rest)[:2]}/{rest}.jsonl"
    if kind == "release":
        from aivcs.model.release import check_release_name

        check_release_name(rest)
        return f"releases/{rest}.jsonl"
    raise InvalidNameError(f"{name[:80]!a} names no log: run/ID or release/NAME is needed")


def list_logs(folder: "Folder", prefix: str, *, strict: bool) -> "Iterator[str]":
    """Yields the names of all logs that begin with a prefix, in order; as `LogDriver.names`.

    Memory is needed for the names in one folder at a time.
    """
    if "release/".startswith(prefix[:8]):
        begin = prefix[8:]
        for name in _list_releases(folder, begin[: begin.rfind("/") + 1], strict=strict):
            if name.startswith(prefix):
                yield name
    if "run/".startswith(prefix[:4]):
        yield from _list_runs(folder, prefix[4:], strict=strict)


def _list_runs(folder: "Folder", begin: str, *, strict: bool) -> "Iterator[str]":
    shards = ((begin[:2], 0o040000),) if len(begin) >= 2 else sorted(_entries(folder, "runs"))
    for shard, mode in shards:
        if len(shard) != 2 or "/" in shard or (strict and not S_ISDIR(mode)):
            _refuse_link(f"runs/{shard}", mode, strict=strict)
            continue
        if not shard.startswith(begin[:2]):
            continue
        for entry, mode in sorted(_entries(folder, f"runs/{shard}"), key=_by_name):
            where = f"runs/{shard}/{entry}"
            run_id = entry.removesuffix(".jsonl")
            if run_id == entry or not _is_run_id(run_id):
                _refuse_link(where, mode, strict=strict)
            elif run_id[:2] != shard:
                if strict:
                    raise IntegrityError.of(
                        f"{where} stands in the wrong folder; see: aivcs verify", where
                    )
            elif run_id.startswith(begin):
                if strict:
                    _require_file(where, mode)
                yield f"run/{run_id}"


def _list_releases(folder: "Folder", above: str, *, strict: bool) -> "Iterator[str]":
    for entry, mode in sorted(_entries(folder, f"releases/{above}".rstrip("/")), key=_by_name):
        where = f"releases/{above}{entry}"
        # First, since a folder called like this is in the place of a log.
        if entry.endswith(".jsonl") and _is_release_name(f"{above}{entry}"[:-6]):
            if strict:
                _require_file(where, mode)
            yield f"release/{above}{entry}"[:-6]
        elif S_ISDIR(mode) and (strict or not entry.endswith(".jsonl")):
            yield from _list_releases(folder, f"{above}{entry}/", strict=strict)
        else:
            _refuse_link(where, mode, strict=strict)


def _by_name(entry: "tuple[str, int]") -> str:
    """Sorts files by what they are named for, and a folder as all of the names in it."""
    name, mode = entry
    return f"{name}/" if S_ISDIR(mode) else name.removesuffix(".jsonl")


def _entries(folder: "Folder", name: str) -> "Iterator[tuple[str, int]]":
    """Yields name and mode of all that is in a folder; nothing if there is no such folder."""
    path = folder.path(name)
    folder.require_parents(f"{name}/")
    with files.doing("list", path):
        try:
            names = os.listdir(path)
        except FileNotFoundError:
            return
    for entry in names:
        with files.doing("look at", f"{path}/{entry}"):
            try:
                mode = os.lstat(f"{path}/{entry}").st_mode
            except FileNotFoundError:
                continue
        yield entry, mode


def _require_file(where: str, mode: int) -> None:
    if not S_ISREG(mode):
        raise BackendError(f"{where} is no regular file; a store holds nothing else")


def _refuse_link(where: str, mode: int, *, strict: bool) -> None:
    """Lets pass what is no part of a store; but behind a link there may be one."""
    if strict and not S_ISREG(mode) and not S_ISDIR(mode):
        raise BackendError(f"{where} is no regular file; a store holds nothing else")


def _is_run_id(text: str) -> bool:
    try:
        return bool(RunId(text))
    except InvalidNameError:
        return False


def _is_release_name(text: str) -> bool:
    from aivcs.model.release import check_release_name

    try:
        check_release_name(text)
    except InvalidNameError:
        return False
    return True
