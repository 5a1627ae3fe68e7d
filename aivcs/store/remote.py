"""The settings for reaching a store on a network; from the user's and the system's files only."""

from __future__ import annotations

from aivcs.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

TLS = ("verify-full", "verify-ca", "require", "disable")
"""verify-full: encrypted, and the certificate is one for this host by a trusted authority.
verify-ca: the same, for any host. require: encrypted, the certificate is not checked. disable: not
encrypted. Names of libpq. A server on a Unix socket or on loopback needs no encryption."""


_PASSWORD_S = 10.0
"""Seconds that a password command has, at least."""


class RemoteSettings:
    """Settings for stores on a network.

    Attributes:
        timeout: Seconds of retries before a store counts as unreachable. May be lowered later.
        tls: The least that a connection must have, one of `TLS`.
        password_command: A command that prints a password, or empty.
        notify: Called with a sentence before the first pause between attempts, or None.
    """

    __slots__ = ("notify", "password_command", "timeout", "tls")

    def __init__(
        self,
        *,
        timeout: float = 60.0,
        tls: str = "verify-full",
        password_command: str = "",
        notify: Callable[[str], None] | None = None,
    ) -> None:
        """Checks the values.

        Raises:
            UsageError: A value is out of range.
        """
        if not 0 <= timeout <= 86_400:
            raise UsageError(f"a timeout of {timeout} is not between 0 and 86400 s")
        if tls not in TLS:
            raise UsageError(f"{tls!r} is not one of {', '.join(TLS)}")
        self.timeout = timeout
        self.tls = tls
        self.password_command = password_command
        self.notify = notify

    def password(self, url: str) -> str | None:
        """Returns the password that the user's command prints for a store; None without a command.

        Args:
            url: The URL of the store.

        Raises:
            BackendError: The command failed, or took longer than `timeout` and 10 s.
            UsageError: The command cannot be split into words.
        """
        if not self.password_command:
            return None
        from aivcs.codec.url import shown
        from aivcs.util.password_command import read_password

        return read_password(self.password_command, shown(url), max(self.timeout, _PASSWORD_S))
