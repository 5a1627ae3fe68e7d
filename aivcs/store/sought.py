"""The query that a search passes to a backend (`aivcs.store.driver.Searched`)."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence


class Sought:
    """A search, reduced to the tests that a backend can make on the bytes of a log.

    Attributes:
        may_hold: Tells whether whole lines, at the beginning of some memory and so many bytes, can
            hold it.
        parts: Parts of words that a log has if it holds it, as
            `aivcs.log.words.parts_of`; none if words tell nothing.
        others: Runs to list in any case: what is looked for may stand elsewhere.
        uses_index: Whether to ask an index of texts.
    """

    __slots__ = ("may_hold", "others", "parts", "uses_index")

    def __init__(
        self,
        may_hold: "Callable[[bytearray, int], bool]",
        parts: "Sequence[str]",
        others: "Collection[str]",
        *,
        uses_index: bool,
    ) -> None:
        """Takes the attributes as they are."""
        self.may_hold = may_hold
        self.parts = parts
        self.others = others
        self.uses_index = uses_index
