"""The chain of a log's lines once more, from the words of the format and with hashlib.

What the suite expects must not come from the code it tests. So this is slow, plain, and shares
nothing with `aivcs.log`.
"""

from __future__ import annotations

import json
from hashlib import sha256
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable


def body_of(line: bytes) -> bytes:
    """Returns a line's bytes before `,"hash"`."""
    return line[: line.rindex(b',"hash":"')]


def hash_of(line: bytes) -> str:
    """Returns the hash in a line."""
    link = json.loads(line)["hash"]
    assert isinstance(link, str)
    return link


def link_line(entry: dict[str, Any] | bytes, previous: str) -> bytes:
    """Returns the line of an entry, or of a line's body, that follows the hash `previous`."""
    if isinstance(entry, dict):
        entry = json.dumps(entry, ensure_ascii=False, separators=(",", ":")).encode()[:-1]
    link = sha256(previous.encode() + entry).hexdigest()
    return entry + b',"hash":"' + link.encode() + b'"}'


def relink(bodies: Iterable[bytes]) -> list[bytes]:
    """Returns lines with new hashes from their bodies: a history rewritten by an expert."""
    lines: list[bytes] = []
    for body in bodies:
        lines.append(link_line(body, hash_of(lines[-1]) if lines else ""))
    return lines
