"""A store in memory, which tests of other people's code take from `aivcs.fakes`."""

from aivcs.backends.memory.backend import MemoryBackend as MemoryBackend
