"""Requests that the client library does not make: signed here, by its credentials.

They are few and rare, so each has a connection of its own (AWS Signature Version 4, in headers).
The credentials may be out of reach, as those of a role of an instance without botocore.
"""

from __future__ import annotations

import hmac
import os
from datetime import UTC, datetime
from hashlib import sha256
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

from aivcs.backends.s3.location import credentials_of, store_options
from aivcs.errors import BackendError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from xml.etree.ElementTree import Element

    from aivcs.backends.s3.location import Location

_TIMEOUT_S = 30
_EMPTY = sha256(b"").hexdigest()


class SignedRequests:
    """Requests to a bucket, without a body.

    Attributes:
        prefix: The beginning of the keys of the store.
    """

    def __init__(self, location: Location) -> None:
        """Takes the place of the store."""
        self.prefix = location.prefix
        options = store_options(location, os.environ)
        self._region = str(options["region"])
        self._credentials = credentials_of(options, os.environ)
        is_virtual = bool(options.get("virtual_hosted_style_request"))
        endpoint = location.endpoint or f"https://s3.{self._region}.amazonaws.com"
        parts = urlsplit(endpoint)
        host = parts.netloc.rpartition("@")[2]
        self._is_encrypted = parts.scheme != "http"
        self._host = f"{location.bucket}.{host}" if is_virtual else host
        self._path = parts.path + ("" if is_virtual else f"/{location.bucket}")

    @property
    def are_possible(self) -> bool:
        """Whether there are credentials."""
        return bool(self._credentials)

    def pages(self, query: Mapping[str, str], markers: Mapping[str, str]) -> Iterator[Element]:
        """Yields the answers to a listing, page by page.

        Args:
            query: Its parameters.
            markers: The parameter of the next request for members of an answer.

        Raises:
            BackendError: The server refused, or cannot be reached.
        """
        further = dict(query)
        while True:
            page = self.send("GET", "", further)
            yield page
            told = {name: text_in(page, member) for member, name in markers.items()}
            if text_in(page, "IsTruncated") != "true" or not any(told.values()):
                return
            further.update(told)

    def send(self, method: str, key: str, query: Mapping[str, str]) -> Element:
        """Sends a request; returns the answer, an empty element if it has no body.

        Args:
            method: Its method.
            key: The key of an object in the bucket; empty for the bucket.
            query: Its parameters.

        Raises:
            BackendError: The server refused, or cannot be reached.
        """
        from http.client import HTTPConnection, HTTPException, HTTPSConnection
        from xml.etree import ElementTree as ET

        connect = HTTPSConnection if self._is_encrypted else HTTPConnection
        place = f"{self._path}/{quote(key)}" if key else self._path or "/"
        text = "&".join(f"{quote(k, safe='')}={quote(query[k], safe='')}" for k in sorted(query))
        connection = connect(self._host, timeout=_TIMEOUT_S)
        try:
            connection.request(method, f"{place}?{text}", headers=self._signed(method, place, text))
            answer = connection.getresponse()
            body = answer.read()
        except (OSError, HTTPException) as error:
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


def text_in(element: Element, name: str) -> str:
    """Returns the text of a member of an answer; empty if there is none."""
    return element.findtext(f"{{*}}{name}") or ""
