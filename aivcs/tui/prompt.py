"""A line in which the reader types a text: what to find, or what to search runs for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aivcs.tui.row import MARK, PLAIN, Row

if TYPE_CHECKING:
    from collections.abc import Callable


class Prompt:
    """A question, and the answer as far as it is typed.

    Attributes:
        text: The answer.
    """

    def __init__(self, asks: str, answer: Callable[[str], None]) -> None:
        """Takes the question, and what is called with the answer."""
        self.text = ""
        self._asks, self._answer = asks, answer
        self._is_given = False

    def row(self) -> Row:
        """Returns the line with the question."""
        return Row([(self._asks, MARK), (self.text, PLAIN), ("▏", MARK)])

    def take(self, key: str, character: str | None) -> bool:
        """Takes a key; tells whether the prompt stays.

        Args:
            key: The name of the key.
            character: What it types, if it types something.
        """
        if key == "enter":
            self._is_given = True
            return False
        if key in {"escape", "ctrl+c"} or (key == "backspace" and not self.text):
            return False
        if key == "ctrl+u":
            self.text = ""
        elif key == "backspace":
            self.text = self.text[:-1]
        elif character:
            self.text += character
        return True

    def end(self) -> None:
        """Gives the answer, unless the reader wants to give none."""
        if self._is_given:
            self._answer(self.text)
