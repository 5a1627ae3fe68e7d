"""The settings of an open store: the values that hold, of the keys that a backend needs."""

from aivcs.errors import UsageError
from aivcs.model.record import MAX_EVENT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from aivcs.store.remote import RemoteSettings

DURABILITIES = ("full", "batch", "none")
"""full: everything acknowledged survives a power cut. batch: the same, except for the events of
RUNNING runs; ending a run makes them durable. none: the operating system decides."""
SEARCH_INDEXES = ("auto", "always", "never")
"""When a search makes and uses an index of texts. auto: in a store with many runs."""

_MAX_LOST_AFTER_S = 366 * 86_400


class Settings:
    """The settings of an open store.

    Attributes:
        durability: One of `DURABILITIES`.
        lock_timeout: Seconds to wait for another process's lock.
        max_event: Bytes of one event's payload, at most.
        blobs: The URL of another store that has the blobs, or empty.
        lost_after: Seconds without news after which the copy of a run that goes on elsewhere counts
            as lost.
        search_index: One of `SEARCH_INDEXES`.
        require_store: Pattern of release names, and the id of the only store that may have them;
            from the system's files.
    """

    __slots__ = (
        "_remote", "blobs", "durability", "lock_timeout", "lost_after", "max_event",
        "require_store", "search_index",
    )  # fmt: skip

    def __init__(
        self,
        *,
        durability: str = "full",
        lock_timeout: float = 30.0,
        max_event: int = MAX_EVENT,
        blobs: str = "",
        lost_after: float = 86_400.0,
        search_index: str = "auto",
        remote: "RemoteSettings | None" = None,
        require_store: "tuple[tuple[str, str], ...]" = (),
    ) -> None:
        """Checks the values.

        Raises:
            UsageError: A value is out of range.
        """
        if durability not in DURABILITIES:
            raise UsageError(f"durability {durability!r} is not one of {', '.join(DURABILITIES)}")
        if not 0 <= lock_timeout <= 86_400:
            raise UsageError(f"a lock timeout of {lock_timeout} is not between 0 and 86400 s")
        if not 1024 <= max_event <= 1 << 30:
            raise UsageError(f"a limit of {max_event} bytes is not between 1 KiB and 1 GiB")
        if not 0 <= lost_after <= _MAX_LOST_AFTER_S:
            raise UsageError(f"{lost_after} s without news are not between 0 and a year")
        if search_index not in SEARCH_INDEXES:
            raise UsageError(
                f"search.index {search_index!r} is not one of {', '.join(SEARCH_INDEXES)}"
            )
        self.durability = durability
        self.lock_timeout = lock_timeout
        self.max_event = max_event
        self.blobs = blobs
        self.lost_after = lost_after
        self.search_index = search_index
        self.require_store = require_store
        self._remote = remote

    @property
    def remote(self) -> "RemoteSettings":
        """The settings for reaching a store on a network."""
        if self._remote is None:
            from aivcs.store.remote import RemoteSettings

            self._remote = RemoteSettings()
        return self._remote
