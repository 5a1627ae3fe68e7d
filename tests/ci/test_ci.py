"""What goes to and from a CI system: as data, never as anything else."""

import json
import string

import pytest
from ci.systems import GITHUB, GITLAB
from hypothesis import given, strategies as st

from aivcs.cli.session.ci_tags import annotation, markdown, tags_of


@pytest.fixture
def release(aivcs):
    """A function that promotes something, with hostile notes."""

    def promote(*words, **how):
        spec = aivcs.put(b"spec")
        notes = "a|b\n## <script>x</script> [l](http://x) @y `z`"
        return aivcs("release", "promote", "bot", spec, "--notes", notes, *words, **how)

    return promote


class TestTags:
    def test_outside_a_ci_system_there_are_none(self):
        assert tags_of({"CI": "true", "GITHUB_SHA": "x", "GITHUB_ACTIONS": "false"}) == {}

    def test_what_is_not_set_is_left_out(self):
        assert tags_of({"GITHUB_ACTIONS": "true"}) == {"ci.system": "github"}
        assert tags_of({"GITLAB_CI": "true", "CI_JOB_ID": "1"}) == {
            "ci.system": "gitlab",
            "ci.job_id": "1",
        }

    def test_of_a_request_it_is_the_branch_and_not_the_merge(self):
        assert tags_of({**GITHUB, "GITHUB_HEAD_REF": "topic"})["ci.branch"] == "topic"
        request = {**GITLAB, "CI_MERGE_REQUEST_SOURCE_BRANCH_NAME": "topic"}
        assert tags_of(request)["ci.branch"] == "topic"

    def test_those_given_go_before_and_runs_are_found_by_them(self, aivcs):
        run = aivcs.ok(
            "run", "start", "--agent", "a", "--spec", aivcs.put(b"s"), "--tag", "ci.branch=mine",
            env=GITHUB,
        ).text  # fmt: skip
        assert aivcs.record(run)["metadata"]["tags"]["ci.branch"] == "mine"
        assert aivcs.record(run)["metadata"]["git_sha"] == GITHUB["GITHUB_SHA"]
        assert aivcs.ok("run", "list", "--tag", "ci.actor=octocat").text.startswith(run)

    def test_bytes_that_are_no_text_stop_nothing(self, aivcs):
        env = {**GITHUB, "GITHUB_HEAD_REF": "b\udcff"}
        words = ["run", "start", "--agent", "a", "--spec", aivcs.put(b"s")]
        assert aivcs.record(aivcs.ok(*words, env=env).text)["metadata"]["tags"]["ci.branch"] == (
            "b\ufffd"
        )


class TestVariables:
    def start(self, aivcs, *words, **how):
        return aivcs("run", "start", "--agent", "a", "--spec", aivcs.put(b"s"), *words, **how)

    def test_are_added_behind_what_is_there(self, aivcs, tmp_path):
        file = tmp_path / "env"
        file.write_text("A=1\nB=2")
        run = self.start(aivcs, "--github-env", env={"GITHUB_ENV": str(file)}, code=0).text
        variables = f"AIVCS_RUN={run}\nAIVCS_STORE={aivcs.store}\n"
        assert file.read_text() == f"A=1\nB=2\n{variables}"
        run = self.start(aivcs, "--dotenv", str(tmp_path / "new"), code=0).text
        assert (tmp_path / "new").read_text() == f"AIVCS_RUN={run}\nAIVCS_STORE={aivcs.store}\n"
        env = {"AIVCS_STORE": str(aivcs.store)}
        run = self.start(aivcs, "--dotenv", str(tmp_path / "named"), env=env, code=0).text
        assert (tmp_path / "named").read_text() == f"AIVCS_RUN={run}\nAIVCS_STORE={aivcs.store}\n"

    def test_without_a_place_for_them_nothing_is_done(self, aivcs, unchanged, tmp_path):
        aivcs.put(b"s")
        with unchanged:
            assert "GITHUB_ENV" in self.start(aivcs, "--github-env", code=2).complaint
            assert self.start(aivcs, "--dotenv", "", code=2).complaint
            assert self.start(aivcs, "--dotenv", str(tmp_path / "no/file"), code=16).complaint
            assert self.start(aivcs, "--dotenv", str(tmp_path), code=16).complaint

    def test_a_run_whose_file_cannot_be_written_is_named(self, aivcs):
        failed = self.start(aivcs, "--dotenv", "/dev/full", code=16)
        (run,) = aivcs.ok("run", "list").text.splitlines()
        assert f"aivcs run finish {run.split()[0]}" in failed.complaint

    def test_a_store_that_cannot_be_passed_on_starts_no_run(self, aivcs, tmp_path):
        folder = tmp_path / "two\nlines"
        folder.mkdir()
        aivcs.ok("init", cwd=folder)
        words = ["run", "start", "--agent", "a", "--spec", "0" * 64, "--allow-missing-spec"]
        aivcs(*words, "--dotenv", str(tmp_path / "env"), cwd=folder, code=2)
        assert aivcs.ok("run", "list", cwd=folder).out == b""


