"""The limits of values that are stored, whatever the environment and the version of Python."""

MAX_DEPTH = 200
"""Arrays and objects of a JSON value inside one another, at most."""
MAX_DIGITS = 4300
"""Digits of an integer, at most: what CPython converts by default, so on every version alike."""
MAX_EVENT = 1 << 20
"""Bytes of one event's payload as stored, unless configured otherwise."""
