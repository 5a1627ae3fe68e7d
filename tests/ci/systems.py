"""What the CI systems set in a job, and where the examples are."""

from pathlib import Path

EXAMPLES = Path(__file__).parents[2] / "examples"
SHA = "5f7d1f2c4f1b8f4b3b0f0a9f9f6f3d1f8b7c6a5e"
GITHUB = {
    "CI": "true",
    "GITHUB_ACTIONS": "true",
    "GITHUB_SERVER_URL": "https://github.com",
    "GITHUB_REPOSITORY": "acme/agents",
    "GITHUB_RUN_ID": "1658821493",
    "GITHUB_RUN_ATTEMPT": "2",
    "GITHUB_RUN_NUMBER": "7",
    "GITHUB_JOB": "check",
    "GITHUB_ACTOR": "octocat",
    "GITHUB_SHA": SHA,
    "GITHUB_REF_NAME": "main",
    "RUNNER_NAME": "runner 1",
}
GITLAB = {
    "CI": "true",
    "GITLAB_CI": "true",
    "CI_COMMIT_SHA": SHA,
    "CI_COMMIT_REF_NAME": "main",
    "CI_COMMIT_BRANCH": "main",
    "CI_COMMIT_TITLE": "Say `no` to <b>",
    "CI_PIPELINE_URL": "https://gitlab.com/acme/agents/-/pipelines/77",
    "CI_PIPELINE_IID": "9",
    "CI_SERVER_HOST": "gitlab.com",
    "CI_PROJECT_PATH": "acme/agents",
    "CI_REPOSITORY_URL": "https://gitlab-ci-token:secret@gitlab.com/acme/agents.git",
    "CI_JOB_ID": "4711",
    "CI_RUNNER_DESCRIPTION": "runner 1",
    "GITLAB_USER_LOGIN": "tanuki",
}
