"""Secrets out of what is recorded: the values of variables that are named like secrets.

No I/O. What is masked is every byte of every occurrence of a value, as it stands in the variable;
where occurrences overlap, all of them together. A value that is encoded (base64, percent signs,
escaped in JSON), cut, or otherwise transformed is another value, and is not recognised.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

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
        self._secrets = sorted(secrets.items(), key=lambda secret: (-len(secret[0]), secret[1]))
        self._carry = b""
        self._covered = 0

    def feed(self, data: bytes) -> bytes:
        """Takes what the stream goes on with; returns, masked, what can be told by now."""
        data = self._carry + data
        return self._mask(data, self._settled(data))

    def end(self) -> bytes:
        """Returns what is left."""
        return self._mask(self._carry, len(self._carry))

    def _settled(self, data: bytes) -> int:
        """Up to where it is known what begins: all but an end with which a secret may begin."""
        settled = len(data)
        for secret, _ in self._secrets:
            at = data.find(secret[:1], max(0, len(data) - len(secret) + 1))
            while 0 <= at < settled:
                if secret.startswith(data[at:]):
                    settled = at
                at = data.find(secret[:1], at + 1)
        return settled

    def _mask(self, data: bytes, end: int) -> bytes:
        """Masks data up to an end, and keeps the rest; `_covered` bytes of that are masked yet."""
        found: dict[int, tuple[bytes, str]] = {}
        for secret, name in self._secrets:
            at = data.find(secret, 0, end + len(secret) - 1)
            while at >= 0:
                found.setdefault(at, (secret, name))
                at = data.find(secret, at + 1, end + len(secret) - 1)
        pieces: list[bytes] = []
        done = self._covered
        for at in sorted(found):
            secret, name = found[at]
            if at >= done:
                pieces += (data[done:at], b"***%b***" % name.encode("utf-8", "surrogateescape"))
            done = max(done, at + len(secret))
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
