"""The example workflows do what they say, executed as the systems execute them."""

import re
import subprocess
from string import Template

import pytest
import yaml
from ci.systems import EXAMPLES, GITHUB, GITLAB, SHA
from servers import postgres

server, database = postgres.server, postgres.database


def read_variables(path):
    """What a file of GITHUB_ENV sets, as the runner reads it."""
    found, lines = {}, iter(path.read_text().split("\n"))
    for line in lines:
        name, mark, value = line.partition("=")
        heredoc = re.fullmatch(r"([^=<]+)<<(.+)", line)
        if heredoc:
            name, end = heredoc.groups()
            value = "\n".join(iter(lambda end=end: next(lines), end))
        elif not mark:
            assert not line, line
            continue
        found[name] = value
    return found


@pytest.fixture
def team(project, tmp_path, command_in):
    """A store that lasts, for a project whose ci/store.sh is store-remote.sh."""
    project.script = "store-remote.sh"
    (tmp_path / "team").mkdir()
    team = command_in(tmp_path / "team", project.aivcs.home)
    team.ok("init")
    return team


class GitHub:
    """Executes the steps of a job as the runner does."""

    def __init__(self, project, tmp_path, **changes):
        self.project = project
        self.environment = {**GITHUB, **changes}
        self.files = tmp_path / "runner"
        self.files.mkdir()
        self.summary = ""
        self.log = ""
        self.status = "success"

    def expression(self, text):
        environment = self.environment
        known = {
            "github.workspace": str(self.project.folder),
            # Neither variable is set in a new project.
            "vars.AIVCS_GIT || format('{0}/{1}', github.server_url, github.repository)": (
                "{GITHUB_SERVER_URL}/{GITHUB_REPOSITORY}".format_map(environment)
            ),
            "vars.AIVCS_COMMIT || github.sha": environment["GITHUB_SHA"],
            "vars.AIVCS_REMOTE": environment.get("AIVCS_REMOTE", ""),
            "job.status": self.status,
            "github.event.head_commit.message": "Fix it\n::error::`x` <b>|</b>",
            "github.ref_name == 'main'": environment["GITHUB_REF_NAME"] == "main",
            "always()": True,
        }
        return known[text]

    def value(self, text):
        return re.sub(r"\$\{\{ (.*?) \}\}", lambda m: str(self.expression(m[1])), text)

    def run(self):
        workflow = yaml.safe_load((EXAMPLES / "github-actions.yml").read_text())
        self.environment |= {name: self.value(text) for name, text in workflow["env"].items()}
        (job,) = workflow["jobs"].values()
        self.project.publish()
        for step in job["steps"]:
            condition = step.get("if", "success()")
            if condition != "always()" and self.status != "success":
                continue
            if "run" not in step or (condition != "success()" and not self.expression(condition)):
                assert step.get("uses") or "if" in step
                continue
            self.step(step)

    def step(self, step):
        assert "${{" not in step["run"], "data in a script would be a part of it"
        files = {}
        for name in ("GITHUB_ENV", "GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY", "GITHUB_PATH"):
            (self.files / name).write_text("")
            files[name] = str(self.files / name)
        given = {name: self.value(text) for name, text in step.get("env", {}).items()}
        done = self.project.bash(step["run"], {**self.environment, **files, **given})
        self.log += done.stdout + done.stderr
        self.environment |= read_variables(self.files / "GITHUB_ENV")
        self.summary += (self.files / "GITHUB_STEP_SUMMARY").read_text()
        if done.returncode:
            self.status = "failure"


