"""Reads all of a store and says what is wrong with it: bytes, places, and the rules of the logs.

Nothing is believed for its name, and nothing is changed unless that is asked for: no file, no time
stamp, and a lock is only ever taken shared and for a moment. Writers may go on meanwhile. A log is
judged up to where it ended when it was opened; if anything seems wrong with it, it is judged a
second time up to where it ended while no writer was in the middle of something, and only that
counts. What is deleted before it is reached is passed over.

Several threads read at once (`workers`); findings come in the order of the places all the same, and
repairs (`repair`) are made one after the other, as their findings are handed out.

Memory is bounded by the longest line, by the number of names in one folder, and by so many findings
of one log, for each processor; what the rules must remember of a long log goes to a file
(`aivcs.util.disk_map`). Nothing is opened that is no regular file, so nothing can block.

Here is what stands where; `object_check` and `log_check` judge one thing each.

What cannot be found here: a log cut at the end of a line, or written anew as a whole. Both are
whole logs; only a head kept elsewhere tells.
"""

import os
from functools import partial
from stat import S_ISDIR, S_ISREG

from aivcs.backends.fs import repair
from aivcs.backends.fs.finding import Finding, leftover, misfit, unkept
from aivcs.backends.fs.folder import is_abandoned
from aivcs.backends.fs.log_check import LogCheck
from aivcs.backends.fs.object_check import ObjectCheck
from aivcs.backends.fs.places import Places
from aivcs.backends.fs.report import saying, tasks
from aivcs.backends.fs.workers import in_order
from aivcs.errors import InvalidNameError, OutcomeUnknownError, StorageError, UsageError
from aivcs.log.verify_run import DAMAGE
from aivcs.model import RunId, check_release_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from aivcs.backends.fs.folder import Folder
    from aivcs.backends.fs.report import Item, Mend

    Progress = Callable[[str, int], None]

PARTS = ("blobs", "runs", "releases")
"""What `verify` can be asked to read."""

_HEX = frozenset("0123456789abcdef")
_IN_USE = 86_400
"""Seconds after which a temporary file is taken for a leftover, even if its process seems alive."""


def verify(
    folder: "Folder",
    parts: "frozenset[str]",
    progress: "Progress | None" = None,
    *,
    mend: bool = False,
) -> "Iterator[Finding]":
    """Reads everything of some parts of a store and yields what is wrong.

    Args:
        folder: The store's folder.
        parts: Any of `PARTS`; temporaries and what replaces objects belong to `blobs`.
        progress: Called with the part and the number of bytes for each object and each log that was
            read, whether or not anything was found; in the caller's thread.
        mend: Whether to repair what can be repaired without a doubt; a finding then says what was
            done.

    Raises:
        UsageError: There is no such part.
        OutcomeUnknownError: While it is read: whether a repair is durable cannot be known.
    """
    unknown = parts.difference(PARTS)
    if unknown:
        raise UsageError(f"a store has no part {', '.join(sorted(unknown))}: {', '.join(PARTS)}")
    return _findings(_Verifier(folder), parts, progress, mend=mend)


def measure(folder: "Folder", parts: "frozenset[str]") -> int:
    """Returns about how many bytes `verify` is going to read, without reading them."""
    total = 0
    for part, name in zip(PARTS, ("objects", "runs", "releases"), strict=True):
        if part in parts:
            for at, _, names in os.walk(folder.path(name)):
                for entry in names:
                    try:
                        total += os.lstat(f"{at}/{entry}").st_size
                    except OSError:
                        continue  # gone since
    return total


def _findings(
    verifier: "_Verifier", parts: "frozenset[str]", progress: "Progress | None", *, mend: bool
) -> "Iterator[Finding]":
    for report in in_order(tasks(verifier.items(parts))):
        if progress is not None:
            for part, size in report.read:
                progress(part, size)
        for finding, how in report.found:
            yield _mended(finding, how) if mend and how is not None else finding
    if "blobs" in parts:
        # When all repairs are made: what was set aside is missing by now.
        for finding, how in verifier.pins():
            yield _mended(finding, how) if mend and how is not None else finding
    yield from verifier.places.unread


def _mended(finding: Finding, how: "Mend") -> Finding:
    try:
        repaired, remedy = how(), finding.remedy
    except OutcomeUnknownError:
        raise
    except (StorageError, OSError) as error:
        repaired, remedy = None, f"it could not be repaired: {error}; {finding.remedy}"
    return Finding(finding.severity, finding.where, finding.line, finding.problem, remedy, repaired)


