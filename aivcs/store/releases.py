"""The `ReleaseRegistry` contract, written once over a `LogDriver`.

Every change is a plan on a view of the log (`aivcs.log.release_changes`) and one append after the
head of that view. A simple change is planned inside `LogDriver.update`. A change that must be
judged or signed first is planned on `view` and passed to `append` with the head of the view.
"""

from aivcs import errors
from aivcs.errors import IntegrityError
from aivcs.log.release_changes import (
    ReleaseView,
    encode,
    entry_of,
    plan_promotion,
    plan_rollback,
)
from aivcs.model.digest import ContentDigest
from aivcs.model.record import Head
from aivcs.model.release import check_release_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from types import TracebackType

    from aivcs.log.release_changes import Entry, Expected, ReleaseChange
    from aivcs.model.release import ReleaseMetadata, ReleaseRecord
    from aivcs.model.release_entries import Block, LogEntry, ReleaseState, Signature
    from aivcs.store.driver import LogDriver, LogView

PREFIX = "release/"
"""The prefix of the names of release logs in a driver."""


class LogReleaseRegistry:
    """An `aivcs.ReleaseRegistry` that keeps each name in a log of a driver."""

    __slots__ = ("_logs",)

    def __init__(self, logs: "LogDriver") -> None:
        """Takes the logs of the store."""
        self._logs = logs

    # changes

    def view(self, name: str) -> "_Viewing":
        """As `ReleaseRegistry.view`; opens the log once and reads its end."""
        check_release_name(name)
        return _Viewing(self._logs, name)

    def append(self, name: str, entries: "Iterable[Entry]", *, if_head: Head) -> Head:
        """As `ReleaseRegistry.append`."""
        check_release_name(name)
        wanted = tuple(entries)
        head = if_head

        def decide(log: "LogView | None") -> "list[bytes]":
            nonlocal head
            view = ReleaseView(name, log)
            view.require_head(if_head)
            lines = encode(view, wanted)
            head = Head(view.head.lines + len(lines), lines[-1][1] if lines else view.head.hash)
            return [line for line, _ in lines]

        self._update(name, decide)
        return head

    def change(self, name: str, plan: "Callable[[ReleaseView], ReleaseChange]") -> "ReleaseChange":
        """As `ReleaseRegistry.change`."""
        check_release_name(name)
        change: ReleaseChange

        def decide(log: "LogView | None") -> "list[bytes]":
            nonlocal change
            view = ReleaseView(name, log)
            change = plan(view)
            return [line for line, _ in encode(view, change.entries)]

        self._update(name, decide)
        return change

    def promote(
        self,
        name: str,
        spec_digest: ContentDigest,
        metadata: "ReleaseMetadata",
        *,
        expect: "Expected" = None,
    ) -> "ReleaseRecord":
        """As `ReleaseRegistry.promote`; reads the end of the log."""
        return self.change(
            name, lambda view: plan_promotion(view, spec_digest, metadata, expect=expect)
        ).release

    def rollback(
        self,
        name: str,
        *,
        to: "ContentDigest | int | str | None" = None,
        metadata: "ReleaseMetadata | None" = None,
        expect: "Expected" = None,
    ) -> "ReleaseRecord":
        """As `ReleaseRegistry.rollback`; finds a seq without reading all of the log.

        A label or digest is searched from the end. For a deep stack the log is read back to the
        target's element, once at most.
        """
        return self.change(
            name, lambda view: plan_rollback(view, to, metadata, expect=expect)
        ).release

    def block(self, name: str, digest: ContentDigest, *, by: str, reason: str) -> "Block":
        """As `ReleaseRegistry.block`."""
        from aivcs.log.release_changes import plan_block

        made = self.change(name, lambda view: plan_block(view, digest, by=by, reason=reason))
        entry: Block = made.entries[0]  # type: ignore[assignment]
        return entry

    def unblock(self, name: str, digest: ContentDigest, *, by: str, reason: str) -> "Block":
        """As `ReleaseRegistry.unblock`."""
        from aivcs.log.release_changes import plan_unblock

        made = self.change(name, lambda view: plan_unblock(view, digest, by=by, reason=reason))
        entry: Block = made.entries[0]  # type: ignore[assignment]
        return entry

    def add_signature(
        self,
        name: str,
        seq: int,
        hash: str,  # noqa: A002 the file format's word
        signature: str,
    ) -> "Signature":
        """As `ReleaseRegistry.add_signature`."""
        from aivcs.log.release_changes import plan_signature

        made = self.change(name, lambda view: plan_signature(view, seq, hash, signature))
        entry: Signature = made.entries[0]  # type: ignore[assignment]
        return entry

    # queries

    def current(self, name: str) -> "ReleaseRecord | None":
        """As `ReleaseRegistry.current`; reads the end of the log."""
        with self.view(name) as view:
            return view.live

    def state(self, name: str) -> "ReleaseState | None":
        """As `ReleaseRegistry.state`; reads the end of the log."""
        with self.view(name) as view:
            return view.state()

    def find(self, name: str, seq: int) -> "LogEntry | None":
        """As `ReleaseRegistry.find`."""
        check_release_name(name)
        with self._logs.look(PREFIX + name) as log:
            # Not through a view: this works even if the last entry is of a later format.
            line = log.line(seq, _seq_of) if log is not None and seq > 0 else None
        try:
            return None if line is None else entry_of(line, name)
        except (IntegrityError, errors.UnsupportedFormatError) as error:
            raise _named(self._logs.where(PREFIX + name), error) from error

    def find_block(self, name: str, digest: ContentDigest) -> "Block | None":
        """As `ReleaseRegistry.find_block`; reads the end of the log, and a few blocks."""
        wanted = ContentDigest(digest)
        with self.view(name) as view:
            return view.find_block(wanted)

    def block_history(self, name: str, digest: ContentDigest) -> "list[Block]":
        """As `ReleaseRegistry.block_history`; reads a few blocks for each that it returns."""
        wanted = ContentDigest(digest)
        with self.view(name) as view:
            return view.block_history(wanted)

    def blocks(self, name: str) -> "list[Block]":
        """As `ReleaseRegistry.blocks`; reads the newest block of each digest that ever had one."""
        with self.view(name) as view:
            return view.blocks()

    def history(self, name: str) -> "list[ReleaseRecord]":
        """As `ReleaseRegistry.history`."""
        return list(self.iter_history(name))

    def iter_history(self, name: str) -> "Iterator[ReleaseRecord]":
        """As `ReleaseRegistry.iter_history`; reads from the end, and only as far as is asked."""
        with self.view(name) as view:
            yield from view.releases()

    def iter_log(self, name: str) -> "Iterator[LogEntry]":
        """As `ReleaseRegistry.iter_log`; reads from the end, and only as far as is asked."""
        with self.view(name) as view:
            yield from view.entries()

    def list_names(self) -> "Iterator[str]":
        """As `ReleaseRegistry.list_names`."""
        from aivcs.store.runs import names_with_lines

        for log in names_with_lines(self._logs, PREFIX):
            yield log.removeprefix(PREFIX)

    def head(self, name: str) -> Head:
        """As `ReleaseRegistry.head`; reads and checks the whole log."""
        check_release_name(name)
        head = None
        for _, place in self._logs.read(PREFIX + name):
            head = place
        if head is None:
            raise errors.ReleaseNotFoundError(name)
        return Head(head.lines, head.hash)

    def _update(self, name: str, decide: "Callable[[LogView | None], list[bytes]]") -> None:
        try:
            self._logs.update(PREFIX + name, decide)
        except (IntegrityError, errors.UnsupportedFormatError) as error:
            raise _named(self._logs.where(PREFIX + name), error) from error


