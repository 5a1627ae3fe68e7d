"""What the man pages say beyond the declarations: how commands read words, surroundings, files."""

from __future__ import annotations

DATE = "November 23, 2026"
"""When what the pages say was last looked through; a page must bear a date, and not today's."""

DESCRIPTION = {
    "The store": """
A store is a folder named .aivcs, made by aivcs init. It is found by walking up from the working
directory, as git finds its own. A store that belongs to another user is used only if it is named,
by --store or AIVCS_STORE, or listed in the setting safe.directory of one's own configuration.

A file named .aivcs in its place names a store elsewhere, by URL or path. That store is used only if
one's own configuration, or the system's, trusts it: see aivcs trust.

A setting holds from the first of these places that has it: an option, a variable of the
environment, the store's configuration, the user's.
""",
    "Names of things": """
DIGEST is the SHA-256 of a blob in hexadecimal, or a prefix of at least 4 characters that only one
blob has.

RUN is the id of a run, a prefix of at least 4 characters that only one run has, or @ for the run in
AIVCS_RUN.

SPEC is a DIGEST; or NAME@current for what is live under a name, NAME@SEQ for an entry of its
history, NAME@LABEL for a label.

NAME is made of letters, digits, dots, dashes, underscores and slashes.

None of them may be empty, so that an unset variable means nothing by accident.
""",
    "Output": """
Data goes to standard output, and everything else to standard error. On a terminal lists are tables,
in colour and through a pager; anywhere else they are lines of fields separated by tabs, with whole
ids and times in UTC. With --json every answer is a line of JSON, and an error as well. Control
characters in data are escaped, except by blob get and in JSON.
""",
}
"""Parts of the description of aivcs(1), by their headings."""

ENVIRONMENT: list[tuple[tuple[str, ...], str]] = [
    (("AIVCS_STORE",), "The store, unless --store names one."),
    (("AIVCS_RUN",), "The run that @ means."),
    (
        ("AIVCS_SPOOL",),
        "The folder of the spools, where runs wait for their store; it switches core.spool on.",
    ),
    (("AIVCS_PARENT",), "The run of the run exec around: the parent of runs started in it."),
    (
        (
            "AIVCS_ACTOR", "GITHUB_ACTOR", "GITLAB_USER_LOGIN", "BUILD_USER_ID", "CIRCLE_USERNAME",
            "BUILDKITE_BUILD_CREATOR",
        ),
        ("Who promotes or rolls back, unless --by says it. The first that is set counts; if none "
        "is, git's user.name and user.email, else the user's name and the host's."),
    ),
    (
        ("GITHUB_SHA", "CI_COMMIT_SHA", "GIT_COMMIT"),
        ("The commit of the code that runs, unless --git-sha says it. The first that is set "
        "counts; if none is, HEAD of the git repository around."),
    ),
    (
        (
            "GITHUB_ACTIONS", "GITHUB_HEAD_REF", "GITHUB_REF_NAME", "GITHUB_JOB",
            "GITHUB_RUN_ATTEMPT", "GITHUB_SERVER_URL", "GITHUB_REPOSITORY", "GITHUB_RUN_ID",
            "GITHUB_EVENT_NAME", "GITHUB_EVENT_PATH",
        ),
        "In a job of GitHub Actions: the tags ci.* of a run, and by GITHUB_ACTOR ci.actor.",
    ),
    (
        (
            "GITLAB_CI", "CI_MERGE_REQUEST_SOURCE_BRANCH_NAME", "CI_COMMIT_REF_NAME",
            "CI_PIPELINE_URL", "CI_JOB_ID", "CI_PIPELINE_ID", "CI_PIPELINE_SOURCE", "CI_NODE_INDEX",
            "CI_NODE_TOTAL", "CI_MERGE_REQUEST_SOURCE_PROJECT_ID", "CI_MERGE_REQUEST_PROJECT_ID",
        ),
        "In a job of GitLab CI: the tags ci.* of a run, and by GITLAB_USER_LOGIN ci.actor.",
    ),
    (
        ("AIVCS_CI_MATRIX",),
        ("In a job of a CI system: its part of a matrix, for the tag ci.matrix. On GitHub, set it "
        "to ${{ toJSON(matrix) }}."),
    ),
    (("GITHUB_ENV",), "The file to which --github-env writes."),
    (("GITHUB_STEP_SUMMARY",), "The file to which --github-summary writes."),
    (
        ("AIVCS_LOCK_TIMEOUT",),
        "How many seconds to wait for another process, unless --lock-timeout says it.",
    ),
    (
        ("AIVCS_PAGER", "PAGER"),
        ("The pager for long output on a terminal; the first that is set counts. Default: less, "
        "with LESS=FRX unless LESS is set. Empty or cat means none."),
    ),
    (("NO_COLOR",), "If it is not empty, no colour is used, unless --color says otherwise."),
    (
        ("OTEL_EXPORTER_OTLP_HEADERS", "OTEL_EXPORTER_OTLP_TRACES_HEADERS"),
        "Headers of what aivcs run export --to posts: name=value, with commas between.",
    ),
    (
        ("CLAUDE_CONFIG_DIR", "CODEX_HOME"),
        "The folders of Claude Code and Codex, if not ~/.claude and ~/.codex.",
    ),
    (("TERM",), "If it is dumb, neither colour nor a pager is used."),
    (("AIVCS_DEBUG",), "If it is not empty, an internal error prints where it happened."),
    (
        ("HOME", "XDG_CONFIG_HOME"),
        "Where the user's configuration is, of aivcs and of git.",
    ),
    (
        ("XDG_STATE_HOME",),
        "Where the spools are without AIVCS_SPOOL, on Linux: by default ~/.local/state.",
    ),
    (
        ("XDG_CONFIG_DIRS",),
        "Where the system's configuration is, on Linux: in the first folder, by default /etc/xdg.",
    ),
    (
        ("SUDO_UID",),
        "Under sudo, whose store counts as one's own: that of the user who called sudo.",
    ),
    (("USER", "LOGNAME"), "The user's name, where nothing better is known of who acts."),
]  # fmt: skip
"""The variables that are read, those of one purpose together, and what they do."""

