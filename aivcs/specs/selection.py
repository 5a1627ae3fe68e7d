"""Selects the files of an agent, named or found where agents look, and the part of each.

A named part overrides one derived from a path; of several named paths, the longest counts for a
file. Each file keeps its path below the root.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, NamedTuple

from aivcs.errors import BackendError, SerializationError, UsageError
from aivcs.specs.agent_files import CREW, imports_in, part_by_name, part_of
from aivcs.specs.manifest import PARTS, check_path

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from aivcs.specs.work_tree import Found, LeftOut, WorkTree

MAX_UNNAMED = 64 << 20
"""Bytes of a file selected without being named, at most."""
_MAX_IMPORTING = 1 << 20
"""Bytes of a file searched for imports, at most."""
_IMPORTING = frozenset({"AGENTS.md", "CLAUDE.md", "GEMINI.md"})
"""Files in which `@PATH` imports another file."""
_SETTINGS_OF_AN_AGENT = re.compile(rb"^agent:", re.MULTILINE)
"""The beginning of a `config/*.yaml` of mini-swe-agent and SWE-agent, unlike other programs'."""
_MAX_NAMED = 5
"""Paths that a message names, at most."""


class Selection(NamedTuple):
    """The files of an agent.

    Attributes:
        root: The root, without links.
        parts: The files of each part that has any, in the order of their paths.
        left_out: The files and folders that were found and left out.
    """

    root: bytes
    parts: Mapping[str, Sequence[Found]]
    left_out: Sequence[LeftOut]


class _Claim(NamedTuple):
    """A claim that a file belongs to a part; the greater rank wins."""

    rank: tuple[int, int]
    part: str
    found: Found


class _Claims:
    """The claims on each file."""

    def __init__(self) -> None:
        self.by_path: dict[str, _Claim] = {}

    def add(self, found: Found, part: str, rank: tuple[int, int]) -> None:
        """Adds a claim, unless the file has a stronger one.

        Raises:
            UsageError: The file has an equally strong claim of another part.
        """
        there = self.by_path.get(found.path)
        if there is not None and there.rank == rank and there.part != part:
            raise UsageError(f"{found.path!a} is given twice: as {there.part} and as {part}")
        if there is None or there.rank < rank:
            self.by_path[found.path] = _Claim(rank, part, found)

    def parts(self) -> dict[str, list[Found]]:
        """Returns the files of each part.

        Raises:
            UsageError: A file has a path that cannot be kept.
        """
        parts: dict[str, list[Found]] = {}
        for path, claim in sorted(self.by_path.items()):
            try:
                check_path(path)
            except SerializationError as error:
                raise UsageError(str(error)) from error
            parts.setdefault(claim.part, []).append(claim.found)
        return {part: parts[part] for part in PARTS if part in parts}


def select(
    tree: WorkTree,
    named: Sequence[tuple[str | None, str]],
    *,
    auto: bool = False,
    needs_files: bool = True,
    folder: str,
    home: str = "",
) -> Selection:
    """Returns the files of an agent.

    Args:
        tree: The work tree.
        named: The path of each named file or folder, with its part, or None to derive the part.
        auto: Whether to select the files where agents look, too.
        needs_files: Whether an empty selection is an error if nothing was named or searched.
        folder: The folder that the paths are relative to.
        home: The user's home, which is never an agent's repository.

    Raises:
        UsageError: No files were found, or a file cannot be part of a spec.
        BackendError: A file cannot be read.
    """
    claims = _Claims()
    if auto:
        if os.fsdecode(tree.root) in {home, "/"}:
            raise UsageError(
                f"{os.fsdecode(tree.root)!a} is not an agent's repository: --auto does not search "
                "it; go into one, or name it: --root DIR"
            )
        _find(tree, claims)
    unknown: list[str] = []
    for part, text in named:
        _take(tree, claims, unknown, part, text, folder)
    unknown = [path for path in unknown if path not in claims.by_path]
    if unknown:
        more = f" and {len(unknown) - _MAX_NAMED} more" if len(unknown) > _MAX_NAMED else ""
        raise UsageError(
            f"which part is {', '.join(ascii(path) for path in unknown[:_MAX_NAMED])}{more}? "
            f"Say --prompts {unknown[0]!a} (or --tools, --config, --graph), or --exclude it"
        )
    parts = claims.parts()
    if not parts and (needs_files or auto or named):
        where = os.fsdecode(tree.root)
        raise UsageError(
            f"nothing in {where!a} lies where agents look; name files: aivcs spec create PATH"
            if auto
            else "no files to make a spec of: give PATH, or --auto for what lies where agents look"
        )
    return Selection(tree.root, parts, tuple(tree.left_out))


