"""Implements `aivcs run`: a module per verb, and what verbs share: payloads, streams, lines.

`run verify` is a part of `aivcs.commands.store.verify`.
"""