FILES: list[tuple[str, str]] = [
    (".aivcs/", "The store: blobs, runs and releases as plain files."),
    (".aivcs", 'A file of that name has a line that names a store: store = "URL or path".'),
    (".aivcs/config.toml", "The settings of the store, if it has any."),
    (
        "~/.config/aivcs/config.toml",
        (
            "The user's own settings: on Linux here, or below XDG_CONFIG_HOME if it is set; "
            "elsewhere where the system keeps such files."
        ),
    ),
    (
        "/etc/xdg/aivcs/config.toml",
        (
            "What the system's administrator sets for all users: policies, which come before those "
            "of a store, and defaults. Elsewhere than on Linux where the system keeps such files."
        ),
    ),
    (
        "/etc/aivcs/config.toml",
        (
            "The same, wherever the variables of the environment lead. Its table require_store "
            "gives release names, by pattern, to one store, by id."
        ),
    ),
]
"""The files that commands read and write."""

_RUN = {12: "There is no such run.", 13: "The prefix fits several runs."}
_SPEC = {12: "The spec is not in the store.", 13: "The prefix fits several blobs."}
_DAMAGED = {14: "Damage was found."}
_NOTHING_LIVE = {12: "Nothing was ever released under that name."}
_COPIED = {
    14: "Something to be copied is damaged; the rest was copied.",
    15: "A run has other lines on the other side, or has a secret; the rest was copied.",
}
CODES: dict[str, dict[int, str]] = {
    "aivcs store check": {1: "A fault was found."},
    "aivcs verify": _DAMAGED,
    "aivcs push": _COPIED,
    "aivcs pull": _COPIED,
    "aivcs clone": _COPIED,
    "aivcs bundle create": {14: "Something to be written is damaged; no file was made."},
    "aivcs bundle verify": _DAMAGED,
    "aivcs run exec": {
        0: "The command ended with 0. Any other exit code of the command is that of aivcs, too.",
        2: "The command line is wrong: nothing was executed.",
        124: "The command exceeded its budget, and was ended.",
        125: "aivcs itself failed: nothing was executed, as for a spec that is not in the store; "
        "or not all of it could be recorded.",
        126: "The command could not be executed.",
        127: "The command was not found.",
    },
    "aivcs report": {**_RUN, 14: "Something could not be read; the report says what."},
    "aivcs head": {14: "A log is damaged."},
    "aivcs blob get": {
        12: "There is no such blob.",
        13: "The prefix fits several blobs.",
        14: "The blob is damaged; nothing of it is printed that is wrong.",
    },
    "aivcs blob has": {
        1: "A blob is not in the store.",
        14: "A blob is damaged.",
    },
    "aivcs blob rm": {15: "Something refers to a blob; nothing was removed."},
    "aivcs blob pin": {12: "There is no such blob."},
    "aivcs blob verify": _DAMAGED,
    "aivcs spec show": _SPEC,
    "aivcs spec checkout": {**_SPEC, 15: "A part is there and differs; nothing was written."},
    "aivcs spec diff": {**_SPEC, 1: "They differ, and --exit-code was given."},
    "aivcs run diff": {**_RUN, 1: "They differ, and --exit-code was given."},
    "aivcs run start": _SPEC,
    "aivcs run import": {
        **_SPEC,
        2: "A source has no known format, or breaks it; the others are imported.",
        15: "A session was erased on purpose; --all passes over such sessions.",
    },
    "aivcs run log": {
        **_RUN,
        11: "Somebody else writes to the run for too long.",
        15: "The run is over, or another event has that number.",
        17: "The system failed to confirm that the event is durable.",
    },
    "aivcs run finish": {**_RUN, 15: "The run is over already."},
    "aivcs run show": _RUN,
    "aivcs run events": _RUN,
    "aivcs skill": {15: "There is a SKILL.md with another content; nothing was written."},
    "aivcs run search": {1: "Nothing was found.", 14: "A log is damaged; the rest was searched."},
    "aivcs run annotate": _RUN,
    "aivcs run redact": _RUN,
    "aivcs run rm": {
        **_RUN,
        15: "A run goes on, or a release stands on it; nothing was erased.",
    },
    "aivcs run prune": {15: "More runs than allowed would be erased; nothing was erased."},
    "aivcs run tree": _RUN,
    "aivcs run state": {
        12: "There is no such run, or it has no state.",
        13: "The prefix fits several runs.",
        15: "The run is over.",
    },
    "aivcs run export": {**_RUN, 14: "A log is damaged; what was printed before is right."},
    "aivcs run session": {
        12: "There is no such run, or its original was not kept.",
        13: "The prefix fits several runs.",
        15: "Another session is in the place; nothing was written.",
    },
    "aivcs run digest": {**_RUN, 14: "The log is damaged."},
    "aivcs run verify": _DAMAGED,
    "aivcs release promote": {
        **_SPEC,
        15: "Something else is live than --expect says; nothing was changed.",
    },
    "aivcs release rollback": {
        12: "There is no such name, or no such release of it.",
        13: "The prefix fits several releases.",
        15: "There is nothing to return to, or something else is live than --expect says; nothing "
        "was changed.",
    },
    "aivcs release current": _NOTHING_LIVE,
    "aivcs release history": _NOTHING_LIVE,
    "aivcs release verify": _DAMAGED,
    "aivcs release wait": {
        1: "The target was live and was replaced, or it is blocked.",
        11: "The time was up.",
        14: "The log is damaged, or was replaced meanwhile.",
    },
    "aivcs release watch": {
        11: "Another watch uses the folder of --state.",
        14: "The log is damaged, or does not extend what was seen of it.",
        15: "With --once: a release may not be deployed here.",
    },
    "aivcs release checkout": {
        **_NOTHING_LIVE,
        14: "The log or a blob is damaged; the link is as before.",
        15: "The release may not be deployed here, or its files in DIR were changed.",
    },
}
"""What the exit codes of single commands mean there, beyond 0 and 2; aivcs(1) has all of them."""
