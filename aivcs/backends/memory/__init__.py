"""The three stores in memory: as strict as stores on disk, and gone with the process.

They keep what a disk would keep, bytes and sealed lines, and run the same rules over them. So
heads, integrity checks and refused payloads are real, and nothing that a caller holds is shared
with a store. All are thread-safe. Tests of other people's code take them from `aivcs.fakes`.
"""

from aivcs.backends.memory.blobs import MemoryCasStore
from aivcs.backends.memory.releases import MemoryReleaseRegistry
from aivcs.backends.memory.runs import MemoryRunLedger

__all__ = ["MemoryCasStore", "MemoryReleaseRegistry", "MemoryRunLedger"]
