"""The events of a run, read only around what is shown, however long its log is.

The number of events is known from the last lines of the log. A page of them is read from the
nearest place that is known, or from the end; the places at the beginnings of pages are kept, and a
few pages. Every line that is shown is checked as a link of the log's chain, as far as the driver
checks what it reads.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, NamedTuple

from aivcs.codec.json import encode_trusted
from aivcs.errors import IntegrityError, RunNotFoundError, StorageError
from aivcs.log.run import count_lines, read_event
from aivcs.present.event_rows import EventRow, event_rows, may_fail
from aivcs.search.query import Query
from aivcs.store.place import START

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from aivcs.model.run import RunEvent
    from aivcs.repository import Repository
    from aivcs.store.place import Place
    from aivcs.tui.listing import Progress
    from aivcs.tui.row import Row

PAGE = 256
"""Lines of a page."""
_KEPT = 48
"""Pages that are kept."""
_MAX_FROM_END = 20_000
"""Lines that are read from the end, at most, instead of from a known place."""
_OF_EVENTS = ("event", "redacted")
"""The types of lines that have a seq."""
_TICK = 512
"""Lines between two looks whether the person still waits."""


class Broken(NamedTuple):
    """An event that cannot be shown, and why."""

    why: str


class RunLog:
    """The events of a run as a listing, after some lines about the run.

    Attributes:
        head: The lines before the events.
        events: The number of events.
    """

    def __init__(
        self,
        repo: Repository,
        run_id: str,
        head: list[Row],
        draw: Callable[[EventRow | Broken, int], Row],
    ) -> None:
        """Looks how many events there are.

        Args:
            repo: The repository.
            run_id: The run.
            head: The lines before the events; more may be appended before it is shown.
            draw: Returns the line of an event on a screen of so many cells.

        Raises:
            RunNotFoundError: No run has this id.
            StorageError: The log cannot be read.
        """
        self.head = head
        self._repo = repo
        self._name = f"run/{run_id}"
        self._draw = draw
        with repo.store.logs.look(self._name) as view:
            if view is None:
                raise RunNotFoundError(run_id)
            # The end line is the only one that is no event, besides the first.
            self._lines = count_lines(view.back())
            is_over = read_event(view.last) is None and self._lines > 1
        self.events = self._lines - 1 - is_over
        self._places: dict[int, Place] = {0: START}
        self._pages: OrderedDict[int, list[EventRow | Broken]] = OrderedDict()

    @property
    def count(self) -> int:
        """As `Listing.count`."""
        return len(self.head) + self.events

    @property
    def is_whole(self) -> bool:
        """Always: the number of events is known."""
        return True

    def row(self, index: int, cells: int) -> Row | None:
        """As `Listing.row`."""
        if index < len(self.head):
            return self.head[index]
        number, at = self._where(index)
        page = self._pages.get(number)
        if page is None or at >= len(page):
            return None
        return self._draw(page[at], cells)

    def reach(self, first: int, last: int, progress: Progress) -> None:
        """As `Listing.reach`; reads the pages that are not kept."""
        last = min(last, self.count - 1)
        if last < len(self.head):
            return
        begin, _ = self._where(max(first, len(self.head)))
        end, _ = self._where(last)
        for number in range(begin, end + 1):
            if number not in self._pages:
                self._keep(number, self._lines_of(number, progress))
            else:
                self._pages.move_to_end(number)

    def find(self, text: str, start: int, step: int, progress: Progress) -> int | None:
        """As `Listing.find`; looks through the whole payloads."""
        wanted = text.lower()
        for index in range(start + step, len(self.head) if step > 0 else -1, step):
            if index < len(self.head) and wanted in self.head[index].text.lower():
                return index
            if step < 0 and index >= len(self.head):
                break
        query = Query(text=text, ignore_case=True)
        needle = encode_trusted(wanted)[1:-1].encode() if text.isascii() else b""

        def answers(line: bytes) -> bool:
            if needle and needle not in line.lower() and b"\\u" not in line:
                return False
            event = read_event(line)
            return event is not None and (
                wanted in event.kind.lower() or query.find(event) is not None
            )

        found = self._search(answers, start, step, progress)
        if found is None and step < 0:
            return next(
                (n for n in reversed(range(min(start, len(self.head))))
                 if wanted in self.head[n].text.lower()),
                None,
            )  # fmt: skip
        return found

    def find_error(self, start: int, step: int, progress: Progress) -> int | None:
        """Returns the next event with an error, as `find`."""
        return self._search(lambda line: _failed(line) is not None, start, step, progress)

    def first_error(self, limit: int, progress: Progress) -> tuple[int, EventRow] | None:
        """Returns the number from 0 of the first event with an error, and its line.

        Args:
            limit: The events that are looked at, at most.
            progress: How far it has come.
        """
        for number, line in self._forwards(0, progress):
            if number > limit + 1:
                break
            if (found := _failed(line)) is not None:
                return number - 2, found
        return None

    def last_error(self, limit: int) -> tuple[int, EventRow] | None:
        """Returns the last event with an error as `first_error`; looks at the last few events."""
        with self._repo.store.logs.look(self._name) as view:
            if view is None:
                return None
            number = self._lines
            for line in view.back():
                number -= 1
                if number < self._lines - limit or number < 1:
                    return None
                if (found := _failed(line)) is not None:
                    return number - 1, found
        return None

    def find_seq(self, seq: int, progress: Progress) -> int | None:
        """Returns the line of the event with a seq, which most often is the event's number."""
        wanted = tuple(f'{{"type":"{kind}","seq":{seq},'.encode() for kind in _OF_EVENTS)
        guess = min(max(seq, 1), max(self.events, 1))
        numbers = [guess // PAGE]
        if guess % PAGE == 0:
            numbers.append(max(numbers[0] - 1, 0))
        for number in numbers:
            for at, line in enumerate(self._lines_of(number, progress)):
                if line.startswith(wanted):
                    return self._index(number, at)
        return self._search(lambda line: line.startswith(wanted), len(self.head) - 1, 1, progress)

    def event(self, index: int, progress: Progress) -> RunEvent | None:
        """Reads the whole event of a line; None if the line shows no event.

        Raises:
            StorageError: It cannot be read.
        """
        if index < len(self.head):
            return None
        number, at = self._where(index)
        lines = self._lines_of(number, progress)
        return read_event(lines[at]) if at < len(lines) else None

    def _where(self, index: int) -> tuple[int, int]:
        """The page of a line, and its place in the page."""
        return divmod(index - len(self.head) + 1, PAGE)  # the first line of a log is no event

    def _index(self, number: int, at: int) -> int:
        return len(self.head) + number * PAGE + at - 1

    def _keep(self, number: int, lines: list[bytes]) -> None:
        self._pages[number] = list(_read(lines))
        self._pages.move_to_end(number)
        while len(self._pages) > _KEPT:
            self._pages.popitem(last=False)

    def _lines_of(self, number: int, progress: Progress) -> list[bytes]:
        """Reads the lines of a page."""
        begin, end = number * PAGE, min((number + 1) * PAGE, self._lines)
        known = max(page for page in self._places if page <= number)
        from_end = self._lines - begin
        if from_end <= _MAX_FROM_END and from_end < end - known * PAGE:
            return self._from_end(begin, end, progress)
        found = []
        for place, line in self._forwards(known, progress):
            if place > end:
                break
            if place > begin:
                found.append(line)
            if place == end:
                break
        return found

    def _forwards(self, known: int, progress: Progress) -> Iterator[tuple[int, bytes]]:
        """Yields the lines from a page on whose place is known, with their numbers from 1."""
        number = known * PAGE
        for line, place in self._repo.store.logs.read(self._name, self._places[known]):
            number += 1
            if place.lines != number:
                raise IntegrityError.of("was replaced meanwhile; R reads it again")
            if number % PAGE == 0:
                self._places.setdefault(number // PAGE, place)
            if number % _TICK == 0:
                progress.add(_TICK)
            yield number, line

    def _from_end(self, begin: int, end: int, progress: Progress) -> list[bytes]:
        found: list[bytes] = []
        with self._repo.store.logs.look(self._name) as view:
            if view is None:
                return found
            back = view.back()
            # It may have grown since.
            number = count_lines(view.back()) + 1
            for line in back:
                number -= 1
                if number <= begin:
                    break
                if number <= end:
                    found.append(line)
                if number % _TICK == 0:
                    progress.add(_TICK)
        return found[::-1]

    def _search(
        self, answers: Callable[[bytes], bool], start: int, step: int, progress: Progress
    ) -> int | None:
        """Returns the line of the next event whose stored line answers; None without one."""
        start = max(start, len(self.head) - 1)
        if step > 0:
            number, at = self._where(start + 1)
            known = max(page for page in self._places if page <= number)
            for line_number, line in self._forwards(known, progress):
                index = len(self.head) + line_number - 2
                if index > start and line_number > 1 and answers(line):
                    return index if index < self.count else None
            return None
        number, at = self._where(start)
        while number >= 0:
            lines = self._lines_of(number, progress)[:at]
            for place in reversed(range(len(lines))):
                if number * PAGE + place > 0 and answers(lines[place]):
                    return self._index(number, place)
            number, at = number - 1, PAGE
        return None


def _failed(line: bytes) -> EventRow | None:
    """Returns the line of an event that has an error; None of any other."""
    event = read_event(line) if may_fail(line) else None
    if event is None:
        return None
    (row,) = event_rows([event])
    return row if row.error is not None else None


def _read(lines: list[bytes]) -> Iterator[EventRow | Broken]:
    """Yields the lines of a page for display; the log's first line stands for no event."""
    rows: list[EventRow | Broken] = []
    events: list[RunEvent] = []
    places: list[int] = []
    for line in lines:
        try:
            event = read_event(line)
        except StorageError as error:
            rows.append(Broken(str(error)))
            continue
        places.append(len(rows))
        rows.append(Broken(""))
        if event is None:
            places.pop()
        else:
            events.append(event)
    for place, row in zip(places, event_rows(events), strict=True):
        rows[place] = row
    yield from rows
