"""The format and the rules of specs and folder manifests. No I/O.

A **spec** is the canonical JSON (`aivcs.codec.canonical_json`) of five texts: the commit of the
code, and the digests of graph, prompts, tools and config. The digest of these bytes is the spec's
digest, so the same parts give the same spec, whoever makes it. In a partial spec some members are
absent.

A part is a blob: a file's bytes, or a **manifest**, which names files with their modes and digests.
The paths of a **tree** are relative to the root of the agent, so the files of all parts go back
where they were; those of a **folder** are relative to a folder with the part's name. Manifest
and file are told apart by content, so a file that reads as a manifest is refused as a part. Every
path in a manifest must be safe to write below any folder: it may come from anybody.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from aivcs.codec.canonical_json import canonical
from aivcs.codec.json import parse
from aivcs.errors import InvalidDigestError, SerializationError
from aivcs.model.digest import ContentDigest

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

PARTS = ("graph", "prompts", "tools", "config")
"""The parts of an agent, besides its code."""
FIELDS = ("git_sha", *(f"{part}_digest" for part in PARTS))
"""The members of a spec, in the order in which they are shown."""
MODES = ("644", "755")
"""The permissions that a manifest keeps, as octal digits."""
MAX_MANIFEST = 64 << 20
"""Bytes of a manifest, at most: some 400,000 files."""
MAX_SPEC = 1 << 16
"""Bytes of a spec, at most."""
MAX_COMPONENT = 255
"""Bytes of a file's or folder's name, at most: the limit of file systems."""
MAX_PATH = 2048
"""Bytes of a path in a manifest, at most: half of what systems allow, for the folder above it."""
MAX_DEPTH = 200
"""Names of a path in a manifest, at most, because folders are walked by recursion."""
_BEGINNING = b'{"files":['
"""The first bytes of every manifest."""
FOLDER, TREE = "folder", "tree"
"""The types of manifests: paths below a folder of the part's name, or below the agent's root."""
REPOSITORIES = frozenset({".git", ".aivcs"})
"""Repository folders, never part of an agent: git runs hooks in them."""


class File(NamedTuple):
    """A file of a manifest.

    Attributes:
        path: The path below the folder or the root, with `/` between the names.
        mode: One of `MODES`.
        digest: The digest of its content.
    """

    path: str
    mode: str
    digest: ContentDigest


class Manifest(NamedTuple):
    """The files of a part.

    Attributes:
        type: `FOLDER` or `TREE`.
        files: The files, in the order of their paths.
    """

    type: str
    files: list[File]


def encode_spec(fields: Mapping[str, str]) -> bytes:
    """Returns the bytes of a spec, whose digest is the spec's.

    Args:
        fields: Some or all of `FIELDS`; their values are not checked further.

    Raises:
        SerializationError: There is no field, an unknown field, or a value that is not a string.
    """
    if not fields:
        raise SerializationError("a spec needs a part: give at least one")
    for name, text in fields.items():
        if name not in FIELDS:
            raise SerializationError(f"{name!a} is not a member of a spec: {', '.join(FIELDS)}")
        if not isinstance(text, str):
            raise SerializationError(f"{name} of a spec is a text")
    return canonical(dict(fields))


def parse_spec(data: bytes) -> dict[str, str] | None:
    """Returns the members of a spec in the order of `FIELDS`; None if the bytes are not a spec."""
    if not data.startswith(b"{") or len(data) > MAX_SPEC:
        return None
    try:
        value = parse(data.decode())
        if not isinstance(value, dict) or encode_spec(value) != data:
            return None
    except (ValueError, SerializationError):
        return None
    return {name: value[name] for name in FIELDS if name in value}


def part_digest(fields: Mapping[str, str], part: str) -> ContentDigest | None:
    """Returns the digest of a part; None if the spec has no such part, or not a digest for it."""
    try:
        return ContentDigest(fields.get(f"{part}_digest", ""))
    except InvalidDigestError:
        return None


def encode_manifest(files: Iterable[File], type_: str = TREE) -> bytes:
    """Returns the bytes of a manifest, the same for the same files in any order.

    Raises:
        SerializationError: A path is not safe, two exclude each other, or there are too many.
    """
    ordered = sorted(files, key=lambda file: file.path.encode("utf-8", "surrogateescape"))
    check_files(ordered)
    data = canonical({"type": type_, "format": 1, "files": [file._asdict() for file in ordered]})
    if len(data) > MAX_MANIFEST:
        raise SerializationError(
            f"the list of {len(ordered)} files has {len(data)} bytes; at most {MAX_MANIFEST} "
            "can be a part of a spec. Keep them in one archive"
        )
    return data


def may_be_manifest(beginning: bytes) -> bool:
    """Tells by its first bytes (64 are enough) whether a blob may be a manifest."""
    return beginning.startswith(_BEGINNING)


def parse_manifest(data: bytes) -> Manifest | None:
    """Returns a manifest, its files in the order of their paths; None for any other bytes.

    Bytes with the form of a manifest that break a rule are an error, not a plain file.

    Raises:
        SerializationError: A path is not safe, two exclude each other, or the order is wrong.
    """
    if not may_be_manifest(data) or len(data) > MAX_MANIFEST:
        return None
    try:
        value = parse(data.decode())
        if value.keys() != {"type", "format", "files"} or value["type"] not in {FOLDER, TREE}:
            return None
        if value["format"] != 1 or canonical(value) != data:
            return None
        files = [_file(entry) for entry in value["files"]]
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
    except (SerializationError, InvalidDigestError):
        return None
    check_files(files)
    paths = [file.path.encode() for file in files]
    if paths != sorted(paths):
        raise SerializationError("the manifest is not in the order of its paths")
    return Manifest(value["type"], files)


def check_path(path: str) -> None:
    """Requires a path that can be written on every system, and only below a folder.

    Raises:
        SerializationError: The path is empty or absolute, has a `.`, `..`, empty or overlong name,
            a NUL, a name like `.git`, or is not UTF-8.
    """
    shown = ascii(path[:100])
    try:
        raw = path.encode()
    except UnicodeEncodeError:
        raise SerializationError(
            f"the name {shown} is not UTF-8, so it would not be the same everywhere; rename it"
        ) from None
    if len(raw) > MAX_PATH:
        raise SerializationError(
            f"the path {shown}… has {len(raw)} bytes; at most {MAX_PATH} are kept"
        )
    if "\0" in path:
        raise SerializationError(f"the path {shown} holds a NUL")
    if path.count("/") >= MAX_DEPTH:
        raise SerializationError(f"the path {shown}… has more than {MAX_DEPTH} names")
    for name in path.split("/"):
        if name in {"", ".", ".."}:
            raise SerializationError(f"the path {shown} does not stay below its folder")
        if len(name.encode()) > MAX_COMPONENT:
            raise SerializationError(
                f"a name in the path {shown} has more than {MAX_COMPONENT} bytes"
            )
        if name.lower() in REPOSITORIES:
            raise SerializationError(
                f"the path {shown} goes into a repository ({name}); "
                "a part is a folder that has none inside"
            )


def check_files(files: Iterable[File]) -> None:
    """Requires that files can exist together: no path twice, no file that is a folder, too.

    Raises:
        SerializationError: Two files exclude each other, or a path or mode is not valid.
    """
    paths: set[str] = set()
    for file in files:
        check_path(file.path)
        if file.mode not in MODES:
            raise SerializationError(
                f"{file.path[:100]!a}: the mode {file.mode!a} is not 644 or 755"
            )
        if file.path in paths:
            raise SerializationError(f"the path {file.path[:100]!a} is there twice")
        paths.add(file.path)
    for path in paths:
        above = path.rpartition("/")[0]
        while above:
            if above in paths:
                raise SerializationError(f"{above[:100]!a} is both a file and a folder")
            above = above.rpartition("/")[0]


def _file(entry: object) -> File:
    """The file of one manifest entry; raises `TypeError` or `ValueError` for another form."""
    if not isinstance(entry, dict) or entry.keys() != set(File._fields):
        raise TypeError
    if not all(isinstance(text, str) for text in entry.values()):
        raise TypeError
    digest = ContentDigest(entry["digest"])
    if digest != entry["digest"]:
        raise ValueError(digest)
    return File(entry["path"], entry["mode"], digest)
