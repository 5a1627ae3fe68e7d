"""The base of every page: a title, lines, and keys of its own."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from aivcs.repository import Repository
    from aivcs.signing.ssh import Verifier
    from aivcs.tui.listing import Listing, Progress


class Source(NamedTuple):
    """What pages read.

    Attributes:
        repo: The repository.
        verifier: Knows the allowed signers, if any are configured.
        environment: The environment for ssh-keygen.
        erasers: Knows the allowed erasers, if any are configured.
    """

    repo: Repository
    verifier: Verifier | None
    environment: Mapping[str, str]
    erasers: Verifier | None = None


class Action(NamedTuple):
    """What a key of a page does.

    Attributes:
        name: What it does, in a word or two, for the last line of the screen.
        call: Does it, for the line under the cursor, in the reader's thread. It returns the page to
            open, the line to go to, a remark to show, or None.
    """

    name: str
    call: Callable[[int, Progress], Page | int | str | None]


class Page:
    """A page of the browser.

    Attributes:
        title: Its name in the first line.
        actions: Its own keys.
        start: The line under the cursor when it is opened.
    """

    title = ""

    def __init__(self, source: Source) -> None:
        """Takes what is read; reads nothing."""
        self.source = source
        self.repo = source.repo
        self.actions: dict[str, Action] = {}
        self.start = 0

    def store_gone(self) -> str | None:
        """Says that a store in a folder is there no more: every list of it would be empty."""
        path = self.repo.path
        if os.path.isabs(path) and not os.path.exists(os.path.join(path, "format")):
            return f"{path} is gone, or no store any more."
        return None

    def read(self, cells: int, progress: Progress) -> Listing:
        """Returns the lines of the page as they are now; called again when it is refreshed.

        Args:
            cells: The width of the screen.
            progress: How far it has come.

        Raises:
            AivcsError: The page cannot be shown.
        """
        raise NotImplementedError
