"""The browser as a function: shows pages at the terminal, and returns the exit code."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aivcs.tui.app import Browser

if TYPE_CHECKING:
    from aivcs.tui.pages.page import Page


def browse(first: Page, place: str) -> int:
    """Shows pages until the person leaves. Returns the exit code.

    Args:
        first: The first page.
        place: The name of the store, for the first line.

    Raises:
        Exception: An error that nobody expected; the terminal is as it was before.
    """
    browser = Browser(first, place, terminal=0)
    code = browser.run()
    if browser.failure is not None:
        raise browser.failure
    return 0 if code is None else code
