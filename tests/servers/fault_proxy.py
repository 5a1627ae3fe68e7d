"""A proxy between client and server that cuts connections at chosen moments, in user space."""

import random
import select
import socket
import threading
import time


class FaultProxy:
    """Passes bytes on, those of a client after `delay` seconds, until it is told to cut.

    A cut comes at the next bytes that a client sends: `before` they reach the server, in the
    `middle` of them, or `after` the server has answered them, with the answer withheld. `asked` is
    how often a client has sent something after an answer, from when its connection was made; but
    not a goodbye, nor a simple query, which aivcs uses only for what it does not wait for.
    """

    def __init__(self, port):
        self.server_port = port
        self.rate = 0.0
        self.delay = 0.0
        self.cuts = 0
        self.asked = 0
        self._next = None
        self._random = random.Random(1)
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0))
        while self._listener.getsockname()[1] >= 32_768:  # a client's own port is above
            self._listener.close()
            self._listener = _listen_low()
        self.port = self._listener.getsockname()[1]
        self._ended = False
        threading.Thread(target=self._accept, daemon=True).start()

    def cut_next(self, how):
        """Cuts at the next bytes that any client sends."""
        with self._lock:
            self._next = how

    def close(self):
        self._ended = True
        self._listener.close()

    def _accept(self):
        while not self._ended:
            try:
                client, _ = self._listener.accept()
                server = socket.create_connection(("127.0.0.1", self.server_port))
            except OSError:
                if self._ended:
                    return
                client.close()
                continue
            threading.Thread(target=self._pass, args=(client, server), daemon=True).start()

    def _fault(self):
        with self._lock:
            how, self._next = self._next, None
            if how is None and self._random.random() < self.rate:
                how = self._random.choice(["before", "middle", "after"])
            self.cuts += how is not None
            return how

    def _pass(self, client, server):
        withheld = False
        answered = False
        is_open = False  # what makes the connection is let through
        with client, server:
            try:
                while True:
                    ready, _, _ = select.select([client, server], [], [], 5 if withheld else None)
                    if not ready:
                        return
                    if server in ready:
                        data = server.recv(1 << 16)
                        if not data or withheld:
                            return
                        is_open = is_open or b"Z\0\0\0\x05" in data
                        client.sendall(data)
                        answered = is_open
                    if client in ready:
                        data = client.recv(1 << 16)
                        if not data:
                            return
                        self.asked += answered and data[:1] not in {b"X", b"Q"}
                        answered = False
                        time.sleep(self.delay)
                        how = self._fault() if is_open else None
                        if how == "before":
                            return
                        server.sendall(data[: len(data) // 2] if how == "middle" else data)
                        if how == "middle":
                            return
                        withheld = withheld or how == "after"
            except OSError:
                return


def _listen_low():
    while True:
        try:
            return socket.create_server(("127.0.0.1", random.randrange(20_000, 32_000)))
        except OSError:
            continue
