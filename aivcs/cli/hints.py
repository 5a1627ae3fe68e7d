"""Hints after an error: a similar name, or where aivcs looked.

Computed only after an error, by bounded reads of the store, so a mistake in a store of 100,000 runs
is answered as fast as a correct command. Hints decide nothing: where one cannot be computed, none
is printed.
"""

from __future__ import annotations

import os
from itertools import islice

from aivcs import errors
from aivcs.codec.url import shown
from aivcs.short_names import MIN_PREFIX

TYPE_CHECKING = False
if TYPE_CHECKING:
    from aivcs.cli.session.context import Context
    from aivcs.repository import Repository

_MAX_COMPARED = 500
"""The maximum number of names or labels that are compared."""
_MAX_LISTED = 5
"""The maximum number of names listed where none is similar."""
_MAX_COMPARED_CHARS = 100
"""The maximum length of a compared text, in characters: comparison time is quadratic."""


def hint(context: Context, error: Exception) -> str:
    """Returns a hint of one line about an error; empty without one."""
    try:
        return _hint(context, error)
    except Exception:  # noqa: BLE001 a hint must not hide the error
        return ""


def _hint(context: Context, error: Exception) -> str:
    if isinstance(error, errors.NoRepositoryError):
        return _about_store(context)
    repo = context.opened
    if repo is None:
        return ""
    if isinstance(error, errors.PolicyError):
        return _about_refusal(context, repo, error)
    if isinstance(error, errors.InvalidSpecError):
        return _about_spec(context, repo, error.text)
    if isinstance(error, errors.InvalidDigestError):
        return _about_digest(repo, error.text)
    if isinstance(error, errors.RunNotFoundError):
        found = _about_run(context, repo, error.run_id)
    elif isinstance(error, errors.ReleaseNotFoundError):
        found = _about_release(repo, error)
    elif isinstance(error, errors.NotFoundError):
        found = ""
    else:
        return ""
    place = shown(repo.path)
    return f"{found} (looked in {place})" if found else f"looked in {place}"


def _about_refusal(context: Context, repo: Repository, error: errors.PolicyError) -> str:
    """Names completed runs that could be evidence, where a promotion lacked evidence."""
    from aivcs.cli.parse.dispatch import parse
    from aivcs.model.run import RunStatus

    call = parse(context.arguments)
    lacks_runs = any("its runs: --evidence RUN" in verdict.remedy for verdict in error.verdicts)
    if not lacks_runs or call is None or "spec" not in call[2]:
        return ""
    digest = repo.resolve_spec(call[2]["spec"], allow_missing=True)
    named = {repo.resolve_run(context.run_operand(run)) for run in call[2]["evidence"]}
    found = repo.runs.iter_runs(digest, status=RunStatus.COMPLETED, limit=_MAX_LISTED + len(named))
    runs = [record.run_id for record in found if record.run_id not in named][:_MAX_LISTED]
    if not runs:
        return f"no other run of {digest.short} was completed"
    return "completed runs of it: " + " ".join(f"--evidence {run}" for run in runs)


def _about_store(context: Context) -> str:
    named = context.named_store()
    inside = os.path.join(named, ".aivcs")
    if named and "://" not in named and os.path.isfile(os.path.join(inside, "format")):
        return f"did you mean --store {inside}, or -C {named}?"
    return ""


def _about_run(context: Context, repo: Repository, text: str) -> str:
    given = context.arguments
    if "log" in given and not _is_run_id(text) and any(map(_is_run_id, given)):
        return "RUN comes before KIND"
    glance = repo.lookup()
    ids = {record.run_id for record in glance.runs()}
    for length in (16, 8, 6, MIN_PREFIX):
        if length < len(text):
            ids.update(record.run_id for record in glance.runs(text[:length], limit=20))
    begins = {run_id[: len(text)]: run_id for run_id in sorted(ids)}
    # Random ids are a little alike by chance.
    near = _nearest(text, list(begins), likeness=0.75)
    if near:
        return _did_you_mean(begins[near])
    if text in glance.agents(text):
        return f"{text} is an agent; its runs: aivcs run list --agent {text}"
    return ""


def _is_run_id(word: str) -> bool:
    return len(word) == 36 and word.count("-") == 4


def _about_release(repo: Repository, error: errors.ReleaseNotFoundError) -> str:
    name, wanted = error.name, error.wanted
    newest = repo.releases.current(name)
    if newest is None:
        names = [other for other in _names(repo) if other != name]  # it may have approvals only
        return _did_you_mean(_near_name(names, name)) or _these("the names are", names)
    if isinstance(wanted, int):
        return f"the newest release is @{newest.seq}"
    labels = _labels(repo, name)
    return _did_you_mean(_nearest(str(wanted), labels)) or _these("the labels are", labels)


def about_label(repo: Repository, name: str, label: str) -> str:
    """Returns a hint about a label that no release of a name has; empty if one has it."""
    labels = _labels(repo, name)
    if label in labels:
        return ""
    near = _did_you_mean(_nearest(label, labels)) or _these("the labels are", labels)
    return f"no release of {name} is labelled {label}" + (f"; {near}" if near else "")


def _labels(repo: Repository, name: str) -> list[str]:
    history = islice(repo.releases.iter_history(name), _MAX_COMPARED)
    return [r.metadata.version_label for r in history if r.metadata.version_label]


def _about_spec(context: Context, repo: Repository, text: str) -> str:
    if any(len(word) == 64 for word in context.arguments):
        return "NAME comes before SPEC"
    if os.path.isfile(text):
        return f"{text} is a file; store it, and use the digest: aivcs blob put {text}"
    near = _near_name(_names(repo), text)
    return _did_you_mean(f"{near}@current" if near else "")


def _about_digest(repo: Repository, text: str) -> str:
    if os.path.isfile(text):
        return f"{text} is a file; its digest is printed by: aivcs blob put {text}"
    name = text.partition("@")[0]
    if name in _names(repo):
        return (
            f"{name} is a name; the digest that is live is printed by: aivcs release current {name}"
        )
    return ""


def likely_agent(repo: Repository, text: str) -> tuple[bool, str]:
    """Returns whether an agent is unknown, and the most similar known agent."""
    agents = repo.lookup().agents()
    if text in agents or text in repo.lookup().agents(text):
        return False, ""
    return True, _nearest(text, list(agents))


def _names(repo: Repository) -> list[str]:
    return list(islice(repo.releases.list_names(), _MAX_COMPARED))


def _near_name(names: list[str], text: str) -> str:
    below = [name for name in names if name == text or name.startswith(f"{text}/")]
    return below[0] if below else _nearest(text, names)


def _these(what: str, names: list[str]) -> str:
    several = list(dict.fromkeys(names))
    return f"{what} {', '.join(several)}" if 0 < len(several) <= _MAX_LISTED else ""


def _did_you_mean(near: str) -> str:
    return f"did you mean {near}?" if near else ""


def _nearest(text: str, candidates: list[str], *, likeness: float = 0.6) -> str:
    """Returns the most similar candidate; empty if none is similar enough."""
    from aivcs.cli.parse.nearness import nearest

    short = [candidate for candidate in candidates if len(candidate) <= _MAX_COMPARED_CHARS]
    near = nearest(text[:_MAX_COMPARED_CHARS], short, likeness=likeness)
    return near[0] if near else ""
