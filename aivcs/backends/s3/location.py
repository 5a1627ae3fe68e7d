"""The place of a store on S3: bucket, prefix, server and credentials."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from aivcs.codec.url import shown
from aivcs.errors import BackendError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,62}")
_PART = re.compile(r"[A-Za-z0-9_.=@+-]+")
_SERVER = re.compile(
    r"https?://(?:[^\s/?#@]*@)?(?:[\w.-]+|\[[0-9A-Fa-f:.]+\])(?::\d{1,5})?(?:/[^\s?#]*)?"
)
"""URLs of servers. The client library ends the process with a traceback for most others."""
_REGION = "us-east-1"
"""The region where none is set: servers other than Amazon's take any."""
_KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")


class Location:
    """The place of a store: bucket, prefix and server.

    Attributes:
        url: The URL, without a slash at its end.
        bucket: The bucket.
        prefix: The keys' beginning, with a slash at its end; empty for a whole bucket.
        endpoint: The URL of the server; empty for Amazon's.
    """

    __slots__ = ("bucket", "endpoint", "prefix", "url")

    def __init__(self, url: str, environment: Mapping[str, str] = os.environ) -> None:
        """Reads `s3://BUCKET/PREFIX`, and the server from AWS_ENDPOINT_URL_S3 or AWS_ENDPOINT_URL.

        Raises:
            UsageError: The URL has no bucket, or characters that keys of a store cannot have; the
                variable has no URL of a server.
        """
        bucket, _, path = url.removeprefix("s3://").partition("/")
        if "@" in bucket:
            raise UsageError(
                "an s3:// URL holds no credentials; they come from AWS_ACCESS_KEY_ID and the like"
            )
        parts = [part for part in path.split("/") if part]
        if not _BUCKET.fullmatch(bucket):
            raise UsageError(f"{url[:200]!a} names no bucket; write s3://BUCKET/PREFIX")
        for part in parts:
            if part in {".", ".."} or not _PART.fullmatch(part):
                raise UsageError(
                    f"{url[:200]!a}: a prefix has letters, digits and . _ = @ + - between slashes"
                )
        self.bucket = bucket
        self.prefix = "".join(f"{part}/" for part in parts)
        self.url = "/".join(["s3:/", bucket, *parts])
        self.endpoint = _endpoint(environment)

    @property
    def name(self) -> str:
        """The bucket, and the server if it is not Amazon's, in messages."""
        server = self.endpoint.partition("://")[2].rpartition("@")[2]
        return f"{self.bucket} at {server}" if server else self.bucket


def _endpoint(environment: Mapping[str, str]) -> str:
    """The URL of the server, without a slash at its end; empty if no variable has one."""
    for name in ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"):
        value = environment.get(name, "")
        if value and not _SERVER.fullmatch(value):
            raise UsageError(
                f"{name} has to be the URL of a server, such as https://s3.example.com or "
                f"http://127.0.0.1:9000; it is {shown(value)[:200]!a}"
            )
        if value:
            return value.rstrip("/")
    return ""


def store_options(location: Location, environment: Mapping[str, str]) -> dict[str, Any]:
    """Returns the options for the client library: server, region and credentials.

    Variables, web identity and the roles of containers and instances are found by the library
    itself; profiles and SSO through botocore, which the extra `aws` installs.

    Raises:
        BackendError: A profile is asked for, and botocore is missing or finds no credentials; or
            one of the two variables with credentials is set without the other.
    """
    options: dict[str, Any] = {
        "region": environment.get("AWS_REGION") or environment.get("AWS_DEFAULT_REGION") or _REGION
    }
    if location.endpoint:
        options["endpoint"] = location.endpoint
    if environment.get("AWS_S3_ADDRESSING_STYLE") == "virtual":
        options["virtual_hosted_style_request"] = True
    if _needs_profile(environment):
        options["credential_provider"] = _profile_credentials(environment, options)
        return options
    for name, other in (_KEYS, _KEYS[::-1]):
        if environment.get(name) and not environment.get(other):
            raise BackendError(f"{name} is set, and {other} is not; set both, or AWS_PROFILE")
    return options


def credentials_of(
    options: Mapping[str, Any], environment: Mapping[str, str]
) -> tuple[str, str, str] | tuple[()]:
    """Returns key, secret and token (or "") for requests past the client library.

    They are those of its options and of the variables, else those that botocore finds, if it is
    installed; nothing if there are none.
    """
    provider = options.get("credential_provider")
    if provider is not None:
        found = provider()
        return found["access_key_id"], found["secret_access_key"], found["token"] or ""
    names = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
    key, secret, token = (environment.get(name, "") for name in names)
    if key and secret:
        return key, secret, token
    try:
        from botocore.exceptions import BotoCoreError
        from botocore.session import Session
    except ImportError:
        return ()
    try:
        frozen = Session().get_credentials().get_frozen_credentials()
    except (AttributeError, BotoCoreError):  # None has no frozen ones
        return ()
    return frozen.access_key, frozen.secret_key, frozen.token or ""


def _needs_profile(environment: Mapping[str, str]) -> bool:
    """Whether credentials are to come from the files of the AWS command line."""
    if environment.get("AWS_PROFILE"):
        return True
    natively = ("AWS_ACCESS_KEY_ID", "AWS_WEB_IDENTITY_TOKEN_FILE",
        "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI")  # fmt: skip
    if any(environment.get(name) for name in natively):
        return False
    home = environment.get("HOME", "")
    named = environment.get("AWS_SHARED_CREDENTIALS_FILE"), environment.get("AWS_CONFIG_FILE")
    return any(map(os.path.exists, (*filter(None, named), f"{home}/.aws/credentials")))


def _profile_credentials(
    environment: Mapping[str, str], options: dict[str, Any]
) -> Callable[[], dict[str, Any]]:
    try:
        from botocore.exceptions import BotoCoreError
        from botocore.session import Session
    except ImportError as error:
        raise BackendError(
            "AWS profiles and SSO need botocore; install it with: pip install 'aivcs-cli[aws]', "
            "or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
        ) from error
    profile = environment.get("AWS_PROFILE")
    try:
        session = Session(profile=profile or None)
        region = session.get_config_variable("region")
        found = session.get_credentials()
    except BotoCoreError as error:
        raise BackendError(f"no credentials of the AWS profile: {error}") from error
    if found is None:
        raise BackendError(
            f"the AWS profile {profile or 'default'} has no credentials; try: aws sso login"
        )
    if region and not environment.get("AWS_REGION"):
        options["region"] = region

    def credentials() -> dict[str, Any]:
        """Credentials that botocore renews before they expire."""
        from datetime import UTC, datetime, timedelta

        frozen = found.get_frozen_credentials()
        return {
            "access_key_id": frozen.access_key,
            "secret_access_key": frozen.secret_key,
            "token": frozen.token,
            "expires_at": datetime.now(UTC) + timedelta(minutes=5),
        }

    return credentials
