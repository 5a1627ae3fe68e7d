"""Short names of what is in a repository: prefixes of digests and ids, `@last`, NAME@LABEL."""

from aivcs import errors
from aivcs.errors import InvalidNameError, NotFoundError, UsageError
from aivcs.model.digest import ContentDigest, is_hex
from aivcs.model.record import parse_seq

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from aivcs.model.run import RunId
    from aivcs.repository import Repository

MIN_PREFIX = 4
"""Characters of a prefix of a digest or run id, at least."""
LAST = "@last"
"""The name of the newest run that this user started."""
_MAX_CANDIDATES = 5
"""Candidates that the error for an ambiguous prefix names, at most."""


def resolve_digest(repo: "Repository", text: str) -> ContentDigest:
    """Returns the digest for a whole digest or a unique prefix.

    A whole digest is returned whether it is stored or not.

    Raises:
        UsageError: The text is empty or too short.
        InvalidDigestError: The text is not a prefix of a digest.
        NotFoundError: No blob begins with the prefix.
        AmbiguousError: Several blobs do.
    """
    if len(text) == 64:
        return ContentDigest(text)
    if not text:
        raise UsageError("DIGEST is empty; is a variable unset?")
    lowered = text.lower()
    if not is_hex(lowered) or len(text) > 64:
        raise errors.InvalidDigestError(text)
    if len(text) < MIN_PREFIX:
        raise UsageError(f"DIGEST {text} is too short: give at least {MIN_PREFIX} characters")
    found = _only("digest", text, repo.blobs.list_digests(lowered))
    if found is None:
        raise NotFoundError(text, f"no blob begins with {text}; see: aivcs blob ls")
    return ContentDigest(found)


def resolve_pin(repo: "Repository", text: str) -> ContentDigest:
    """Returns the digest for a whole digest or a unique prefix, preferring pins to other blobs.

    Raises:
        UsageError: The text is empty or too short.
        InvalidDigestError: The text is not a prefix of a digest.
        NotFoundError: Neither a pin nor a blob begins with the prefix.
        AmbiguousError: Several pins do; or no pin, and several blobs.
    """
    if MIN_PREFIX <= len(text) < 64:
        lowered = text.lower()
        pins = (pin for pin in repo.pins() if len(pin) == 64)
        found = _only("pin", text, (pin for pin in pins if pin.startswith(lowered)))
        if found:
            return ContentDigest(found)
    return resolve_digest(repo, text)


def resolve_run(repo: "Repository", text: str) -> "RunId":
    """Returns the run id for a whole id, a unique prefix, or `LAST`.

    Raises:
        UsageError: The text is empty or too short.
        RunNotFoundError: No run begins with the prefix, or this user started none.
        AmbiguousError: Several runs do.
    """
    if len(text) == 36:  # a UUID; the ledger will tell whether the run exists
        return _run_id(text)
    if text == LAST:
        for record in repo.runs.iter_runs():
            if repo.store.is_own(f"run/{record.run_id}"):
                return record.run_id
        raise errors.RunNotFoundError(f"{LAST} (you have started none)")
    if not text:
        raise UsageError("RUN is empty; is a variable unset?")
    if len(text) < MIN_PREFIX and not _has_run(repo, text):
        raise UsageError(f"RUN {text!r} is too short: give at least {MIN_PREFIX} characters")
    found = _only("run", text, repo.runs.list_run_ids(_run_id(text)))
    if found is None:
        raise errors.RunNotFoundError(text)
    return _run_id(found)


def _has_run(repo: "Repository", text: str) -> bool:
    """Tells whether a text is the whole id of a run, as of one from elsewhere."""
    try:
        return next(repo.runs.list_run_ids(_run_id(text)), None) == text
    except UsageError:
        return False


def resolve_spec(repo: "Repository", text: str, *, allow_missing: bool = False) -> ContentDigest:
    """Returns the digest of a spec named by digest, NAME@current, NAME@SEQ or NAME@LABEL.

    Args:
        repo: The repository.
        text: The name of the spec.
        allow_missing: Whether a whole digest need not be in the store.

    Raises:
        UsageError: The text is empty.
        InvalidSpecError: The text is none of these; it is a `UsageError`.
        NotFoundError: The spec is not in the store.
        ReleaseNotFoundError: There is no such release.
        AmbiguousError: A prefix fits several blobs.
    """
    name, mark, selector = text.partition("@")
    if not text:
        raise UsageError("SPEC is empty; is a variable unset?")
    if mark:
        digest = _released(repo, name, selector)
    elif len(text) < MIN_PREFIX:
        raise errors.InvalidSpecError(text)
    else:
        try:
            digest = resolve_digest(repo, text)
        except errors.InvalidDigestError as error:
            raise errors.InvalidSpecError(text) from error
    if not allow_missing and not repo.blobs.contains(digest):
        from aivcs.specs.check import missing_spec

        raise missing_spec(digest)
    return digest


