"""The server of `aivcs web`: loopback or a socket file, GET and HEAD, by the rules of the guard.

The standard library's server is enough: pages for one person, made from files that other processes
write, without a connection that is kept for long. A framework would be six packages, and no rule of
the guard less.
"""

from __future__ import annotations

import os
import socket
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import BoundedSemaphore
from typing import TYPE_CHECKING, Any

from aivcs.web.guard import ALLOWED, HEADERS, MAX_HEADER_BYTES, Rules, judge
from aivcs.web.pages import Response, respond

if TYPE_CHECKING:
    from collections.abc import Callable

    from aivcs.web.source import Source

THREADS = 16
"""Requests that are answered at once; others wait."""
_TIMEOUT_SECONDS = 20


class PageServer(ThreadingHTTPServer):
    """Serves a store on 127.0.0.1 or on a socket file.

    Attributes:
        rules: The rules for requests.
        source: Makes a new `Source` for a request.
    """

    daemon_threads = True
    request_queue_size = 64

    def __init__(
        self, source: Callable[[], Source], name: str, token: str, *, port: int = 0, path: str = ""
    ) -> None:
        """Binds, and does not answer yet.

        Args:
            source: Makes a new `Source` for a request.
            name: A random name.
            token: What must be known to read the pages; empty for nothing.
            port: The port on 127.0.0.1; 0 is any that is free.
            path: A socket file instead, for its owner alone.

        Raises:
            OSError: The port or the file cannot be used.
        """
        self.source = source
        self._free = BoundedSemaphore(THREADS)
        self._path = path
        if path:
            self.address_family = socket.AF_UNIX
        address: Any = path or ("127.0.0.1", port)
        super().__init__(address, _Handler, bind_and_activate=False)
        try:
            self._bind()
        except BaseException:
            self.server_close()
            raise
        self.rules = Rules(None if path else self.server_address[1], name, token)

    def _bind(self) -> None:
        if self._path:
            mask = os.umask(0o177)  # not an instant in which others can connect
            try:
                self.socket.bind(self._path)
            finally:
                os.umask(mask)
            self.server_address = self._path  # type: ignore[assignment]
        else:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self.socket.bind(self.server_address)
            self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = "localhost", 0
        self.server_activate()

    def process_request(self, request: Any, client_address: Any) -> None:
        """Starts a thread for a request when one is free."""
        self._free.acquire()
        try:
            super().process_request(request, client_address)
        except BaseException:
            self._free.release()
            raise

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Answers a request in its thread."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._free.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignores a connection that broke: nobody is left to be told."""

    def server_close(self) -> None:
        """Frees port and file."""
        super().server_close()
        if self._path:
            try:
                os.unlink(self._path)
            except OSError:
                pass


class _Handler(BaseHTTPRequestHandler):
    """Answers one request."""

    server: PageServer
    timeout = _TIMEOUT_SECONDS
    server_version, sys_version = "aivcs", ""

    def handle_one_request(self) -> None:
        """Reads a request of bounded size, and answers it."""
        self.close_connection = True
        limited = _Limited(self.rfile)
        self.rfile = limited  # type: ignore[assignment]
        self.raw_requestline = limited.readline(MAX_HEADER_BYTES + 1)
        if not self.raw_requestline:
            return
        self.requestline, self.command, self.request_version = "", "", ""
        if len(self.raw_requestline) > MAX_HEADER_BYTES:
            self._send(Response(414, "text/plain", b"The address is too long.\n"))
        elif not self.parse_request():
            return  # it has sent an error
        elif limited.is_over:
            self._send(Response(431, "text/plain", b"The headers are too long.\n"))
        else:
            self._answer()
        self.wfile.flush()

    def _answer(self) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        if len(self.headers.get_all("host", [])) != 1:
            headers["host"] = ""
        decided = judge(self.server.rules, self.command, self.path, headers)
        if decided is not ALLOWED:
            body = f"{decided.text}\n".encode() if decided.text else b""
            self._send(Response(decided.status, "text/plain; charset=utf-8", body), decided.headers)
        elif self.path == "/favicon.ico":
            self._send(Response(204, "", b""))
        else:
            self._send(respond(self.server.source(), self.path))

    def _send(self, response: Response, more: Any = ()) -> None:
        self.request_version = "HTTP/1.1"  # an older one, or none, would get no headers
        self.send_response(response.status)
        for name, value in {**HEADERS, **dict(more)}.items():
            self.send_header(name, value)
        if response.type:
            self.send_header("Content-Type", response.type)
        self.send_header("Content-Length", str(len(response.body)))
        self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(response.body)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Answers a malformed request, with the headers of every answer."""
        del message, explain
        self._send(Response(code, "text/plain", b"This is not a request for a page.\n"))

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 the name of the base class
        """Prints nothing: the requests of a reader are private."""


class _Limited:
    """A stream of which no more than the headers may be read.

    Attributes:
        is_over: Whether there was more.
    """

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self._left = MAX_HEADER_BYTES
        self.is_over = False

    def readline(self, size: int = -1) -> bytes:
        if self._left <= 0:
            self.is_over = True
            return b""
        most = self._left + 1 if size < 0 else min(size, self._left + 1)
        line: bytes = self._stream.readline(most)
        self._left -= len(line)
        return line

    def close(self) -> None:
        self._stream.close()

    @property
    def closed(self) -> bool:
        return bool(self._stream.closed)
