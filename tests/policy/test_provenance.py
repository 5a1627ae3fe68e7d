"""Statements of provenance, held to the models that in-toto and SLSA publish."""

import json

import pytest
from google.protobuf.json_format import ParseDict
from in_toto_attestation.predicates.provenance.v1.provenance_pb2 import Provenance
from in_toto_attestation.v1.statement import STATEMENT_TYPE_URI, Statement
from in_toto_attestation.v1.statement_pb2 import Statement as StatementModel

from aivcs.formats.intoto import parts_of, statement
from aivcs.model.digest import ContentDigest
from aivcs.model.record import Head
from aivcs.model.release import ReleaseMetadata, ReleaseRecord
from aivcs.model.timestamp import Timestamp

PROMPT, CONFIG, SPEC, POLICY = (
    ContentDigest.from_bytes(content) for content in (b"prompt", b"config", b"spec", b"policy")
)
COMMIT = "9fceb02d0ae598e95dc970b74767f19372d61af8"
RECORD = ReleaseRecord(
    seq=3,
    action="promote",
    name="prod/reviewer",
    spec_digest=SPEC,
    metadata=ReleaseMetadata("ada", version_label="1.4.0", notes="shorter answers"),
    target_seq=3,
    parent_seq=1,
    created_at=Timestamp("2026-11-23T17:18:12.809765Z"),
)
BYTES = json.dumps({"git_sha": COMMIT, "prompts_digest": PROMPT, "config_digest": CONFIG}).encode()


def validated(value):
    """A statement and its predicate as the official models, which refuse unknown members."""
    parsed = ParseDict(json.loads(json.dumps(value)), StatementModel())
    Statement.copy_from_pb(parsed).validate()
    return parsed, ParseDict(value["predicate"], Provenance())


def test_is_a_valid_statement_with_a_valid_predicate():
    head = Head(12, "a" * 64)
    value = statement(
        RECORD, "b" * 64, spec=BYTES, evidence=[("run-1", head), ("run-2", head)], policy=POLICY
    )
    made, predicate = validated(value)
    assert made.type == STATEMENT_TYPE_URI
    assert made.predicate_type == "https://slsa.dev/provenance/v1"
    (subject,) = made.subject
    assert (subject.name, dict(subject.digest)) == ("prod/reviewer", {"sha256": SPEC})
    definition, details = predicate.build_definition, predicate.run_details
    assert definition.build_type.startswith("https://")
    assert definition.external_parameters["version_label"] == "1.4.0"
    assert {d.name: dict(d.digest) for d in definition.resolved_dependencies} == {
        "git": {"gitCommit": COMMIT},
        "prompts": {"sha256": PROMPT},
        "config": {"sha256": CONFIG},
        "policy": {"sha256": POLICY},
    }
    assert details.builder.id.startswith("https://")
    assert details.metadata.invocation_id == "b" * 64
    assert details.metadata.started_on.ToJsonString() == "2026-11-23T17:18:12.809765Z"
    assert details.metadata.finished_on == details.metadata.started_on
    assert [dict(b.digest) for b in details.byproducts] == [{"aivcsHead": "a" * 64}] * 2
    assert [b.name for b in details.byproducts] == ["run/run-1", "run/run-2"]


@pytest.mark.parametrize(
    "spec", [None, b"", b"\xff", b"You are careful.", b"[1]", b'"text"', b"{}"]
)
def test_is_valid_too_where_the_parts_of_the_spec_are_not_known(spec):
    _, predicate = validated(statement(RECORD, "b" * 64, spec=spec))
    assert not predicate.build_definition.resolved_dependencies


@pytest.mark.parametrize(
    "members",
    [{"git_sha": "main"}, {"git_sha": COMMIT[:12]}, {"git_sha": None}, {"_digest": PROMPT},
     {"a_digest": 1}, {"a_digest": "x" * 64}, {"a_digest": [PROMPT]}, {"digest": PROMPT}],
)  # fmt: skip
def test_what_is_no_digest_is_no_part(members):
    assert parts_of(json.dumps(members).encode()) == []
