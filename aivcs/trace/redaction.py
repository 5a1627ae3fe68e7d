"""Secrets out of what is recorded: the values of variables that are named like secrets.

No I/O. What is masked is every byte of every occurrence of a value, as it stands in the variable;
where occurrences overlap, all of them together. A value that is encoded (base64, percent signs,
escaped in JSON), cut, or otherwise transformed is another value, and is not recognised.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

PATTERNS = ("*_TOKEN", "*_SECRET", "*_KEY", "*PASSWORD*")
"""Names of variables whose values are secrets; `*` stands for any text, also for none."""
MIN_LENGTH = 8
"""Bytes of a secret, at least: what is shorter stands everywhere without being one."""


def find_secrets(environment: "Mapping[str, str]", patterns: "Iterable[str]") -> "dict[bytes, str]":
    """Returns the secrets among some variables, with the name of each.

    White space around a value is no part of the secret: programs strip it. Whether letters are
    capital makes no difference to a pattern.
    """
    wanted = [pattern.upper().split("*") for pattern in patterns]
    secrets: dict[bytes, str] = {}
    for name, value in environment.items():
        secret = value.encode("utf-8", "surrogateescape").strip()
        if len(secret) < MIN_LENGTH or not any(_fits(name.upper(), parts) for parts in wanted):
            continue
        secrets.setdefault(secret, name)
        if b"\n" in secret:  # as a terminal shows it
            secrets.setdefault(secret.replace(b"\n", b"\r\n"), name)
    return secrets


class _Secret:
    """A secret as it is looked for in one stream, in time that grows with the stream alone.

    Where a secret repeats itself, or nearly, there may be an occurrence or a beginning of one at
    every byte, and comparing each would take the length of the secret times that of the stream. So
    its borders are used, the beginnings that it also ends with (Knuth, Morris and Pratt, 1977).

    Attributes:
        value: Its bytes.
        name: Of the variable.
    """

    __slots__ = ("_begun", "_borders", "_head", "name", "value")

    def __init__(self, value: bytes, name: str) -> None:
        self.value = value
        self.name = name
        self._begun = 0
        self._head = value[:4]
        self._borders: list[int] = []

    def begun(self, data: bytes, new: int) -> int:
        """How many bytes at the end of some data it begins with; not all of its bytes.

        Args:
            data: The stream as it was given before, from somewhere on, and what is new.
            new: Bytes that are.
        """
        value = self.value
        begun, at = self._begun, len(data) - new
        if new >= len(value) - 1:  # what was before is too far away
            begun, at = 0, len(data) - len(value) + 1
        while at < len(data):
            if begun:
                byte = data[at]
                while begun and value[begun] != byte:
                    begun = self.borders[begun]
                begun += value[begun] == byte
                at += 1
            else:  # most of the time, and without a look at each byte
                found = data.find(self._head, at)
                if found < 0:
                    at = data.find(value[:1], max(at, len(data) - len(self._head) + 1))
                    while at >= 0 and not value.startswith(data[at:]):
                        at = data.find(value[:1], at + 1)
                    begun = len(data) - at if at >= 0 else 0
                    break
                begun, at = len(self._head), found + len(self._head)
            if begun == len(value):
                begun = self.borders[begun]
        self._begun = begun
        return begun

    def occurrences(self, data: bytes, end: int) -> "Iterator[tuple[int, int]]":
        """Where it is in some data, if it begins before `end`; overlapping ones may come as one."""
        length = len(self.value)
        limit = end + length - 1
        begin = data.find(self.value, 0, limit)
        while begin >= 0:
            at, period = begin, length - self.borders[length]
            if period < length:
                # Of those that overlap, most are found many at once.
                for step in ((length - 1) // period * period, period):
                    rest = self.value[length - step :]
                    while at + step < end and data.startswith(rest, at + length):
                        at += step
            yield begin, at + length
            # The next that overlaps this one would have come with it, were it any nearer
            # (Fine and Wilf, 1965: else there would be a shorter period).
            begin = data.find(
                self.value, at + (length if period == length else length - period + 1), limit
            )

    @property
    def borders(self) -> "list[int]":
        """For each number of its first bytes, how many of these are the longest border."""
        if not self._borders:
            borders, border = [0, 0], 0
            for byte in self.value[1:]:
                while border and self.value[border] != byte:
                    border = borders[border]
                border += self.value[border] == byte
                borders.append(border)
            self._borders = borders
        return self._borders


class Redactor:
    """Masks secrets in a stream that comes in pieces, wherever these are cut.

    Together the results are what they would be for the whole stream in one piece.
    """

    __slots__ = ("_carry", "_covered", "_secrets")

    def __init__(self, secrets: "dict[bytes, str]") -> None:
        """Begins a stream.

        Args:
            secrets: The names by the secrets; none of these is empty.
        """
        # The longest first, so that of several at one place it is the longest that is named.
        ordered = sorted(secrets.items(), key=lambda secret: (-len(secret[0]), secret[1]))
        self._secrets = [_Secret(value, name) for value, name in ordered]
        self._carry = b""
        self._covered = 0

    def feed(self, data: bytes) -> bytes:
        """Takes what the stream goes on with; returns, masked, what can be told by now."""
        new = len(data)
        data = self._carry + data
        # What a secret may begin with is not settled yet.
        waiting = max((secret.begun(data, new) for secret in self._secrets), default=0)
        return self._mask(data, len(data) - waiting)

    def end(self) -> bytes:
        """Returns what is left."""
        return self._mask(self._carry, len(self._carry))

    def _mask(self, data: bytes, end: int) -> bytes:
        """Masks data up to an end, and keeps the rest; `_covered` bytes of that are masked yet."""
        found: dict[int, tuple[int, str]] = {}
        for secret in self._secrets:
            for begin, stop in secret.occurrences(data, end):
                longest, name = found.get(begin, (0, secret.name))
                found[begin] = (max(longest, stop), name)
        pieces: list[bytes] = []
        done = self._covered
        for at in sorted(found):
            stop, name = found[at]
            if at >= done:
                pieces += (data[done:at], b"***%b***" % name.encode("utf-8", "surrogateescape"))
            done = max(done, stop)
        if done < end:
            pieces.append(data[done:end])
            done = end
        self._carry = data[end:]
        self._covered = max(0, done - end)
        return b"".join(pieces)


def redact(text: str, secrets: "dict[bytes, str]") -> str:
    """Returns a text with the secrets in it masked."""
    redactor = Redactor(secrets)
    data = text.encode("utf-8", "surrogateescape")
    return (redactor.feed(data) + redactor.end()).decode("utf-8", "surrogateescape")


def _fits(name: str, parts: "list[str]") -> bool:
    """Whether a name is these parts, with any text between them."""
    first, *rest = parts
    if not rest:
        return name == first
    *middle, last = rest
    if len(name) < len(first) + len(last) or not name.startswith(first):
        return False
    if not name.endswith(last):
        return False
    at, end = len(first), len(name) - len(last)
    for part in middle:
        at = name.find(part, at, end)
        if at < 0:
            return False
        at += len(part)
    return True
