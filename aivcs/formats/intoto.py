"""A release as an in-toto Statement v1 with a SLSA Provenance v1 predicate. No I/O.

The statement is a function of what is stored, so the same release gives the same statement on every
machine and at any time. It is unsigned; who wants an envelope signs these bytes.

Sources: https://github.com/in-toto/attestation/blob/main/spec/v1/statement.md and
https://slsa.dev/spec/v1.0/provenance.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aivcs.codec.json import parse
from aivcs.errors import InvalidDigestError, SerializationError
from aivcs.model.digest import ContentDigest, is_hex

if TYPE_CHECKING:
    from collections.abc import Iterable

    from aivcs.model.record import Head
    from aivcs.model.release import ReleaseRecord

STATEMENT = "https://in-toto.io/Statement/v1"
PREDICATE = "https://slsa.dev/provenance/v1"
PROJECT = "https://github.com/aivcs/aivcs"
BUILD_TYPE = f"{PROJECT}/blob/main/docs/releases.md#provenance"
"""The build type: the URI of the page that describes the parameters of a release."""
HEAD_ALGORITHM = "aivcsHead"
"""The name of the digest of a log: the hash of its last line, which stands for all lines."""


def statement(
    record: ReleaseRecord,
    link: str,
    *,
    spec: bytes | None,
    evidence: Iterable[tuple[str, Head]] = (),
    policy: ContentDigest | None = None,
    builder: str = PROJECT,
) -> dict[str, Any]:
    """Returns the statement about a release.

    Args:
        record: The release.
        link: The hash of its line.
        spec: The spec's bytes, or None if they are not stored: then its parts are unknown.
        evidence: The runs that were given for it, with the heads that their logs had.
        policy: The policy that it was judged by.
        builder: The URI of what is trusted to have made the release.
    """
    dependencies = parts_of(spec) if spec is not None else []
    if policy is not None:
        dependencies.append({"name": "policy", "digest": {"sha256": str(policy)}})
    metadata = record.metadata
    return {
        "_type": STATEMENT,
        "subject": [{"name": record.name, "digest": {"sha256": str(record.spec_digest)}}],
        "predicateType": PREDICATE,
        "predicate": {
            "buildDefinition": {
                "buildType": BUILD_TYPE,
                "externalParameters": {
                    "name": record.name,
                    "action": record.action,
                    "spec_digest": str(record.spec_digest),
                    "version_label": metadata.version_label,
                    "promoted_by": metadata.promoted_by,
                    "notes": metadata.notes,
                    # Else a policy that was overridden would read as one that was met.
                    **({"forced": True} if record.forced else {}),
                },
                "internalParameters": {
                    "seq": record.seq,
                    "target_seq": record.target_seq,
                    "parent_seq": record.parent_seq,
                },
                "resolvedDependencies": dependencies,
            },
            "runDetails": {
                "builder": {"id": builder},
                "metadata": {
                    "invocationId": link,
                    "startedOn": str(record.created_at),
                    "finishedOn": str(record.created_at),
                },
                "byproducts": [_byproduct(run_id, head) for run_id, head in evidence],
            },
        },
    }


def _byproduct(run_id: str, head: Head) -> dict[str, Any]:
    """A run that was given as evidence, as what a release brought forth beside itself."""
    return {
        "name": f"run/{run_id}",
        "digest": {HEAD_ALGORITHM: head.hash},
        "annotations": {"lines": head.lines},
    }


def parts_of(spec: bytes) -> list[dict[str, Any]]:
    """Returns what a spec is made of: its members `*_digest`, and the commit in `git_sha`.

    A spec of another form has no parts that are known; members of another type are not parts.
    """
    try:
        value = parse(spec.decode())
    except (SerializationError, UnicodeDecodeError):
        return []
    if not isinstance(value, dict):
        return []
    parts = []
    for name, content in value.items():
        if not isinstance(content, str):
            continue
        if name == "git_sha" and _is_commit(content):
            parts.append({"name": "git", "digest": {"gitCommit": content}})
        elif name.endswith("_digest") and len(name) > len("_digest"):
            try:
                digest = ContentDigest(content)
            except InvalidDigestError:
                continue
            parts.append({"name": name.removesuffix("_digest"), "digest": {"sha256": str(digest)}})
    return parts


def _is_commit(text: str) -> bool:
    """Whether a text is the whole id of a git commit, SHA-1 or SHA-256."""
    return len(text) in {40, 64} and is_hex(text)
