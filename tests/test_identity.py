"""Which commit a run is of, and who promotes: from the CI system, from git, or from the machine."""

import os
import shutil
import socket
import subprocess

import pytest


class TestCommit:
    @pytest.fixture
    def git(self, aivcs):
        if shutil.which("git") is None:
            pytest.skip("there is no git")

        def git(*arguments, cwd=None):
            return subprocess.run(
                ["git", "-c", "user.name=G", "-c", "user.email=g@x", *arguments],
                cwd=cwd or aivcs.folder,
                env=aivcs.environment(GIT_CONFIG_NOSYSTEM="1"),
                capture_output=True,
                text=True,
                check=True,
            ).stdout.strip()

        git("init", "-q", "-b", "main")
        git("commit", "-q", "--allow-empty", "-m", "one")
        return git

    def recorded(self, aivcs, *arguments, **options):
        spec = aivcs.put(b"spec")
        run = aivcs.ok("run", "start", "--agent", "a", "--spec", spec, *arguments, **options).text
        return aivcs.record(run)["metadata"]["git_sha"]

    def test_is_the_head_of_a_branch(self, aivcs, git):
        assert self.recorded(aivcs) == git("rev-parse", "HEAD")

    def test_tells_of_tracked_files_that_differ_from_it(self, aivcs, git):
        (aivcs.folder / "code.py").write_text("one\n")
        assert self.recorded(aivcs) == git("rev-parse", "HEAD")  # what git does not know
        git("add", "code.py")
        assert self.recorded(aivcs) == git("rev-parse", "HEAD") + "+dirty"
        git("commit", "-q", "-m", "code")
        os.utime(aivcs.folder / "code.py", (0, 0))
        head = git("rev-parse", "HEAD")
        assert self.recorded(aivcs) == head
        (aivcs.folder / "code.py").write_text("two\n")
        assert self.recorded(aivcs) == head + "+dirty"
        assert self.recorded(aivcs, env={"GITHUB_SHA": head}) == head + "+dirty"
        assert self.recorded(aivcs, env={"GITHUB_SHA": "0" * 40}) == "0" * 40
        assert self.recorded(aivcs, "--git-sha", head) == head
        spec = ("spec", "create", "--prompts", "code.py", "--git-sha", "HEAD", "--json")
        assert aivcs.ok(*spec).json["git_sha"] == head + "+dirty"

    def test_is_the_same_where_head_is_named(self, aivcs, git):
        head = git("rev-parse", "HEAD")
        assert self.recorded(aivcs, "--git-sha", "HEAD") == head
        assert self.recorded(aivcs, "--git-sha", "HEAD", env={"GITHUB_SHA": "0" * 40}) == "0" * 40
        aivcs.ok(
            "run",
            "exec",
            "--agent",
            "a",
            "--spec-file",
            "/dev/null",
            "--git-sha",
            "HEAD",
            "--",
            "true",
        )
        assert aivcs.record("@last")["metadata"]["git_sha"] == head

    @pytest.mark.parametrize("verb", ["start", "exec"])
    def test_head_is_refused_where_there_is_no_commit(self, aivcs, unchanged, verb):
        words = ["run", verb, "--agent", "a", "--spec", aivcs.put(b"s"), "--git-sha", "HEAD"]
        with unchanged:
            refused = aivcs(*words, *(["--", "true"] if verb == "exec" else []))
        assert refused.code == (125 if verb == "exec" else 2)
        assert "no commit is found here" in refused.complaint

    @pytest.mark.process
    def test_is_told_as_dirty_where_the_caller_ignores_the_end_of_children(self, aivcs, git):
        (aivcs.folder / "code.py").write_text("one\n")
        git("add", "code.py")
        script = f"trap '' CHLD; aivcs run start --agent a --spec {aivcs.put(b'spec')}"
        run = aivcs.shell(script).text
        assert aivcs.record(run)["metadata"]["git_sha"] == git("rev-parse", "HEAD") + "+dirty"

    def test_is_found_without_git(self, aivcs, git, tmp_path):
        (tmp_path / "bin").mkdir()
        for tool in ("bash", "env"):
            (tmp_path / "bin" / tool).symlink_to(shutil.which(tool))
        assert self.recorded(aivcs, env={"PATH": str(tmp_path / "bin")}) == git("rev-parse", "HEAD")

    def test_is_the_head_of_a_nested_branch(self, aivcs, git):
        git("checkout", "-q", "-b", "feature/x/y")
        git("commit", "-q", "--allow-empty", "-m", "two")
        assert self.recorded(aivcs) == git("rev-parse", "HEAD")

    def test_is_found_among_packed_references(self, aivcs, git):
        git("pack-refs", "--all")
        git("branch", "other")
        assert not (aivcs.folder / ".git" / "refs" / "heads" / "main").exists()
        assert self.recorded(aivcs) == git("rev-parse", "HEAD")

    def test_is_a_detached_head(self, aivcs, git):
        git("commit", "-q", "--allow-empty", "-m", "two")
        git("checkout", "-q", "--detach", "HEAD~1")
        assert self.recorded(aivcs) == git("rev-parse", "HEAD")

    @pytest.mark.parametrize("packed", [False, True])
    def test_is_that_of_the_worktree(self, aivcs, git, packed):
        git("worktree", "add", "-q", "-b", "tree", "tree")
        tree = aivcs.folder / "tree"
        git("commit", "-q", "--allow-empty", "-m", "in the tree", cwd=tree)
        if packed:
            git("pack-refs", "--all")
        assert self.recorded(aivcs, cwd=tree) == git("rev-parse", "HEAD", cwd=tree)
        assert self.recorded(aivcs) == git("rev-parse", "HEAD")
        assert git("rev-parse", "HEAD", cwd=tree) != git("rev-parse", "HEAD")

    @pytest.mark.parametrize("end", ["\r\n", "\n\n", ""])
    def test_is_found_however_the_line_of_a_worktree_ends(self, aivcs, git, end):
        git("worktree", "add", "-q", "-b", "tree", "tree")
        link = aivcs.folder / "tree" / ".git"
        link.write_bytes(link.read_bytes().rstrip() + end.encode())
        assert self.recorded(aivcs, cwd=aivcs.folder / "tree") == git("rev-parse", "HEAD")

    def test_is_found_from_a_folder_below(self, aivcs, git):
        (aivcs.folder / "a" / "b").mkdir(parents=True)
        assert self.recorded(aivcs, cwd=aivcs.folder / "a" / "b") == git("rev-parse", "HEAD")

    def test_is_null_before_the_first_commit_and_without_a_checkout(self, aivcs):
        assert self.recorded(aivcs) is None
        if shutil.which("git"):
            aivcs.shell("git init -q .")
            assert self.recorded(aivcs) is None

    def test_is_null_when_the_checkout_is_broken(self, aivcs, git):
        for content in (b"", b"\xff\xfe", b"ref: ", b"ref: ../../../etc/passwd", b"junk"):
            (aivcs.folder / ".git" / "HEAD").write_bytes(content)
            assert self.recorded(aivcs) is None

    def test_is_the_ci_systems_first_and_the_options_before_all(self, aivcs, git):
        env = {"GIT_COMMIT": "c" * 40}
        assert self.recorded(aivcs, env=env) == "c" * 40
        env["CI_COMMIT_SHA"] = "b" * 40
        assert self.recorded(aivcs, env=env) == "b" * 40
        env["GITHUB_SHA"] = "a" * 40
        assert self.recorded(aivcs, env=env) == "a" * 40
        assert self.recorded(aivcs, "--git-sha", "mine", env=env) == "mine"
        assert self.recorded(aivcs, env={"GITHUB_SHA": ""}) == git("rev-parse", "HEAD")


