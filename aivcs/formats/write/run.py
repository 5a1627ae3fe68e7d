"""The input of a writer: a run with its events, and their models and messages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from aivcs.codec.json import encode_trusted
from aivcs.formats.values import text_of
from aivcs.log.annotation import merged_tags
from aivcs.trace.usage import model_call

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from aivcs.model.annotation import StoredAnnotation
    from aivcs.model.record import Head
    from aivcs.model.run import RunEvent, RunRecord
    from aivcs.trace.usage import ModelCall

VERSION = 1
"""The version of the mapping. A later one may write other texts for the same run."""


class Run(NamedTuple):
    """A run to be written.

    Attributes:
        record: The run.
        head: The head of its log when it was opened.
        events: Its events by seq, read once.
        annotations: Its annotations, the oldest first.
    """

    record: RunRecord
    head: Head
    events: Iterable[RunEvent]
    annotations: Sequence[StoredAnnotation] = ()

    @property
    def tags(self) -> Any:
        """The tags of the run with those of its annotations."""
        return merged_tags(self.record.metadata.tags, (each.value for each in self.annotations))


def usage_of(event: RunEvent) -> ModelCall | None:
    """Returns what an event says of a call of a model; None if it is of no such call."""
    return model_call(event.kind, event.payload)


def content_of(payload: dict[str, Any]) -> Any:
    """Returns the content of a message: its text, or else the value that it has."""
    for name in ("content", "text", "message"):
        if (value := payload.get(name)) is not None:
            text = text_of(value)
            return value if text is None else text
    return ""


def as_words(value: Any) -> str:
    """Returns a text as it is, and any other value as JSON."""
    return value if isinstance(value, str) else encode_trusted(value)
