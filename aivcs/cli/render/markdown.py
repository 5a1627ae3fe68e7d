"""Markdown for a pull request's comment or a job's summary, in which recorded text stays text.

GitHub takes `@name` and `#1` in any text for people and issues, escaped or not; so whatever was
recorded stands in code, where nothing has a meaning. Secrets of known forms are masked.
"""

from __future__ import annotations

import re

from aivcs.formats.masking import Masker
from aivcs.util.visible import visible

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from aivcs.cli.session.ci_files import CiFile
    from aivcs.cli.session.context import Context

MAX_CHARS = 60_000
"""Characters of a text, at most: GitHub refuses a comment of more than 65,536."""
_MAX_CELL_CHARS = 300
_TICKS = re.compile("`+")
_ENTITIES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})
_masker = Masker()


def code(text: str) -> str:
    """Returns a text as code in a line, also within a table; a dash for an empty one."""
    text = visible(_masker.mask_text(text))
    if not text.strip():
        return "–"  # noqa: RUF001 a dash
    if len(text) > _MAX_CELL_CHARS:
        text = f"{text[:_MAX_CELL_CHARS]}…"
    fence = "`" * (_longest_ticks(text) + 1)
    space = " " if text[0] in "` " or text[-1] in "` " else ""
    return f"{fence}{space}{text}{space}{fence}".replace("|", "\\|")


def block(lines: Iterable[str], language: str = "", *, most: int = MAX_CHARS) -> str:
    """Returns lines as a block of code, and says how many lines are missing from it.

    Args:
        lines: The lines.
        language: How they are to be coloured.
        most: The number of characters of lines, at most.
    """
    shown: list[str] = []
    missing = 0
    for line in lines:
        line = visible(_masker.mask_text(line))
        if len(line) > most or missing:
            missing += 1
            continue
        most -= len(line) + 1
        shown.append(line)
    fence = "`" * max(max(map(_longest_ticks, shown), default=0) + 1, 3)
    more = f"\n… {missing} more lines\n" if missing else ""
    return "\n".join([f"{fence}{language}", *shown, fence, more])


def details(summary: str, content: str) -> str:
    """Returns a part that is folded away.

    An empty line ends it: what follows, be it of another command, would be HTML without one.
    """
    said = visible(_masker.mask_text(summary)).translate(_ENTITIES)
    return f"<details><summary><code>{said}</code></summary>\n\n{content}\n</details>\n\n"


def table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Returns a table; the cells are Markdown."""
    lines = [headings, ["---"] * len(headings), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


class Target:
    """Where Markdown goes, by the options `--markdown` and `--github-summary`.

    Attributes:
        replaces_output: Whether it is printed instead of the usual output.
    """

    def __init__(
        self, context: Context, *, markdown: bool, github_summary: bool, as_json: bool
    ) -> None:
        """Opens the summary, before anything is done.

        Raises:
            UsageError: Two formats are asked for, or there is no summary.
            BackendError: The summary cannot be written.
        """
        from aivcs.errors import UsageError

        if markdown and as_json:
            raise UsageError("--markdown and --json are two formats; give one of them")
        self.replaces_output = markdown
        self._context = context
        self._summary: CiFile | None = None
        if github_summary:
            from aivcs.cli.session.ci_files import CiFile

            self._summary = CiFile.named_by(context, "--github-summary", "GITHUB_STEP_SUMMARY")

    @property
    def is_wanted(self) -> bool:
        """Whether Markdown is wanted at all."""
        return self.replaces_output or self._summary is not None

    def write(self, text: str) -> None:
        """Prints a text, and adds it to the summary, as far as each is wanted.

        Raises:
            BackendError: The summary cannot be written.
        """
        if self._summary is not None:
            self._summary.append(text)
        if self.replaces_output:
            self._context.write(text)


def _longest_ticks(text: str) -> int:
    return max(map(len, _TICKS.findall(text)), default=0)