class TestAStoreThatLasts:
    """The same workflow with store-remote.sh as its ci/store.sh."""

    def test_jobs_push_their_runs_and_release_there(self, project, tmp_path, team):
        job = GitHub(project, tmp_path, AIVCS_REMOTE=str(team.store))
        job.run()
        assert job.status == "success", job.log
        runs = team.ok("run", "list", "--json").json_lines
        assert [run["status"] for run in runs] == ["COMPLETED"] * 2
        assert team.ok("release", "current", "reviewer").text == runs[0]["spec_digest"]
        team.ok("verify")
        assert not (project.folder / "store/unsent.tar").exists()

    def test_a_store_that_goes_away_stops_no_job(self, project, tmp_path, team):
        project.check("rm -rf " + str(team.store))
        job = GitHub(project, tmp_path, AIVCS_REMOTE=str(team.store), GITHUB_REF_NAME="topic")
        job.run()
        assert job.status == "success", job.log
        team.ok("init")
        team.ok("pull", str(project.folder / "store/unsent.tar"))
        assert len(team.ok("run", "list", "--json").json_lines) == 2


class TestGitHub:
    def test_a_job_that_succeeds_is_a_run_and_a_release(self, project, tmp_path):
        job = GitHub(project, tmp_path)
        job.run()
        assert job.status == "success", job.log
        whole, check = project.runs()
        assert job.environment["AIVCS_RUN"] == whole["run_id"]
        assert (whole["status"], check["status"]) == ("COMPLETED", "COMPLETED")
        assert whole["metadata"]["git_sha"] == GITHUB["GITHUB_SHA"]
        tags = {
            "ci.system": "github",
            "ci.branch": "main",
            "ci.pipeline": "1658821493",
            "ci.pipeline_url": "https://github.com/acme/agents/actions/runs/1658821493",
            "ci.job_id": "check",
            "ci.attempt": "2",
            "ci.actor": "octocat",
        }
        assert whole["metadata"]["tags"] == tags
        assert check["metadata"]["tags"] == {**tags, "parent": whole["run_id"]}
        (release,) = project.saved().ok("release", "history", "reviewer", "--json").json_lines
        assert release["metadata"] == {
            "version_label": "build-7",
            "promoted_by": "octocat",
            "notes": "Fix it\n::error::`x` <b>|</b>",
        }
        assert release["spec_digest"] in job.summary
        assert "COMPLETED" in job.summary
        assert "<b>" not in job.summary.replace(r"\<b\>", "")
        source = f"git+https://github.com/acme/agents@{SHA}"
        assert project.installed.read_text() == f"install aivcs-cli @ {source}\n"

    def test_one_that_fails_is_a_failed_run_with_an_annotation(self, project, tmp_path):
        project.check("echo nearly; exit 3")
        job = GitHub(project, tmp_path)
        job.run()
        assert job.status == "failure"
        whole, check = project.runs()
        assert (whole["status"], check["status"]) == ("FAILED", "FAILED")
        assert f"::error title=check failed::run {check['run_id']} of check failed with exit" in (
            job.log
        )
        assert project.saved().ok("release", "list").out == b""
        assert "FAILED" in job.summary

    def test_a_branch_releases_nothing(self, project, tmp_path):
        job = GitHub(project, tmp_path, GITHUB_REF_NAME="7/merge", GITHUB_HEAD_REF="topic")
        job.run()
        assert job.status == "success", job.log
        assert project.saved().ok("release", "list").out == b""
        assert {run["metadata"]["tags"]["ci.branch"] for run in project.runs()} == {"topic"}