def again(tree: WorkTree, parts: Mapping[str, Sequence[str]], home: str) -> Selection:
    """Returns the present files at the paths of a spec's files, and where agents look.

    Args:
        tree: The work tree.
        parts: The paths of the files of each part of the spec, which need not exist.
        home: The user's home.

    Raises:
        UsageError: A file cannot be part of a spec.
        BackendError: A file cannot be read.
    """
    claims = _Claims()
    if os.fsdecode(tree.root) not in {home, "/"}:
        _find(tree, claims)
    for part, paths in parts.items():
        for path in paths:
            found = tree.find(path)
            if found is not None and not os.path.isdir(found.real):
                claims.add(found, part, (2, len(path)))
    return Selection(tree.root, claims.parts(), tuple(tree.left_out))


def _take(
    tree: WorkTree,
    claims: _Claims,
    unknown: list[str],
    part: str | None,
    text: str,
    folder: str,
) -> None:
    """Claims a file, or all files of a folder, that the user named."""
    path = tree.locate(text, folder)
    found = tree.find(path)
    if found is None:
        raise UsageError(f"no file or folder {text!a}")
    files = tree.walk(path, strict=True) if os.path.isdir(found.real) else [found]
    rank = (1 if part is None else 2, len(path))
    for file in files:
        of = part or part_of(file.path) or _told(file.path, path)
        if of is None:
            unknown.append(file.path)
        else:
            claims.add(file, of, rank)


def _told(path: str, named: str) -> str | None:
    """The part of a path, derived from its place below the named folder, or from its own name."""
    if path != named and named:
        below = path[len(named) + 1 :]
        return part_of(below) or part_by_name(f"{named.rpartition('/')[2]}/{below}")
    return part_by_name(path.rpartition("/")[2])


def _find(tree: WorkTree, claims: _Claims) -> None:
    """Claims the files where agents look, and the files they import."""
    crews: dict[str, list[Found]] = {}
    importing = []
    for found in tree.walk("", strict=False):
        folder, _, name = found.path.rpartition("/")
        part = part_of(found.path)
        if part is not None:
            _claim_unnamed(claims, found, part)
            if name in _IMPORTING:
                importing.append(found)
        elif name in CREW and folder.rpartition("/")[2] == "config":
            crews.setdefault(folder, []).append(found)
        elif folder == "config" and _configures_an_agent(found):
            _claim_unnamed(claims, found, "config")
    for crew in crews.values():
        if len(crew) == len(CREW):
            for found in crew:
                _claim_unnamed(claims, found, "graph")
    while importing:
        found = importing.pop()
        for imported in _imports(tree, found):
            if imported.path not in claims.by_path:
                _claim_unnamed(claims, imported, "prompts")
                importing.append(imported)


def _configures_an_agent(found: Found) -> bool:
    is_yaml = found.path.endswith((".yaml", ".yml"))
    return is_yaml and _SETTINGS_OF_AN_AGENT.search(_beginning(found)) is not None


def _claim_unnamed(claims: _Claims, found: Found, part: str) -> None:
    try:
        size = os.stat(found.real).st_size
    except OSError as error:
        raise BackendError(f"cannot read {found.path!a}: {error.strerror}") from error
    if size > MAX_UNNAMED:
        raise UsageError(
            f"{found.path!a} has {size} bytes, more than a file that was not named may have; "
            f"name it (--{part} {found.path!a}), or --exclude it"
        )
    claims.add(found, part, (0, 0))


def _imports(tree: WorkTree, found: Found) -> list[Found]:
    """The files that a Markdown file imports, if they exist and may be part of a spec."""
    from aivcs.specs.work_tree import LeftOut

    imported = []
    folder = os.path.dirname(found.path)
    for text in imports_in(_beginning(found).decode("utf-8", "surrogateescape")):
        if "\0" in text:
            continue
        path = os.path.normpath(os.path.join(folder, text))
        if text.startswith(("~", "/")) or path.startswith("../"):
            if "/" in text and not text.startswith("//"):
                tree.left_out.append(LeftOut(text, f"{found.path} imports it from elsewhere"))
            continue
        try:
            target = tree.find(path)
        except UsageError as error:
            tree.left_out.append(LeftOut(path, f"{found.path} imports it, but {error}"))
            continue
        except BackendError:
            continue  # a name that is too long, and meant nothing
        if target is None or os.path.isdir(target.real):
            continue
        why = tree.is_ignored(path)
        if why:
            tree.left_out.append(LeftOut(path, f"{found.path} imports it, but {why}"))
        else:
            imported.append(target)
    return imported


def _beginning(found: Found) -> bytes:
    try:
        with open(found.real, "rb", opener=_without_waiting) as file:
            return file.read(_MAX_IMPORTING)
    except OSError as error:
        raise BackendError(f"cannot read {found.path!a}: {error.strerror}") from error


def _without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK)
