"""`aivcs release watch`: decides which release is to be handled next, and remembers which was.

Level-triggered: what counts is what is live now. Releases that came and went meanwhile are passed
over, unless each is wanted. What was handled, and how far the log was seen, is a value that the
caller keeps; so nothing is handled anew after a restart, and a log that was cut in between is
noticed.
"""

from __future__ import annotations

from collections import deque
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

from aivcs.commands.release.follow import Follower
from aivcs.commands.release.vet import vet
from aivcs.errors import IntegrityError, SerializationError
from aivcs.model.digest import ContentDigest
from aivcs.model.record import MAX_SEQ
from aivcs.model.release import ReleaseRecord

if TYPE_CHECKING:
    from aivcs.commands.release.audit import Check
    from aivcs.commands.release.vet import Terms
    from aivcs.model.release_entries import LogEntry
    from aivcs.repository import Repository

_AT_ONCE = 1000
"""Releases that are checked with one reading of the log, at most."""


class Cursor(NamedTuple):
    """The progress of a watch.

    Attributes:
        lines: The lines of the log that were seen.
        head: The hash of the last of them; empty if there was none.
        seq: The last release that was handled, or passed over; 0 if there was none.
        hash: The hash of its line; empty if it is not known.
    """

    lines: int = 0
    head: str = ""
    seq: int = 0
    hash: str = ""

    @classmethod
    def from_json(cls, value: Any) -> Cursor:
        """Returns the cursor with these members.

        Raises:
            SerializationError: They are not those of a cursor.
        """
        try:
            found = cls(value["lines"], value["head"], value["seq"], value["hash"])
            for number in (found.lines, found.seq):
                if type(number) is not int or not 0 <= number <= MAX_SEQ:
                    raise ValueError
            for text in (found.head, found.hash):
                if text:
                    ContentDigest(text)
        except Exception as error:
            raise SerializationError("it does not hold what a watch remembers") from error
        return found


class Refusal(NamedTuple):
    """A release that may not be deployed here.

    Attributes:
        entry: The release.
        checks: The failed checks.
    """

    entry: LogEntry
    checks: list[Check]


class Watch:
    """Decides which release of a name is to be handled next.

    Attributes:
        cursor: How far it has come, to be kept by the caller.
    """

    def __init__(
        self,
        repo: Repository,
        name: str,
        *,
        each: bool = False,
        terms: Terms | None = None,
        cursor: Cursor | None = None,
    ) -> None:
        """Begins anew, or where an earlier watch of the same log ended.

        Args:
            repo: The repository.
            name: The agent's name.
            each: Whether every release is handled, in order; otherwise only what is live.
            terms: The conditions that a release must meet; None for none.
            cursor: The cursor of an earlier watch. Without one, the live release is the first.

        Raises:
            InvalidNameError: The name breaks the rules.
        """
        self.cursor = cursor or Cursor()
        self._repo, self._name, self._each, self._terms = repo, name, each, terms
        self._follower = Follower(repo, name)
        self._is_new = cursor is None
        self._known = self.cursor.lines
        self._waiting: deque[LogEntry] = deque(maxlen=None if each and cursor else 1)
        self._refused: tuple[int, int] | None = None
        self._failed: dict[int, list[Check]] = {}

    def look(self) -> bool:
        """Reads what was appended to the log; tells whether the cursor is to be kept anew.

        Raises:
            IntegrityError: The log is damaged, or does not extend what was seen of it, by this
                watch or by the earlier one.
        """
        before = self.cursor
        for entry in self._follower.new():
            place = self._follower.place
            if place.lines == self._known and place.hash != before.head:
                raise self._cut(f"line {place.lines} has the hash {place.hash}")
            if isinstance(entry.value, ReleaseRecord) and entry.value.seq > self.cursor.seq:
                self._waiting.append(entry)
        place = self._follower.place
        if place.lines < self._known:
            raise self._cut(f"it has only {place.lines} lines")
        self.cursor = self.cursor._replace(lines=place.lines, head=place.hash)
        is_new, self._is_new = self._is_new, False
        if is_new and self._each:
            self._begin_with_live()
        return is_new or self.cursor != before

    def next(self) -> LogEntry | Refusal | None:
        """Returns the release to be handled now, or one that was refused since; None if neither.

        The same release is returned until it is `done`. A refused one is returned once, and again
        only when the log has grown, as by a signature; with `each` it is passed over.
        """
        if self._waiting:
            entry = self._waiting[0]
            assert isinstance(entry.value, ReleaseRecord)
            at = entry.value.seq, self.cursor.lines
            if self._refused == at:
                return None
            checks = self._vet(entry.value.seq)
            if not checks:
                return entry
            if self._each:
                self.done(entry)
            else:
                self._refused = at
                self._failed.clear()  # the next line may be a signature
            return Refusal(entry, checks)
        return None

    def _vet(self, seq: int) -> list[Check]:
        """Returns the failed checks of a waiting release; many are checked in one go."""
        if self._terms is None:
            return []
        if seq not in self._failed:
            seqs = [entry.value.seq for entry in islice(self._waiting, _AT_ONCE)]
            self._failed = vet(self._repo, self._name, seqs, self._terms)
        return self._failed[seq]

    def done(self, entry: LogEntry) -> None:
        """Takes note that a release was handled, and need not be again."""
        self.cursor = self.cursor._replace(seq=entry.value.seq, hash=entry.hash)
        if self._waiting and self._waiting[0].value.seq == entry.value.seq:
            self._waiting.popleft()

    def _begin_with_live(self) -> None:
        """Passes over what was there before the live release."""
        first = self._waiting[0].value.seq if self._waiting else self.cursor.lines + 1
        self.cursor = self.cursor._replace(seq=first - 1)
        self._waiting = deque(self._waiting)

    def _cut(self, found: str) -> IntegrityError:
        return IntegrityError.of(
            f"the log of {self._name} does not extend what was seen of it: "
            f"line {self._known} had the hash {self.cursor.head}, and now {found}; "
            f"find out who did that: aivcs release verify {self._name}",
            self._name,
        )
