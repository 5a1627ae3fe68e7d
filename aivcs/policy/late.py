"""Late events: annotations of evidence runs that a policy with `late` lets its rules look at.

A promotion names the annotations it was judged by, in its evidence; a later judgement looks at
these and no others, so a remark made afterwards changes no verdict.

What an erased annotation said, and even of which kind it was, is not known. So it stands as
`REDACTED` for every kind of which no annotation was made after it was erased.
"""

from __future__ import annotations

from itertools import chain

from aivcs.errors import IntegrityError
from aivcs.log.annotation import name_of
from aivcs.log.statement import signed_text
from aivcs.model.annotation import NAMESPACE
from aivcs.model.erasure import ErasedAnnotation
from aivcs.policy.proposal import EPOCH, REDACTED
from aivcs.policy.rules.evidence_from import NAME as EVIDENCE_FROM, is_heard
from aivcs.policy.rules.late import NAME, SIGNED
from aivcs.signing.check import TRUSTED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from aivcs.model.annotation import Annotation
    from aivcs.model.digest import ContentDigest
    from aivcs.model.timestamp import Timestamp
    from aivcs.policy.select import Policy
    from aivcs.repository import Repository
    from aivcs.signing.ssh import Verifier


class LateEvents:
    """The late events that a policy lets its rules look at.

    Attributes:
        counts_log: Whether the events in the log of a run count, too.
        takes: Which annotations count: "any", "signed", or none.
    """

    def __init__(
        self,
        repo: Repository,
        policy: Policy,
        verifier: Verifier | None,
        moment: Timestamp | None = None,
    ) -> None:
        """Takes the policy.

        Args:
            repo: Where the annotations are.
            policy: The policy.
            verifier: Knows the allowed signers; without one, no signature counts.
            moment: The time at which a signer must have been allowed; None is now.
        """
        self._repo = repo
        self._whom = policy.rules.get(EVIDENCE_FROM, ())
        self._mode = SIGNED if self._whom else policy.rules.get(NAME)
        self.counts_log = not self._whom
        self.takes = "" if not self._mode else "signed" if self._mode == SIGNED else "any"
        self._kinds = policy.kinds
        self._verifier = verifier
        self._moment = moment

    def choose(self, run_id: str) -> tuple[ContentDigest, ...]:
        """Returns the newest annotation of a run that counts, for each kind that rules look at.

        Raises:
            IntegrityError: An annotation is damaged.
        """
        if not self._mode or not self._kinds:
            return ()
        found: dict[str, ContentDigest] = {}
        for stored in reversed(self._repo.annotations.of_run(run_id)):
            kind = stored.value.kind
            if kind in self._kinds and kind not in found and self._counts(stored.value):
                found[kind] = stored.digest
        return tuple(sorted(found.values()))

    def payloads(self, run_id: str, digests: Iterable[ContentDigest]) -> dict[str, Any]:
        """Returns the payload of the newest of some annotations of each kind, if it counts.

        It is `REDACTED` for the kinds whose newest annotation may have been erased.

        Raises:
            IntegrityError: One is missing, and was not erased; or one is damaged.
        """
        if not self._mode:
            return {}
        found: list[Annotation] = []
        erased = self._erased(run_id)
        times = chain.from_iterable(erased.values())
        hidden = [at for at in times if self._moment is None or at <= self._moment]
        for digest in digests:
            stored = self._repo.annotations.read(name_of(run_id, digest))
            if stored is None and digest in erased:
                hidden.append(EPOCH)
                continue
            if stored is None:
                raise IntegrityError.of(
                    f"the annotation {digest} of run {run_id}, which is evidence, is missing"
                )
            found.append(stored.value)
        found.sort(key=lambda annotation: annotation.created_at)
        newest = {
            annotation.kind: annotation
            for annotation in found
            if annotation.kind in self._kinds and self._counts(annotation)
        }
        payloads = {kind: annotation.payload for kind, annotation in newest.items()}
        for kind in self._kinds if hidden else ():
            if kind not in newest or newest[kind].created_at <= max(hidden):
                payloads[kind] = REDACTED
        return payloads

    def _erased(self, run_id: str) -> dict[str, list[Timestamp]]:
        """The annotations of a run that were erased, and when by each record of it.

        No record may hide another: one with a forged date would let an older annotation count.
        """
        erased: dict[str, list[Timestamp]] = {}
        for digest, records in self._repo.erasures.load().annotations.items():
            for stored in records:
                target = stored.value.target
                if isinstance(target, ErasedAnnotation) and target.log == f"run/{run_id}":
                    erased.setdefault(digest, []).append(stored.value.created_at)
        return erased

    def _counts(self, annotation: Annotation) -> bool:
        if self._mode != SIGNED:
            return True
        if annotation.signature is None or self._verifier is None:
            return False
        signed = self._verifier.check(
            signed_text(annotation), annotation.signature, NAMESPACE, self._moment
        )
        if signed.state != TRUSTED:
            return False
        return not self._whom or is_heard(signed.detail, self._whom)
