"""Formats a comparison of specs as Markdown: the files that differ, each folded away."""

from __future__ import annotations

from aivcs.cli.render.markdown import MAX_CHARS, block, code, details
from aivcs.present.spec_difference import (
    ADDED,
    FILE,
    HUNK,
    REMOVED,
    SAME,
    Line,
    lines,
)
from aivcs.present.words import count

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from aivcs.commands.spec.diff import Comparison

_SIGNS = {ADDED: "+", REMOVED: "-", SAME: " ", HUNK: "@@ "}
_MAX_FILES = 50


def markdown(found: Comparison, *, title: str = "", most: int = MAX_CHARS // 2) -> str:
    """Returns a comparison as Markdown.

    Args:
        found: The comparison.
        title: The heading; by default the digests.
        most: The number of characters of differences, at most.
    """
    heading = title or f"Spec {code(found.a.short)} → {code(found.b.short)}"
    return f"### {heading}\n\n{''.join(parts(found, most))}"


def parts(found: Comparison, most: int) -> Iterator[str]:
    """Yields the comparison without a heading."""
    if found.is_equal:
        yield "The specs are equal.\n"
        return
    verb = "differs" if len(found.files) == 1 else "differ"
    yield f"{count(len(found.files), 'file')} of the spec {verb}.\n\n"
    shown = 0
    for name, content in _by_file(lines(found)):
        if not name:
            yield "".join(f"- {code(line.text)}\n" for line in content) + "\n" if content else ""
            continue
        shown += 1
        if shown > _MAX_FILES:
            yield f"… and {len(found.files) - _MAX_FILES} more files\n"
            return
        text = block((_diff_line(line) for line in content), "diff", most=max(most, 0))
        most -= len(text)
        yield details(name, text)


def _by_file(found: Iterable[Line]) -> Iterator[tuple[str, list[Line]]]:
    """Yields the lines of each file with its name; first those of the spec itself."""
    name, content = "", list[Line]()
    for line in found:
        if line.kind == FILE:
            yield name, content
            name, content = line.text, []
        else:
            content.append(line)
    yield name, content


def _diff_line(line: Line) -> str:
    if line.kind == HUNK and line.text.startswith("@@"):
        return line.text
    return _SIGNS.get(line.kind, "# ") + line.text
