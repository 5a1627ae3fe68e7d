"""The meaning of events: tool calls, timelines, secrets, and the process that records them."""