class TestGitLab:
    def pipeline(self, project):
        jobs = yaml.safe_load((EXAMPLES / "gitlab-ci.yml").read_text())
        given = {**GITLAB, "CI_PROJECT_DIR": project.folder, "AIVCS_PUSH_TOKEN": "glpat-1"}
        variables = {
            name: Template(text).substitute(given) for name, text in jobs["variables"].items()
        }
        wanted = "https://aivcs:glpat-1@gitlab.com/acme/agents.git"
        assert variables["AIVCS_PUSH_URL"] == wanted
        project.publish()
        environment = {**GITLAB, **variables, "AIVCS_PUSH_URL": str(project.origin)}
        status = "success"
        for name in ("start", "check", "release"):
            if status != "success":
                break
            job = jobs[name]
            # One shell for all lines of a job's script, and another for after_script.
            script = "\n".join([*jobs["default"]["before_script"], *job["script"]])
            done = project.bash(script, environment)
            status = "success" if done.returncode == 0 else "failed"
            after = "\n".join(job.get("after_script", []))
            ended = project.bash(after, {**environment, "CI_JOB_STATUS": status})
            assert ended.returncode == 0, ended
            report = job.get("artifacts", {}).get("reports", {}).get("dotenv")
            project.leave()
            if report:
                environment |= read_variables(project.folder / report)
        return status, environment

    def test_a_pipeline_is_a_run_and_a_release(self, project):
        status, environment = self.pipeline(project)
        assert status == "success"
        whole, check = project.runs()
        assert environment["AIVCS_RUN"] == whole["run_id"]
        assert (whole["status"], check["status"]) == ("COMPLETED", "COMPLETED")
        assert whole["metadata"] == {
            "git_sha": GITLAB["CI_COMMIT_SHA"],
            "agent_name": "reviewer",
            "tags": {
                "ci.system": "gitlab",
                "ci.branch": "main",
                "ci.pipeline_url": "https://gitlab.com/acme/agents/-/pipelines/77",
                "ci.job_id": "4711",
                "ci.actor": "tanuki",
            },
        }
        (release,) = project.saved().ok("release", "history", "reviewer", "--json").json_lines
        assert release["metadata"]["promoted_by"] == "tanuki"
        source = f"git+{GITLAB['CI_REPOSITORY_URL']}@{SHA}"
        assert set(project.installed.read_text().splitlines()) == {f"install aivcs-cli @ {source}"}

    def test_one_that_fails_is_a_failed_run(self, project):
        project.check("exit 1")
        assert self.pipeline(project)[0] == "failed"
        assert [run["status"] for run in project.runs()] == ["FAILED", "FAILED"]


class TestGitLabWithAStoreThatLasts:
    """gitlab-ci-remote.yml: each job pulls at its start and pushes at its end."""

    def pipeline(self, project, remote):
        jobs = yaml.safe_load((EXAMPLES / "gitlab-ci-remote.yml").read_text())
        given = {**GITLAB, "CI_PIPELINE_ID": "77", "CI_PROJECT_DIR": project.folder}
        variables = {
            name: Template(text).substitute(given) for name, text in jobs["variables"].items()
        }
        project.publish()
        environment = {**given, **variables, "CI_PROJECT_DIR": str(project.folder)}
        environment["AIVCS_REMOTE"] = remote
        status = "success"
        for name in ("check", "release"):
            if status != "success":
                break
            job = jobs[name]
            script = "\n".join([*jobs["default"]["before_script"], *job["script"]])
            done = project.bash(script, environment)
            status = "success" if done.returncode == 0 else "failed"
            after = "\n".join(job.get("after_script", []))
            ended = project.bash(after, {**environment, "CI_JOB_STATUS": status})
            assert ended.returncode == 0, ended
            self.unsent = (project.folder / "store/unsent.tar").exists()
            if not self.unsent:
                project.leave()
        return status, done.stdout + done.stderr

    def require_all(self, told, aivcs, *where):
        status, log = told
        assert status == "success", log
        assert not self.unsent
        child, whole = aivcs.ok(*where, "run", "list", "--json").json_lines
        assert (whole["status"], child["status"]) == ("COMPLETED", "COMPLETED")
        assert child["metadata"]["tags"]["parent"] == whole["run_id"]
        assert whole["metadata"]["tags"]["ci.pipeline"] == "77"
        (release,) = aivcs.ok(*where, "release", "history", "reviewer", "--json").json_lines
        assert {run["run_id"] for run in release["evidence"]} >= {whole["run_id"]}
        aivcs.ok(*where, "verify")

    def test_jobs_push_to_a_folder_and_release_there(self, project, team):
        self.require_all(self.pipeline(project, str(team.store)), team)

    def test_jobs_push_to_postgresql_and_release_there(self, project, server, database):
        project.script = "store-remote.sh"
        url = server.url(database)
        self.require_all(self.pipeline(project, url), project.aivcs, "--store", url)

    def test_one_that_fails_is_a_failed_run_there(self, project, team):
        project.check("exit 1")
        assert self.pipeline(project, str(team.store))[0] == "failed"
        runs = team.ok("run", "list", "--json").json_lines
        assert [run["status"] for run in runs] == ["FAILED", "FAILED"]
        assert team.ok("release", "list").out == b""

    def test_a_store_that_goes_away_leaves_the_runs_in_a_file(self, project, team):
        project.check("rm -rf " + str(team.store))
        assert self.pipeline(project, str(team.store))[0] == "failed"  # there is no release
        team.ok("init")
        team.ok("pull", str(project.folder / "store/unsent.tar"))
        runs = team.ok("run", "list", "--json").json_lines
        assert [run["status"] for run in runs] == ["COMPLETED"] * 2