class _Verifier:
    """One pass over a store."""

    __slots__ = ("_folder", "_has_pins", "_logs", "_objects", "places")

    def __init__(self, folder: "Folder") -> None:
        self._folder = folder
        self._has_pins = False
        self.places = Places(folder)
        self._objects = ObjectCheck(folder, self.places)
        self._logs = LogCheck(folder, self.places)

    def items(self, parts: "frozenset[str]") -> "Iterator[Item]":
        """Yields all there is to look at, in order: how many bytes it has, and how it is judged."""
        if "blobs" in parts:
            unusable = {name: self.places.unusable(name) for name in ("damaged", "pins", "objects")}
            for problem in unusable.values():
                if problem:
                    yield saying(problem)
            self._has_pins = not unusable["pins"]
            yield from self._find_temporaries()
            if not unusable["objects"]:
                if not unusable["damaged"]:
                    yield from self._find_kept()
                yield from self._find_objects()
        if "runs" in parts:
            yield from self._find_runs()
        if "releases" in parts:
            yield from self._find_releases("releases")

    def _find_temporaries(self) -> "Iterator[Item]":
        problem = self.places.unusable("tmp")
        if problem:
            yield saying(problem)
            return
        for name, status in self.places.entries("tmp"):
            where = f"tmp/{name}"
            pid = name.partition("-")[0]
            if not S_ISREG(status.st_mode):
                yield self._out_of_place(where, status.st_mode)
            elif not pid.isdecimal() or not pid.isascii():
                yield saying(leftover(where), partial(repair.set_stray_aside, self._folder, where))
            elif is_abandoned(name):
                yield saying(leftover(where), partial(repair.remove_leftover, self._folder, where))
            elif _age(status) > _IN_USE:
                # By now its number may be another's, but that is not known.
                yield saying(leftover(where))

    def _find_kept(self) -> "Iterator[Item]":
        """Looks for objects that are only in `damaged/` because a repair was interrupted."""
        for name, status in self.places.entries("damaged"):
            _, shard, rest, *_ = f"{name}---".split("-", 3)
            digest = shard + rest[:62]
            if (
                S_ISREG(status.st_mode)
                and name.startswith(f"objects-{shard}-{rest[:62]}.")
                and len(digest) == 64
                and _HEX.issuperset(digest)
            ):
                yield status.st_size, self._objects.judging_kept(f"damaged/{name}", digest)

    def _out_of_place(self, where: str, mode: int, *, is_place: bool = False) -> "Item":
        how = partial(repair.set_stray_aside, self._folder, where) if S_ISREG(mode) else None
        return saying(misfit(where, mode, is_place=is_place), how)

    def _find_objects(self) -> "Iterator[Item]":
        for shard, status in self.places.entries("objects"):
            where = f"objects/{shard}"
            if not S_ISDIR(status.st_mode) or len(shard) != 2 or not _HEX.issuperset(shard):
                yield self._out_of_place(where, status.st_mode)
                continue
            problem = self.places.unusable(where)
            if problem:
                yield saying(problem)
                continue
            for rest, status in self.places.entries(where):
                is_place = len(rest) == 62 and _HEX.issuperset(rest)
                if not S_ISREG(status.st_mode) or not is_place:
                    yield self._out_of_place(f"{where}/{rest}", status.st_mode, is_place=is_place)
                else:
                    yield status.st_size, self._objects.judging(f"{where}/{rest}", shard + rest)

    def pins(self) -> "Iterator[tuple[Finding, Mend | None]]":
        """Yields what is wrong with the pins: what one of them keeps must be there.

        To be called when `items` was read to its end.
        """
        for name, status in self.places.entries("pins") if self._has_pins else ():
            where = f"pins/{name}"
            digest = name.lower()
            if not S_ISREG(status.st_mode):
                yield misfit(where, status.st_mode), None
            elif len(digest) != 64 or not _HEX.issuperset(digest):
                how = partial(repair.set_stray_aside, self._folder, where)
                yield misfit(where, status.st_mode), how
            # Who takes a pin away may remove the blob at once.
            elif not self.places.has_blob(digest) and os.path.lexists(self._folder.path(where)):
                yield unkept(digest, self._aside(digest)), None

    def _aside(self, digest: str) -> "list[str]":
        """Where a repair put bytes that had stood in the place of a blob."""
        flat = repair.object_name(digest).replace("/", "-")
        return [
            f"damaged/{name}"
            for name, _ in self.places.entries("damaged")
            if name.startswith(f"{flat}.")
        ]

    def _find_runs(self) -> "Iterator[Item]":
        problem = self.places.unusable("runs")
        if problem:
            yield saying(problem)
            return
        for shard, status in self.places.entries("runs"):
            where = f"runs/{shard}"
            if not S_ISDIR(status.st_mode) or len(shard) != 2:
                yield self._out_of_place(where, status.st_mode)
                continue
            problem = self.places.unusable(where)
            if problem:
                yield saying(problem)
                continue
            for file, status in self.places.entries(where):
                run_id = file.removesuffix(".jsonl")
                is_place = run_id != file and _is_run_id(run_id)
                if not S_ISREG(status.st_mode) or not is_place:
                    yield self._out_of_place(f"{where}/{file}", status.st_mode, is_place=is_place)
                    continue
                if run_id[:2] != shard:
                    yield saying(
                        Finding(
                            DAMAGE,
                            f"{where}/{file}",
                            None,
                            "the log stands in the wrong folder, where it is not looked for",
                            f"move it to runs/{run_id[:2]}/",
                        )
                    )
                yield status.st_size, self._logs.judging_run(f"{where}/{file}", run_id)

    def _find_releases(self, where: str) -> "Iterator[Item]":
        problem = self.places.unusable(where)
        if problem:
            yield saying(problem)
            return
        for entry, status in self.places.entries(where):
            path = f"{where}/{entry}"
            name = path.removeprefix("releases/")
            is_place = name.endswith(".jsonl") and _is_release_name(name.removesuffix(".jsonl"))
            if S_ISDIR(status.st_mode) and _is_release_name(name):
                yield from self._find_releases(path)
            elif S_ISREG(status.st_mode) and is_place:
                judge = self._logs.judging_release(path, name.removesuffix(".jsonl"))
                yield status.st_size, judge
            else:
                yield self._out_of_place(path, status.st_mode, is_place=is_place)


def _age(status: os.stat_result) -> float:
    """Seconds since something was last written to a file."""
    from time import time

    return time() - status.st_mtime


def _is_run_id(text: str) -> bool:
    try:
        return bool(RunId(text))
    except InvalidNameError:
        return False


def _is_release_name(text: str) -> bool:
    try:
        check_release_name(text)
    except InvalidNameError:
        return False
    return True
