"""Posts traces to a server by OTLP over HTTP, as JSON or protobuf.

Redirections are not followed: they could carry a token elsewhere.
"""

from __future__ import annotations

import socket
from http.client import HTTPException
from time import sleep
from urllib.error import HTTPError, URLError
from urllib.parse import unquote, urlsplit, urlunsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from aivcs import __version__
from aivcs.codec.json import parse
from aivcs.errors import BackendError, SerializationError, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from http.client import HTTPMessage
    from typing import IO, Any

_TIMEOUT = 30.0
"""Seconds to wait for an answer."""
_PATH = "/v1/traces"
_AGAIN = frozenset({429, 502, 503, 504})
"""Statuses after which OTLP asks to try again."""
_WAITS = (1.0, 2.0)
"""Seconds to wait before each new attempt, where the server asks for one."""
_ANSWER = 64 << 10


def post(
    url: str,
    batches: Iterable[str],
    *,
    headers: Mapping[str, str] | None = None,
    encode: Callable[[str], bytes] | None = None,
) -> int:
    """Posts batches of spans, one request each; returns their number.

    Args:
        url: The server (then `/v1/traces` is appended) or the whole address.
        batches: The lines of `aivcs.formats.write.otlp`.
        headers: Further headers of each request.
        encode: Returns a batch as protobuf, to be posted instead of JSON; or None.

    Raises:
        UsageError: The address is not one of HTTP.
        BackendError: The server could not be reached, or refused a batch.
    """
    address = endpoint(url)
    sent = {
        "Content-Type": "application/json" if encode is None else "application/x-protobuf",
        "User-Agent": f"aivcs/{__version__}",
        **(headers or {}),
    }
    # An answer may be slow, and the opener of urllib follows what it should not.
    opener = build_opener(_NoRedirection)
    number = 0
    for batch in batches:
        body = batch.encode() if encode is None else encode(batch)
        left = list(_WAITS)
        while not _send(opener, Request(address, body, sent), _TIMEOUT, is_last=not left):  # noqa: S310 the scheme is checked
            sleep(left.pop(0))
        number += 1
    return number


def endpoint(url: str) -> str:
    """Returns the address to post to.

    Raises:
        UsageError: It is not an address of HTTP, or holds a password.
    """
    try:
        parts = urlsplit(url)
        _ = parts.port  # raises if it is not a number
    except ValueError as error:
        raise UsageError(f"the URL of --to is not valid: {error}") from error
    if parts.scheme not in {"http", "https"} or not parts.hostname or not url.isprintable():
        raise UsageError(
            f"the URL of --to must begin with http:// or https:// and name a server: {url[:80]!a}"
        )
    if parts.username is not None or parts.password is not None:
        raise UsageError(
            "the URL of --to holds a password, which others can see; put it into "
            "OTEL_EXPORTER_OTLP_HEADERS, as in authorization=Basic%20…"
        )
    if parts.path in {"", "/"}:
        parts = parts._replace(path=_PATH)
    return urlunsplit(parts)


class _NoRedirection(HTTPRedirectHandler):
    def redirect_request(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> None:
        """Follows none: the answer is then an error like others."""


def headers_in(text: str, variable: str) -> dict[str, str]:
    """Returns the headers in a variable of OpenTelemetry: `name=value` with commas between.

    Args:
        text: Its value; values of headers may be percent-encoded.
        variable: Its name, for messages.

    Raises:
        UsageError: It has another form.
    """
    found: dict[str, str] = {}
    for pair in filter(None, map(str.strip, text.split(","))):
        name, mark, value = pair.partition("=")
        value = unquote(value.strip())
        if not mark or not name.strip() or not (name + value).isprintable():
            raise UsageError(f"{variable} must be name=value, with commas between")
        found[name.strip()] = value
    return found


def _send(opener: Any, request: Request, timeout: float, *, is_last: bool) -> bool:
    """Sends a request; returns False if it is to be sent again."""
    address = request.full_url
    try:
        with opener.open(request, timeout=timeout) as response:
            _require_all(address, response.read(_ANSWER))
            return True
    except HTTPError as error:
        with error:
            if error.code in _AGAIN and not is_last:
                return False
            is_protobuf = request.get_header("Content-type") != "application/json"
            raise BackendError(_refusal(address, error, is_protobuf=is_protobuf)) from error
    except (URLError, TimeoutError, HTTPException, OSError) as error:
        reason = getattr(error, "reason", None) or error
        said = getattr(reason, "strerror", None) or str(reason) or type(reason).__name__
        if isinstance(reason, TimeoutError):
            said = f"no answer within {timeout:g} seconds"
        elif isinstance(reason, socket.gaierror):
            said = "its name is not known"
        raise BackendError(f"cannot post to {address}: {said}") from error


def _require_all(address: str, answer: bytes) -> None:
    """Requires that the server took all spans: it may say that it refused some."""
    try:
        said = parse(answer.decode())
    except (UnicodeDecodeError, SerializationError):
        return
    partial = said.get("partialSuccess") if isinstance(said, dict) else None
    if isinstance(partial, dict) and str(partial.get("rejectedSpans", "0")) != "0":
        reason = str(partial.get("errorMessage") or "it gives no reason")[:300]
        raise BackendError(
            f"{address} refused {partial['rejectedSpans']} spans: {ascii(reason)[1:-1]}"
        )


def _refusal(address: str, error: HTTPError, *, is_protobuf: bool) -> str:
    if error.code == 415:
        return (
            f"{address} does not take OTLP as JSON (415); add --protobuf, or send it through an "
            "OpenTelemetry Collector"
            if not is_protobuf
            else f"{address} does not take OTLP as protobuf (415); leave --protobuf out"
        )
    if 300 <= error.code < 400:
        where = ascii(error.headers.get("Location", "elsewhere"))[1:-1][:200]
        return f"{address} redirects to {where} ({error.code}); name that with --to if you trust it"
    try:
        text = " ".join(error.read(600).decode("utf-8", "replace").split())
    except (OSError, HTTPException):
        text = ""
    said = ascii(text[:300])[1:-1]
    return f"{address} answered {error.code} {error.reason}" + (f": {said}" if said else "")