class TestSummary:
    def test_of_a_release_is_text_whatever_the_notes(self, aivcs, release, tmp_path):
        file = tmp_path / "summary"
        release("--github-summary", env={"GITHUB_STEP_SUMMARY": str(file)}, code=0)
        release("--github-summary", env={"GITHUB_STEP_SUMMARY": str(file)}, code=0)
        text = file.read_text()
        assert text.count("### Release of bot\n") == 2
        (notes,) = {line for line in text.split("\n") if line.startswith("| Notes")}
        for piece in ("<", "[", "@", "`"):
            assert piece not in notes.replace(f"\\{piece}", "")
        assert notes.replace("\\|", "").count("|") == 3

    def test_of_a_run(self, aivcs, tmp_path):
        run = aivcs.begin("a_b", b"s", "--tag", "k=<i>", "--tag", "n:=[1]")
        aivcs.ok("run", "finish", run, "--exit-code", "3")
        env = {"GITHUB_STEP_SUMMARY": str(tmp_path / "summary")}
        shown = aivcs.ok("run", "show", run, "--json", "--github-summary", env=env)
        assert json.loads(shown.out)["run_id"] == run
        lines = (tmp_path / "summary").read_text().split("\n")
        assert lines[0] == r"### Run of a\_b"
        assert "| Status | FAILED |" in lines
        assert "| Exit code | 3 |" in lines
        assert r"| k | \<i\> |" in lines
        assert r"| n | \[1\] |" in lines

    def test_without_a_file_nothing_is_released(self, aivcs, release, unchanged):
        aivcs.put(b"spec")
        with unchanged:
            assert "GITHUB_STEP_SUMMARY" in release("--github-summary", code=2).complaint

    @given(text=st.text())
    def test_markdown_has_no_punctuation_that_is_not_escaped(self, text):
        shown = markdown(text)
        assert "\n" not in shown
        left = iter(shown)
        plain = "".join(next(left) if c == "\\" else c for c in left)
        bare = "".join(c for c, before in zip(shown, " " + shown, strict=False) if before != "\\")
        assert not set(bare) & set(string.punctuation) - {"\\"}
        if text.isprintable():
            assert plain == text


class TestAnnotations:
    def test_are_one_command_whatever_is_in_them(self):
        assert annotation("error", "a:b,c\n%", "x\r\ny::z%") == (
            "::error title=a%3Ab%2Cc%0A%25::x%0D%0Ay::z%25"
        )

    def test_tell_of_what_did_not_succeed(self, aivcs):
        for code, begins in ((0, b""), (2, b"::error title=bot failed::"), (143, b"::warning ")):
            run = aivcs.begin()
            done = aivcs.ok("run", "finish", run, "--exit-code", str(code), "--github-annotations")
            assert done.out == b""
            assert done.err.startswith(begins)
            assert done.err.count(b"\n") == (1 if begins else 0)


@pytest.mark.parametrize(
    "words",
    ["run list", "run show {}", "run events {}", "status", "verify", "release history bot",
     "release list", "run bogus", "run start", "blob get 0000", "config list"],
)  # fmt: skip
def test_where_output_is_no_terminal_it_is_the_same_in_ci(aivcs, release, words):
    run = aivcs.begin("a-name-that-is-longer-than-the-narrow-screen-is-wide-as-one-can-see")
    aivcs.ok("run", "log", run, "k", "text=" + "long " * 60)
    release(code=0)
    words = words.format(run).split()
    plain = aivcs(*words)
    forced = aivcs(
        *words, env={**GITHUB, "FORCE_COLOR": "1", "CLICOLOR_FORCE": "1", "COLUMNS": "30"}
    )
    assert (forced.out, forced.err, forced.code) == (plain.out, plain.err, plain.code)
    assert b"\x1b" not in forced.out + forced.err


def test_help_in_ci_has_no_colour(aivcs):
    done = aivcs.ok("run", "exec", "--help", env={**GITHUB, "FORCE_COLOR": "1"})
    assert b"\x1b" not in done.out + done.err


