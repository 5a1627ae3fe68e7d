"""The faces of the output: plain lines for programs, JSON for those that ask, errors as either."""

import json
import shutil
import subprocess

import pytest

ABSENT = "0" * 64
READING = (
    ("blob", "has", "{spec}"), ("blob", "ls"), ("blob", "verify"), ("run", "show", "{run}"),
    ("run", "events", "{run}"), ("run", "list"), ("run", "stats"), ("run", "verify"),
    ("release", "current", "bot"),
    ("release", "history", "bot"), ("release", "list"), ("release", "verify"), ("status",),
    ("verify",), ("config", "list"), ("config", "get", "core.durability"),
)  # fmt: skip
ERRORS = (
    (("blob", "has", "xyz"), 2),
    (("blob", "ls", "xyz"), 2),
    (("run", "show", ""), 2),
    (("run", "show", "@"), 2),
    (("run", "show", "00000000"), 12),
    (("run", "events", "00000000-0000-4000-8000-000000000000"), 12),
    (("run", "list", "--since", "soon"), 2),
    (("run", "list", "--nonsense"), 2),
    (("release", "current", "new"), 12),
    (("release", "current"), 2),
    (("release", "history", "../x"), 2),
    (("-C", "/dev/null/nowhere", "status"), 2),
    (("--store", "/dev/null/nowhere", "status"), 10),
    (("--store", "ftp://bucket", "status"), 2),
    (("--lock-timeout", "x", "status"), 2),
    (("config", "get", "no.key"), 2),
    (("nonsense",), 2),
)


@pytest.fixture
def words(aivcs):
    """A store in which there is something of everything, and the names of two things in it."""
    spec = aivcs.put(b"a spec\n")
    run = aivcs.begin("bot", b"a spec\n")
    aivcs.ok("run", "log", run, "k", "a=1")
    aivcs.ok("release", "promote", "bot", spec, "--notes", "tab\there")
    return {"spec": spec, "run": run}


@pytest.mark.parametrize("command", READING, ids=" ".join)
def test_every_reading_command_prints_json_lines_if_it_is_asked_to(aivcs, words, command):
    arguments = [word.format(**words) for word in command]
    done = aivcs.ok(*arguments, "--json")
    values = done.json_lines
    if "verify" in command:
        assert values == []
        return
    assert values
    assert done.err == b""
    if shutil.which("jq"):
        compact = subprocess.run(
            ["jq", "-c", "."], input=done.out, capture_output=True, check=True
        ).stdout
        assert [json.loads(line) for line in compact.splitlines()] == values


@pytest.mark.parametrize(("command", "code"), ERRORS, ids=str)
def test_an_error_is_one_line_or_one_json_object(aivcs, words, command, code):
    plain = aivcs(*command, code=code)
    assert plain.out == b""
    complaint, *more = plain.err.decode().splitlines()
    assert complaint == f"aivcs: {plain.complaint}"
    done = aivcs(*command, "--json", code=code)
    assert done.out == b""
    (line,) = done.err.decode().splitlines()
    error = json.loads(line)
    said = {name: error.pop(name) for name in ("usage", "hint") if name in error}
    assert [f"{name}: {text}" for name, text in said.items()] == more
    assert len(more) <= 1
    assert set(error) == {"error", "message", "exit_code"}
    assert error["exit_code"] == code
    assert error["error"].endswith("Error")
    assert error["message"]


def test_damage_is_an_error_in_json_too(aivcs, words):
    log = aivcs.run_log(words["run"])
    log.write_bytes(log.read_bytes().replace(b'"bot"', b'"BOT"'))
    done = aivcs("run", "events", words["run"], "--json", code=14)
    error = json.loads(done.err)
    assert (error["error"], error["exit_code"]) == ("IntegrityError", 14)


def test_commands_that_only_write_print_nothing_on_stderr(aivcs, words):
    for command in (
        ("blob", "put", "-"), ("run", "log", words["run"], "k"), ("run", "finish", words["run"]),
        ("init",), ("config", "set", "core.durability", "batch"),
    ):  # fmt: skip
        assert aivcs.ok(*command).err == b""


