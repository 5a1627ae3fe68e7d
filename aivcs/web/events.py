"""The page of one event, whole; with a call, the event that has its result."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from aivcs.errors import NotFoundError
from aivcs.formats.write.run import as_words
from aivcs.present.words import size
from aivcs.trace.timeline import CALL, RESULT, WINDOW, read_event
from aivcs.web import parts
from aivcs.web.blobs import Shown, text_block
from aivcs.web.html import Markup, tag

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from aivcs.model.run import RunEvent, RunRecord
    from aivcs.web.source import Source

_MAX_INLINE = 120
"""Characters of a value that stands beside its name, at most; a longer one stands below it."""


def event_page(source: Source, record: RunRecord, seq: int) -> Shown:
    """Returns an event with its whole payload, masked; with a call, its result, too.

    Args:
        source: The store.
        record: The run.
        seq: The seq of the event.

    Raises:
        NotFoundError: The run has no such event.
        StorageError: The run cannot be read.
    """
    run = record.run_id
    found = list(_with_result(source.events(run), seq))
    if not found:
        raise NotFoundError("", f"Run {run} has no event {seq}.")
    timeline = tag("a", "The timeline of the run", href=f"/run/{run}#run-{run}:e{seq}")
    content = [tag("p", timeline)]
    for event in found:
        content.append(tag("h2", f"{event.seq}: ", parts.words(event.kind)))
        content.append(parts.pairs([("at", f"{event.timestamp}")]))
        content += _payload(run, event)
    data = [event.to_json() for event in found]
    return Shown(f"Event {seq} of run {run[:8]}", content, data)


def _with_result(events: Iterable[RunEvent], seq: int) -> Iterator[RunEvent]:
    """Yields the event with a seq, and the result if it is a call that is answered later."""
    rest = iter(events)
    event = next((event for event in rest if event.seq == seq), None)
    if event is None:
        return
    yield event
    call = read_event(event)
    if call.what != CALL or call.output is not None:
        return
    key = call.call_id or call.tool
    for other in islice(rest, WINDOW):
        reading = read_event(other)
        if reading.what == RESULT and (reading.call_id or reading.tool) == key:
            yield other
            return


def _payload(run: str, event: RunEvent) -> Iterator[Markup]:
    if event.redacted:
        yield parts.note("Its content was erased on purpose.")
        return
    payload = event.payload
    members = payload if isinstance(payload, dict) else {"payload": payload}
    texts = {name: as_words(value) for name, value in members.items()}
    inline = {name for name, text in texts.items() if len(text) <= _MAX_INLINE and "\n" not in text}
    yield parts.pairs((name, parts.words(texts[name])) for name in texts if name in inline)
    for name, text in texts.items():
        if name not in inline:
            yield tag("h3", parts.words(name), tag("span", f" {size(_bytes(text))}", class_="dim"))
            yield from text_block(text, f"aivcs run events {run}")


def _bytes(text: str) -> int:
    return len(text.encode("utf-8", "surrogatepass"))
