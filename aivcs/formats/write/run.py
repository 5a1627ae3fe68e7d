"""What a writer is given: a run with its events, and what its events say of models and messages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from aivcs.codec.json import encode_trusted
from aivcs.formats.model import MODEL_CALLED
from aivcs.formats.values import as_count, as_dict, as_number, as_text, text_of
from aivcs.log.annotation import merged_tags

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from aivcs.model.annotation import StoredAnnotation
    from aivcs.model.record import Head
    from aivcs.model.run import RunEvent, RunRecord

VERSION = 1
"""The version of what is written for what. A later one may write other texts for the same run."""


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


class Usage(NamedTuple):
    """What an event says of a call of a model.

    Attributes:
        model: The model.
        provider: Who serves it.
        input_tokens: Tokens of the input, those from a cache among them.
        cached_tokens: Those of them that came from a cache.
        output_tokens: Tokens of the output, those of thoughts among them.
        reasoning_tokens: Those of thoughts.
        cost_usd: The cost in US dollars.
        stop_reason: Why the model stopped.
    """

    model: str | None
    provider: str | None
    input_tokens: int | None
    cached_tokens: int | None
    output_tokens: int | None
    reasoning_tokens: int | None
    cost_usd: float | None
    stop_reason: str | None


_NAMES = {
    "input_tokens": (
        "input_tokens", "gen_ai.usage.input_tokens", "prompt_tokens", "gen_ai.usage.prompt_tokens",
    ),
    "cached_tokens": (
        "cached_input_tokens", "gen_ai.usage.cache_read.input_tokens", "cached_tokens",
    ),
    "output_tokens": (
        "output_tokens", "gen_ai.usage.output_tokens", "completion_tokens",
        "gen_ai.usage.completion_tokens",
    ),
    "reasoning_tokens": ("reasoning_tokens", "gen_ai.usage.reasoning.output_tokens"),
}  # fmt: skip
"""The members that hold each number, the one that counts first."""


def usage_of(event: RunEvent) -> Usage | None:
    """Returns what an event says of a call of a model; None if it is of no such call."""
    payload = as_dict(event.payload)
    models = ("model", "gen_ai.response.model", "gen_ai.request.model")
    model = next(filter(None, (as_text(payload.get(name)) for name in models)), None)
    counts = _counts(payload)
    # Records of other programs give sums of sessions, too; those name no model.
    if event.kind != MODEL_CALLED and not (model and "output_tokens" in counts):
        return None
    providers = ("provider", "gen_ai.provider.name", "gen_ai.system")
    return Usage(
        model,
        next(filter(None, (as_text(payload.get(name)) for name in providers)), None),
        counts.get("input_tokens"),
        counts.get("cached_tokens"),
        counts.get("output_tokens"),
        counts.get("reasoning_tokens"),
        as_number(payload.get("cost_usd")),
        as_text(payload.get("stop_reason")),
    )


def _counts(members: dict[str, Any]) -> dict[str, int]:
    found: dict[str, int] = {}
    for ours, names in _NAMES.items():
        for name in names:
            if (count := as_count(members.get(name))) is not None:
                found[ours] = count
                break
    return found


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
