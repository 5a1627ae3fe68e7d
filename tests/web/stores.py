"""A store that strangers have written into: markup, escapes, huge and binary contents, secrets."""

import os

from aivcs import Repository
from aivcs.model.digest import ContentDigest
from aivcs.model.run import RunEvent, RunMetadata, RunSummary
from aivcs.specs.manifest import File, encode_manifest, encode_spec

MARKUP = (
    """<script>alert(1)</script><img src=x onerror=alert(2)>"'></td></table><style>*{}</style>"""
)
CONTROLS = (
    "\x1b[31mred\x1b[0m \x00 \u202eevil\u2066 \u2028 \x9b2J \x1b]8;;http://e.example\x07 \u3164"
)
SECRETS = (
    "ghp_" + "0123456789abcdefghijABCDEFGHIJ012345",
    "sk-ant-" + "0123456789abcdefghijABCDEFGHIJ0123456789",
    "token-of-a-header",
)
HEADERS = {"AUTHORIZATION": [f"bearer {SECRETS[2]}"], "authorization": f"Token {SECRETS[2]}"}
FORMS = " ".join(SECRETS[:2])
EVIL = f"{MARKUP} {CONTROLS} {FORMS} javascript:alert(3) & &lt; \u05e9\u05dc\u05d5\u05dd"


def fill(folder):
    """Makes the store below a folder, and returns its repository."""
    repo = Repository.init(folder)
    specs = [_spec(repo, number) for number in range(2)]
    for number, spec in enumerate(specs):
        runs = [_run(repo, spec, failed) for failed in (False, True)]
        repo.promote(
            "evil/name", spec, by=f"<u>ada</u> {MARKUP}"[:90],
            label=f"<b>v{number}</b>", notes=EVIL, evidence=[runs[0]],
        )  # fmt: skip
    repo.releases.block("evil/name", specs[0], by="<i>eve</i>", reason=EVIL)
    return repo


def _spec(repo, number):
    files = [
        File("prompts/<b>x&y.md", "644", repo.blobs.put(f"{number} {EVIL}\n{MARKUP}\n".encode())),
        File("prompts/binary", "644", repo.blobs.put(os.urandom(3000) + b"\0")),
        File("prompts/long.md", "755", repo.blobs.put(f"{number} {'x' * 300_000}\n".encode())),
        File("prompts/x.json", "644", repo.blobs.put(
            f'{{"<k>": "{number}<script>"}}'.encode())),
    ]  # fmt: skip
    manifest = repo.blobs.put(encode_manifest(files))
    return ContentDigest(repo.blobs.put(encode_spec({"prompts_digest": manifest})))


def _run(repo, spec, failed):
    metadata = RunMetadata("a<script>&amp;", git_sha=None, tags={"<k>": EVIL, "list": [EVIL]})
    run = repo.runs.create_run(spec, metadata)
    events = [
        ("<img/src=x>", {EVIL: EVIL}),
        ("tool_called", {"tool_name": MARKUP, "tool_call_id": "1", "arguments": {"<b>": EVIL}}),
        ("tool_failed", {"tool_name": MARKUP, "tool_call_id": "1", "error": EVIL, "exit_code": 1}),
        ("tool_called", {"tool_name": "http", "arguments": {"headers": HEADERS}}),
        ("tool_called", {"tool_name": "search", "arguments": {"<q>": EVIL, "failed": failed}}),
        ("message_added", {"role": "</li>", "content": f"{EVIL} {'x' * 500_000}"}),
        ("message_added", {"role": "assistant", "content": "\u05e9\u05dc\u05d5\u05dd " * 50}),
        ("model_called", {"model": EVIL, "input_tokens": 1e300, "cost_usd": -5, "usage": EVIL}),
        ("evaluation", {"score": "<b>", "name": EVIL}),
        ("text", EVIL),
        ("list", [EVIL, None, 1e308, True]),
        ("image", {"data": "\x00\x01\xff" * 1000}),
        *([("tool_failed", {"tool_name": "end", "error": f"{EVIL} {SECRETS[0]}"})] * failed),
    ]
    repo.runs.append_events(run, [RunEvent(kind, payload) for kind, payload in events])
    end = repo.runs.fail_run if failed else repo.runs.complete_run
    end(run, RunSummary(success=not failed, duration_ms=1))
    return run
