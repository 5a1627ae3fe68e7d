"""Which specs use a file, and which runs had a tool fail: filters of lists of runs and releases."""

from __future__ import annotations

from aivcs.errors import InvalidDigestError, NotFoundError, UsageError
from aivcs.model.digest import ContentDigest
from aivcs.short_names import MIN_PREFIX
from aivcs.specs import spec as specs
from aivcs.specs.manifest import PARTS, part_digest
from aivcs.trace.exchanges import exchanges

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from aivcs.model.run import RunId
    from aivcs.repository import Repository


class Uses:
    """Tells which specs use any of some files."""

    def __init__(self, repo: Repository, wanted: Iterable[str]) -> None:
        """Takes the files: digests or prefixes of them, else paths as specs have them.

        Raises:
            UsageError: One is empty.
            AmbiguousError: A prefix fits several blobs.
        """
        self._repo = repo
        self._digests: set[str] = set()
        self._paths: set[str] = set()
        self._known: dict[ContentDigest, bool] = {}
        for text in wanted:
            if not text:
                raise UsageError("the PATH|DIGEST of --uses is empty; is a variable unset?")
            try:
                if len(text) >= MIN_PREFIX:
                    self._digests.add(repo.resolve_digest(text))
                    continue
            except (InvalidDigestError, NotFoundError):
                pass
            self._paths.add(text.removeprefix("./"))

    def __call__(self, spec: ContentDigest) -> bool:
        """Tells whether a spec is one of the files, or has one as a part or in a part.

        Raises:
            IntegrityError: A blob of it is damaged.
        """
        if spec not in self._known:
            self._known[spec] = self._looks(spec)
        return self._known[spec]

    def _looks(self, spec: ContentDigest) -> bool:
        if spec in self._digests:
            return True
        try:
            fields = specs.find(self._repo, spec) or {}
        except NotFoundError:
            return False  # a run may be of a spec that is elsewhere
        return any(self._has(part, part_digest(fields, part)) for part in PARTS)

    def _has(self, part: str, digest: ContentDigest | None) -> bool:
        if digest is None:
            return False
        if digest in self._digests:
            return True
        try:
            manifest = specs.read_manifest(self._repo, digest)
        except NotFoundError:
            return False
        return manifest is not None and any(
            file.digest in self._digests
            or file.path in self._paths
            or f"{part}/{file.path}" in self._paths
            for file in manifest.files
        )


def had_failure(repo: Repository, run_id: RunId, tools: frozenset[str]) -> bool:
    """Tells whether a call of any of some tools failed in a run.

    Raises:
        RunNotFoundError: No run has this id.
        IntegrityError: The log is damaged.
    """
    for exchange in exchanges(repo.runs.iter_events(run_id)):
        names = {exchange.reading.tool, exchange.outcome.tool if exchange.outcome else ""}
        if exchange.error is not None and names & tools:
            return True
    return False
