"""Formats of other packages, and what a format costs that nobody asks for."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from formats import samples
from formats.reading import read

from aivcs.formats import model, registry
from aivcs.formats.errors import FormatError
from aivcs.model.run import RunEvent
from aivcs.trace.tool_calls import SAME, calls_in, compare_calls


class Notes(model.Reader):
    format = program = "notes"

    def take(self, record):
        session = self.open("notes-1")
        self.emit(session, "message", {"role": "user", "content": record.value["note"]})


NOTES = registry.Format("notes", "notes", lambda head: "note" in head.root, Notes)


class Point:
    """An entry point."""

    name = "notes"
    value = "other:NOTES"

    def __init__(self, loaded):
        self.loaded = loaded

    def __lt__(self, other):
        return False

    def load(self):
        if isinstance(self.loaded, Exception):
            raise self.loaded
        return self.loaded


@pytest.fixture
def points(monkeypatch):
    added: list[object] = []
    monkeypatch.setattr("importlib.metadata.entry_points", lambda *, group: added)
    return added


def test_a_format_of_another_package_is_detected_and_read(points):
    points.append(Point(NOTES))
    data = samples.lines({"note": "a"}, {"note": "b"})
    assert registry.detect(data) is NOTES
    assert [e.payload["content"] for e in read(data).events] == ["a", "b"]


def test_the_format_in_the_documentation_reads(points):
    page = Path(__file__).parents[2] / "docs" / "importing.md"
    blocks = re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL)
    (code,) = [block for block in blocks if "NOTES" in block]
    names: dict[str, str] = {}
    exec(code, names)
    points.append(Point(names["NOTES"]))
    data = samples.lines(
        {"run": "r1", "at": "2026-01-31T12:00:00Z", "who": "user", "says": "Hi."}, {"type": "x"}
    )
    told = read(data)
    assert told.kinds == ["message", "notes.x"]
    assert told.sessions[0].id == "r1"


@pytest.mark.parametrize("loaded", [ImportError("no module named other"), "text", None])
def test_a_format_that_cannot_be_loaded_is_an_error_that_names_it(points, loaded):
    points.append(Point(loaded))
    with pytest.raises(FormatError, match="other:NOTES"):
        registry.detect(b"{}")


def test_the_command_line_imports_no_format():
    code = "import sys, aivcs.cli.main; print([m for m in sys.modules if 'formats' in m])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_two_imported_sessions_that_did_the_same_compare_equal():
    """Ids of calls are others in every run; they are not parameters."""

    def calls(data):
        events = read(data).events
        return calls_in([RunEvent(e.kind, e.payload, seq=e.seq) for e in events])

    other = samples.CLAUDE.replace(b"toolu_", b"toolu_other_").replace(b'"msg_', b'"msg_x')
    steps = compare_calls(calls(samples.CLAUDE), calls(other))
    assert [step.kind for step in steps] == [SAME] * 3