class _Viewing:
    """A block with a view of a log, which is open but not locked until the block ends."""

    __slots__ = ("_look", "_name", "_where")

    def __init__(self, logs: "LogDriver", name: str) -> None:
        self._name = name
        self._where = logs.where(PREFIX + name)
        self._look = logs.look(PREFIX + name)

    def __enter__(self) -> ReleaseView:
        log = self._look.__enter__()
        try:
            return ReleaseView(self._name, log)
        except BaseException as error:
            self.__exit__(type(error), error, error.__traceback__)
            raise

    def __exit__(
        self,
        kind: "type[BaseException] | None",
        error: "BaseException | None",
        trace: "TracebackType | None",
    ) -> None:
        self._look.__exit__(kind, error, trace)
        if error is not None:
            named = _named(self._where, error)
            if named is not error:
                raise named from error


def _named(where: str, error: BaseException) -> BaseException:
    """Adds the log's name to an error of the rules, which know only entries."""
    if isinstance(error, IntegrityError) and not error.where:
        return IntegrityError(error.expected, error.actual, where, f"{where} {error}")
    if isinstance(error, errors.UnsupportedFormatError) and not str(error).startswith(where):
        return errors.UnsupportedFormatError(f"{where}: {error}")
    return error


def _seq_of(line: bytes) -> int:
    from aivcs.log.release import seq_of

    return seq_of(line)
