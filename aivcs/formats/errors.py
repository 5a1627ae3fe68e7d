"""The error of a source that is in none of the formats, or breaks its own."""

from __future__ import annotations

from aivcs.errors import UsageError


class FormatError(UsageError):
    """A source cannot be read on; the message begins with the line."""
