"""Aborts uploads of large blobs that were begun long ago and never completed.

Their parts are paid for, and no listing of objects shows them. Where they cannot be listed, for
want of credentials or because the server or a policy refuses, nothing is aborted: a lifecycle rule
of the bucket does the same.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

from aivcs.backends.s3.signed import SignedRequests, text_in
from aivcs.errors import BackendError

if TYPE_CHECKING:
    from collections.abc import Iterator

_MARKERS = {"NextKeyMarker": "key-marker", "NextUploadIdMarker": "upload-id-marker"}


class Upload(NamedTuple):
    """An upload that was begun.

    Attributes:
        key: The key of the object, in the bucket.
        upload_id: Its id.
        begun: The time by the server's clock, in POSIX seconds.
    """

    key: str
    upload_id: str
    begun: float


class Uploads:
    """The unfinished uploads of blobs of a store."""

    def __init__(self, requests: SignedRequests) -> None:
        """Takes what sends the requests."""
        self._requests = requests

    def old(self, moment: float) -> list[Upload]:
        """Returns the uploads that were begun before a moment; none if they cannot be listed.

        Args:
            moment: A time of the server's clock, in POSIX seconds.
        """
        if not self._requests.are_possible:
            return []
        try:
            return [upload for upload in self._listed() if upload.begun < moment]
        except (ValueError, BackendError):
            return []

    def abort(self, uploads: list[Upload]) -> int:
        """Aborts uploads; returns the number of those that the server has aborted."""
        count = 0
        for upload in uploads:
            try:
                self._requests.send("DELETE", upload.key, {"uploadId": upload.upload_id})
            except BackendError:
                continue
            count += 1
        return count

    def _listed(self) -> Iterator[Upload]:
        begin = f"{self._requests.prefix}objects/"
        for page in self._requests.pages({"uploads": "", "prefix": begin}, _MARKERS):
            for found in page.iterfind("{*}Upload"):
                key, begun = text_in(found, "Key"), text_in(found, "Initiated")
                if key.startswith(begin):
                    moment = datetime.fromisoformat(begun).timestamp()
                    yield Upload(key, text_in(found, "UploadId"), moment)
