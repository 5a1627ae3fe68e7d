"""Implements `aivcs run`: one module per verb, and what verbs share: payloads, streams, lines."""
