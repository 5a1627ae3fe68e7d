"""Commits and runs: the trailer that the hook of git writes, and the way back from a line."""

import json
import os
import shutil
import subprocess

import pytest

FOREIGN = '#!/bin/sh\n# \u00e9 mine\necho called >> "$(git rev-parse --git-common-dir)/foreign"\n'
pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")


@pytest.fixture
def git(aivcs, tmp_path):
    """A git repository in the folder of the store, with `aivcs` in the PATH of its hooks."""
    bin_ = tmp_path / "bin"
    bin_.mkdir()
    (bin_ / "aivcs").write_text("#!/bin/sh\n")
    (bin_ / "aivcs").chmod(0o755)

    def run(*words, cwd=None, code=0, env=None, path=None):
        environment = aivcs.environment(
            PATH=path or f"{bin_}:{os.environ['PATH']}",
            GIT_CONFIG_GLOBAL="/dev/null",
            GIT_CONFIG_NOSYSTEM="1",
            **(env or {}),
        )
        done = subprocess.run(
            ["git", "-c", "user.name=A", "-c", "user.email=a@example.org", *words],
            cwd=cwd or aivcs.folder, env=environment, capture_output=True, text=True, check=False,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip
        assert done.returncode == code, done
        return done.stdout

    run("init", "-q", "-b", "main")
    return run


def commit(git, message, *, run=None, **options):
    git(
        "commit", "-q", "--allow-empty", "-m", message,
        env={} if run is None else {"AIVCS_RUN": run}, **options,
    )  # fmt: skip
    return git("log", "-1", "--format=%B", cwd=options.get("cwd")).rstrip("\n")


class TestHook:
    def test_writes_the_trailer_inside_a_run_and_only_there(self, aivcs, git):
        done = aivcs.ok("hook", "install", "git")
        assert done.lines == [str(aivcs.folder / ".git/hooks/commit-msg")]
        assert commit(git, "one\n\nBody.", run="r-1") == "one\n\nBody.\n\nAivcs-Run: r-1"
        assert commit(git, "two") == "two"
        git("commit", "-q", "--amend", "--allow-empty", "-m", "two\n\nAivcs-Run: r-1",
            env={"AIVCS_RUN": "r-1"})  # fmt: skip
        assert git("log", "-1", "--format=%B").count("Aivcs-Run") == 1

    @pytest.mark.parametrize(
        "words",
        [
            ("merge", "--no-ff", "--no-edit", "topic"),
            ("merge", "--no-ff", "-m", "Merge it", "topic"),
            ("commit", "-q", "--allow-empty", "--cleanup=verbatim", "-F", "message"),
            ("-c", "trailer.separators==", "commit", "-q", "--allow-empty", "-m", "Merge it"),
        ],
    )
    def test_keeps_the_subject_of_a_message_without_a_last_newline(self, aivcs, git, words):
        commit(git, "first")
        git("checkout", "-q", "-b", "topic")
        commit(git, "second")
        git("checkout", "-q", "main")
        (aivcs.folder / "message").write_bytes(b"Merge it")
        aivcs.ok("hook", "install", "git")
        git(*words, env={"AIVCS_RUN": "r-1"})
        subject, trailers = git("log", "-1", "--format=%s%n%(trailers)").split("\n", 1)
        assert subject in {"Merge branch 'topic'", "Merge it"}
        assert trailers.strip() == "Aivcs-Run: r-1"

    def test_never_fails_a_commit(self, aivcs, git):
        aivcs.ok("hook", "install", "git")
        assert commit(git, "one", run="no id\nAivcs-Run: forged") == "one"
        assert commit(git, "two", run="r-1", path=os.environ["PATH"].replace(
            str(aivcs.folder), "")) in {"two", "two\n\nAivcs-Run: r-1"}  # fmt: skip
        git("commit", "-q", "--allow-empty", "-m", "", code=1, env={"AIVCS_RUN": "r-1"})

    def test_does_nothing_where_aivcs_is_missing(self, aivcs, git, tmp_path):
        aivcs.ok("hook", "install", "git")
        tools = tmp_path / "tools"
        tools.mkdir()
        for name in ("git", "sh", "sed", "grep"):
            (tools / name).symlink_to(shutil.which(name))
        assert commit(git, "one", run="r-1", path=str(tools)) == "one"

    def test_keeps_a_foreign_hook_calls_it_and_gives_it_back(self, aivcs, git):
        hook = aivcs.folder / ".git/hooks/commit-msg"
        hook.parent.mkdir(exist_ok=True)
        hook.write_text(FOREIGN)
        hook.chmod(0o750)
        aivcs.ok("hook", "install", "git")
        again = aivcs.ok("hook", "install", "git")
        assert b"already installed" in again.err
        kept = hook.with_name("commit-msg.before-aivcs")
        assert kept.read_text() == FOREIGN
        assert "Aivcs-Run: r-1" in commit(git, "one", run="r-1")
        assert (aivcs.folder / ".git/foreign").read_text() == "called\n"
        kept.write_text("#!/bin/sh\nexit 3\n")
        git("commit", "-q", "--allow-empty", "-m", "two", code=1)
        kept.write_text(FOREIGN)
        aivcs.ok("hook", "uninstall", "git")
        assert hook.read_text() == FOREIGN
        assert hook.stat().st_mode & 0o777 == 0o750
        assert not kept.exists()
        assert b"not installed" in aivcs.ok("hook", "uninstall", "git").err

    def test_in_a_worktree_and_where_hooks_are_elsewhere(self, aivcs, git, tmp_path):
        commit(git, "first")
        git("worktree", "add", "-q", str(tmp_path / "tree"), "-b", "other")
        aivcs.ok("--store", str(aivcs.store), "hook", "install", "git", cwd=tmp_path / "tree")
        assert "Aivcs-Run: r-1" in commit(git, "one", run="r-1", cwd=tmp_path / "tree")
        aivcs.ok("hook", "uninstall", "git")
        git("config", "core.hooksPath", "my/hooks")
        (path,) = aivcs.ok("hook", "install", "git").lines
        assert path == str(aivcs.folder / "my/hooks/commit-msg")
        assert "Aivcs-Run: r-2" in commit(git, "two", run="r-2")

    def test_refuses_what_makes_no_sense(self, aivcs, tmp_path):
        aivcs("hook", "install", "git", "--user", code=2)
        done = aivcs("hook", "install", "git", cwd=tmp_path, code=12)
        assert b"not in a git repository" in done.err


@pytest.fixture
def made(aivcs, git):
    """A run that wrote the second line of a file, and was asked for it in its second message."""
    aivcs.ok("hook", "install", "git")
    run = aivcs.begin()
    for kind, payload in (
        ("message", {"role": "user", "content": "Read the code."}),
        ("tool_called", {"tool_name": "read", "arguments": {"path": "app.py"}}),
        ("message", {"role": "user", "content": [{"type": "text", "text": "Now greet."}]}),
        (
            "tool_called",
            {"tool_name": "write", "arguments": {"path": "/x/app.py", "text": "greet()"}},
        ),
        ("message", {"role": "user", "content": "Thanks."}),
        ("tool_called", {"tool_name": "read", "arguments": {"path": "app.py"}}),
    ):
        aivcs.ok("run", "log", run, kind, json.dumps(payload))
    aivcs.ok("run", "finish", run)
    file = aivcs.folder / "app.py"
    file.write_text("import x\n")
    git("add", "app.py")
    git("commit", "-q", "-m", "begin")
    file.write_text("import x\ngreet()\n")
    git("commit", "-q", "-am", "greet", env={"AIVCS_RUN": run})
    return run


class TestWhy:
    def test_from_a_line_to_the_message_that_asked_for_it(self, aivcs, git, made):
        (found,) = aivcs.ok("run", "why", "app.py:2", "--json").json_lines
        sha = git("rev-parse", "HEAD").strip()
        assert (found["commit"]["sha"], found["run"]["run_id"]) == (sha, made)
        assert (found["asked"]["seq"], found["asked"]["text"]) == (3, "Now greet.")
        assert (found["wrote"]["seq"], found["wrote"]["tool"]) == (4, "write")
        assert found["text"] == "greet()"
        assert aivcs.ok("run", "why", "app.py:2").text == f"{sha}\t{made}\t3\t4\tNow greet."
        (whole,) = aivcs.ok("run", "why", "app.py", "--json").json_lines
        assert (whole["line"], whole["commit"]["sha"]) == (None, sha)

    def test_a_renamed_file_is_looked_for_by_the_name_it_had(self, aivcs, git, made):
        (aivcs.folder / "a b").mkdir()
        git("mv", "app.py", "a b/new.py")
        git("commit", "-q", "-m", "move")
        (found,) = aivcs.ok("run", "why", "a b/new.py:2", "--json").json_lines
        assert (found["wrote"]["seq"], found["asked"]["seq"]) == (4, 3)
        assert found["asked"]["is_guess"] is False

    def test_a_message_without_a_call_is_marked_as_a_guess(self, aivcs, git, made, terminal):
        (aivcs.folder / "other.txt").write_text("by a shell\n")
        git("add", "other.txt")
        git("commit", "-q", "-m", "other", env={"AIVCS_RUN": made})
        (found,) = aivcs.ok("run", "why", "other.txt:1", "--json").json_lines
        assert (found["wrote"], found["asked"]["seq"]) == (None, 1)
        assert found["asked"]["is_guess"] is True
        assert "@1  a guess" in terminal("run", "why", "other.txt:1")
        assert "a guess" not in terminal("run", "why", "app.py:2")

    def test_one_clear_line_where_there_is_no_answer(self, aivcs, git, made, tmp_path):
        for place, code, said in (
            ("app.py:1", 12, b"names no run"),
            ("app.py:7", 12, b"no line 7"),
            ("none.py", 12, b"no commit of"),
            (":3", 2, b"FILE"),
            (str(tmp_path / "x:1"), 12, b"not in a git repository"),
        ):
            assert said in aivcs("run", "why", place, code=code).err
        (aivcs.folder / "app.py").write_text("import x\ngreet()\nnew()\n")
        assert b"not committed" in aivcs("run", "why", "app.py:3", code=12).err
        aivcs.run_log(made).unlink()
        assert b"aivcs pull" in aivcs("run", "why", "app.py:2", code=12).err
        done = aivcs("run", "why", "app.py:2", env={"PATH": str(tmp_path)}, code=16)
        assert b"git is not installed" in done.err

    def test_no_program_that_the_repository_names_is_executed(self, aivcs, git, made):
        for name, program in (("textconv", "touch textconv; cat"), ("command", "touch command")):
            git("config", f"diff.x.{name}", program)
        (aivcs.folder / ".gitattributes").write_text("*.py diff=x\n")
        aivcs.ok("run", "why", "app.py:2")
        assert not any((aivcs.folder / name).exists() for name in ("textconv", "command"))

    def test_runs_of_a_commit(self, aivcs, git, made):
        assert [
            line.split("\t")[0] for line in aivcs.ok("run", "list", "--commit", "HEAD").lines
        ] == [made]
        assert aivcs.ok("run", "search", "greet", "--commit", "HEAD", "-l").lines == [made]
        aivcs("run", "search", "greet", "--commit", "HEAD~1", "-l", code=1)
        sha = git("rev-parse", "HEAD~1").strip()
        recorded = aivcs.begin("b", b"a spec\n", "--git-sha", f"{sha}+dirty")
        lines = aivcs.ok("run", "list", "--commit", sha[:8]).lines
        assert [line.split("\t")[0] for line in lines] == [recorded]
        aivcs("run", "list", "--commit", "nothing", code=12)
        aivcs("run", "list", "--commit", "--all", code=12)
