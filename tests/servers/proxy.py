"""A proxy in front of an HTTP server that counts requests and makes faults, for tests."""

import random
import socket
import socketserver
import threading
import time
from collections import Counter
from typing import Any

from servers.ports import claim_ports

FAULTS = {
    "drop": "the request passes, its answer is lost and the connection cut",
    "error": "the request passes, its answer becomes a 503",
    "cut": "the request is cut in the middle",
    "conflict": "a 409, and nothing is stored",
    "throttle": "a 503 that asks to slow down, and nothing is stored",
    "late": "the connection is cut, and the request arrives a moment later all the same",
}
_ERROR = b"HTTP/1.1 %b\r\nContent-Type: application/xml\r\nContent-Length: %d\r\n\r\n%b"


class Proxy:
    """A running proxy; a block ends it.

    Attributes:
        url: Its URL.
        requests: Method and path of each request that came.
        injected: The faults made, by name.
        delayed: The number of requests that waited, or wait.
        answer: The answer to every request, instead of the server's; None passes them on.
    """

    def __init__(self, server, *, fault=None, rate=1.0, match=None, delay=0.0, late=0.3, seed=1):
        """Begins to listen.

        Args:
            server: The server behind it.
            fault: One of `FAULTS`, or None.
            rate: The share of matching requests that get the fault.
            match: Tells by method and path whether a request may get it; None: each PUT.
            delay: Seconds that each request waits.
            late: Seconds until a late request arrives.
        """
        self.target = ("127.0.0.1", server.port)
        self.fault = fault
        self.rate = rate
        self.match = match or (lambda method, path: method == "PUT")
        self.delay = delay
        self.delayed = 0
        self.late = late
        self.answer: bytes | None = None
        self.requests = []
        self.injected: Counter[str] = Counter()
        self._random = random.Random(seed)
        self._lock = threading.Lock()
        proxy = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self):
                proxy.serve(self)

        class Listener(socketserver.ThreadingTCPServer):
            daemon_threads = True
            allow_reuse_address = True
            request_queue_size = 128

            def handle_error(self, request, client_address):
                pass  # connections are cut on purpose

        self._listener = Listener(("127.0.0.1", claim_ports()), Handler)
        self.url = f"http://127.0.0.1:{self._listener.server_address[1]}"
        threading.Thread(target=self._listener.serve_forever, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._listener.shutdown()
        self._listener.server_close()

    def count(self):
        """The number of requests by method since the last call of `clear`."""
        return Counter(method for method, _ in self.requests)

    def clear(self):
        """Forgets the requests so far, and returns them."""
        with self._lock:
            gone, self.requests = self.requests, []
        return gone

    def serve(self, handler):
        try:
            while (message := _read(handler.rfile)) is not None:
                upstream = _Upstream(self.target)
                try:
                    answer = self._answer(upstream, message)
                finally:
                    upstream.close()
                if answer is None:
                    return
                handler.wfile.write(answer)
        except OSError:
            pass

    def _answer(self, upstream, message):
        """The answer to a request; None if the connection is to be cut."""
        method, path = (word.decode() for word in message.split(b" ", 2)[:2])
        if self.delay:
            self.delayed += 1
            time.sleep(self.delay)
        if self.answer is not None:
            return self.answer
        fault = self._fault_for(method, path)
        if fault == "conflict":
            return _error(b"409 Conflict", b"ConditionalRequestConflict")
        if fault == "throttle":
            return _error(b"503 Slow Down", b"SlowDown")
        if fault == "late":
            threading.Timer(self.late, self._send_late, [message]).start()
            return None
        if fault == "cut":
            upstream.send(message[: len(message) // 2])
            return None
        upstream.send(message)
        answer = upstream.answer(is_head=method == "HEAD")
        if fault == "drop":
            return None
        if fault == "error":
            return _error(b"503 Service Unavailable", b"ServiceUnavailable")
        return answer

    def _fault_for(self, method, path):
        with self._lock:
            self.requests.append((method, path))
            if not self.fault or not self.match(method, path):
                return None
            if self._random.random() >= self.rate:
                return None
            self.injected[self.fault] += 1
            return self.fault

    def _send_late(self, message):
        try:
            with socket.create_connection(self.target) as upstream:
                upstream.sendall(message)
                _read(upstream.makefile("rb"), is_answer=True)
        except OSError:
            pass


class _Upstream:
    """A connection to the server, made with the first request."""

    def __init__(self, target):
        self._target = target
        self._socket: Any = None
        self._answers: Any = None

    def send(self, message):
        if self._socket is None:
            self._socket = socket.create_connection(self._target)
            self._answers = self._socket.makefile("rb")
        self._socket.sendall(message)

    def answer(self, *, is_head):
        return _read(self._answers, is_head=is_head, is_answer=True)

    def close(self):
        if self._socket is not None:
            self._answers.close()
            self._socket.close()


def _error(status, code):
    body = b"<Error><Code>%b</Code></Error>" % code
    return _ERROR % (status, len(body), body)


def _read(stream, *, is_head=False, is_answer=False):
    """A whole request or answer; None if the connection ends before."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        line = stream.readline(1 << 16)
        if not line:
            return None
        head += line
    low = head.lower()
    if is_answer and (is_head or head.split(b" ", 2)[1] in {b"204", b"304"}):
        return head
    if b"transfer-encoding: chunked" in low:
        body = b""
        while True:
            line = stream.readline()
            part = stream.read(int(line.split(b";")[0], 16) + 2)
            body += line + part
            if len(part) == 2:
                return head + body
    at = low.find(b"content-length:")
    if at < 0:
        return head + (stream.read() if is_answer else b"")
    length = int(low[at + 15 : low.find(b"\r\n", at)])
    body = stream.read(length)
    return head + body if len(body) == length else None
