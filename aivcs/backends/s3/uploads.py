"""Aborts uploads of large blobs that were begun long ago and never completed.

Their parts are paid for, and no listing of objects shows them. The client library cannot list
uploads, so these few requests are signed here (AWS Signature Version 4, with the headers alone).
Where its credentials cannot be had, as those of a role of an instance without botocore, or where
the server or a policy refuses, nothing is aborted: a lifecycle rule of the bucket does the same.
"""

from __future__ import annotations

import hmac
import os
from datetime import UTC, datetime
from hashlib import sha256
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import quote, urlsplit

from aivcs.backends.s3.location import credentials_of, store_options
from aivcs.errors import BackendError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from xml.etree.ElementTree import Element

    from aivcs.backends.s3.location import Location

_TIMEOUT_S = 30
_EMPTY = sha256(b"").hexdigest()


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
    """The unfinished uploads below the prefix of a store."""

    def __init__(self, location: Location, environment: Mapping[str, str] = os.environ) -> None:
        """Takes the place of the store."""
        self._location = location
        options = store_options(location, environment)
        self._region = str(options["region"])
        self._credentials = credentials_of(options, environment)
        is_virtual = bool(options.get("virtual_hosted_style_request"))
        endpoint = location.endpoint or f"https://s3.{self._region}.amazonaws.com"
        parts = urlsplit(endpoint)
        host = parts.netloc.rpartition("@")[2]
        self._is_encrypted = parts.scheme != "http"
        self._host = f"{location.bucket}.{host}" if is_virtual else host
        self._path = parts.path + ("" if is_virtual else f"/{location.bucket}")

    def old(self, moment: float) -> list[Upload]:
        """Returns the uploads that were begun before a moment; none if they cannot be listed.

        Args:
            moment: A time of the server's clock, in POSIX seconds.
        """
        if not self._credentials:
            return []
        try:
            return [upload for upload in self._listed() if upload.begun < moment]
        except (OSError, ValueError, BackendError):
            return []

    def abort(self, uploads: list[Upload]) -> int:
        """Aborts uploads; returns the number of those that the server has aborted."""
        count = 0
        for upload in uploads:
            try:
                self._request("DELETE", f"/{quote(upload.key)}", {"uploadId": upload.upload_id})
            except (OSError, BackendError):
                continue
            count += 1
        return count

    def _listed(self) -> Iterator[Upload]:
        query = {"uploads": "", "prefix": self._location.prefix}
        while True:
            page = self._request("GET", "", query)
            for found in page.iterfind("{*}Upload"):
                key, begun = _text(found, "Key"), _text(found, "Initiated")
                if key.startswith(f"{self._location.prefix}objects/"):
                    moment = datetime.fromisoformat(begun).timestamp()
                    yield Upload(key, _text(found, "UploadId"), moment)
            if _text(page, "IsTruncated") != "true" or not _text(page, "NextKeyMarker"):
                return
            query["key-marker"] = _text(page, "NextKeyMarker")
            query["upload-id-marker"] = _text(page, "NextUploadIdMarker")

    def _request(self, method: str, path: str, query: Mapping[str, str]) -> Element:
        """The answer to a signed request, an empty element if it has no body."""
        from http.client import HTTPConnection, HTTPException, HTTPSConnection
        from xml.etree import ElementTree as ET

        connect = HTTPSConnection if self._is_encrypted else HTTPConnection
        place = (self._path + path) or "/"
        text = "&".join(f"{quote(k, safe='')}={quote(query[k], safe='')}" for k in sorted(query))
        connection = connect(self._host, timeout=_TIMEOUT_S)
        try:
            connection.request(method, f"{place}?{text}", headers=self._signed(method, place, text))
            answer = connection.getresponse()
            body = answer.read()
        except HTTPException as error:
            raise BackendError(str(error)) from error
        finally:
            connection.close()
        if answer.status not in {200, 204}:
            raise BackendError(f"{answer.status} {body[:200]!r}")
        try:
            return ET.fromstring(body or b"<none/>")  # noqa: S314 the server is trusted
        except ET.ParseError as error:
            raise BackendError(str(error)) from error

    def _signed(self, method: str, path: str, query: str) -> dict[str, str]:
        assert self._credentials
        key, secret, token = self._credentials
        now = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
        headers = {"host": self._host, "x-amz-content-sha256": _EMPTY, "x-amz-date": now}
        if token:
            headers["x-amz-security-token"] = token
        names = ";".join(sorted(headers))
        lines = "".join(f"{name}:{headers[name]}\n" for name in sorted(headers))
        request = f"{method}\n{path}\n{query}\n{lines}\n{names}\n{_EMPTY}"
        scope = f"{now[:8]}/{self._region}/s3/aws4_request"
        digest = sha256(request.encode()).hexdigest()
        signed = f"AWS4-HMAC-SHA256\n{now}\n{scope}\n{digest}"
        signature = f"AWS4{secret}".encode()
        for part in scope.split("/"):
            signature = hmac.digest(signature, part.encode(), sha256)
        proof = hmac.digest(signature, signed.encode(), sha256).hex()
        headers["authorization"] = (
            f"AWS4-HMAC-SHA256 Credential={key}/{scope}, SignedHeaders={names}, Signature={proof}"
        )
        return headers


def _text(element: Element, name: str) -> str:
    return element.findtext(f"{{*}}{name}") or ""
