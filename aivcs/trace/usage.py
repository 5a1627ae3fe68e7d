"""Adds up the tokens, cost and scores in the events of a run. No I/O.

- A call of a model is an event `model_called`, or another one, but no call of a tool, that names a
  model and its output tokens. Members have our names, or those of OpenTelemetry and OpenAI, also
  inside of `usage`.
- Totals, as some agents log them at the end of a turn or a run (`total_cost_usd`, `cost_usd` and
  `model_usage` of `turn_finished`, `model_stats` of SWE-agent), are not added to the calls: the
  larger one counts. They are totals so far: the largest counts of each `session_id`, and sessions
  are added up.
- Of `evaluation` events the last one of each `name` counts.
- A call that tells tokens and no cost is estimated where there is a price for its model.
"""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

KIND = "model_called"
"""The kind of events that are calls of a model."""
TURN = "turn_finished"
"""The kind of events in which `cost_usd` is the total of the session so far."""
EVALUATION = "evaluation"
"""The kind of events with scores."""
HINTS = (b"_tokens", b"tokens_", b"cost", b'"score"')
"""Bytes of which one is in every line that holds a figure: other lines need not be parsed."""
_MODELS = ("model", "gen_ai.response.model", "gen_ai.request.model")
_PROVIDERS = ("provider", "gen_ai.provider.name", "gen_ai.system")
_INPUT = (
    "input_tokens", "gen_ai.usage.input_tokens", "prompt_tokens", "gen_ai.usage.prompt_tokens",
)  # fmt: skip
_CACHED = ("cached_input_tokens", "gen_ai.usage.cache_read.input_tokens", "cached_tokens")
_OUTPUT = (
    "output_tokens", "gen_ai.usage.output_tokens", "completion_tokens",
    "gen_ai.usage.completion_tokens",
)  # fmt: skip
_REASONING = ("reasoning_tokens", "gen_ai.usage.reasoning.output_tokens")
_COST = ("cost_usd", "gen_ai.usage.cost_usd", "gen_ai.usage.cost")
_LIMIT = 1e15
"""Numbers from here on are not figures."""