@pytest.mark.parametrize(
    "command",
    [(), ("blob",), ("run",), ("release",), ("config",)],
    ids=lambda command: " ".join(command) or "aivcs",
)
def test_without_a_verb_it_tells_the_verbs_and_exits_2(outside, command):
    done = outside(*command, code=2)
    assert done.out == b""
    assert b"Usage" in done.err or b"usage" in done.err


@pytest.mark.parametrize(
    "command", [(), *dict.fromkeys(tuple(c[:2]) for c in READING if len(c) > 1)], ids=str
)
def test_help_goes_to_standard_output(outside, command):
    command = [word for word in command if "{" not in word]
    for flag in ("--help", "-h"):
        done = outside.ok(*command, flag)
        assert b"aivcs" in done.out
        assert done.err == b""


def test_the_version_is_the_packages(outside):
    import aivcs

    assert outside.ok("--version").text == f"aivcs {aivcs.__version__}"


def test_a_misplaced_global_option_is_told_where_it_stands(aivcs):
    assert "before the command" in aivcs("run", "list", "--store", "x", code=2).complaint


def test_the_same_command_runs_as_a_module(aivcs):
    import sys

    digest = aivcs.put(b"x")
    done = subprocess.run(
        [sys.executable, "-m", "aivcs", "blob", "ls"],
        cwd=aivcs.folder, env=aivcs.environment(), capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout == f"{digest}\n"


@pytest.mark.parametrize(
    ("words", "command"),
    [
        (["run", "start", "--agent"], "aivcs run start --help"),
        (["blob", "get", "0123", "-o"], "aivcs blob get --help"),
        (["-C"], "aivcs --help"),
    ],
)
def test_a_mistake_names_the_help_of_the_command_it_was_made_in(aivcs, words, command):
    assert f"(see: {command})" in aivcs(*words, code=2).complaint


class TestInAStore:
    """What is written by name never replaces, or adds to, the files of a store."""

    COMMANDS = (
        "blob get DIGEST -o IN/format",
        "bundle create IN/id",
        "run exec --agent bot --spec DIGEST --id-file IN/id -- true",
        "run start --agent bot --spec DIGEST --dotenv IN/id",
        "run export RUN --format otlp -o IN/config.toml",
        "run export RUN --format sqlite -o IN/config.toml",
        "report -o IN/tmp/report.html",
        "spec checkout SPEC IN --force",
        "spec checkout SPEC IN/new",
        "release checkout bot IN/objects",
        "release watch --once --state IN/new bot --exec true",
        "skill --install IN",
    )

    @pytest.mark.parametrize("place", ["store", "link"])
    @pytest.mark.parametrize("command", COMMANDS)
    def test_nothing_is_written(self, aivcs, unchanged, command, place):
        prompt = aivcs.folder / "config.toml"
        prompt.write_text("other = 1\n")
        spec = aivcs.ok("spec", "create", "--prompts", "config.toml").text
        aivcs.ok("release", "promote", "bot", spec)
        (aivcs.folder / "link").symlink_to(aivcs.store)
        names = {"DIGEST": aivcs.put(b"1\n"), "SPEC": spec, "RUN": aivcs.begin()}
        inside = str(aivcs.store if place == "store" else aivcs.folder / "link")
        words = [names.get(word, word).replace("IN", inside) for word in command.split()]
        with unchanged:
            # That of exec is not to pass for its command's.
            complaint = aivcs(*words, code=125 if words[1] == "exec" else 2).complaint
        assert f"in the store '{aivcs.store}'" in complaint, complaint

    def test_beside_one_all_is_as_ever(self, aivcs):
        (aivcs.folder / "format").write_text("1\n")  # a name that others use, too
        digest = aivcs.put(b"content")
        aivcs.ok("blob", "get", digest, "-o", "got")
        assert (aivcs.folder / "got").read_bytes() == b"content"
