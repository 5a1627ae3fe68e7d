"""Tests on the stored bytes of an event that every match passes. No I/O.

To look for bytes costs a fraction of reading JSON. Bytes rule lines out, and whole logs; what they
do not rule out is read and compared. So each test here is true in any doubt.
"""

from __future__ import annotations

import re

from aivcs.codec.json import encode_trusted
from aivcs.log.words import parts_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Data = bytes | bytearray
    Test = Callable[[Data, int], object]

_SAME_WHERE_CASE_IS_IGNORED = tuple(each.encode() for each in "\u0130\u0131\u017f\u212a")
"""Non-ASCII characters that equal i, s or k when Python ignores case."""


class Needles:
    """The bytes that stand in the line of an event that matches.

    Attributes:
        parts: Parts of its words, as `aivcs.log.words.parts_of`, which an index looks up.
    """

    def __init__(
        self, *, text: str | None, ignore_case: bool = False, kinds: Sequence[str] = ()
    ) -> None:
        """Takes what is looked for.

        Args:
            text: A text in the payload; None for any.
            ignore_case: Whether upper and lower case are the same.
            kinds: The kinds of events, one of which it must be; empty for any.

        Raises:
            SerializationError: The text cannot stand in JSON.
        """
        self.parts: list[str] = []
        self._tests: list[Test] = []
        if kinds:
            self._tests.append(_test_of_kinds(kinds))
        if text is not None:
            self.parts = parts_of(text, ignore_case=ignore_case)
            if text.isascii() or not ignore_case:
                self._tests.append(_test_of(text, ignore_case=ignore_case))

    @property
    def can_tell(self) -> bool:
        """Whether any line can be ruled out."""
        return bool(self._tests)

    def may_hold(self, data: Data, size: int | None = None) -> bool:
        """Tells whether whole lines can have an event that matches.

        Args:
            data: Begins with these lines.
            size: Their bytes; all by default.
        """
        size = len(data) if size is None else size
        for test in self._tests:  # noqa: SIM110 a generator costs more than some of the tests
            if not test(data, size):
                return False
        return True


def _test_of_kinds(kinds: Sequence[str]) -> Test:
    needles = [f'"kind":{encode_trusted(kind)}'.encode() for kind in kinds]

    def holds(data: Data, size: int) -> object:
        return any(data.find(each, 0, size) >= 0 for each in needles) or (
            data.find(b"\\u", 0, size) >= 0
        )

    return holds


def _test_of(text: str, *, ignore_case: bool) -> Test:
    """Returns a test for lines that may hold a text, however JSON spells its characters.

    JSON may spell any character as an escape. aivcs does so only where it has to, but reads lines
    of others, too.
    """
    needle = encode_trusted(text)[1:-1].encode()
    is_plain = text.isascii() and text.isprintable()
    escapes = rb"\\u" if not text.isprintable() else rb"\\u(?!00[01])"
    # One search for an alternative would take ten times as long as one for each.
    other = re.compile(rb"\\u00[2-7]" if is_plain and not ignore_case else escapes).search
    has_slash = "/" in text
    if ignore_case:
        needle = needle.lower()
        others = _SAME_WHERE_CASE_IS_IGNORED if set(text.lower()) & set("isk") else ()

    def holds(data: Data, size: int) -> object:
        if ignore_case:
            lowered = bytes(memoryview(data)[:size]).lower()
            if needle in lowered or any(each in lowered for each in others):
                return True
        elif data.find(needle, 0, size) >= 0:
            return True
        return other(data, 0, size) or (has_slash and data.find(b"\\/", 0, size) >= 0)

    return holds
