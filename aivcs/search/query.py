"""Queries on the events of runs, and the passage of an event that matches. No I/O.

A text is looked for in the texts of a payload and in the names of its members, as they are and not
as JSON writes them. `Query.needles` tells from the bytes of stored lines, much faster, that nothing
in them matches.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

from aivcs.codec.json import encode_trusted
from aivcs.codec.json_pointer import make_pointer
from aivcs.errors import UsageError
from aivcs.search.needles import Needles
from aivcs.trace.timeline import read_event

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from aivcs.model.run import RunEvent
    from aivcs.search.where import Where

BEFORE, AFTER = 40, 100
"""Characters of a passage before the beginning of the match, and from it on."""

_OVERLAP = 4096
"""Characters of a piece of a long text that are looked through again with the next one."""


class Passage(NamedTuple):
    """The place of a match in an event.

    Attributes:
        pointer: The JSON pointer to the text; empty for the whole payload.
        text: The text around the match.
        begin: Where in `text` the match begins; None if no text was looked for.
        end: Where it ends.
    """

    pointer: str
    text: str
    begin: int | None
    end: int | None


class Query:
    """A query on events; an event matches if it meets all conditions.

    Attributes:
        needles: What the bytes of a line must hold.
        blobs: Whether the blobs that a payload refers to are searched, too.
    """

    def __init__(
        self,
        *,
        text: str | None = None,
        regex: str | None = None,
        ignore_case: bool = False,
        kinds: Sequence[str] = (),
        tools: Sequence[str] = (),
        failed: bool = False,
        where: Sequence[Where] = (),
        blobs: bool = False,
    ) -> None:
        """Takes what is asked.

        Args:
            text: A text that the payload holds.
            regex: Or a regular expression that a text of it matches.
            ignore_case: Whether upper and lower case are the same.
            kinds: Any of these kinds.
            tools: A call or a result of any of these tools.
            failed: Only what failed.
            where: Conditions on the payload.
            blobs: Whether to search the blobs that payloads refer to, too.

        Raises:
            UsageError: Nothing is asked, both a text and an expression, or an expression that is
                not valid.
        """
        if text is not None and regex is not None:
            raise UsageError("give TEXT or --regex, not both")
        for what, given in (("TEXT", (text,)), ("RE", (regex,)), ("K", kinds), ("TOOL", tools)):
            if "" in given:
                raise UsageError(f"{what} is empty; is a variable unset?")
        if text is None and regex is None and not (kinds or tools or failed or where):
            raise UsageError(
                "say what to search for: TEXT, --regex, --kind, --tool, --failed or --where"
            )
        if blobs and text is None and regex is None:
            raise UsageError("--blobs needs a TEXT or --regex to look for")
        self.blobs = blobs
        self._kinds = frozenset(kinds)
        self._tools = frozenset(tools)
        self._failed = failed
        self._where = where
        self._pattern: re.Pattern[str] | None = None
        try:
            if text is not None:
                self._pattern = re.compile(re.escape(text), re.IGNORECASE if ignore_case else 0)
            elif regex is not None:
                self._pattern = re.compile(regex, re.IGNORECASE if ignore_case else 0)
        except re.error as error:
            raise UsageError(f"--regex {regex!a:.60} is not valid: {error}") from error
        self._overlap = _OVERLAP if text is None else len(text) - 1
        # A blob may hold it whatever the line does that refers to it.
        sought = None if blobs else text
        self.needles = Needles(text=sought, ignore_case=ignore_case, kinds=kinds)

    def find(self, event: RunEvent) -> Passage | None:
        """Returns where an event answers the query; None if it does not."""
        met = self._meets(event)
        if met is None:
            return None
        if self._pattern is None:
            shown = met or encode_trusted(event.payload)
            return Passage("", shown[: BEFORE + AFTER], None, None)
        for pointer, text in _texts(event.payload):
            found = self._pattern.search(text)
            if found is not None:
                return _around(pointer, text, found.start(), found.end())
        return None

    def blobs_of(self, event: RunEvent) -> Iterator[tuple[str, str]]:
        """Yields the blobs in which an event may answer the query: JSON pointer, and digest."""
        if self.blobs and self._meets(event) is not None:
            for pointer, text in _texts(event.payload):
                if pointer.endswith("/$blob") and len(text) == 64:
                    yield pointer, text

    def find_in(self, pieces: Iterable[str], pointer: str) -> Passage | None:
        """Returns the first match in a long text; None without one.

        Args:
            pieces: The text, in pieces; a match of an expression is found if it is no longer than
                `_OVERLAP`.
            pointer: The pointer of the passage.
        """
        assert self._pattern is not None
        rest = ""
        for piece in pieces:
            rest += piece
            found = self._pattern.search(rest)
            if found is not None:
                return _around(pointer, rest, found.start(), found.end())
            rest = rest[max(0, len(rest) - self._overlap) :] if self._overlap else ""
        return None

    def _meets(self, event: RunEvent) -> str | None:
        """Returns the error of an event that meets everything but the text; None if it does not.

        An event without an error gives an empty text.
        """
        if self._kinds and event.kind not in self._kinds:
            return None
        if not all(condition.holds(event.payload) for condition in self._where):
            return None
        error = None
        if self._tools or self._failed:
            reading = read_event(event)
            error = reading.error
            if self._tools and reading.tool not in self._tools:
                return None
            if self._failed and error is None:
                return None
        return error or ""


def _texts(payload: Any) -> Iterator[tuple[str, str]]:
    """Yields all texts of a payload with their pointers; the name of a member before its value."""
    waiting: list[tuple[tuple[str | int, ...], Any]] = [((), payload)]
    while waiting:
        place, value = waiting.pop()
        if isinstance(value, str):
            yield make_pointer(place), value
        elif isinstance(value, dict):
            inner: list[tuple[tuple[str | int, ...], Any]] = []
            for name, member in value.items():
                yield make_pointer((*place, name)), name
                inner.append(((*place, name), member))
            waiting += reversed(inner)
        elif isinstance(value, list):
            waiting += reversed([((*place, n), each) for n, each in enumerate(value)])


def _around(pointer: str, text: str, begin: int, end: int) -> Passage:
    first, last = max(0, begin - BEFORE), min(len(text), begin + AFTER)
    end = min(end, last)
    before, after = "…" if first else "", "…" if last < len(text) else ""
    shift = first - len(before)
    return Passage(pointer, f"{before}{text[first:last]}{after}", begin - shift, end - shift)
