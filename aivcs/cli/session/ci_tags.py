"""Tags from the variables of a CI system, and the forms of its files and messages. No I/O.

Supported: GitHub Actions (GITHUB_…) and GitLab CI (CI_…). Data is escaped for each form: in a file
of variables it sets no other variable, in a summary it is text and not markup, in an annotation it
stays one message.
"""

from aivcs.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from aivcs.model.release import ReleaseRecord
    from aivcs.model.run import RunRecord

_PUNCTUATION = frozenset("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~")


GITHUB = {
    # For a pull request, GITHUB_REF_NAME is a temporary merge ref.
    "ci.branch": ("GITHUB_HEAD_REF", "GITHUB_REF_NAME"),
    "ci.job_id": ("GITHUB_JOB",),
    "ci.attempt": ("GITHUB_RUN_ATTEMPT",),
    "ci.actor": ("GITHUB_ACTOR",),
    "ci.pipeline": ("GITHUB_RUN_ID",),
    "ci.event": ("GITHUB_EVENT_NAME",),
}
GITHUB_URL = ("GITHUB_SERVER_URL", "GITHUB_REPOSITORY", "GITHUB_RUN_ID")
GITLAB = {
    "ci.branch": ("CI_MERGE_REQUEST_SOURCE_BRANCH_NAME", "CI_COMMIT_REF_NAME"),
    "ci.pipeline_url": ("CI_PIPELINE_URL",),
    "ci.job_id": ("CI_JOB_ID",),
    "ci.actor": ("GITLAB_USER_LOGIN",),
    "ci.pipeline": ("CI_PIPELINE_ID",),
    "ci.event": ("CI_PIPELINE_SOURCE",),
}
MATRIX = "AIVCS_CI_MATRIX"
"""The variable that names the job's part of a matrix: CI systems tell it to the workflow alone."""
GITLAB_PART = ("CI_NODE_INDEX", "CI_NODE_TOTAL")
GITLAB_PROJECTS = ("CI_MERGE_REQUEST_SOURCE_PROJECT_ID", "CI_MERGE_REQUEST_PROJECT_ID")
"""Tags, and the variables that they come from; the first that is set counts."""


def tags_of(environment: "Mapping[str, str]", event: object = None) -> "dict[str, str]":
    """Returns the tags `ci.…` of the current job; none outside a CI system.

    Args:
        environment: The environment variables.
        event: The event that started the job on GitHub, as its file has it; None if unknown.
    """
    found: dict[str, str] = {}
    matrix = environment.get(MATRIX)
    if environment.get("GITHUB_ACTIONS") == "true":
        found["ci.system"] = "github"
        found |= _first_of(GITHUB, environment)
        server, repository, run = (environment.get(name) for name in GITHUB_URL)
        if server and repository and run:
            found["ci.pipeline_url"] = f"{server}/{repository}/actions/runs/{run}"
        if repository and is_from_fork(event, repository):
            found["ci.fork"] = "true"
    elif environment.get("GITLAB_CI") == "true":
        found["ci.system"] = "gitlab"
        found |= _first_of(GITLAB, environment)
        part, total = (environment.get(name) for name in GITLAB_PART)
        if not matrix and part and total:
            matrix = f"{part}/{total}"
        source, project = (environment.get(name) for name in GITLAB_PROJECTS)
        if source and project and source != project:
            found["ci.fork"] = "true"
    if found and matrix:
        found["ci.matrix"] = matrix
    return {
        name: value.encode("utf-8", "surrogateescape").decode(errors="replace")
        for name, value in found.items()
    }


def is_from_fork(event: object, repository: str) -> bool:
    """Tells whether an event of GitHub is about a pull request from another repository."""
    for name in ("pull_request", "head", "repo", "full_name"):
        event = event.get(name) if isinstance(event, dict) else None
    return isinstance(event, str) and event.lower() != repository.lower()


def _first_of(
    table: "Mapping[str, tuple[str, ...]]", environment: "Mapping[str, str]"
) -> "dict[str, str]":
    found = {}
    for tag, names in table.items():
        values = [value for name in names if (value := environment.get(name))]
        if values:
            found[tag] = values[0]
    return found


def assignment(name: str, value: str) -> str:
    """Returns the line that sets a variable, for a file of variables.

    Raises:
        UsageError: The value has more than one line, and could set other variables.
    """
    if not value.isprintable():
        raise UsageError(f"{name} cannot be passed on: {value[:60]!a} is not one plain line")
    return f"{name}={value}\n"


def annotation(level: str, title: str, message: str) -> str:
    """Returns the line by which a job of GitHub Actions shows an `error` or a `warning`."""
    return f"::{level} title={_escape_property(title)}::{_escape_data(message)}"


def _escape_data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _escape_property(text: str) -> str:
    return _escape_data(text).replace(":", "%3A").replace(",", "%2C")


def markdown(text: str) -> str:
    """Escapes a text so that Markdown shows it unchanged: no markup, no HTML, no links."""
    from aivcs.cli.render.output import escape

    # Any punctuation of ASCII may have a backslash before it, and is then itself.
    return "".join(f"\\{c}" if c in _PUNCTUATION else c for c in escape(text))


def run_summary(record: "RunRecord") -> str:
    """Formats a run as Markdown."""
    summary = record.summary
    rows = [
        ("Run", markdown(record.run_id)),
        ("Agent", markdown(record.metadata.agent_name)),
        ("Status", markdown(record.status)),
        ("Spec", f"`{record.spec_digest}`"),
        ("Started", markdown(record.created_at)),
    ]
    if record.metadata.git_sha:
        rows.append(("Commit", markdown(record.metadata.git_sha)))
    if summary is not None:
        rows += [("Events", str(summary.total_events)), ("Duration", f"{summary.duration_ms} ms")]
        if summary.exit_code is not None:
            rows.append(("Exit code", str(summary.exit_code)))
    tags = record.metadata.tags
    if isinstance(tags, dict):
        from aivcs.codec.json import encode_trusted

        for name, value in tags.items():
            text = value if isinstance(value, str) else encode_trusted(value)
            rows.append((markdown(name), markdown(text)))
    return _table(f"Run of {markdown(record.metadata.agent_name)}", rows)


def release_summary(before: "ReleaseRecord | None", after: "ReleaseRecord") -> str:
    """Formats a change of the live release as Markdown."""
    rows = [
        ("Live now", _release(after)),
        ("Live before", _release(before) if before else "nothing"),
        ("By", markdown(after.metadata.promoted_by)),
    ]
    if after.metadata.notes:
        rows.append(("Notes", markdown(after.metadata.notes)))
    return _table(f"Release of {markdown(after.name)}", rows)


def _release(record: "ReleaseRecord") -> str:
    label = record.metadata.version_label
    return f"`{record.spec_digest}`" + (f" {markdown(label)}" if label else "")


def _table(title: str, rows: "Iterable[tuple[str, str]]") -> str:
    lines = "".join(f"| {name} | {value} |\n" for name, value in rows)
    return f"### {title}\n\n| | |\n| --- | --- |\n{lines}\n"
