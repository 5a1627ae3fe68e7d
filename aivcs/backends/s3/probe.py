"""Proves, when a store is made, that the server keeps the one promise on which everything rests.

Of all who create an object with `If-None-Match: *`, one succeeds. A server that ignores the
condition answers everybody with success, and acknowledged events would be lost without a word.
"""

from __future__ import annotations

import os
from functools import partial
from time import time
from typing import TYPE_CHECKING

from aivcs.backends.s3.client import NONCE
from aivcs.backends.s3.trash import MAX_SKEW_S
from aivcs.errors import BackendError, UnreachableError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aivcs.backends.s3.client import Client

_WRITERS = 8
_ROUNDS = 5


def probe(client: Client) -> None:
    """Tries the server, and removes what it has written.

    Raises:
        BackendError: Objects cannot be written, or the server does not keep the promise.
    """
    folder = f"probe/{os.urandom(8).hex()}"
    made: list[str] = []
    try:
        _create_twice(client, f"{folder}/once", made)
        _race(client, folder, made)
        _list(client, folder)
        _copy(client, f"{folder}/once", f"{folder}/copy", made)
    finally:
        for key in made:
            try:
                client.delete(key)
            except BackendError:
                pass  # a few empty objects stay


def faults(client: Client) -> Iterator[str]:
    """Yields a sentence for each fault of the server, of our rights on it, and of its clock."""
    try:
        probe(client)
    except UnreachableError:
        raise
    except BackendError as error:
        yield str(error)
        return
    place = f"probe/{os.urandom(8).hex()}"
    client.put(place, b"")
    found = client.head(place)
    client.delete(place)
    if found is not None and abs(found.modified - time()) > MAX_SKEW_S:
        yield (
            f"the clocks of this machine and of the server differ by "
            f"{abs(found.modified - time()):.0f} seconds, so gc removes nothing"
        )


def _create_twice(client: Client, key: str, made: list[str]) -> None:
    made.append(key)
    if client.create(key, b"first\n", {"probe": "1"}) is not None:
        raise _refused(client, "it tells of an object that was never written")
    again = client.create(key, b"second\n")
    if again is None:
        raise _refused(client, "it lets two writers create the same object")
    if again.data != b"first\n":
        raise _refused(client, "it keeps the second of two objects with the same name")
    if again.metadata.get("probe") != "1" or NONCE not in again.metadata:
        raise _refused(client, "it does not give back the metadata of an object")


def _race(client: Client, folder: str, made: list[str]) -> None:
    """Several writers create the same object at once, several times."""
    for number in range(_ROUNDS):
        key = f"{folder}/race-{number}"
        made.append(key)
        texts = [b"%d\n" % writer for writer in range(_WRITERS)]
        answers = client.each(partial(client.create, key), texts)
        won = [text for text, found in zip(texts, answers, strict=True) if found is None]
        stored = client.get(key)
        if len(won) != 1 or stored is None or stored.data != won[0]:
            raise _refused(client, f"{len(won)} writers of {_WRITERS} created the same object")


def _list(client: Client, folder: str) -> None:
    keys = [entry.key for entry in client.entries(folder)]
    if len(keys) != _ROUNDS + 1 or keys != sorted(keys):
        raise _refused(client, "its listings are not complete, or not in order")
    if [entry.key for entry in client.entries(folder, keys[-2])] != keys[-1:]:
        raise _refused(client, "its listings do not begin where they are asked to")


def _copy(client: Client, key: str, target: str, made: list[str]) -> None:
    made.append(target)
    if not client.copy(key, target) or client.head(target) is None:
        raise _refused(client, "it does not copy objects")


def _refused(client: Client, reason: str) -> BackendError:
    return BackendError(
        f"the server of {client.location.name} cannot keep a store: {reason}. "
        "Nothing was made; use a server with conditional writes (If-None-Match), such as "
        "Amazon S3, Ceph, SeaweedFS or MinIO; on Ceph, a bucket that keeps no versions"
    )
