"""Decides which requests the page answers. No I/O.

A page on loopback can be reached by every program of the machine, and by every web site that the
user visits, through the browser:

- a site can make its own name lead to 127.0.0.1 (DNS rebinding), and then sends no Origin; so the
  `Host` must be one of ours, with our port;
- other users of the machine can connect; so a token is needed, which is in the address that is
  printed, and becomes a cookie that other sites cannot send;
- a site can link here, or embed us; so requests of other sites get nothing, and nothing here may be
  framed, changed by a request, or read across origins.

The rules are those of Jupyter, and of inspect's `network.py` (UKGovernmentBEIS/inspect_ai).
"""

from __future__ import annotations

from hmac import compare_digest
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import parse_qs, urlsplit

from aivcs.web.style import POLICY

if TYPE_CHECKING:
    from collections.abc import Mapping

COOKIE = "aivcs"
MAX_HEADER_BYTES = 8192
"""Bytes of a request's first line and headers, at most."""
HEADERS = {
    "Content-Security-Policy": f"{POLICY}; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
"""The headers of every answer."""
_TOKEN = "token"


class Rules(NamedTuple):
    """The rules of one page.

    Attributes:
        port: The port; None for a socket file, which other ports may be forwarded to.
        name: The random name below `.localhost` that the page has.
        token: What must be known to read it; empty for nothing.
    """

    port: int | None
    name: str
    token: str


class Answer(NamedTuple):
    """The decision on a request, made before the store is read.

    Attributes:
        status: The status; 200 if the request may be answered.
        text: Why not.
        headers: Headers besides `HEADERS`.
    """

    status: int
    text: str = ""
    headers: Mapping[str, str] = {}


ALLOWED = Answer(200)


def judge(rules: Rules, method: str, target: str, headers: Mapping[str, str]) -> Answer:
    """Returns whether a request may be answered, or what it gets instead.

    Args:
        rules: The rules.
        method: Its method.
        target: Its target, path and query.
        headers: Its headers, by names in lower case.
    """
    if not is_our_host(rules, headers.get("host", "")):
        return Answer(403, "The Host of this request is not this page's.")
    if method not in {"GET", "HEAD"}:
        return Answer(405, "This page only shows.", {"Allow": "GET, HEAD"})
    if not target.startswith("/") or target.startswith("//"):
        return Answer(400, "The target of a request is a path.")
    site = headers.get("sec-fetch-site", "none")
    is_visit = headers.get("sec-fetch-mode") == "navigate" and (
        headers.get("sec-fetch-dest") == "document"
    )
    if site not in {"none", "same-origin"} and not is_visit:
        return Answer(403, "Requests of other sites are not answered.")
    if not is_our_origin(rules, headers.get("origin")):
        return Answer(403, "Requests of other origins are not answered.")
    if not rules.token or _has_cookie(rules.token, headers.get("cookie", "")):
        return ALLOWED
    url = urlsplit(target)
    given = parse_qs(url.query).get(_TOKEN, [""])[-1]
    if not _is_same(given, rules.token):
        return Answer(403, "Open the address that aivcs web has printed: it has a token.")
    cookie = f"{COOKIE}={rules.token}; HttpOnly; SameSite=Strict; Path=/"
    return Answer(303, "", {"Location": url.path, "Set-Cookie": cookie})


def is_our_host(rules: Rules, host: str) -> bool:
    """Tells whether a `Host` is a name of this machine's loopback, with the port of the page."""
    name, port = _split(host)
    if name not in {"localhost", "127.0.0.1", "[::1]", f"{rules.name}.localhost"}:
        return False
    return rules.port is None or port == rules.port


def is_our_origin(rules: Rules, origin: str | None) -> bool:
    """Tells whether an `Origin`, if there is one, is this page's."""
    if origin is None:
        return True
    scheme, mark, host = origin.partition("://")
    return scheme == "http" and bool(mark) and is_our_host(rules, host)


def _split(host: str) -> tuple[str, int]:
    """The name of a host, in lower case, and its port; -1 if that is not a number."""
    name, mark, port = host.rpartition(":") if not host.endswith("]") else (host, "", "")
    if not mark:
        return (host.lower(), 80)
    return (name.lower(), int(port)) if port.isascii() and port.isdigit() else ("", -1)


def _has_cookie(token: str, cookies: str) -> bool:
    pairs = (cookie.strip().partition("=") for cookie in cookies.split(";"))
    return any(name == COOKIE and _is_same(value, token) for name, _, value in pairs)


def _is_same(given: str, token: str) -> bool:
    return compare_digest(given.encode("utf-8", "replace"), token.encode())
