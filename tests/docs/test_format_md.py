"""docs/format.md is true: its commands work on a real store, and its examples are valid logs."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from hashlib import sha256
from pathlib import Path

import pytest
from folder_store import FolderStore

from aivcs.api import Repository
from aivcs.commands.release.audit import verify as prove
from aivcs.commands.store.head import take
from aivcs.log.chain import hash_of
from aivcs.log.heads import manifest
from aivcs.model.digest import ContentDigest
from aivcs.model.record import Head
from aivcs.model.release import ReleaseMetadata
from aivcs.model.run import RunEvent, RunMetadata, RunSummary
from aivcs.policy.select import read_document
from aivcs.specs.manifest import encode_spec
from aivcs.specs.selection import select
from aivcs.specs.spec import create
from aivcs.specs.work_tree import WorkTree

FORMAT = Path(__file__).parents[2] / "docs" / "format.md"
TEXT = FORMAT.read_text("utf-8")
BLOCKS: list[tuple[str, str]] = re.findall(
    r"^```(sh|jsonl)\n(.*?)^```$", TEXT, re.DOTALL | re.MULTILINE
)
JSON: list[str] = re.findall(r"^```json\n(.*)\n```$", TEXT, re.MULTILINE)
COMMANDS = [text for kind, text in BLOCKS if kind == "sh"]
EXAMPLES = [text.encode() for kind, text in BLOCKS if kind == "jsonl"]

needs_tools = pytest.mark.skipif(
    any(shutil.which(tool) is None for tool in ("bash", "jq", "sha256sum", "cmp")),
    reason="needs bash, jq, sha256sum and cmp, which the document's commands are made of",
)
pytestmark = needs_tools


def command(part: str) -> str:
    [block] = [text for text in COMMANDS if part in text]
    return block


def line_with(part: str) -> str:
    [line] = [line for text in COMMANDS for line in text.splitlines() if part in line]
    return line


def shell(script: str, cwd: Path, log: Path | None = None, program: str = "bash") -> str:
    """Runs a script and returns all that it printed."""
    done = subprocess.run(
        [program, "-c", script],
        cwd=cwd,
        env=os.environ | ({"LOG": str(log)} if log else {}),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=60,
        check=False,
    )
    return done.stdout.decode()


@pytest.fixture
def store(tmp_path: Path) -> Path:
    backend = FolderStore.init(str(tmp_path / ".aivcs"))
    specs = [backend.blobs.put(f"agent v{n}\n".encode()) for n in (1, 2, 3)]
    backend.blobs.put(b"")
    run_id = backend.runs.create_run(specs[0], RunMetadata("a", tags={"b": ["é\u2028", '"\\']}))
    for seq in (None, 9, 4, 0, None):
        backend.runs.append_event(
            run_id, RunEvent("k", {"text": ' ,"hash":"* $(x) `x` \\n \t', "n": 1.5}, seq=seq)
        )
    backend.runs.complete_run(run_id, RunSummary(success=True, exit_code=0))
    who = ReleaseMetadata("me", notes="a\nb")
    for spec in (*specs, specs[2]):
        backend.releases.promote("team/agent", spec, who)
    backend.releases.rollback("team/agent", metadata=who)
    backend.releases.rollback("team/agent", to=specs[2], metadata=who)
    backend.releases.rollback("team/agent", to=specs[0], metadata=who)
    return Path(backend.path)


def logs(store: Path) -> list[Path]:
    found = sorted(store.rglob("*.jsonl"))
    assert len(found) == 2
    return found


def test_the_loop_has_nothing_to_say_of_a_real_log(store: Path) -> None:
    loop = command("while IFS= read -r line")
    for log in logs(store):
        for program in ("bash", "sh"):
            assert shell(loop, store, log, program) == ""


def test_the_loop_names_the_line_of_every_edit(store: Path) -> None:
    loop = command("while IFS= read -r line")
    for log in logs(store):
        whole = log.read_bytes()
        lines = whole.splitlines(keepends=True)
        for number, line in enumerate(lines, 1):
            changes = {
                "an edited member": line.replace(b'"type"', b'"Type"'),
                "an edited hash": line[:-10] + bytes([line[-10] ^ 1]) + line[-9:],
                "a space": line[:-2] + b" }\n",
                "a carriage return": line[:-1] + b"\r\n",
                "a repeated line": line + line,
            }
            for what, changed in changes.items():
                log.write_bytes(b"".join([*lines[: number - 1], changed, *lines[number:]]))
                at = number + (what == "a repeated line")
                assert shell(loop, store, log) == f"{log}: line {at} is not right\n", what
            if number < len(lines):
                log.write_bytes(b"".join([*lines[: number - 1], *lines[number:]]))
                assert shell(loop, store, log) == f"{log}: line {number} is not right\n"
        log.write_bytes(whole)


def test_a_nul_put_into_a_line_is_seen_by_the_command_for_it(store: Path) -> None:
    [check] = re.findall(r"`(tr -d [^`]*)`", TEXT)
    log = logs(store)[0]
    assert shell(check, store, log) == ""
    log.write_bytes(log.read_bytes().replace(b'"metadata"', b'"meta\0data"', 1))
    assert shell(check, store, log) != ""


def test_the_head_is_what_aivcs_says(store: Path) -> None:
    backend = FolderStore.open(str(store))
    head = shell(command("jq -r .hash"), store, store / "releases/team/agent.jsonl")
    assert head.strip() == backend.releases.head("team/agent").hash


def test_the_check_of_a_manifest_names_the_log_that_was_cut(store: Path) -> None:
    repo = FolderStore.open(str(store))
    file = store / "manifest"
    file.write_bytes(repo.blobs.get(take(repo).digest))
    check = f"MANIFEST={file}\n{command('MANIFEST')}"
    assert shell(check, store) == shell(check, store, program="sh") == ""
    log = store / "releases/team/agent.jsonl"
    lines = log.read_bytes().splitlines(keepends=True)
    log.write_bytes(b"".join(lines[:-1]))
    assert shell(check, store) == f"release/team/agent: not line {len(lines)}\n"
    log.write_bytes(b"".join(lines))
    [run_id] = repo.runs.list_run_ids()
    (store / "runs" / run_id[:2] / f"{run_id}.jsonl").unlink()
    assert f"run/{run_id}: not line" in shell(check, store)


def test_the_example_of_a_manifest_is_of_the_other_examples() -> None:
    [example] = [text for text in JSON if '"type":"heads"' in text]
    heads = [
        (name, Head(len(log.splitlines()), hash_of(log.splitlines()[-1]) or ""))
        for name, log in (
            ("run/dcd10a49-0d5a-48e7-95c6-1f8dbc8d0775", EXAMPLES[0]),
            ("release/support/triage", EXAMPLES[1]),
        )
    ]
    assert manifest(heads) == example.encode()


def test_the_digest_of_a_spec_is_what_jq_computes_and_aivcs_too(tmp_path: Path) -> None:
    [said] = re.findall(r"^prints `([0-9a-f]{64})`", TEXT, re.MULTILINE)
    script = command("abc123def456")
    assert shell(script, tmp_path).split()[0] == said
    words = re.findall(r'(\w+): "([^"]+)"', script)
    assert ContentDigest.from_bytes(encode_spec(dict(words))) == said


def test_the_example_of_a_manifest_is_what_is_stored_of_a_part(tmp_path: Path) -> None:
    [example] = [text for text in JSON if '"type":"tree"' in text]
    folder = tmp_path / "prompts"
    (folder / "roles").mkdir(parents=True)
    (folder / "render.sh").write_text("exit\n")
    (folder / "render.sh").chmod(0o700)
    (folder / "roles" / "critic.md").write_text("Be brief.\n")
    repo = Repository.init(tmp_path)
    files = select(
        WorkTree(str(tmp_path), store=repo.path), [(None, "prompts")], folder=str(tmp_path)
    )
    spec = create(repo, files)
    assert repo.blobs.get(ContentDigest(spec.fields["prompts_digest"])) == example.encode()


def test_the_check_of_objects_finds_the_damaged_one(store: Path) -> None:
    check = command("sha256sum --check")
    assert shell(check, store) == ""
    path = next(p for p in sorted((store / "objects").rglob("*")) if p.is_file())
    path.chmod(0o644)
    path.write_bytes(b"damaged")
    assert f"{path.parent.name}/{path.name}: FAILED" in shell(check, store)


def test_the_check_of_all_logs_runs_the_loop_on_each(store: Path) -> None:
    (store / "loop.sh").write_text(command("while IFS= read -r line"))
    check = command("find runs releases")
    assert shell(check, store) == ""
    assert shell(check, store, program="sh") == ""
    for log in logs(store):
        log.write_bytes(log.read_bytes().replace(b'"type":', b'"Type":', 1))
    assert shell(check, store).count("line 1 is not right") == 2


def test_the_checks_of_a_run_hold(store: Path) -> None:
    backend = FolderStore.open(str(store))
    [run_id] = backend.runs.list_run_ids()
    log = store / "runs" / run_id[:2] / f"{run_id}.jsonl"
    assert shell(line_with("uniq -d"), store, log) == ""
    events = shell(line_with("sort_by(.seq)"), store, log).splitlines()
    stored = backend.runs.get_events(run_id)
    assert all(f'"seq":{e.seq},' in line for e, line in zip(stored, events, strict=True))
    assert shell(line_with('"RUNNING"'), store, log) == "COMPLETED\n"


def test_the_checks_of_a_release_log_hold_and_find_a_wrong_entry(store: Path) -> None:
    log = store / "releases/team/agent.jsonl"
    backend = FolderStore.open(str(store))
    current = backend.releases.current("team/agent")
    assert current is not None
    block = command("foreach")
    assert shell(block, store, log) == f"true\n{current.spec_digest}\n"
    log.write_bytes(log.read_bytes().replace(b'"target_seq":4', b'"target_seq":3', 1))
    assert shell(block, store, log) == f"true\n{current.spec_digest}\n4\n"


def test_the_examples_are_healthy_logs(store: Path) -> None:
    run, release, marked = EXAMPLES
    run_id = re.findall(rb'"run_id":"([^"]*)"', run)[0].decode()
    path = store / "runs" / run_id[:2] / f"{run_id}.jsonl"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(run)
    path = store / "releases/support/triage.jsonl"
    path.parent.mkdir()
    path.write_bytes(release)
    (path.parent / "search.jsonl").write_bytes(marked)
    backend = FolderStore.open(str(store))
    backend.blobs.put(policy_of_example())
    assert list(backend.verify(frozenset({"blobs", "runs", "releases"}))) == []
    assert [e.seq for e in backend.runs.iter_events(run_id)] == [1, 2, 7, 10, 11]
    checks = list(prove(backend, "support/search", verifier=None, environment=os.environ))
    assert not [check for check in checks if check.result == "failed"]
    ruled = [check.result for check in checks if check.check == "require_runs"]
    assert ruled == ["ok", "not proven", "ok", "not proven"]  # those that were forced


def policy_of_example() -> bytes:
    [document] = re.findall(r"the policy is the blob `(.*?)`", TEXT)
    return str(document).encode()


def test_the_policy_of_the_example_is_one_and_is_what_its_lines_name() -> None:
    policy = read_document(policy_of_example())
    assert policy.rules == {"require_runs": 1}
    assert policy.document() == policy_of_example()
    digest = sha256(policy_of_example()).hexdigest()
    assert set(re.findall(rb'"policy":"(\w+)"', EXAMPLES[2])) == {digest.encode()}


def test_the_table_of_the_example_is_what_its_lines_say(store: Path) -> None:
    rows = re.findall(
        r"^\| (?:promote|rollback)[^|]* \| (\d+) \| (v\d) \| (\d+) \| (\d+|null) \| ([\d ]+)",
        TEXT,
        re.MULTILINE,
    )
    lines = EXAMPLES[1].decode().splitlines()
    assert len(rows) == len(lines) == 9
    for (seq, label, target, parent, stack), line in zip(rows, lines, strict=True):
        assert f'"seq":{seq},' in line
        assert f'"version_label":"{label}"' in line
        assert f'"target_seq":{target},"parent_seq":{parent},' in line
        elements = ["null", *stack.split()]
        assert (elements[-2], elements[-1]) == (parent, target)


def test_the_example_of_marks_has_the_hashes_that_sha256sum_gives(store: Path) -> None:
    log = store / "releases/marked.jsonl"
    log.write_bytes(EXAMPLES[2])
    assert shell(command("while IFS= read -r line"), store, log) == ""


def test_the_checks_of_marks_hold_and_find_a_wrong_one(store: Path) -> None:
    if shutil.which("ssh-keygen") is None:
        pytest.skip("needs ssh-keygen")
    log = store / "releases/marked.jsonl"
    log.write_bytes(EXAMPLES[2])
    script = f"SEQ=4\n{command('check-novalidate')}"
    blocked, verdict = shell(script, store, log).splitlines()
    assert blocked == "05479bf78b4161d3004c6dfa7caa847a010759f5673c1ad4dfc0784837dd2285"
    (key,) = re.findall(r"^ssh-ed25519 \S+$", TEXT, re.MULTILINE)
    (store / "key.pub").write_text(key)
    fingerprint = shell("ssh-keygen -lf key.pub", store).split()[1]
    assert verdict == f'Good "aivcs-release@v1" signature with ED25519 key {fingerprint}'
    assert f'"fingerprint":"{fingerprint}"'.encode() in EXAMPLES[2]
    log.write_bytes(EXAMPLES[2].replace(b'"seq":4,"action"', b'"seq":8,"action"'))
    assert "Good" not in shell(script, store, log)
