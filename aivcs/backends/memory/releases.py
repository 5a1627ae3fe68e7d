"""Releases in memory, for tests of other people's code."""

from aivcs.backends.memory.driver import MemoryLogDriver
from aivcs.store.releases import LogReleaseRegistry


class MemoryReleaseRegistry(LogReleaseRegistry):
    """An `aivcs.ReleaseRegistry` that keeps its logs in memory.

    Attributes:
        driver: The logs. Tests damage lines through it; nothing else should touch it.
    """

    def __init__(self) -> None:
        """Begins empty."""
        self.driver = MemoryLogDriver()
        super().__init__(self.driver)
