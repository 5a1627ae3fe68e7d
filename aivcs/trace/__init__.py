"""The meaning of events: tool calls, timelines; and the process that records them."""
