"""`aivcs run session`: a session back in the program that it came from."""

import json
import os

import pytest

ORIGINAL = b'{"type":"user","sessionId":"s-1"}\n'


@pytest.fixture
def session(aivcs):
    """Makes the run of an imported session whose original was kept."""

    def make(form, *words, masked="false", name="s-1", original=ORIGINAL):
        run = aivcs.begin("a", b"x")
        blob = aivcs.put(original)
        payload = {"format": form, "session": name, "blob": {"$blob": blob}}
        payload["masked"] = json.loads(masked)
        aivcs.ok("run", "annotate", run, "import.source", json.dumps(payload))
        return run

    return make


def test_claude_code_finds_it_in_the_folder(aivcs, session):
    run = session("claude-code")
    done = aivcs.ok("run", "session", run)
    folder = str(aivcs.folder)
    assert done.text == f"cd {folder} && claude --resume s-1"
    assert done.err == b""
    name = "".join(c if c.isalnum() and c.isascii() else "-" for c in folder)
    path = aivcs.home / ".claude" / "projects" / name / "s-1.jsonl"
    assert path.read_bytes() == ORIGINAL
    assert path.stat().st_mode & 0o777 == 0o600
    assert aivcs.ok("run", "session", run, "--to", "claude-code").text == done.text


def test_codex_finds_it_by_its_id(aivcs, session):
    run = session("codex")
    told = aivcs.ok("run", "session", run, "--json").json
    day = aivcs.record(run)["created_at"]
    assert told["command"] == "codex resume s-1"
    assert told["path"] == (
        f"{aivcs.home}/.codex/sessions/{day[:10].replace('-', '/')}/"
        f"rollout-{day[:19].replace(':', '-')}-s-1.jsonl"
    )
    with open(told["path"], "rb") as file:
        assert file.read() == ORIGINAL


def test_gemini_finds_it_where_it_knows_the_folder(aivcs, session):
    run = session("gemini-cli", name="5e55105e-0000-4000-8000-000000000001")
    assert "start it there once" in aivcs("run", "session", run, code=2).complaint
    (aivcs.home / ".gemini").mkdir()
    projects = {"projects": {str(aivcs.folder): "project"}}
    (aivcs.home / ".gemini" / "projects.json").write_text(json.dumps(projects))
    told = aivcs.ok("run", "session", run, "--json").json
    assert os.path.dirname(told["path"]) == f"{aivcs.home}/.gemini/tmp/project/chats"
    assert told["path"].endswith("-5e55105e.jsonl")
    assert told["command"].endswith("gemini --resume 5e55105e-0000-4000-8000-000000000001")


def test_a_masked_one_comes_with_a_warning(aivcs, session):
    done = aivcs.ok("run", "session", session("claude-code", masked="true"))
    assert b"secrets in this session are masked" in done.err


def test_a_session_that_went_on_is_kept(aivcs, session):
    run = session("claude-code")
    path = aivcs.ok("run", "session", run, "--json").json["path"]
    with open(path, "ab") as file:
        file.write(b"more\n")
    assert "differs" in aivcs("run", "session", run, code=15).complaint
    with open(path, "rb") as file:
        assert file.read() == ORIGINAL + b"more\n"


@pytest.mark.parametrize(
    ("form", "name", "words", "says"),
    [
        ("claude-code", "s-1", ("--to", "codex"), "is a session of claude-code"),
        ("otlp", "s-1", (), "resumes nothing"),
        ("claude-code", "../../x", (), "cannot be the name of a file"),
    ],
)
def test_what_no_program_can_resume_is_refused(aivcs, session, form, name, words, says):
    run = session(form, name=name)
    assert says in aivcs("run", "session", run, *words, code=2).complaint
    assert not (aivcs.home / ".claude").exists()


@pytest.mark.parametrize(
    "original",
    [
        b'{"type":"system","subtype":"init","session_id":"s-1"}\n{"type":"user","session_id":"s-1"}',
        b'[\n  {\n    "type": "system",\n    "session_id": "s-1"\n  }\n]\n',
    ],
)
def test_what_claude_printed_is_not_its_session(aivcs, session, original):
    run = session("claude-code", original=original)
    assert "what claude printed" in aivcs("run", "session", run, code=2).complaint
    assert not (aivcs.home / ".claude").exists()


def test_a_run_without_its_original_is_refused(aivcs):
    run = aivcs.begin()
    assert "was not kept" in aivcs("run", "session", run, code=12).complaint