class ModelCall(NamedTuple):
    """A call of a model, as far as its event tells.

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


class Price(NamedTuple):
    """The prices of a model, in US dollars per million tokens.

    Attributes:
        input: Tokens that it reads.
        output: Tokens that it writes.
        cached_input: Tokens that it reads from a cache.
    """

    input: float
    output: float
    cached_input: float

    def of(self, call: ModelCall) -> float | None:
        """Returns the cost of a call; None if it tells no tokens."""
        if call.input_tokens is None and call.output_tokens is None:
            return None
        read, cached = call.input_tokens or 0, call.cached_tokens or 0
        cached = min(cached, read)
        paid = (read - cached) * self.input + cached * self.cached_input
        return (paid + (call.output_tokens or 0) * self.output) / 1_000_000


def price_of(model: str | None, prices: Mapping[str, Price]) -> Price | None:
    """Returns the price of a model: of the longest name that fits it, or None."""
    fitting = [name for name in prices if model is not None and fnmatchcase(model, name)]
    return prices[max(fitting, key=lambda name: (len(name), name))] if fitting else None


class Figures(NamedTuple):
    """The figures of a run; None where no event tells one.

    Attributes:
        input_tokens: Tokens that models read, those from a cache among them.
        cached_input_tokens: Those of them that came from a cache.
        output_tokens: Tokens that models wrote.
        reasoning_tokens: Those of them that were thoughts.
        cost_usd: The cost in US dollars.
        is_estimated: Whether a part of the cost was estimated from prices.
        score: The last score of an evaluation.
        scores: The last score of each evaluation with a name.
    """

    input_tokens: int | None = None
    cached_input_tokens: int | None = None
    output_tokens: int | None = None
    reasoning_tokens: int | None = None
    cost_usd: float | None = None
    is_estimated: bool = False
    score: float | None = None
    scores: Mapping[str, float] = {}

    @property
    def tokens(self) -> int | None:
        """All tokens, read and written."""
        if self.input_tokens is None and self.output_tokens is None:
            return None
        return (self.input_tokens or 0) + (self.output_tokens or 0)

    def to_json(self) -> dict[str, Any]:
        """Returns the figures by name; `cost_estimated` only where it is so."""
        fields = {**self._asdict(), "scores": dict(self.scores)}
        if fields.pop("is_estimated"):
            fields["cost_estimated"] = True
        return fields

    def __str__(self) -> str:
        """Tells tokens and cost: `1,007 tokens in (400 cached), 40 out, $0.25`."""
        parts = []
        if self.input_tokens is not None:
            cached = self.cached_input_tokens
            of_them = f" ({cached:,} cached)" if cached else ""
            parts.append(f"{self.input_tokens:,} tokens in{of_them}")
        if self.output_tokens is not None:
            parts.append(f"{self.output_tokens:,}{'' if parts else ' tokens'} out")
        if self.cost_usd:
            parts.append(cost_text(self.cost_usd, is_estimated=self.is_estimated))
        return ", ".join(parts)


class Usage:
    """Sums over the events of a run, as they are added in their order.

    Attributes:
        calls: The number of calls of models.
        costless: Those of them that tell tokens, and have neither a cost nor a price.
    """

    __slots__ = (
        "_estimated", "_prices", "_score", "_scores", "_sums", "_totals", "calls", "costless",
    )  # fmt: skip

    def __init__(self, prices: Mapping[str, Price] | None = None) -> None:
        """Begins with no event.

        Args:
            prices: Prices by model, for calls that tell no cost.
        """
        self.calls = 0
        self.costless = 0
        self._prices = prices or {}
        self._sums: dict[str, float] = {}
        self._totals: dict[str | None, dict[str, float]] = {}  # by session; None: of the run
        self._estimated = 0.0
        self._score: float | None = None
        self._scores: dict[str, float] = {}

    def add(self, kind: str, payload: Any) -> None:
        """Adds an event."""
        if not isinstance(payload, dict):
            return
        if kind == EVALUATION:
            score = payload.get("score")
            if isinstance(score, (int, float)) and not isinstance(score, bool):
                self._add_score(payload.get("name"), score)
            return
        call = model_call(kind, payload)
        if call is None:
            if told := _totals(kind, payload):
                totals = self._totals.setdefault(_text(payload, ("session_id",)), {})
                for name, total in told.items():
                    totals[name] = max(total, totals.get(name, 0))
            return
        self.calls += 1
        cost = call.cost_usd
        if cost is None and (price := price_of(call.model, self._prices)) is not None:
            cost = price.of(call)
            self._estimated += cost or 0
        if cost is None and (call.input_tokens or call.output_tokens):
            self.costless += 1
        for name, number in (
            ("input", call.input_tokens),
            ("cached", call.cached_tokens),
            ("output", call.output_tokens),
            ("reasoning", call.reasoning_tokens),
            ("cost", cost),
        ):
            if number is not None:
                self._sums[name] = self._sums.get(name, 0) + number

    def _add_score(self, name: Any, score: float) -> None:
        if abs(score) < _LIMIT:
            self._score = score
            if isinstance(name, str) and name:
                self._scores[name] = score

    def figures(self) -> Figures:
        """Returns the figures of the events so far."""
        told = dict(self._sums)
        for totals in (self._totals.get(None, {}), self._session_totals()):
            for name, number in totals.items():
                told[name] = max(number, told.get(name, 0))
        return Figures(
            _whole(told.get("input")),
            _whole(told.get("cached")),
            _whole(told.get("output")),
            _whole(told.get("reasoning")),
            told.get("cost"),
            # A larger total from the source is not an estimate.
            bool(self._estimated) and told.get("cost") == self._sums.get("cost"),
            self._score,
            dict(self._scores),
        )

    def _session_totals(self) -> dict[str, float]:
        added: dict[str, float] = {}
        for session, totals in self._totals.items():
            if session is not None:
                for name, number in totals.items():
                    added[name] = added.get(name, 0) + number
        return added


def figures(
    events: Iterable[tuple[str, Any]], prices: Mapping[str, Price] | None = None
) -> Figures:
    """Returns the figures in the kinds and payloads of some events, in their order."""
    usage = Usage(prices)
    for kind, payload in events:
        usage.add(kind, payload)
    return usage.figures()


def model_call(kind: str, payload: Any) -> ModelCall | None:
    """Returns what an event says of a call of a model; None if it is of no such call."""
    if not isinstance(payload, dict):
        return None
    model = _text(payload, _MODELS)
    inner = payload.get("usage")
    members = {**inner, **payload} if isinstance(inner, dict) else payload
    output = _count(members, _OUTPUT)
    # Records of other programs give sums of sessions, too; those name no model.
    is_other = model is None or _count(payload, _OUTPUT) is None or kind.startswith("tool_")
    if kind != KIND and is_other:
        return None
    return ModelCall(
        model,
        _text(payload, _PROVIDERS),
        _count(members, _INPUT),
        _count(members, _CACHED),
        output,
        _count(members, _REASONING),
        _number(members, _COST),
        _text(payload, ("stop_reason",)),
    )


def call_text(payload: Mapping[str, Any]) -> str:
    """Returns the text for one call: the model, its tokens, its cost, and why it ended."""
    call = model_call(KIND, payload)
    parts = [call.model] if call is not None and call.model else []
    if told := str(figures([(KIND, payload)])):
        parts.append(told)
    reason = call.stop_reason if call is not None else None
    if reason and reason not in {"tool_use", "end_turn", "stop", "tool_calls", "tool-calls"}:
        parts.append(reason)
    return "  ".join(parts)


def cost_text(cost: float, *, is_estimated: bool = False) -> str:
    """Returns a cost in US dollars for people; an estimated one says so."""
    shown = f"${cost:.2f}" if cost >= 1 else f"${cost:.4f}".rstrip("0").rstrip(".")
    return f"{shown} (estimated)" if is_estimated else shown


def _totals(kind: str, payload: Mapping[str, Any]) -> dict[str, float]:
    """The totals of a session, or of a whole run, that an event tells."""
    stats = payload.get("model_stats")
    if not isinstance(stats, dict):
        stats = {}
    told = {
        "input": _number(stats, ("tokens_sent",)),
        "output": _number(stats, ("tokens_received",)),
        "cost": _number(payload, ("total_cost_usd", *(("cost_usd",) if kind == TURN else ()))),
    }
    if kind == TURN:
        told |= _model_usage(payload.get("model_usage"))
    if told["cost"] is None:
        told["cost"] = _number(stats, ("total_cost", "instance_cost"))
    # Where nothing was counted, programs write 0.
    return {name: value for name, value in told.items() if value}


def _model_usage(models: Any) -> dict[str, float | None]:
    """The totals that Claude Code tells for each model; its input leaves the cache out."""
    if not isinstance(models, dict):
        return {}
    each = [model for model in models.values() if isinstance(model, dict)]
    added = {
        name: sum(_number(model, (name,)) or 0 for model in each)
        for name in (
            "inputTokens", "cacheReadInputTokens", "cacheCreationInputTokens", "outputTokens",
        )
    }  # fmt: skip
    cached = added["cacheReadInputTokens"]
    read = added["inputTokens"] + cached + added["cacheCreationInputTokens"]
    return {"input": read, "cached": cached, "output": added["outputTokens"]}


def _text(values: Mapping[str, Any], names: Iterable[str]) -> str | None:
    """The first of some members that is a text with something in it."""
    found = (values.get(name) for name in names)
    return next((value for value in found if isinstance(value, str) and value), None)


def _count(values: Mapping[str, Any], names: Iterable[str]) -> int | None:
    return _whole(_number(values, names))


def _number(values: Mapping[str, Any], names: Iterable[str]) -> float | None:
    """The first of some members that is a number which can be a figure."""
    for name in names:
        value = values.get(name)
        if isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value < _LIMIT:
            return value
    return None


def _whole(value: float | None) -> int | None:
    return None if value is None else int(value)
