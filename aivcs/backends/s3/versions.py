"""Removes earlier versions of objects whose content was erased, from a bucket that keeps them."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING

from aivcs.backends.s3.signed import text_in
from aivcs.errors import BackendError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from aivcs.backends.s3.client import Client
    from aivcs.backends.s3.signed import SignedRequests

_MARKERS = {"NextKeyMarker": "key-marker", "NextVersionIdMarker": "version-id-marker"}


class Versions:
    """The earlier versions of the objects of a store."""

    def __init__(self, client: Client, requests: SignedRequests) -> None:
        """Takes the client of the store, and what sends the requests that it does not make."""
        self._client = client
        self._requests = requests

    def purge(self, keys: Iterable[str]) -> None:
        """Removes all versions of some objects but the present ones.

        Raises:
            BackendError: The bucket keeps versions, and they cannot be removed.
        """
        wanted = list(keys)
        try:
            for key in wanted:
                for version in list(self._earlier(key)):
                    self._requests.send(
                        "DELETE", f"{self._requests.prefix}{key}", {"versionId": version}
                    )
        except BackendError as error:
            if self._is_kept():
                name = self._client.location.name
                raise BackendError(
                    f"the content was erased, but {name} keeps earlier versions of "
                    f"{wanted[0]}{' and others' if len(wanted) > 1 else ''}, which could not be "
                    f"removed ({error}); have the owner of the bucket remove them"
                ) from error

    def _earlier(self, key: str) -> Iterator[str]:
        if not self._requests.are_possible:
            raise BackendError("no credentials to list them")
        place = f"{self._requests.prefix}{key}"
        for page in self._requests.pages({"versions": "", "prefix": place}, _MARKERS):
            for kind in ("Version", "DeleteMarker"):
                for found in page.iterfind(f"{{*}}{kind}"):
                    is_latest = text_in(found, "IsLatest") == "true"
                    is_gone = kind == "DeleteMarker"
                    if text_in(found, "Key") == place and (is_gone or not is_latest):
                        yield text_in(found, "VersionId")

    def _is_kept(self) -> bool:
        """Whether the bucket keeps versions, or kept them once, which stay while that is suspended.

        Who may not ask is told by a write, which is the version `null` while it is suspended.
        """
        if self._requests.are_possible:
            with suppress(BackendError):
                if text_in(self._requests.send("GET", "", {"versioning": ""}), "Status"):
                    return True
        key = f"probe/{os.urandom(8).hex()}"
        version = self._client.put(key, b"")
        self._client.delete(key)
        return version is not None
