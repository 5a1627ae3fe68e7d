"""Session files of Claude Code, and what is known of their captures."""

import json
import time

from formats import samples


def write_session(home, data=samples.CLAUDE, name=f"{samples.CLAUDE_ID}.jsonl"):
    path = home / ".claude/projects/-srv" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return str(path)


def call_of(path, event="Stop", **more):
    """The text that the program sends to its hook."""
    told = {"session_id": samples.CLAUDE_ID, "transcript_path": path, "hook_event_name": event}
    return json.dumps({**told, **more})


def state(home, program="claude-code"):
    try:
        return json.loads((home / f".local/state/aivcs/hooks/{program}.json").read_bytes())
    except (OSError, ValueError):
        return {}


def captured(home, before):
    """Waits for the capture in the background; returns its state, which is another than before."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        now = state(home)
        if now != before and "pid" not in now:
            return now
        time.sleep(0.02)
    raise AssertionError("the capture did not end")
