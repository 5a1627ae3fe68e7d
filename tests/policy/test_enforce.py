"""What a judged change does when somebody else releases between its view and its append."""

from types import SimpleNamespace
from typing import Any

import pytest

from aivcs.api import Repository
from aivcs.commands.release.audit import sign
from aivcs.errors import ConflictError, NotFoundError, PolicyError, UsageError
from aivcs.log.release_changes import ReleaseView
from aivcs.model.digest import ContentDigest
from aivcs.model.release import ReleaseMetadata
from aivcs.policy import enforce
from aivcs.policy.enforce import ATTEMPTS, PolicyContext
from aivcs.signing.ssh import Verifier
from aivcs.store.releases import LogReleaseRegistry

POLICIES = [("file", {"bot": {"unique_label": True}})]
SIGNATURE = """-----BEGIN SSH SIGNATURE-----
U1NIU0lHAAAAAQAAADMAAAALc3NoLWVkMjU1MTkAAAAgijqYfMFn8/bLufRxUktmndZeTp
Okn+fQJ2eBc7i0FsQAAAAQYWl2Y3MtcmVsZWFzZUB2MQAAAAAAAAAGc2hhNTEyAAAAUwAA
AAtzc2gtZWQyNTUxOQAAAEBGhXvyHq8aaxwDlYkeJioay2f26VMnKf/MgaMWVM+O+U+0a7
JQe4kDEcTSmByGqsqQOoQOnbPupeVMHPcyXu0M
-----END SSH SIGNATURE-----
"""


@pytest.fixture
def repo(tmp_path):
    return Repository.init(tmp_path)


@pytest.fixture
def specs(repo):
    return [repo.blobs.put(content) for content in (b"ours", b"theirs")]


@pytest.fixture
def contest(repo, specs, monkeypatch):
    """Makes somebody else quicker before each of some appends."""

    def contest(*labels):
        waiting, append = list(labels), LogReleaseRegistry.append

        def slower(self, name, entries, *, if_head):
            if waiting:
                theirs = ReleaseMetadata("bob", version_label=waiting.pop(0))
                self.promote(name, specs[1], theirs)
            return append(self, name, entries, if_head=if_head)

        monkeypatch.setattr(LogReleaseRegistry, "append", slower)

    return contest


def promote(repo, spec, label="v1", policies=POLICIES, **who):
    context = PolicyContext(policies, **who)
    return enforce.promote(repo, "bot", spec, by="ada", label=label, context=context)


def released(repo):
    return [record.spec_digest for record in repo.releases.history("bot")]


def test_a_change_is_judged_anew_and_made(repo, specs, contest):
    contest("v7", "v8")
    outcome = promote(repo, specs[0])
    assert outcome.release.seq == 3
    assert outcome.before.metadata.version_label == "v8"
    assert repo.releases.current("bot") == outcome.release
    assert repo.blobs.contains(outcome.release.policy)


def test_a_change_is_judged_anew_and_refused(repo, specs, contest):
    contest("v1")
    with pytest.raises(PolicyError, match="v1 at @1"):
        promote(repo, specs[0])
    assert released(repo) == [specs[1]]


def test_a_change_is_not_judged_for_ever(repo, specs, contest):
    contest(*["v7"] * 2 * ATTEMPTS)
    with pytest.raises(ConflictError, match="changed 10 times") as caught:
        promote(repo, specs[0])
    assert "has grown" in str(caught.value.__cause__)
    assert len(released(repo)) == ATTEMPTS


def test_a_conflict_with_anything_but_the_log_is_told_at_once(repo, specs, monkeypatch):
    attempts = []

    def refuse(self, name, entries, *, if_head):
        attempts.append(if_head)
        raise ConflictError(f"{name}: this store keeps no logs")

    monkeypatch.setattr(LogReleaseRegistry, "append", refuse)
    with pytest.raises(ConflictError, match="keeps no logs"):
        promote(repo, specs[0])
    assert len(attempts) == 1


def test_a_rollback_looks_its_spec_up_anew(repo, specs, contest):
    for spec in specs:
        repo.releases.promote("bot", spec, ReleaseMetadata("ada"))
    contest("v3")
    assert enforce.rollback(repo, "bot", by="ada").release.target_seq == 1
    repo.blobs.delete(specs[0])
    repo.releases.promote("bot", specs[1], ReleaseMetadata("ada"))
    with pytest.raises(NotFoundError):
        enforce.rollback(repo, "bot", by="ada")


class Recorder:
    """A signer that notes the texts it is asked to sign."""

    def __init__(self, asked):
        self.asked = asked

    def sign(self, text, namespace):
        self.asked.append(text)
        return SIGNATURE

    def fingerprint(self):
        return ""


def test_what_was_signed_is_not_signed_again(repo, specs):
    asked: list[tuple[str, str]] = []

    def sign_late(text, namespace):
        asked.append((text, namespace))
        repo.releases.promote("bot", specs[1], ReleaseMetadata("bob"))
        return SIGNATURE

    with pytest.raises(ConflictError, match="has grown"):
        promote(repo, specs[0], signers=[SimpleNamespace(sign=sign_late)])
    assert [namespace for _, namespace in asked] == ["aivcs-release@v1"]
    assert released(repo) == [specs[1]]


def test_the_hash_that_is_signed_is_that_of_the_entry(repo, specs):
    asked: list[str] = []
    signer: Any = Recorder(asked)
    outcome = promote(repo, specs[0], signers=[signer])
    assert [repo.releases.find("bot", outcome.release.seq).hash] == asked
    assert repo.releases.find("bot", 2).value.signed_hash == asked[0]


def test_nobody_is_asked_to_sign_where_signers_cannot_be_looked_up(repo, specs, tmp_path):
    asked: list[str] = []
    signer: Any = Recorder(asked)
    verifier = Verifier(str(tmp_path / "missing"), {})
    with pytest.raises(UsageError, match="missing"):
        promote(repo, specs[0], policies=(), signers=[signer], verifier=verifier)
    repo.releases.promote("bot", specs[0], ReleaseMetadata("ada"))
    with pytest.raises(UsageError, match="missing"):
        sign(repo, "bot", None, signer, verifier)
    assert asked == []
    assert repo.releases.head("bot").lines == 1


def test_a_rollback_is_judged_without_reading_all_of_the_history(repo, specs, monkeypatch):
    read, releases = [], ReleaseView.releases

    def counted(view):
        for record in releases(view):
            read.append(record)
            yield record

    for content in (*map(bytes, [[number] for number in range(50)]), b"ours", b"theirs"):
        repo.releases.promote("bot", ContentDigest.from_bytes(content), ReleaseMetadata("ada"))
    monkeypatch.setattr(ReleaseView, "releases", counted)
    context = PolicyContext([("file", {"bot": {"require_runs": 1}})])
    with pytest.raises(PolicyError, match="0 of 0 runs"):
        enforce.rollback(repo, "bot", by="ada", context=context)
    assert len(read) == 2  # what is live, and the newest promotion of what was before
