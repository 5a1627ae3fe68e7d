"""SHA-256, at the least start-up cost.

Importing hashlib loads OpenSSL, a third of an interpreter start; the interpreter's own SHA-256 is
there for free, but several times slower on long input. So short input uses the one and long input
the other. Both compute FIPS 180-4, so no result depends on the choice.
"""

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from hashlib import _Hash, sha256 as _builtin
else:
    try:
        # By the version: to look for a module that is not there costs as much as to load one.
        if sys.version_info >= (3, 12):
            from _sha2 import sha256 as _builtin
        else:
            from _sha256 import sha256 as _builtin
    except ImportError:  # not CPython
        from hashlib import sha256 as _builtin

_LONG = 1 << 18
"""Bytes of content from which loading OpenSSL pays for itself."""


def hex_digest(data: bytes) -> str:
    """Returns the SHA-256 of `data` as 64 lower-case hexadecimal characters."""
    return hasher(len(data), data).hexdigest()


def hasher(size: int, data: bytes = b"") -> "_Hash":
    """Returns the cheapest hasher for a content of about `size` bytes, having hashed `data`."""
    return algorithm(size)(data)


def algorithm(size: int) -> "Callable[[bytes], _Hash]":
    """Returns what makes a hasher, the cheapest where about `size` bytes are to be hashed."""
    if size < _LONG:
        return _builtin
    from hashlib import sha256

    return sha256
