r"""The messages between the shells of a script and the process that stores their events.

A message is a line of words, each preceded by a NUL:

    event SHELL RUN STORE FOLDER KIND [PAYLOAD…]   stores an event (STORE and FOLDER say where)
    file SHELL NAME                                the same; the message is in a file, without "\\n"
    taken SHELL ASKED                              answers when everything before was read
    sync SHELL ASKED                               answers when it was stored or refused
    flush SHELL ASKED                              the same, and says what was refused

SHELL is the process id of the sending shell, ASKED the text that identifies the answer. An event
that cannot be stored is refused and remembered; the others are stored in order. A refusal is
reported to the shell that sent the event when it flushes; until then also to the script's first
shell, so that none is lost if a subshell never asks.
"""

from __future__ import annotations

import os
from time import monotonic
from typing import TYPE_CHECKING, NamedTuple

from aivcs.commands.run.log import check_kind
from aivcs.commands.run.payload import parse_payload
from aivcs.errors import (
    AivcsError,
    BackendError,
    ConflictError,
    SerializationError,
    StorageError,
)
from aivcs.model.run import RunEvent
from aivcs.model.timestamp import Timestamp

if TYPE_CHECKING:
    from collections.abc import Callable

    from aivcs.model.run import RunId
    from aivcs.store.contracts import RunLedger
    from aivcs.store.settings import Settings

_FLUSH_INTERVAL_S = 0.2
"""Seconds that an event may wait for more events before it is stored."""
_BATCH_BYTES = 1 << 20
"""The maximum size of a stored batch, in bytes (but for one longer message)."""
_AWAY_S = 10.0
"""Seconds for which a store that could not be reached is not opened again."""
_MAX_NAMED_REFUSALS = 10
"""Refusals per shell that are kept with their reasons; further ones are only counted."""


class Refusal(NamedTuple):
    """An event that was refused.

    Attributes:
        number: Its number among all events of the script, from 1.
        kind: Its kind, as far as it can be shown.
        error: Why.
    """

    number: int
    kind: str
    error: Exception


class _Refusals:
    """The refusals of one shell: the first with reasons, and how many the first shell knows."""

    def __init__(self) -> None:
        self.named: list[Refusal] = []
        self.count = 0
        self.told = 0


class _Pending(NamedTuple):
    number: int
    shell: str
    event: RunEvent


