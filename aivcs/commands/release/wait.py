"""`aivcs release wait`: waits until a release is live."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, NamedTuple

from aivcs.commands.release.follow import Follower
from aivcs.errors import UsageError
from aivcs.model.digest import is_hex
from aivcs.model.record import parse_seq
from aivcs.model.release import ReleaseRecord
from aivcs.model.release_entries import Block
from aivcs.short_names import MIN_PREFIX

if TYPE_CHECKING:
    from collections.abc import Callable

    from aivcs.model.release_entries import LogEntry
    from aivcs.repository import Repository


class Answer(NamedTuple):
    """The result of waiting.

    Attributes:
        live: The release that is live now; None if there is none.
        is_there: Whether it is the awaited one; None if the time was up first.
        reason: Why it will not come by itself; empty if it is there, or the time was up.
    """

    live: ReleaseRecord | None
    is_there: bool | None
    reason: str = ""


def wait(
    repo: Repository,
    name: str,
    target: str | None,
    *,
    change: bool,
    timeout: float | None,
    pause: Callable[[float], object],
) -> Answer:
    """Waits until a release is live, or certainly will not be without a further promotion.

    Without a target, any release will do; with `change`, any change of what is live.

    Args:
        repo: The repository.
        name: The agent's name.
        target: @SEQ, a label, or a digest or its prefix; it need not exist yet.
        change: Whether to wait for a change after now.
        timeout: How long, in seconds; None is for ever.
        pause: Waits up to so many seconds.

    Raises:
        UsageError: Target or timeout are not valid, or both target and `change` are given.
        IntegrityError: The log is damaged, or was replaced meanwhile.
    """
    if target is not None and change:
        raise UsageError("--change waits for any change; leave out TARGET, or --change")
    if timeout is not None and not timeout >= 0:  # nan is not a number of seconds
        raise UsageError("--timeout takes seconds, 0 or more")
    awaited = _Awaited(target, change=change)
    follower = Follower(repo, name)
    end = None if timeout is None else monotonic() + timeout
    shortest, longest = repo.store.poll_seconds
    delay = shortest
    is_first = True
    while True:
        entries = 0
        for entry in follower.new():
            entries += 1
            awaited.take(entry, is_old=is_first)
        answer = awaited.answer()
        if answer is not None:
            return answer
        left = None if end is None else end - monotonic()
        if left is not None and left <= 0:
            return Answer(awaited.live, None)
        is_first = False
        delay = shortest if entries else min(delay * 1.5, longest)
        pause(delay if left is None else min(delay, left))


class _Awaited:
    """The awaited release, and its state.

    Attributes:
        live: The release that is live.
    """

    def __init__(self, target: str | None, *, change: bool) -> None:
        self.live: ReleaseRecord | None = None
        self._target = target
        self._seq = None if target is None else parse_seq(target.removeprefix("@"))
        if target == "" or (target is not None and target[0] == "@" and self._seq is None):
            raise UsageError(f"TARGET {target!a} is neither @SEQ nor a label nor a digest")
        self._change = change
        self._changed = False
        self._came = 0
        self._spec = ""
        self._blocked: dict[str, Block] = {}

    def take(self, entry: LogEntry, *, is_old: bool) -> None:
        value = entry.value
        if isinstance(value, Block):
            if value.is_block:
                self._blocked[value.spec_digest] = value
            else:
                self._blocked.pop(value.spec_digest, None)
        if not isinstance(value, ReleaseRecord):
            return
        if not is_old and (self.live is None or value.spec_digest != self.live.spec_digest):
            self._changed = True
        self.live = value
        # What was live once, before we began, may be awaited again.
        if self._fits(value) and (not is_old or self._seq is not None):
            self._came, self._spec = value.seq, value.spec_digest

    def answer(self) -> Answer | None:
        if self._target is None:
            done = self._changed if self._change else self.live is not None
            return Answer(self.live, is_there=True) if done else None
        if self.live is not None and (self._fits(self.live) or self.live.spec_digest == self._spec):
            return Answer(self.live, is_there=True)
        if self._came:
            assert self.live is not None
            return Answer(
                self.live, is_there=False, reason=f"@{self._came} was replaced by @{self.live.seq}"
            )
        for digest, block in self._blocked.items():
            if _is_digest(self._target) and digest.startswith(self._target.lower()):
                why = f"it is blocked by {block.by} (@{block.seq}): {block.reason}"
                return Answer(self.live, is_there=False, reason=why)
        return None

    def _fits(self, record: ReleaseRecord) -> bool:
        if self._target is None:
            return False
        if self._seq is not None:
            return record.seq == self._seq
        if _is_digest(self._target):
            return record.spec_digest.startswith(self._target.lower())
        return record.metadata.version_label == self._target


def _is_digest(text: str) -> bool:
    """Whether a text is a digest or a prefix of one, and so cannot be a label."""
    return len(text) >= MIN_PREFIX and is_hex(text.lower())
