"""The limits of stored values, the same in every environment and version of Python."""

MAX_DEPTH = 200
"""Levels of nested arrays and objects in a JSON value, at most."""
MAX_DIGITS = 4300
"""Digits of an integer, at most: the default limit of CPython."""
MAX_EVENT = 1 << 20
"""Bytes of an event's payload as stored, at most, unless configured otherwise."""