class TestMake:
    @pytest.fixture
    def make(self, project):
        (project.folder / "Makefile").write_bytes((EXAMPLES / "Makefile").read_bytes())

        def make(*words):
            return subprocess.run(
                ["make", "--silent", *words], cwd=project.folder, env=project.environment,
                capture_output=True, text=True, check=False, timeout=60,
            )  # fmt: skip

        return make

    def test_check_release_and_rollback(self, project, make, files):
        assert make("release", "LABEL=v1").returncode == 0
        first = files.sha256('{"model":"small-1"}\n')
        (project.folder / "agent/spec.json").write_text("{}\n")
        assert files.sha256("{}\n") in make("release", "LABEL=v2").stdout
        assert make("rollback").stdout == f"{first}\n"
        assert [run["status"] for run in project.runs()] == ["COMPLETED"] * 2
        assert "done" in make("last").stdout

    def test_what_fails_its_check_is_not_released(self, project, make):
        project.check("exit 1")
        assert make("release").returncode == 2
        assert project.aivcs.ok("release", "list").out == b""


class TestStoreBranch:
    """The store of jobs that begin with nothing: a branch of the project's repository."""

    def test_who_saves_second_is_refused_and_the_branch_stays_as_the_first_left_it(self, project):
        project.publish()
        put = "echo 1 | aivcs -C store blob put -"
        one = f"bash ci/store.sh fetch && {put} && bash ci/store.sh save 1"
        assert project.bash(one, {}).returncode == 0
        project.leave()
        first = project.saved().ok("blob", "ls").lines
        assert len(first) == 1
        assert project.bash("bash ci/store.sh fetch", {}).returncode == 0
        other = """
            git clone -q -b aivcs-store ../origin.git ../other && cd ../other
            git -c user.name=a -c user.email=a@x commit -q --allow-empty -m other && git push -q
        """
        assert project.bash(other, {}).returncode == 0
        late = project.bash("echo 2 | aivcs -C store blob put - && bash ci/store.sh save 2", {})
        assert late.returncode
        assert "rejected" in late.stderr
        assert project.saved().ok("blob", "ls").lines == first

    def test_no_index_is_saved(self, project):
        project.publish()
        use = """
            aivcs -C store config set search.index always
            echo hello | aivcs -C store run exec --agent a --spec-file ../agent/spec.json -- cat
            aivcs -C store run list && aivcs -C store run search hello
            ls store/.aivcs/texts.sqlite && bash ci/store.sh save 1
        """
        done = project.bash(f"bash ci/store.sh fetch\n{use}", {})
        assert done.returncode == 0, done
        assert not [*project.saved().store.glob("*.sqlite")]

    def test_an_origin_that_cannot_be_reached_begins_no_new_store(self, project):
        project.publish()
        done = project.bash("git remote set-url origin /nonexistent; bash ci/store.sh fetch", {})
        assert done.returncode
        assert not (project.folder / "store/.aivcs").exists()
