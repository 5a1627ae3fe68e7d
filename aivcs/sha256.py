"""SHA-256, at the least start-up cost.

Importing hashlib loads OpenSSL, a third of an interpreter start; the interpreter's own SHA-256 is
there for free, but several times slower on long input. So short input uses the one and long input
the other. Both compute FIPS 180-4, so no result depends on the choice.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from hashlib import _Hash
    from hashlib import sha256 as _builtin
else:
    try:
        from _sha2 import sha256 as _builtin  # CPython 3.12 and later
    except ImportError:
        try:
            from _sha256 import sha256 as _builtin  # CPython 3.11
        except ImportError:
            from hashlib import sha256 as _builtin

_LONG = 1 << 18
"""Bytes from which loading OpenSSL pays for itself."""


def hex_digest(data: "bytes | memoryview") -> str:
    """Returns the SHA-256 of `data` as 64 lower-case hexadecimal characters."""
    if len(data) >= _LONG:
        hasher = long_hasher()
        hasher.update(data)
        return hasher.hexdigest()
    return _builtin(data).hexdigest()


def short_hasher() -> "_Hash":
    """Returns a hasher that costs nothing to get; for input up to some hundred kilobytes."""
    return _builtin()


def long_hasher() -> "_Hash":
    """Returns the fastest hasher there is; for long input."""
    from hashlib import sha256

    return sha256(usedforsecurity=False)
