"""A place in a log, from which reading continues."""


class Place:
    """The end of a line in a log, as `LogDriver.read` gives and takes it.

    Attributes:
        lines: The number of lines before the place.
        hash: The hash of the last of them; empty if there is none.
        hint: An integer by which the driver finds the place, such as a file's offset; for that
            driver alone. A stale hint costs the driver a recount, never a wrong line.
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
"""The place before the first line of any log."""
