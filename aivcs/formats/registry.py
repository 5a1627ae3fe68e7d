"""Lists the formats and detects the format of a source by its content, never by its name.

Nothing is imported before a format is asked for. Other packages add formats by an entry point of
the group `aivcs.formats`, which names a `Format`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple

from aivcs.formats.errors import FormatError
from aivcs.formats.model import Hint
from aivcs.formats.records import Documents, LinesOrDocuments

if TYPE_CHECKING:
    from collections.abc import Callable

    from aivcs.formats.model import Reader

GROUP = "aivcs.formats"
"""The group of entry points that name formats."""
HEAD = 1 << 18
"""Bytes of a source that suffice to know its format."""
_RECORDS = 64
_BUILT_IN = (
    ("aivcs.formats.atif", "ATIF"),
    ("aivcs.formats.otlp", "OTLP"),
    ("aivcs.formats.codex", "CODEX"),
    ("aivcs.formats.codex", "CODEX_EXEC"),
    ("aivcs.formats.gemini", "GEMINI_CLI"),
    ("aivcs.formats.gemini", "GEMINI_STREAM"),
    ("aivcs.formats.opencode", "OPENCODE"),
    ("aivcs.formats.claude_code", "CLAUDE_CODE"),
    ("aivcs.formats.mini_swe_agent", "MINI_SWE_AGENT"),
    ("aivcs.formats.inspect_ai", "INSPECT_AI"),
    ("aivcs.formats.mlflow", "MLFLOW"),
    ("aivcs.formats.run_log", "RUN_LOG"),
    ("aivcs.formats.trace", "TRACE"),
    ("aivcs.formats.swe_agent", "SWE_AGENT"),
    ("aivcs.formats.openhands", "OPENHANDS"),
    ("aivcs.formats.openai_agents", "OPENAI_AGENTS"),
)
"""Module and name of each format; where several would do, the first one counts."""


class Head:
    """The beginning of a source.

    Attributes:
        records: The first records that are objects.
        root: The members of the first value, if it is an object: the last one may be None,
            because it is longer than the head.
    """

    def __init__(self, data: bytes) -> None:
        """Looks at the first bytes of a source, or at all of it."""
        decoder = LinesOrDocuments()
        try:
            records = decoder.feed(data[:HEAD]) + decoder.close(final=False)
        except FormatError:
            records = []
        self.records = [r.value for r in records if isinstance(r.value, dict)][:_RECORDS]
        self.root: dict[str, Any] = self.records[0] if self.records else _root(data[:HEAD])
        if not self.records and self.root:
            self.records = [self.root]


class Format(NamedTuple):
    """A format that can be read.

    Attributes:
        name: Its name, as the user writes it.
        title: What it is, in a few words.
        detect: Tells whether a source that begins like this has the format.
        reader: Makes a reader.
        hint: Returns what the path of a source says of its session.
        grows: Whether a program goes on writing to such a source: then its end is not taken for
            the end of a session unless it says so.
    """

    name: str
    title: str
    detect: Callable[[Head], bool]
    reader: Callable[[Hint], Reader]
    hint: Callable[[str], Hint] = lambda _: Hint()
    grows: bool = False


def formats() -> dict[str, Format]:
    """Returns all formats by name: the built-in ones, then those of other packages.

    Raises:
        FormatError: An entry point names no `Format`, or cannot be loaded.
    """
    found: dict[str, Format] = {}
    for module, name in _BUILT_IN:
        built_in: Format = getattr(import_module(module), name)
        found[built_in.name] = built_in
    from importlib.metadata import entry_points

    for point in sorted(entry_points(group=GROUP)):
        try:
            added = point.load()
        except Exception as error:  # whatever a stranger's module raises
            raise FormatError(
                f"the format {point.name} cannot be loaded from {point.value}: {error!r}; "
                "mend or remove the package that adds it"
            ) from error
        if not isinstance(added, Format):
            raise FormatError(
                f"the entry point {point.name} of {GROUP} names {point.value}, which is not an "
                "aivcs.formats.registry.Format; mend or remove the package that adds it"
            )
        found.setdefault(added.name, added)
    return found


def find_format(name: str) -> Format:
    """Returns the format of a name.

    Raises:
        FormatError: There is none.
    """
    known = formats()
    if name not in known:
        raise FormatError(f"no format is called {name[:60]!a}; there are {', '.join(known)}")
    return known[name]


def find_format_of(name: str, data: bytes) -> Format:
    """Returns the format of a name, for a source that begins like this.

    Raises:
        FormatError: There is none of that name, or the source plainly has another format.
    """
    named, head = find_format(name), Head(data)
    if not named.detect(head):
        other = next((one for one in formats().values() if one.detect(head)), None)
        if other is not None:
            raise FormatError(f"the source has the format {other.name}, not {name}; omit --from")
    return named


def detect(data: bytes) -> Format:
    """Returns the format of a source.

    Args:
        data: All of it, or its first `HEAD` bytes.

    Raises:
        FormatError: It is in none of the formats.
    """
    head = Head(data)
    known = formats()
    for candidate in known.values():
        if candidate.detect(head):
            return candidate
    if data.startswith(b"PK\x03\x04"):
        raise FormatError(
            "the source is a zip archive; an .eval of inspect_ai is written as JSON by: "
            "inspect log dump FILE.eval"
        )
    raise FormatError(
        f"the source has none of the formats {', '.join(known)}; if it does, name it with --from"
    )


def _root(data: bytes) -> dict[str, Any]:
    """The members of an object that is longer than its beginning, as far as they are there."""
    decoder = Documents(members=True)
    try:
        records = decoder.feed(data)
    except FormatError:
        return {}
    root = {record.name: record.value for record in records if record.name}
    if name := decoder.pending_name:
        root.setdefault(name, None)
    return root
