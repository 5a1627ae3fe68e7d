"""The rules of specs and manifests, without a store."""

import hashlib
import json

import pytest
from hypothesis import given, strategies as st

from aivcs.errors import SerializationError
from aivcs.model import ContentDigest
from aivcs.specs.manifest import (
    FIELDS,
    File,
    encode_manifest,
    encode_spec,
    parse_manifest,
    parse_spec,
    part_digest,
)

DIGEST = ContentDigest.from_bytes(b"content")


def manifest(*paths, mode="644"):
    return encode_manifest(File(path, mode, DIGEST) for path in paths)


def hostile(*paths):
    """The bytes of a manifest whose rules nobody looked at."""
    files = [{"digest": DIGEST, "mode": "644", "path": path} for path in paths]
    value = {"files": files, "format": 1, "type": "folder"}
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def test_the_digest_of_a_spec_is_that_of_its_five_texts():
    texts = ["abc123def456", "graph111", "prompts222", "tools333", "config444"]
    data = encode_spec(dict(zip(FIELDS, texts, strict=True)))
    assert (
        hashlib.sha256(data).hexdigest()
        == "16d1ec187bf86fb1b70d7099c5629d8c66c840e8d09e11f59c835c6f8b582fb3"
    )


@given(st.dictionaries(st.sampled_from(FIELDS), st.text(), min_size=1))
def test_a_spec_comes_back_from_its_bytes(fields):
    assert parse_spec(encode_spec(fields)) == fields


@pytest.mark.parametrize(
    "data",
    [
        b"", b"{}", b"[]", b'"text"', b"agent v1\n", b'{"git_sha":1}', b'{"git_sha":"a"} ',
        b'{"other":"a"}', b'{"tools_digest":"a","git_sha":"b"}', b'{"git_sha":"a","more":"b"}',
        b'{"git_sha":"\xff"}', b'{"git_sha":"\\u0061"}', b"{" * 1000,
    ],
)  # fmt: skip
def test_other_bytes_are_no_spec(data):
    assert parse_spec(data) is None


@pytest.mark.parametrize("fields", [{}, {"git_sha": None}, {"model_digest": "a"}])
def test_what_is_no_member_of_a_spec_is_refused(fields):
    with pytest.raises(SerializationError):
        encode_spec(fields)


def test_a_text_that_is_no_digest_names_no_part():
    assert part_digest({"tools_digest": "tools333"}, "tools") is None
    assert part_digest({}, "tools") is None
    assert part_digest({"tools_digest": DIGEST}, "tools") == DIGEST


def test_a_manifest_lists_files_by_their_bytes():
    # U+FF5E is greater than U+1F600 in UTF-16, and less in UTF-8, which is what counts.
    data = manifest("b", "a/z", "a-z", "\U0001f600", "\uff5e")
    paths = [file["path"] for file in json.loads(data)["files"]]
    assert paths == ["a-z", "a/z", "b", "\uff5e", "\U0001f600"]
    assert data == hostile(*paths)
    assert [file.path for file in parse_manifest(data)] == paths


def test_a_folder_without_files_has_a_manifest():
    assert parse_manifest(manifest()) == []


@pytest.mark.parametrize(
    "path",
    [
        "", ".", "..", "../x", "a/../x", "a/..", "/x", "/etc/passwd", "a//b", "a/", "./a", "a/./b",
        "a\0b", "x" * 256, "a/" * 1100 + "b", ".git/hooks/post-checkout", "a/.GIT/config",
        ".aivcs/format", "é" * 128, "a/" * 200 + "b",
    ],
)  # fmt: skip
def test_a_path_that_is_not_safe_is_refused_both_ways(path):
    with pytest.raises(SerializationError):
        manifest(path)
    with pytest.raises(SerializationError):
        parse_manifest(hostile(path).replace(b"\0", b"\\u0000"))


@pytest.mark.parametrize("paths", [("a", "a"), ("a", "a/b"), ("a", "a-b", "a/b/c")])
def test_files_that_cannot_both_be_there_are_refused_both_ways(paths):
    with pytest.raises(SerializationError):
        manifest(*paths)
    with pytest.raises(SerializationError):
        parse_manifest(hostile(*paths))


def test_names_that_are_not_utf8_are_refused():
    with pytest.raises(SerializationError, match="UTF-8"):
        manifest("caf\udce9")


def test_another_order_or_mode_is_refused():
    with pytest.raises(SerializationError):
        parse_manifest(hostile("b", "a"))
    with pytest.raises(SerializationError):
        parse_manifest(hostile("a").replace(b"644", b"4755"))


@pytest.mark.parametrize(
    "data",
    [
        b"", b"# a prompt", b'{"files":[]}', b'{"files":[],"format":2,"type":"folder"}',
        b'{"files":[],"format":1,"type":"heads"}', b'{"files":[1],"format":1,"type":"folder"}',
        b'{"files":[{"path":"a"}],"format":1,"type":"folder"}', b'{"files":[',
        hostile("a") + b"\n", hostile("a").replace(DIGEST.encode(), b"0"),
        hostile("a").replace(DIGEST.encode(), DIGEST.upper().encode()),
    ],
)  # fmt: skip
def test_what_only_begins_like_a_manifest_is_a_file(data):
    assert parse_manifest(data) is None