class ShellSession:
    """The state of the background process of a script.

    Attributes:
        shells: The process numbers of all shells that have spoken, and of the first.
    """

    def __init__(
        self,
        first: str,
        *,
        find_run: Callable[[str, str, str], tuple[RunLedger, RunId, Settings]],
        fetch: Callable[[str], bytes],
        answer: Callable[[str, str, list[Refusal], int], None],
    ) -> None:
        """Begins without an event.

        Args:
            first: The process number of the script's first shell.
            find_run: Returns the run that is meant by its name, by the name of a store (empty:
                the one of the folder), and by a folder; with it the settings of its store.
            fetch: Returns the bytes of a file by its name, and removes it; raises BackendError.
            answer: Answers a shell: its number, what it asked by, some refusals, and the number of
                all of them.
        """
        self.shells = {first}
        self._first = first
        self._find_run = find_run
        self._fetch = fetch
        self._answer = answer
        self._runs: dict[tuple[str, ...], tuple[RunLedger, RunId, Settings]] = {}
        self._away: dict[tuple[str, ...], tuple[float, AivcsError]] = {}
        self._patience: dict[tuple[str, ...], float] = {}
        self._pending: dict[tuple[str, ...], list[_Pending]] = {}
        self._refused: dict[str, _Refusals] = {}
        self._carry = b""
        self._size = 0
        self._count = 0
        self._deadline: float | None = None

    @property
    def remaining(self) -> float | None:
        """Seconds until `store` is due; None if no event waits."""
        return None if self._deadline is None else max(0.0, self._deadline - monotonic())

    def receive(self, data: bytes) -> None:
        """Takes bytes from the pipe: messages in order, the last maybe incomplete."""
        *lines, self._carry = (self._carry + data).split(b"\n")
        for line in lines:
            # As the interpreter reads the arguments of a command.
            what, shell, *words = os.fsdecode(line).split("\0")[1:-1]
            self.shells.add(shell)
            if what == "event":
                self._add(shell, words, len(line))
            elif what == "file":
                self._add_file(shell, words[0])
            else:
                self._reply(what, shell, words[0])

    def store(self) -> None:
        """Stores every event that was received, or refuses it."""
        pending, self._pending = self._pending, {}
        self._size, self._deadline = 0, None
        for where, batch in pending.items():
            self._store(where, batch)

    def _add(self, shell: str, words: list[str], size: int) -> None:
        self._count += 1
        where = tuple(words[:3])
        kind, payload = words[3], words[4:]
        try:
            if where not in self._runs:
                self._runs[where] = self._found(where)
            check_kind(kind)
            event = RunEvent(kind, parse_payload(payload), timestamp=Timestamp.now())
        except AivcsError as error:
            self._refuse(shell, Refusal(self._count, kind[:60], error))
            return
        self._pending.setdefault(where, []).append(_Pending(self._count, shell, event))
        self._size += size
        if self._deadline is None:
            self._deadline = monotonic() + _FLUSH_INTERVAL_S
        if self._size >= _BATCH_BYTES:
            self.store()

    def _found(self, where: tuple[str, ...]) -> tuple[RunLedger, RunId, Settings]:
        """Finds a run; a store that was away is not asked again for a while, by each event."""
        until, failure = self._away.get(where, (0.0, None))
        if failure is not None and monotonic() < until:
            raise failure
        try:
            return self._find_run(*where)
        except StorageError as error:
            if error.is_store_away:
                self._away[where] = (monotonic() + _AWAY_S, error)
            raise

    def _add_file(self, shell: str, name: str) -> None:
        try:
            text = self._fetch(name)
        except BackendError as error:
            self._count += 1
            self._refuse(shell, Refusal(self._count, "of unknown kind", error))
        else:
            self._add(shell, os.fsdecode(text).split("\0")[3:-1], len(text))

    def _store(self, where: tuple[str, ...], batch: list[_Pending]) -> None:
        runs, run_id, settings = self._runs[where]
        try:
            runs.append_events(run_id, [event for _, _, event in batch])
            if where in self._patience:
                settings.remote.timeout = self._patience.pop(where)
        except StorageError as error:
            if error.is_store_away and where not in self._patience:
                # One batch waited for the store; the next ones must not hold up the script.
                self._patience[where] = settings.remote.timeout
                settings.remote.timeout = 0.0
            if len(batch) > 1 and isinstance(error, (ConflictError, SerializationError)):
                # One of the events is to blame, and nothing was stored: halving finds it.
                middle = len(batch) // 2
                self._store(where, batch[:middle])
                self._store(where, batch[middle:])
                return
            for number, shell, event in batch:
                self._refuse(shell, Refusal(number, event.kind, error))

    def _refuse(self, shell: str, refusal: Refusal) -> None:
        refusals = self._refused.setdefault(shell, _Refusals())
        refusals.count += 1
        if len(refusals.named) < _MAX_NAMED_REFUSALS:
            refusals.named.append(refusal)

    def _reply(self, what: str, shell: str, asked: str) -> None:
        named: list[Refusal] = []
        count = 0
        if what != "taken":
            self.store()
        if what == "flush":
            own = self._refused.pop(shell, _Refusals())
            named, count = own.named, own.count
            if shell == self._first:
                for refusals in self._refused.values():
                    named = named + refusals.named[refusals.told :]
                    count += refusals.count - refusals.told
                    refusals.told = refusals.count
        self._answer(shell, asked, sorted(named)[:_MAX_NAMED_REFUSALS], count)
