"""Verifying a store: `verify` walks it, `objects` and `logs` judge a file, `repair` repairs one."""
