"""A place in a log, from which reading goes on."""


class Place:
    """The end of a line in a log, as `LogDriver.read` gives it and takes it back.

    Attributes:
        lines: How many lines were read.
        hash: The hash of the last of them; empty if there is none.
        hint: What the driver that made it finds it by, an integer (a file's offset, say). A stale
            hint costs the driver a recount, never a wrong line; nobody else may read it.
    """

    __slots__ = ("hash", "hint", "lines")

    def __init__(self, lines: int, hash: str, hint: int = 0) -> None:  # noqa: A002 the format's word
        self.lines = lines
        self.hash = hash
        self.hint = hint

    def values(self) -> tuple[int, str, int]:
        """Returns the three values, which `marshal` can write, in the order of the constructor."""
        return self.lines, self.hash, self.hint


START = Place(0, "")
"""Before the first line of any log."""
