"""Masks the values of environment variables named like secrets, in what `run exec` records. No I/O.

URLs with a password are secrets, whatever the name of their variable. Every byte of every
occurrence of a value is masked, also where occurrences overlap. A value that is encoded (base64,
percent signs, JSON escapes), cut or otherwise transformed is not recognised. Tokens that have a
fixed form are found by `aivcs.formats.masking`.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

PATTERNS = (
    "TOKEN", "*_TOKEN", "*_TOKENS", "SECRET", "*_SECRET", "*_SECRETS", "*_KEY", "*APIKEY",
    "*PASSWORD*", "*PASSWD*", "*PASSPHRASE*", "PASS", "*_PASS", "SSHPASS", "*_PWD", "*_PAT", "DSN",
    "*_DSN", "*_CREDENTIAL", "*_CREDENTIALS", "DATABASE_URL", "*_DATABASE_URL",
    "*_CONNECTION_STRING", "*_WEBHOOK", "*_WEBHOOK_URL", "*_JWT", "*_COOKIE",
)  # fmt: skip
"""Patterns of names of variables whose values are secrets; `*` matches any text, also none."""
MIN_LENGTH = 8
"""Length in bytes, at least, of a value to mask; shorter ones match by chance."""


def find_secrets(environment: "Mapping[str, str]", patterns: "Iterable[str]") -> "dict[bytes, str]":
    """Returns the secrets among environment variables, each with the name of its variable.

    These are the values of variables whose name matches a pattern, in any case; and, whatever the
    name, URLs with a password, and the password by itself. White space around a value does not
    count, because programs strip it.
    """
    wanted = [pattern.upper().split("*") for pattern in patterns]
    secrets: dict[bytes, str] = {}
    for name, value in environment.items():
        secret = value.encode("utf-8", "surrogateescape").strip()
        password = _password_in(secret)
        if len(password) >= MIN_LENGTH:
            secrets.setdefault(password, name)
        is_named = any(_fits(name.upper(), parts) for parts in wanted)
        if len(secret) < MIN_LENGTH or not (is_named or password):
            continue
        secrets.setdefault(secret, name)
        if b"\n" in secret:  # as a terminal shows it
            secrets.setdefault(secret.replace(b"\n", b"\r\n"), name)
    return secrets


class _Secret:
    """A search for one secret in a stream, in time linear in the length of the stream.

    A secret that repeats itself may begin at every byte of the stream, and comparing each time
    would take the product of both lengths. So the search uses its borders, the prefixes that are
    also suffixes (Knuth, Morris and Pratt, 1977).

    Attributes:
        value: The bytes of the secret.
        name: The name of its variable.
    """

    __slots__ = ("_begun", "_borders", "_head", "name", "value")

    def __init__(self, value: bytes, name: str) -> None:
        self.value = value
        self.name = name
        self._begun = 0
        self._head = value[:4]
        self._borders: list[int] = []

    def begun(self, data: bytes, new: int) -> int:
        """The number of bytes at the end of the data that are a proper prefix of the secret.

        Args:
            data: The last bytes of the stream so far, ending in the new ones.
            new: The number of new bytes.
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
        """The ranges of the secret that begin before `end`; overlapping ones may be joined."""
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
        """The length of the longest border of each prefix of the secret."""
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
    """Masks secrets in a stream given in pieces.

    The concatenated results are the same, wherever the stream is cut.
    """

    __slots__ = ("_carry", "_covered", "_secrets")

    def __init__(self, secrets: "dict[bytes, str]") -> None:
        """Begins a stream.

        Args:
            secrets: The names of variables by their secrets, which are not empty.
        """
        # The longest first, so that the mask names the longest of several at one place.
        ordered = sorted(secrets.items(), key=lambda secret: (-len(secret[0]), secret[1]))
        self._secrets = [_Secret(value, name) for value, name in ordered]
        self._carry = b""
        self._covered = 0

    def feed(self, data: bytes) -> bytes:
        """Takes the next piece; returns the masked bytes that are certain by now."""
        new = len(data)
        data = self._carry + data
        # What a secret may begin with is not settled yet.
        waiting = max((secret.begun(data, new) for secret in self._secrets), default=0)
        return self._mask(data, len(data) - waiting)

    def end(self) -> bytes:
        """Returns the rest of the stream, masked."""
        return self._mask(self._carry, len(self._carry))

    def _mask(self, data: bytes, end: int) -> bytes:
        """Masks data up to an end, and keeps the rest with `_covered` bytes still to be masked."""
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


def _password_in(value: bytes) -> bytes:
    """The password of a URL, `scheme://user:password@host…`; empty if it has none."""
    scheme, mark, rest = value.partition(b"://")
    if not mark or not scheme.replace(b"+", b"").isalnum():
        return b""
    # As browsers take it: up to the last @ before the path.
    user, _, _ = rest.partition(b"/")[0].rpartition(b"@")
    return user.partition(b":")[2]


def _fits(name: str, parts: "list[str]") -> bool:
    """Whether a name consists of these parts, in order, with any text between them."""
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
