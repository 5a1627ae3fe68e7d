"""The back door to the lines of a log: a contract reads them, and edits them unnoticed."""

from __future__ import annotations

from collections.abc import Callable

import pytest

Edit = Callable[[list[bytes]], list[bytes]]
"""Returns what the lines of a log, without their newlines, are to be."""
Rewrite = Callable[[str, Edit], None]
"""Edits the log of a run, or of a release's name."""


class LineFixtures:
    """The fixture of contracts that edit logs."""

    @pytest.fixture
    def rewrite(self) -> Rewrite:
        """Override: `rewrite(name, edit)` replaces the lines of a log by `edit(lines)`, unnoticed.

        The name is that of a release, or the id of a run. Lines are given and taken as bytes
        without their newlines.
        """
        pytest.skip("this backend gives the suite no back door to its lines")


def read(rewrite: Rewrite, name: str) -> list[bytes]:
    """The lines of a log as they are."""
    seen: list[bytes] = []

    def look(lines: list[bytes]) -> list[bytes]:
        seen.extend(lines)
        return lines

    rewrite(name, look)
    return seen
