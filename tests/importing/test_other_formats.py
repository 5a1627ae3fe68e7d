"""Formats that other packages add by an entry point."""

import re
import subprocess
from pathlib import Path

import pytest
from formats import samples

PAGE = Path(__file__).parents[2] / "docs" / "importing.md"
LINES = (
    b'{"run": "r-1", "at": "2026-01-31T12:00:00Z", "who": "user", "says": "Hi."}\n'
    b'{"run": "r-1", "type": "odd", "more": [1]}\n'
)


@pytest.fixture
def package(tmp_path):
    """A folder where the package of the page is installed."""
    text = PAGE.read_text()
    (toml,) = re.findall(r"```toml\n(.*?)```", text, re.DOTALL)
    (code,) = re.findall(r"```python\n(from aivcs.formats.*?)```", text, re.DOTALL)
    assert len(code.splitlines()) <= 40
    (name, target) = re.findall(r'(\w+) = "([\w.:]+)"', toml)[0]
    module = target.partition(":")[0].split(".")
    folder = tmp_path / "site"
    (folder / module[0]).mkdir(parents=True)
    (folder / module[0] / "__init__.py").write_text("")
    (folder / module[0] / f"{module[1]}.py").write_text(code)
    info = folder / "my_package-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: my-package\nVersion: 1\n")
    (info / "entry_points.txt").write_text(f"[aivcs.formats]\n{name} = {target}\n")
    return folder


@pytest.mark.process
def test_the_format_of_the_page_is_imported(aivcs, package):
    path = aivcs.folder / "notes.jsonl"
    path.write_bytes(LINES)
    env = {"PYTHONPATH": str(package)}
    assert aivcs.ok("run", "import", str(path), env=env).lines == ["r-1"]
    kinds = [(event["kind"], event["payload"]) for event in aivcs.events("r-1")]
    assert kinds == [
        ("message", {"role": "user", "content": "Hi."}),
        ("notes.odd", {"run": "r-1", "type": "odd", "more": [1]}),
    ]
    aivcs("run", "import", str(path), code=2)


@pytest.mark.process
def test_a_format_that_cannot_be_loaded_is_named(aivcs, package):
    (package / "my_package" / "notes.py").write_text("import absent_module\n")
    path = aivcs.folder / "notes.jsonl"
    path.write_bytes(LINES)
    done = aivcs("run", "import", str(path), env={"PYTHONPATH": str(package)}, code=2)
    assert "the format notes cannot be loaded from my_package.notes:NOTES" in done.complaint


@pytest.mark.process
@pytest.mark.parametrize(
    "emitted", ["{'a': object()}", "{1: 2}", "{'a': float('nan')}", "{'a': '\\ud800'}"]
)
def test_what_a_strange_format_gives_is_stored_or_said(aivcs, package, emitted):
    module = package / "my_package" / "notes.py"
    code = module.read_text().replace('{"role": role, "content": value["says"]}', emitted)
    assert emitted in code
    module.write_text(code.replace('"message", ', '"\\x00bad kind\\n" * 99, '))
    path = aivcs.folder / "notes.jsonl"
    path.write_bytes(LINES)
    env = {"PYTHONPATH": str(package)}
    aivcs.ok("run", "import", "--no-redact", str(path), env=env)
    (first, _) = aivcs.events("r-1")
    assert "unstorable" in first["payload"]
    assert first["kind"].isprintable()


@pytest.mark.process
def test_a_fault_of_a_format_stops_no_other_source(aivcs, package):
    module = package / "my_package" / "notes.py"
    module.write_text(module.read_text().replace("value = as_dict", "value = [][1] or as_dict"))
    for name, data in (("notes", LINES), ("claude", samples.CLAUDE)):
        (aivcs.folder / f"{name}.jsonl").write_bytes(data)
    importing = aivcs.start(
        "run", "import", "notes.jsonl", "claude.jsonl", env={"PYTHONPATH": str(package)},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    out, err = importing.communicate()
    assert (importing.returncode, out.decode().split()) == (70, [samples.CLAUDE_ID])
    assert b"internal error: IndexError: notes.jsonl: list index out of range" in err
