"""Reading a source as an import does."""

from aivcs.formats import model, registry


def read(data, name=None, *, hint=None, final=True, step=None):
    """The headers, events and outcomes of a source."""
    found = registry.find_format(name) if name else registry.detect(data)
    reader = found.reader(hint or model.Hint())
    pieces = [data] if step is None else [data[i : i + step] for i in range(0, len(data), step)]
    return Told(list(model.read(reader, pieces, final=final)))


class Told:
    """What a source tells."""

    def __init__(self, items):
        self.items = items
        self.sessions = [item for item in items if isinstance(item, model.Session)]
        self.events = [item for item in items if isinstance(item, model.SessionEvent)]
        self.outcomes = [item for item in items if isinstance(item, model.Outcome)]

    @property
    def outcome(self):
        (outcome,) = self.outcomes
        return outcome

    @property
    def kinds(self):
        return [event.kind for event in self.events]

    def of(self, *kinds):
        """The payloads of events of some kinds."""
        return [event.payload for event in self.events if event.kind in kinds]

    def calls(self):
        """What was called, and how each call went."""
        results = {
            payload.get("tool_call_id"): (payload.get("exit_code"), event.kind == "tool_failed")
            for event in self.events
            if event.kind in {"tool_returned", "tool_failed"}
            for payload in [event.payload]
        }
        return [
            (call["tool_name"], call["arguments"], results.get(call.get("tool_call_id")))
            for call in self.of("tool_called")
        ]
