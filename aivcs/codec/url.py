"""URLs of stores as text: their one form for comparison, and their form in messages.

Every message that names a store goes through `shown`, so that no password of a URL is printed.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from re import Match

MASK = "***"
"""The text that stands for a secret."""
_SECRET_PARAMETERS = frozenset({
    "password", "passwd", "pwd", "sslpassword", "secret", "secret_key", "secret_access_key",
    "aws_secret_access_key", "token", "session_token", "aws_session_token",
})  # fmt: skip
"""Parameters after `?` whose values are secrets, in lower case."""


def is_url(store: str) -> bool:
    """Tells whether the name of a store is a URL rather than a path."""
    return "://" in store


def shown(store: str) -> str:
    """Returns a store's path or URL for a message: a URL's password is masked."""
    if not is_url(store):
        return store
    scheme, _, rest = store.partition("://")
    begin, end = _password(rest)
    if begin < end:
        rest = f"{rest[:begin]}{MASK}{rest[end:]}"
    place, mark, query = rest.partition("?")
    if mark:
        query = "&".join(
            f"{pair.partition('=')[0]}={MASK}" if _is_secret(pair) else pair
            for pair in query.split("&")
        )
    return f"{scheme}://{place}{mark}{query}"


def has_password(store: str) -> bool:
    """Tells whether a store's URL holds a password or another secret."""
    return shown(store) != store


def hide_passwords(text: str) -> str:
    """Returns a message with the passwords of all URLs in it masked."""
    if "://" not in text:
        return text
    import re

    def mask(found: "Match[str]") -> str:
        return shown(found[0])

    return re.sub(r"[A-Za-z][A-Za-z0-9+.-]*://[^\s'\"<>]+", mask, text)


def canonical(store: str) -> str:
    """Returns the one form of a URL by which it is trusted: scheme and host in lower case.

    A `/` at the end and a password do not count; every parameter does, since it may lead to another
    host.
    """
    scheme, mark, rest = store.partition("://")
    if not mark:
        return store
    ends = [at for at in map(rest.find, "/?#") if at >= 0]
    at = min(ends, default=len(rest))
    user, is_user, host = rest[:at].rpartition("@")
    place, question, query = rest[at:].partition("?")
    user = user.partition(":")[0]
    return f"{scheme.lower()}://{user}{is_user}{host.lower()}{place.rstrip('/')}{question}{query}"


def _password(rest: str) -> tuple[int, int]:
    """Where the password stands in the part of a URL after `://`; an empty range without one."""
    ends = [at for at in map(rest.find, "/?#") if at >= 0]
    authority = rest[: min(ends, default=len(rest))]
    at = authority.rfind("@")
    if at < 0:
        # A password with an unescaped slash: the URL is wrong, and must not be printed either.
        port = authority.partition(":")[2]
        if port and not port.isdecimal() and authority[0] != "[":
            at = rest.partition("?")[0].rfind("@")
    colon = rest.find(":", 0, max(at, 0))
    return (colon + 1, at) if colon >= 0 else (0, 0)


def _is_secret(pair: str) -> bool:
    name, _, value = pair.partition("=")
    return bool(value) and name.lower() in _SECRET_PARAMETERS
