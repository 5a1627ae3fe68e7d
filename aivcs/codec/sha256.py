"""SHA-256, at the least start-up cost.

Importing hashlib loads OpenSSL, which takes a third of an interpreter start. The interpreter's own
SHA-256 costs nothing to load but is several times slower. So it hashes short input, and OpenSSL
long input. Both compute FIPS 180-4, so no result depends on the choice.
"""

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from hashlib import _Hash, sha256 as _builtin
else:
    try:
        # By the version: looking for a module that does not exist costs as much as loading one.
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
    """Returns a hasher that has hashed `data`, the cheapest for about `size` bytes in all."""
    return algorithm(size)(data)


def algorithm(size: int) -> "Callable[[bytes], _Hash]":
    """Returns the SHA-256 constructor that is cheapest for about `size` bytes."""
    if size < _LONG:
        return _builtin
    from hashlib import sha256

    return sha256
