"""Turns the failures of an S3 server, and of the way to it, into the errors of a backend.

Messages name the bucket and the key, never a credential: the client library's own text, which may
quote a request, is searched for codes and not repeated.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from aivcs import errors
from aivcs.errors import BackendError, StorageError

_STATUS = re.compile(r"status code: (\d{3})")
_CODE = re.compile(r"<Code>([A-Za-z0-9.]{1,60})</Code>")
_REFUSED_CONNECTION = ("kind: Connect", "dns error", "tcp connect error")
"""Texts of failures before any byte of a request was sent."""
_UNREACHED = {
    "dns error": "no server of this name was found",
    "Connection refused": "it refuses the connection",
}
"""Texts of failures that may pass, and what they tell about the server."""
_INSECURE = {
    "InvalidContentType": "it does not speak TLS; for requests without encryption, "
    "AWS_ENDPOINT_URL begins with http://",
    "InvalidCertificate": "its certificate is not trusted; if it is of an authority of your own, "
    "set SSL_CERT_FILE to the certificate of that authority",
}
"""Texts of failures to encrypt, which do not pass, and what they tell about the server."""
_THROTTLED = {
    "SlowDown",
    "Throttling",
    "ThrottlingException",
    "TooManyRequests",
    "RequestLimitExceeded",
}
_CLOCK = {"RequestTimeTooSkewed", "RequestExpired"}
_WRONG_KEY = {
    "InvalidAccessKeyId": "the server does not know the access key",
    "SignatureDoesNotMatch": "the secret key does not belong to the access key",
    "InvalidToken": "the session token is not valid",
    "ExpiredToken": "the session token has expired",
    "ExpiredTokenException": "the session token has expired",
    "TokenRefreshRequired": "the session token has expired",
}
_METADATA = re.compile(r"/latest/(?:api/token|meta-data/iam)")
"""Matches requests to the instance metadata service, the last source of credentials."""
_NO_CREDENTIALS = "NoCredentials"
_PROVIDER = re.compile(r"External AWS credential provider: \w+: ([^\n]*)")
"""Matches the message of botocore in the failure of a profile."""
_NO_PROFILE = "NoCredentialsOfProfile"
_RENEW = "set AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN anew, or log in again"


class Failure(NamedTuple):
    """A failed request.

    Attributes:
        status: The HTTP status; 0 if no answer came.
        code: The error code in the body; empty if there is none.
        is_sent: Whether the request may have reached the server.
        absent: Whether the answer is that there is no such key.
        exists: Whether the answer is that the key exists already.
        reason: What is known of a failure without an answer of the server; empty if nothing is.
    """

    status: int
    code: str
    is_sent: bool
    absent: bool
    exists: bool
    reason: str = ""

    @property
    def is_transient(self) -> bool:
        """Whether the same request may succeed later."""
        if self.reason in _INSECURE.values():
            return False
        if self.status == 0 or self.code in _THROTTLED:
            return True
        return self.status in {408, 409, 425, 429} or self.status >= 500

    @property
    def is_decided(self) -> bool:
        """Whether a request that failed so has certainly changed nothing, now or later.

        A 503 that does not say that it throttles may come from something before the server.
        """
        return not self.is_sent or self.code in _THROTTLED or 400 <= self.status < 500


def failure_of(error: Exception) -> Failure:
    """Reads what the client library tells of a failed request."""
    text = str(error)
    if _METADATA.search(text):
        return Failure(401, _NO_CREDENTIALS, is_sent=False, absent=False, exists=False)
    if found := _PROVIDER.search(text):
        return Failure(401, _NO_PROFILE, is_sent=False, absent=False, exists=False, reason=found[1])
    status = _STATUS.search(text)
    code = _CODE.search(text)
    kind = type(error).__name__
    number = int(status.group(1)) if status else 0
    name = code.group(1) if code else ""
    if not number:
        number = {"PermissionDeniedError": 403, "UnauthenticatedError": 401}.get(kind, 0)
    is_absent = isinstance(error, FileNotFoundError) and name != "NoSuchBucket"
    exists = kind == "AlreadyExistsError" or number == 412
    is_sent = bool(number) or not any(mark in text for mark in _REFUSED_CONNECTION)
    told = (_UNREACHED | _INSECURE).items() if not number else ()
    reason = next((reason for mark, reason in told if mark in text), "")
    return Failure(number, name, is_sent, is_absent, exists, reason)


def error_of(failure: Failure, bucket: str, what: str, seconds: float = 0) -> StorageError:
    """Returns the error of a backend for a failure.

    Args:
        failure: The failure.
        bucket: The bucket, and the server, in messages.
        what: The request, such as `read config.toml`.
        seconds: Seconds for which it was tried again and again.
    """
    if failure.code == "NoSuchBucket":
        return BackendError(
            f"there is no bucket {bucket}; make it first, for example: "
            f"aws s3 mb s3://{bucket.partition(' ')[0]}"
        )
    if failure.code == _NO_CREDENTIALS:
        return BackendError(
            f"cannot {what} in {bucket}: no credentials were found; set AWS_ACCESS_KEY_ID and "
            "AWS_SECRET_ACCESS_KEY, or AWS_PROFILE"
        )
    if failure.code == _NO_PROFILE:
        return BackendError(
            f"cannot {what} in {bucket}: the AWS profile gives no credentials: {failure.reason}; "
            "for single sign-on, try: aws sso login"
        )
    if failure.code in _WRONG_KEY:
        return BackendError(f"cannot {what} in {bucket}: {_WRONG_KEY[failure.code]}; {_RENEW}")
    if failure.code in _CLOCK:
        return BackendError(
            f"cannot {what} in {bucket}: the clock of this machine differs too much from the "
            "server's; set it right, for example: timedatectl set-ntp true"
        )
    if failure.status in {401, 403} and failure.code in {"", "AccessDenied", "AllAccessDisabled"}:
        refusal = BackendError(
            f"cannot {what} in {bucket}: the credentials do not allow it; "
            "aivcs store grants --role ROLE prints the permissions that a role needs"
        )
        refusal.is_refusal = True
        return refusal
    if failure.is_transient:
        tried = f", tried for {seconds:.0f} s" if seconds >= 1 else ""
        reason = failure.reason or "no answer"
        if failure.status in {429, 503}:
            reason = "it is throttling"
        elif failure.status >= 500:
            reason = f"it answers {failure.status}"
        return errors.UnreachableError(f"the server of {bucket}", f"{reason}{tried}")
    if failure.reason:
        return BackendError(f"cannot use the server of {bucket}: {failure.reason}")
    told = " ".join(filter(None, (str(failure.status or ""), failure.code))) or "no reason"
    return BackendError(f"cannot {what} in {bucket}: the server answers {told}")
