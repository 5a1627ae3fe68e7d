"""Ports of loopback for the servers of tests."""

import random
import socket

_chance = random.SystemRandom()  # the common one begins with the same seed in property tests
_claims: list[socket.socket] = []


def claim_ports(count=1):
    """The first of so many ports in a row, which no other test gets as long as this process lives.

    Each is claimed by a socket that is bound to it on another address of loopback: it stays free
    for a server on 127.0.0.1, also while that server is stopped to be started again. All are below
    those that the system gives to clients, since a client could meet itself there.
    """
    for _ in range(1000):
        first = _chance.randrange(20_000, 32_000)
        if _claim(range(first, first + count)):
            return first
    raise OSError(f"no {count} ports in a row are free")


def _claim(ports):
    """Claims all of these ports, or none."""
    claims = []
    for port in ports:
        claim = socket.socket()
        claims.append(claim)
        try:
            claim.bind(("127.0.0.2", port))
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", port))
        except OSError:
            for taken in claims:
                taken.close()
            return False
    _claims.extend(claims)
    return True
