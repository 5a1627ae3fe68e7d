"""`aivcs run session`: puts the original of an imported session where its program resumes it.

The original is the blob of an annotation `import.source`: {"format", "session", "blob": {"$blob"},
"masked"}. A program finds its sessions by the working directory or by the id alone:

- Claude Code: `$CLAUDE_CONFIG_DIR/projects/<folder>/<id>.jsonl`; `claude --resume ID` there.
- Codex: `$CODEX_HOME/sessions/<year>/<month>/<day>/rollout-<time>-<id>.jsonl`; `codex resume ID`.
- Gemini CLI: `~/.gemini/tmp/<project>/chats/session-<time>-<8 of the id>.jsonl`, where its
  `projects.json` names the project of a folder; `gemini --resume ID` there.
"""

from __future__ import annotations

import os
import re
import shlex
from typing import TYPE_CHECKING, Any, NamedTuple

from aivcs.codec.json import parse
from aivcs.commands.output_file import write_file
from aivcs.errors import (
    BackendError,
    ConflictError,
    InvalidDigestError,
    NotFoundError,
    SerializationError,
    UsageError,
)
from aivcs.formats.values import as_dict, as_text
from aivcs.model.digest import ContentDigest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aivcs.model.run import RunRecord
    from aivcs.repository import Repository

KIND = "import.source"
"""The kind of the annotation that refers to the original of an imported session."""
PROGRAMS = {"claude-code": "claude-code", "codex": "codex", "gemini": "gemini-cli"}
"""The format of the sessions of each program."""
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,199}")
_CHUNK = 1 << 18


class Placed(NamedTuple):
    """A session in its place.

    Attributes:
        path: The file.
        command: The command that resumes it.
        is_masked: Whether secrets in it are masked.
    """

    path: str
    command: str
    is_masked: bool


def place_session(
    repo: Repository,
    run: str,
    program: str | None,
    *,
    folder: str,
    homes: Mapping[str, str],
) -> Placed:
    """Puts the session of a run where its program finds it; a file that is there stays.

    Args:
        repo: The repository.
        run: The run, as for `Repository.resolve_run`.
        program: One of `PROGRAMS`; None for the one that the session is of.
        folder: The working directory in which it is to be resumed.
        homes: The folder of each program, by its format.

    Raises:
        RunNotFoundError: No run has this id.
        NotFoundError: The original of the run was not kept.
        UsageError: The session is of another program, or the program does not know the folder.
        ConflictError: Another session is in the place.
        BackendError: The file cannot be written.
    """
    record = repo.runs.get_run(repo.resolve_run(run))
    source = _source(repo, record)
    form = str(source.get("format"))
    if form not in PROGRAMS.values():
        raise UsageError(
            f"run {record.run_id} came from {form[:40]!a}, which resumes nothing; "
            f"sessions of {', '.join(PROGRAMS)} can be resumed"
        )
    if program is not None and PROGRAMS[program] != form:
        raise UsageError(
            f"run {record.run_id} is a session of {form}, which {program} cannot resume"
        )
    session = as_text(source.get("session")) or record.run_id
    if not _ID.fullmatch(session):
        raise UsageError(f"the session's id {session[:80]!a} cannot be the name of a file")
    digest = _digest(source, record)
    if form == PROGRAMS["claude-code"] and _is_stream(repo, digest):
        raise UsageError(
            f"run {record.run_id} came from what claude printed, not from its file of the "
            "session, and only that can be resumed"
        )
    path, command = _PLACES[form](homes[form], session, record, folder)
    _write(repo, digest, path)
    return Placed(path, command, source.get("masked") is not False)


def _source(repo: Repository, record: RunRecord) -> dict[str, Any]:
    for stored in reversed(repo.annotations.of_run(record.run_id)):
        if stored.value.kind == KIND:
            return as_dict(stored.value.payload)
    raise NotFoundError(
        record.run_id,
        f"the original session of run {record.run_id} was not kept: it has no annotation {KIND}; "
        "aivcs run import keeps it when a session ends",
    )


def _digest(source: dict[str, Any], record: RunRecord) -> ContentDigest:
    try:
        return ContentDigest(as_dict(source.get("blob")).get("$blob", ""))
    except InvalidDigestError as error:
        raise NotFoundError(
            record.run_id, f"the annotation {KIND} of run {record.run_id} names no blob"
        ) from error


def _is_stream(repo: Repository, digest: ContentDigest) -> bool:
    """Tells output of stream-json, or the array of an execution file, from a session file."""
    with repo.blobs.open(digest) as stream:
        line = stream.read(_CHUNK).lstrip().partition(b"\n")[0]
    if line.startswith(b"["):
        return True
    try:
        first = as_dict(parse(line.decode()))
    except (SerializationError, UnicodeDecodeError):
        return False  # longer than what was read, or damaged: a session file may have such a line
    return "session_id" in first and "sessionId" not in first


def _claude(home: str, session: str, _: RunRecord, folder: str) -> tuple[str, str]:
    # Claude Code looks for sessions of the working directory alone, by such a name.
    project = re.sub(r"[^A-Za-z0-9]", "-", folder)
    path = os.path.join(home, "projects", project, f"{session}.jsonl")
    return path, f"cd {shlex.quote(folder)} && claude --resume {session}"


def _codex(home: str, session: str, record: RunRecord, _: str) -> tuple[str, str]:
    at = record.created_at
    name = f"rollout-{at[:19].replace(':', '-')}-{session}.jsonl"
    path = os.path.join(home, "sessions", at[:4], at[5:7], at[8:10], name)
    return path, f"codex resume {session}"


def _gemini(home: str, session: str, record: RunRecord, folder: str) -> tuple[str, str]:
    path = os.path.join(home, "projects.json")
    try:
        with open(path, encoding="utf-8") as file:
            projects = as_dict(as_dict(parse(file.read())).get("projects"))
    except FileNotFoundError:
        projects = {}
    except OSError as error:
        raise BackendError(f"cannot read {path!a}: {error.strerror}") from error
    except (SerializationError, UnicodeDecodeError) as error:
        raise UsageError(f"{path!a} is not the list of projects of Gemini CLI") from error
    project = as_text(projects.get(folder))
    if project is None or not _ID.fullmatch(project):
        raise UsageError(f"Gemini CLI does not know {folder!a} yet; start it there once: gemini")
    at = record.created_at[:16].replace(":", "-")
    name = f"session-{at}-{session[:8]}.jsonl"
    command = f"cd {shlex.quote(folder)} && gemini --resume {session}"
    return os.path.join(home, "tmp", project, "chats", name), command


_PLACES = {"claude-code": _claude, "codex": _codex, "gemini-cli": _gemini}


def _write(repo: Repository, digest: ContentDigest, path: str) -> None:
    """Writes a blob to a file for its owner alone, unless the file has its bytes already."""
    try:
        with open(path, "rb") as file, repo.blobs.open(digest) as stream:
            while True:
                have, wanted = file.read(_CHUNK), stream.read(_CHUNK)
                if have != wanted:
                    raise ConflictError(
                        f"{path} is there and differs, perhaps because the session went on; "
                        "move it away to put the original back"
                    )
                if not have:
                    return
    except FileNotFoundError:
        pass
    except OSError as error:
        raise BackendError(f"cannot read {path!a}: {error.strerror}") from error
    from aivcs.commands.blob.get import get

    pieces = (bytes(piece) for piece in get(repo, digest))
    try:
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
    except OSError as error:
        raise BackendError(f"cannot write {path!a}: {error.strerror}") from error
    write_file(path, pieces, is_private=True)
