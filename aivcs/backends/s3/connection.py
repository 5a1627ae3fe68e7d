"""The connection to the S3 server of a store, made with the first request by one process.

The client library does not survive a fork, so a connection refuses to be used in a child of the
process that made it.
"""

from __future__ import annotations

import os
from threading import Lock
from typing import TYPE_CHECKING

from aivcs.backends.s3.location import store_options
from aivcs.errors import BackendError

if TYPE_CHECKING:
    from typing import Any

    from aivcs.backends.s3.location import Location

_REQUEST_TIMEOUT = "30s"


class Connection:
    """The objects of the client library for one store. Thread-safe."""

    def __init__(self, location: Location, timeout: float) -> None:
        """Connects to nothing yet.

        Args:
            location: The place of the store.
            timeout: Seconds for which `steady_store` repeats a failed request.
        """
        self._location = location
        self._timeout = timeout
        self._process = os.getpid()
        self._lock = Lock()
        self._store: Any = None
        self._steady: Any = None

    def store(self) -> Any:
        """Returns what sends each request once.

        Raises:
            BackendError: Another process made the connection, the client library is missing, or it
                does not take the settings.
        """
        if self._process != os.getpid():
            raise BackendError(
                f"{self._location.url} was opened before a fork and cannot be used after it; "
                "open it again"
            )
        with self._lock:
            if self._store is None:
                self._store = self._connect({"max_retries": 0})
            return self._store

    def steady_store(self) -> Any:
        """Returns what repeats failed requests by itself, for the parts of a large object.

        Raises:
            BackendError: As `store`.
        """
        with self._lock:
            if self._steady is None:
                from datetime import timedelta

                limit = timedelta(seconds=self._timeout)
                self._steady = self._connect({"max_retries": 10, "retry_timeout": limit})
            return self._steady

    def close(self) -> None:
        """Lets go of the connection; the next request makes a new one."""
        with self._lock:
            self._store = self._steady = None

    def _connect(self, retries: Any) -> Any:
        try:
            from obstore.store import S3Store
        except ImportError as error:
            raise BackendError(
                "s3:// needs the package obstore; install it with: pip install 'aivcs-cli[s3]'"
            ) from error
        options = store_options(self._location, os.environ)
        client: Any = {"timeout": _REQUEST_TIMEOUT, "connect_timeout": "5s"}
        if self._location.endpoint.startswith("http://"):
            client["allow_http"] = True
        try:
            return S3Store(
                self._location.bucket, client_options=client, retry_config=retries, **options
            )
        except Exception as error:
            raise BackendError(
                f"cannot use {self._location.name}: the client does not take its settings; "
                "look at the AWS_* variables"
            ) from error