class TestActor:
    def recorded(self, aivcs, *arguments, **options):
        aivcs.ok("release", "promote", "bot", aivcs.put(b"spec"), *arguments, **options)
        return aivcs.ok("release", "current", "bot", "--json").json["metadata"]["promoted_by"]

    def test_is_user_and_host_where_nothing_says_more(self, aivcs):
        assert self.recorded(aivcs) == f"tester@{socket.gethostname()}"
        nobody = {"USER": None, "LOGNAME": None}
        assert self.recorded(aivcs, env=nobody).endswith(f"@{socket.gethostname()}")

    @pytest.mark.parametrize(
        ("text", "actor"),
        [
            ("[user]\n\tname = Jane Doe\n\temail = jane@x.org\n", "Jane Doe <jane@x.org>"),
            ("[user]\nname=Jane\n", "Jane"),
            ("[USER]\n  Email = jane@x.org\n[core]\n  name = no\n", "jane@x.org"),
            ('[user]\n\tname = "Jane  Doe" ; comment\n', "Jane  Doe"),
            ("[user]\n\tname = Jane # comment\n", "Jane"),
            ("[user] name = Jane\n", "Jane"),
            ("[include]\n\tpath = other\n", "Included"),
        ],
    )
    def test_is_gits_user_as_git_reads_it(self, aivcs, text, actor):
        (aivcs.home / ".gitconfig").write_text(text)
        (aivcs.home / "other").write_text("[user]\n\tname = Included\n")
        assert self.recorded(aivcs) == actor

    def test_is_the_checkouts_user_before_ones_own(self, aivcs):
        (aivcs.home / ".gitconfig").write_text("[user]\n\tname = Home\n\temail = h@x\n")
        aivcs.shell(
            "git init -q -b main . && git config user.name Here && "
            "git commit -q --allow-empty -m x && git worktree add -q tree"
        )
        assert self.recorded(aivcs) == "Here <h@x>"
        assert self.recorded(aivcs, cwd=aivcs.folder / "tree") == "Here <h@x>"

    def test_is_the_ci_systems_before_gits_and_the_options_before_all(self, aivcs):
        (aivcs.home / ".gitconfig").write_text("[user]\n\tname = Home\n")
        env = {"GITLAB_USER_LOGIN": "lab"}
        assert self.recorded(aivcs, env=env) == "lab"
        env["GITHUB_ACTOR"] = "hub"
        assert self.recorded(aivcs, env=env) == "hub"
        env["AIVCS_ACTOR"] = "me"
        assert self.recorded(aivcs, env=env) == "me"
        assert self.recorded(aivcs, "--by", "you", env=env) == "you"

    def test_needs_no_git_program(self, aivcs, tmp_path):
        (tmp_path / "bin").mkdir()
        (aivcs.home / ".gitconfig").write_text('[user]\n\tname = "Jane"\n')
        assert self.recorded(aivcs, env={"PATH": str(tmp_path / "bin")}).startswith("tester@")
