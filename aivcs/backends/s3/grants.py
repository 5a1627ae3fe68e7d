"""The rights of each role on a store on S3, as a policy of IAM."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from aivcs.errors import UsageError

if TYPE_CHECKING:
    from aivcs.backends.s3.location import Location

_PUT = ["s3:PutObject", "s3:AbortMultipartUpload"]
_DELETE = "s3:DeleteObject"
_CREATE_ONLY = {"Null": {"s3:if-none-match": "false"}}
"""Objects can be created and not replaced: the request must have the header If-None-Match."""


def policy(location: Location, role: str, names: str | None = None) -> str:
    """Returns the IAM policy of a role, as JSON.

    Args:
        location: The place of the store.
        role: One of `aivcs.store.roles.ROLES`.
        names: A pattern of release names, such as `team/*`, for the role promoter.

    Raises:
        UsageError: There is no such role, or it takes no names.
    """
    if names is not None and role != "promoter":
        raise UsageError(f"a pattern of names goes with the role promoter, not with {role}")
    bucket = f"arn:aws:s3:::{location.bucket}"

    def keys(*patterns: str) -> list[str]:
        return [f"{bucket}/{location.prefix}{pattern}" for pattern in patterns]

    listing: dict[str, object] = _allow("List", ["s3:ListBucket"], [bucket])
    if location.prefix:
        listing["Condition"] = {"StringLike": {"s3:prefix": [f"{location.prefix}*"]}}
    put_blobs = _allow("PutBlobs", _PUT, keys("objects/*"))
    put_rows = _allow("PutRows", ["s3:PutObject"], keys("index/*"))
    # As `chunks.folder` spells the names.
    chunks = [f"open/release/{(names or '*').replace('/', '=')}!/*"]
    further: dict[str, list[dict[str, object]]] = {
        "reader": [],
        "recorder": [
            put_blobs,
            put_rows,
            _create("AppendToRuns", keys("open/run/*")),
            # An annotation has one version, and so has the mark of an untrusted run: a second one
            # would take it away. Marks of copies, and pins, come and go.
            _create(
                "Annotate",
                keys("documents/notes/*!/00000001", "documents/untrusted/*!/00000001"),
            ),
            _create("MarkCopies", keys("documents/replicas/*")),
            _create("Pin", keys("documents/pins/*")),
        ],
        "promoter": [
            put_blobs,
            _create("ChangeReleases", keys(*chunks)),
            _create("Pin", keys("documents/pins/*")),
        ],
        "eraser": [
            _allow(
                "Erase",
                [*_PUT, _DELETE, "s3:DeleteObjectVersion"],
                keys(
                    "objects/*",
                    "trash/*",
                    "runs/*",
                    "index/*",
                    "open/run/*",
                    "probe/*",
                    "erasing/*",
                ),
            ),
            _allow("EraseAnnotations", ["s3:PutObject"], keys("documents/notes/*")),
            _allow("SeeVersions", ["s3:ListBucketVersions", "s3:GetBucketVersioning"], [bucket]),
            _create("RecordErasures", keys("documents/*")),
        ],
        "maintainer": [
            _allow(
                "Collect", [*_PUT, _DELETE], keys("objects/*", "trash/*", "index/*", "erasing/*")
            ),
            _allow("Join", ["s3:PutObject"], keys("runs/*", "open/run/*")),
            _allow("AbortUploads", ["s3:ListBucketMultipartUploads"], [bucket]),
            _create("Pin", keys("documents/pins/*")),
        ],
        "owner": [_allow("Own", [*_PUT, _DELETE], keys("*"))],
    }
    if role not in further:
        raise UsageError(f"{role[:40]!a} is not a role; the roles are: {', '.join(further)}")
    statements = [listing, _allow("Read", ["s3:GetObject"], keys("*")), *further[role]]
    return json.dumps({"Version": "2012-10-17", "Statement": statements}, indent=2) + "\n"


def _allow(name: str, actions: list[str], resources: list[str]) -> dict[str, object]:
    return {"Sid": name, "Effect": "Allow", "Action": actions, "Resource": resources}


def _create(name: str, resources: list[str]) -> dict[str, object]:
    return {**_allow(name, ["s3:PutObject"], resources), "Condition": _CREATE_ONLY}