class TestTagsOfAJob:
    """Tags that tell the jobs of a pipeline apart, by the variables that GitHub and GitLab set."""

    def test_on_github(self):
        given = {**GITHUB, "GITHUB_RUN_ID": "42", "GITHUB_EVENT_NAME": "pull_request"}
        tags = tags_of({**given, "AIVCS_CI_MATRIX": '{"os": "linux"}'})
        assert tags["ci.pipeline"] == "42"
        assert tags["ci.event"] == "pull_request"
        assert tags["ci.matrix"] == '{"os": "linux"}'
        assert "ci.fork" not in tags

    def test_on_gitlab(self):
        given = {
            "GITLAB_CI": "true", "CI_PIPELINE_ID": "7", "CI_PIPELINE_SOURCE": "push",
            "CI_NODE_INDEX": "2", "CI_NODE_TOTAL": "5",
        }  # fmt: skip
        tags = tags_of(given)
        assert (tags["ci.pipeline"], tags["ci.event"]) == ("7", "push")
        assert tags["ci.matrix"] == "2/5"

    @pytest.mark.parametrize(("source", "is_fork"), [("eve/agents", True), ("ACME/agents", False)])
    def test_a_fork_on_github(self, aivcs, tmp_path, source, is_fork):
        event = tmp_path / "event.json"
        event.write_text(json.dumps({"pull_request": {"head": {"repo": {"full_name": source}}}}))
        env = {**GITHUB, "GITHUB_EVENT_PATH": str(event)}
        words = ("run", "start", "--agent", "a", "--spec", aivcs.put(b"s"))
        tags = aivcs.record(aivcs.ok(*words, env=env).text)["metadata"]["tags"]
        assert tags.get("ci.fork") == ("true" if is_fork else None)
        event.write_text("not JSON")
        assert aivcs.ok(*words, env=env)

    def test_a_fork_on_gitlab(self):
        given = {
            "GITLAB_CI": "true", "CI_MERGE_REQUEST_SOURCE_PROJECT_ID": "9",
            "CI_MERGE_REQUEST_PROJECT_ID": "1",
        }  # fmt: skip
        assert tags_of(given)["ci.fork"] == "true"
        assert "ci.fork" not in tags_of(given | {"CI_MERGE_REQUEST_PROJECT_ID": "9"})


class TestKeys:
    def start(self, aivcs, *words, agent="bot", **how):
        spec = aivcs.put(b"s")
        return aivcs("run", "start", "--agent", agent, "--spec", spec, *words, **how)

    def test_the_same_key_is_the_same_run(self, aivcs):
        run = self.start(aivcs, "--key", "job 7", code=0).text
        aivcs.ok("run", "log", run, "x")
        assert self.start(aivcs, "--key", "job 7", code=0).text == run
        assert len(aivcs.events(run)) == 1
        assert self.start(aivcs, "--key", "job 8", code=0).text != run
        assert self.start(aivcs, "--key", "job 7", agent="other", code=0).text != run

    def test_another_spec_under_it_is_refused(self, aivcs):
        self.start(aivcs, "--key", "k", code=0)
        other = aivcs.put(b"another")
        aivcs("run", "start", "--agent", "bot", "--spec", other, "--key", "k", code=15)

    def test_an_empty_one_is_an_unset_variable(self, aivcs, unchanged):
        aivcs.put(b"s")
        with unchanged:
            assert "unset" in self.start(aivcs, "--key", "", code=2).complaint


class TestEvidenceOfOtherJobs:
    def test_runs_are_found_by_their_tags(self, aivcs):
        spec = aivcs.put(b"s")
        runs = []
        for pipeline in ("7", "7", "8"):
            words = ("--tag", f"ci.pipeline={pipeline}")
            run = aivcs.ok("run", "start", "--agent", "bot", "--spec", spec, *words).text
            aivcs.ok("run", "finish", run)
            runs.append(run)
        aivcs.ok("run", "start", "--agent", "bot", "--spec", spec, "--tag", "ci.pipeline=7")
        aivcs.ok("release", "promote", "bot", spec, "--evidence-where", "ci.pipeline=7")
        (entry,) = aivcs.ok("release", "history", "bot", "--json").json_lines
        assert {run["run_id"] for run in entry["evidence"]} == set(runs[:2])

    def test_none_is_an_error(self, aivcs, unchanged):
        spec = aivcs.put(b"s")
        with unchanged:
            words = ("--evidence-where", "ci.pipeline=7")
            aivcs("release", "promote", "bot", spec, *words, code=12)
