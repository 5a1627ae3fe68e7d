"""The results of hooks: a small file for each program in the user's state folder.

It decides nothing. It is how a capture that failed, or never happened, is noticed.
"""

from __future__ import annotations

import json
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

_MAX_FILE = 1 << 16


def state_folder(environment: Mapping[str, str], home: str) -> str:
    """Returns the folder of the files; empty where the user has no home."""
    if sys.platform == "linux":
        base = environment.get("XDG_STATE_HOME", "")
        if not base.startswith("/"):
            if not home:
                return ""
            base = f"{home}/.local/state"
        return f"{base}/aivcs/hooks"
    from platformdirs import user_state_dir

    return os.path.join(user_state_dir("aivcs", appauthor=False), "hooks")


def read_state(folder: str, program: str) -> dict[str, Any]:
    """Returns the stored state of a program's captures; {} without a readable file.

    Members, all optional: `called_at`, `captured_at`, `session`, `run`, `new_events`, `store`,
    `error`, `error_at`, and `pid` while a capture is going on.
    """
    try:
        with open(os.path.join(folder, f"{program}.json"), "rb") as file:
            state = json.loads(file.read(_MAX_FILE))
    except (OSError, ValueError):
        return {}
    return state if isinstance(state, dict) else {}


def write_state(folder: str, program: str, **changes: Any) -> None:
    """Writes changes to what is known of a program; None removes a member. Never fails."""
    if not folder:
        return
    state = read_state(folder, program) | changes
    state = {name: value for name, value in state.items() if value is not None}
    path = os.path.join(folder, f"{program}.json")
    temporary = f"{path}.{os.getpid()}"
    try:
        os.makedirs(folder, mode=0o700, exist_ok=True)
        with open(temporary, "w", encoding="utf-8", errors="replace") as file:
            json.dump(state, file, ensure_ascii=False, indent=1)
            file.write("\n")
        os.replace(temporary, path)
    except OSError:
        try:
            os.unlink(temporary)
        except OSError:
            pass
