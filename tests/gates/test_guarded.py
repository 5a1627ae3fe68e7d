"""What a guard does when somebody else releases between its look and its change."""

from types import SimpleNamespace

import pytest

from aivcs.commands.release.audit import sign
from aivcs.errors import ConflictError, PolicyError, UsageError
from aivcs.fakes import MemoryCasStore, MemoryReleaseRegistry, MemoryRunLedger
from aivcs.model import ContentDigest, ReleaseMetadata
from aivcs.policy.enforce import ATTEMPTS, Gate, GuardedReleases
from aivcs.signing.ssh import Verifier

OURS, THEIRS = (ContentDigest.from_bytes(content) for content in (b"ours", b"theirs"))
POLICIES = [("file", {"bot": {"unique_label": True}})]
V1, V2 = (ReleaseMetadata("ada", version_label=label) for label in ("v1", "v2"))


class Contested(MemoryReleaseRegistry):
    """A registry in which, before each of some changes, somebody else is quicker."""

    def __init__(self, *labels):
        super().__init__()
        self.labels = list(labels)

    def promote(self, name, spec_digest, metadata, *, dry_run=False, **options):
        if self.labels and not dry_run and spec_digest == OURS:
            label = self.labels.pop(0)
            super().promote(name, THEIRS, ReleaseMetadata("bob", version_label=label))
        return super().promote(name, spec_digest, metadata, dry_run=dry_run, **options)


def guarded(releases, signer=None):
    repo = SimpleNamespace(releases=releases, blobs=MemoryCasStore(), runs=MemoryRunLedger())
    return GuardedReleases(repo, Gate(POLICIES, signer)), repo


def test_a_change_is_judged_anew_and_made():
    guard, repo = guarded(Contested("v7", "v8"))
    record = guard.promote("bot", OURS, V1)
    assert record.seq == 3
    assert repo.releases.current("bot") == record
    assert repo.blobs.contains(record.policy)


def test_a_change_is_judged_anew_and_refused():
    guard, repo = guarded(Contested("v1"))
    with pytest.raises(PolicyError, match="v1 at @1"):
        guard.promote("bot", OURS, V1)
    assert [record.spec_digest for record in repo.releases.history("bot")] == [THEIRS]


def test_a_change_is_not_judged_for_ever():
    guard, repo = guarded(Contested(*["v7"] * 2 * ATTEMPTS))
    with pytest.raises(ConflictError, match="moved on 10 times"):
        guard.promote("bot", OURS, V1)
    assert len(repo.releases.history("bot")) == ATTEMPTS


def test_what_was_signed_is_not_signed_again():
    asked = []

    def sign_late(text, namespace):
        asked.append((text, namespace))
        return repo.releases.promote("bot", THEIRS, V2) and SIGNATURE

    guard, repo = guarded(MemoryReleaseRegistry(), SimpleNamespace(sign=sign_late))
    with pytest.raises(ConflictError, match="moved on"):
        guard.promote("bot", OURS, V1)
    assert [namespace for _, namespace in asked] == ["aivcs-release@v1"]
    assert [record.spec_digest for record in repo.releases.history("bot")] == [THEIRS]


def test_nobody_is_asked_to_sign_where_signers_cannot_be_looked_up(tmp_path):
    asked = []
    signer = SimpleNamespace(sign=lambda *of: asked.append(of) or SIGNATURE)
    verifier = Verifier(str(tmp_path / "missing"), {})
    releases = MemoryReleaseRegistry()
    repo = SimpleNamespace(releases=releases, blobs=MemoryCasStore(), runs=MemoryRunLedger())
    with pytest.raises(UsageError, match="missing"):
        GuardedReleases(repo, Gate((), signer, verifier)).promote("bot", OURS, V1)
    releases.promote("bot", OURS, V1)
    with pytest.raises(UsageError, match="missing"):
        sign(repo, "bot", None, signer, verifier)
    assert asked == []
    assert releases.head("bot").lines == 1


SIGNATURE = """-----BEGIN SSH SIGNATURE-----
U1NIU0lHAAAAAQAAADMAAAALc3NoLWVkMjU1MTkAAAAgijqYfMFn8/bLufRxUktmndZeTp
Okn+fQJ2eBc7i0FsQAAAAQYWl2Y3MtcmVsZWFzZUB2MQAAAAAAAAAGc2hhNTEyAAAAUwAA
AAtzc2gtZWQyNTUxOQAAAEBGhXvyHq8aaxwDlYkeJioay2f26VMnKf/MgaMWVM+O+U+0a7
JQe4kDEcTSmByGqsqQOoQOnbPupeVMHPcyXu0M
-----END SSH SIGNATURE-----
"""


def test_a_rollback_is_judged_without_reading_all_of_the_history():
    class Read(MemoryReleaseRegistry):
        records = 0

        def iter_history(self, name):
            for record in super().iter_history(name):
                self.records += 1
                yield record

    releases = Read()
    for content in (*map(bytes, [[number] for number in range(50)]), b"ours", b"theirs"):
        releases.promote("bot", ContentDigest.from_bytes(content), V1)
    _, repo = guarded(releases)
    guard = GuardedReleases(repo, Gate([("file", {"bot": {"require_runs": 1}})]))
    with pytest.raises(PolicyError, match="0 of 0 runs"):
        guard.rollback("bot")
    assert releases.records == 2  # what is live, and the newest promotion of what was before