def resolve_target(repo: "Repository", name: str, text: "str | int") -> "ContentDigest | int | str":
    """Returns the rollback target for @SEQ, a digest or its prefix, or else a label.

    A seq may also be given as a number.

    Raises:
        UsageError: The text is empty.
        AmbiguousError: A prefix fits several releases of the name.
    """
    if isinstance(text, int):
        return text
    if not text:
        raise UsageError("the target is empty; is a variable unset?")
    if text[0] == "@":
        seq = parse_seq(text[1:])
        if seq is None:
            raise UsageError(f"{text[:80]!r} is not a target: write @SEQ, a label or a digest")
        return seq
    lowered = text.lower()
    if parse_seq(text) is not None and len(text) < MIN_PREFIX:
        raise UsageError(f"{text} is not a target: write @{text} for the entry with that seq")
    if not MIN_PREFIX <= len(text) <= 64 or not is_hex(lowered):
        return text
    seen = sorted({record.spec_digest for record in repo.releases.iter_history(name)})
    found = _only("digest", text, (digest for digest in seen if digest.startswith(lowered)))
    if found is None:
        raise errors.ReleaseNotFoundError(
            name,
            f"{name} has no release {text}; see: aivcs release history {name}, "
            f"or make it one: aivcs release promote {name} {text}",
            text,
        )
    return ContentDigest(found)


def resolve_expectation(repo: "Repository", text: "str | int") -> "ContentDigest | int | str":
    """Returns the expectation for @SEQ, `none`, or a digest or its prefix.

    A seq may also be given as a number.

    Raises:
        UsageError: The text is empty, or none of these.
        NotFoundError: No blob begins with the prefix.
        AmbiguousError: A prefix fits several blobs.
    """
    if isinstance(text, int) or text == "none":
        return text
    seq = parse_seq(text[1:]) if text[:1] == "@" else None
    if seq is not None:
        return seq
    try:
        return resolve_digest(repo, text)
    except errors.InvalidDigestError as error:
        raise UsageError(
            f"{text[:80]!r} is not an expectation: give a digest, @SEQ or none"
        ) from error


def _released(repo: "Repository", name: str, selector: str) -> ContentDigest:
    remote, mark, rest = name.partition(":")
    if mark and not repo.remote:
        return _released(repo.pulled_from(remote), rest, selector)
    repo.require_store_of(name)
    if not selector:
        raise UsageError(f"{name}@ is not a release: write {name}@current")
    if selector == "current":
        record = repo.releases.current(name)
        if record is None:
            raise errors.ReleaseNotFoundError(name)
        return record.spec_digest
    from aivcs.log.release import find_release

    seq = parse_seq(selector)
    if seq is None:
        return find_release(name, repo.releases.iter_history(name), selector).spec_digest
    from aivcs.model.release import ReleaseRecord

    found = repo.releases.find(name, seq)
    # Blocks and signatures have seqs, too, but make nothing live.
    records = [found.value] if found and isinstance(found.value, ReleaseRecord) else []
    return find_release(name, records, seq).spec_digest


def _run_id(text: str) -> "RunId":
    from aivcs.model.run import RunId

    try:
        return RunId(text)
    except InvalidNameError as error:
        raise UsageError(
            f"{text[:80]!r} cannot be a run id; aivcs run list shows the runs"
        ) from error


def _only(what: str, prefix: str, found: "Iterable[str]") -> "str | None":
    """Returns the only match, or the one equal to the prefix; None if there is no match."""
    candidates: "list[str]" = []
    for candidate in found:
        if candidate == prefix:
            return candidate
        candidates.append(str(candidate))
        if len(candidates) > _MAX_CANDIDATES:
            break
    if len(candidates) > 1:
        raise errors.AmbiguousError(what, prefix, candidates[:_MAX_CANDIDATES])
    return candidates[0] if candidates else None
