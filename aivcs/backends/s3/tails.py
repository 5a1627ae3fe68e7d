"""The ends of logs, remembered in memory and, for runs, on disk: so that appending is one request.

On disk there is no payload, only the number of lines, the state of the run and the hash of the last
line. A stale end costs a refused request. A wrong one would cost a wrong line, so each file has a
checksum and belongs to one store by its id.
"""

from __future__ import annotations

import os
from threading import Lock
from typing import NamedTuple

from aivcs.codec.sha256 import hex_digest
from aivcs.errors import AivcsError
from aivcs.log import chain
from aivcs.log.run import RunState

_KEPT = 512
"""Ends kept in memory."""
_SIZE = 191
"""Bytes of a file but for its newline: all are equally long, so that one replaces another whole."""
_MAX_AGE_S = 30 * 86_400
"""Seconds after which a file is removed that was not written since."""


class Tail(NamedTuple):
    """The end of a log.

    Attributes:
        lines: The number of lines.
        last: The last line; read from disk, a line with its type, numbers and hash alone.
        before: The hash of the line before the last; empty if not known.
    """

    lines: int
    last: bytes
    before: str


class Tails:
    """The remembered ends of the logs of one store. Thread-safe."""

    def __init__(self, folder: str) -> None:
        """Takes the folder for files; empty keeps none."""
        self._folder = folder
        self._tails: dict[str, Tail] = {}
        self._lock = Lock()

    def get(self, log: str) -> Tail | None:
        """Returns the end of a log, as far as it is remembered."""
        with self._lock:
            found = self._tails.get(log)
        if found is None and self._folder and log.startswith("run/"):
            found = _parsed(_read(self._path(log)))
        return found

    def remember(self, log: str, tail: Tail, *, keep: bool = False) -> None:
        """Remembers the end of a log; on disk only where asked to, and for a run that goes on."""
        with self._lock:
            if len(self._tails) >= _KEPT:
                self._tails.clear()
            self._tails[log] = tail
        if keep and self._folder and log.startswith("run/"):
            stub = _stub(tail)
            if stub:
                self._write(self._path(log), stub)
            else:
                self._remove(self._path(log))

    def forget(self, log: str) -> None:
        """Forgets the end of a log."""
        with self._lock:
            self._tails.pop(log, None)
        if self._folder and log.startswith("run/"):
            self._remove(self._path(log))

    def _path(self, log: str) -> str:
        return f"{self._folder}/tails/{log.removeprefix('run/')}"

    def _write(self, path: str, text: bytes) -> None:
        # In place: renaming a file over another makes some file systems write to the disk. Whoever
        # reads half of it finds a wrong checksum.
        flags = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW
        try:
            try:
                descriptor = os.open(path, flags, 0o600)
            except FileNotFoundError:
                os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
                descriptor = os.open(path, flags, 0o600)
            try:
                os.write(descriptor, text)
            finally:
                os.close(descriptor)
            if os.urandom(1) == b"\0":
                _clean(os.path.dirname(path))
        except OSError:
            pass  # the next append costs two requests more

    def _remove(self, path: str) -> None:
        try:
            os.unlink(path)
        except OSError:
            pass


def cache_folder(store_id: str) -> str:
    """Returns the folder of this user's caches for a store; empty if there is no place for it."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    if not base.startswith("/"):
        home = os.environ.get("HOME", "")
        if not home.startswith("/"):
            return ""
        base = f"{home}/.cache"
    return f"{base}/aivcs/{store_id}"


def _stub(tail: Tail) -> bytes:
    """The text of a file: without the payload. Empty if nothing goes on after the line."""
    try:
        state = RunState(tail.last)
        digest = chain.hash_of(tail.last)
    except AivcsError:
        return b""
    if state.status.is_terminal or not digest:
        return b""
    text = f"{tail.lines} {state.highest} {state.count} {digest}"
    return f"{text} {hex_digest(text.encode())}".ljust(_SIZE).encode() + b"\n"


def _parsed(text: bytes) -> Tail | None:
    """The end that a file tells; None if it is not whole."""
    body, _, checksum = text.decode("ascii", "replace").rstrip().rpartition(" ")
    if not body or hex_digest(body.encode()) != checksum:
        return None
    count, highest, events, digest = body.split(" ")
    kind = f'"event","seq":{highest},"high":[{highest},{events}]' if int(count) > 1 else '"run"'
    return Tail(int(count), f'{{"type":{kind},"hash":"{digest}"}}'.encode(), "")


def _read(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read(1024)
    except OSError:
        return b""


def _clean(folder: str) -> None:
    """Removes the files of runs that nobody appended to for long."""
    from time import time

    limit = time() - _MAX_AGE_S
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.stat().st_mtime < limit:
                os.unlink(entry.path)
