"""Imported runs as `run show` and `run diff` tell them to a person."""

import pytest
from formats import samples


@pytest.fixture
def shown(aivcs):
    def show(*words, columns=110):
        done = aivcs.ok("--table", *words, env={"COLUMNS": str(columns)})
        return done.out.decode().splitlines()

    return show


def write(aivcs, data, name):
    path = aivcs.folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return str(path)


def line_with(lines, text):
    (found,) = [line for line in lines if text in line]
    return found


def test_model_calls_are_told_by_tokens_and_cost(aivcs, shown):
    aivcs.ok("run", "import", "--seal", write(aivcs, samples.OPENCODE, "o.jsonl"))
    lines = shown("run", "show")
    calls = [line for line in lines if "model_called" in line]
    assert all("tokens in" in line and "out" in line and "$" in line for line in calls)
    assert calls
    total = line_with(lines, "model calls: ")
    assert f"{len(calls)} model calls: " in total
    assert "usage=" not in "\n".join(lines)


def test_codex_tokens_are_summed(aivcs, shown):
    aivcs.ok("run", "import", write(aivcs, samples.CODEX, "r.jsonl"))
    # 900, 1,000, 1,100 and 1,200, of which 400 each came from the cache.
    assert shown("run", "show")[-1] == ("4 model calls: 4,200 tokens in (1,600 cached), 160 out")


def test_thoughts_and_records_of_the_source_are_folded(aivcs, shown):
    records = [
        samples.CODEX_META,
        *(samples.codex(number, "response_item", type="reasoning",
                        summary=[{"type": "summary_text", "text": f"Thought {number}."}])
          for number in range(1, 6)),
        *(samples.codex(number, "event_msg", type="token_count") for number in range(6, 9)),
    ]  # fmt: skip
    aivcs.ok("run", "import", write(aivcs, samples.lines(*records), "r.jsonl"))
    lines = shown("run", "show")
    thoughts = line_with(lines, "thinking ")
    assert "Thought 1. Thought 2. Thought 3." in thoughts
    assert "codex.token_count" in line_with(lines, "3 records")


def test_a_tool_that_failed_stands_out_with_its_reason(aivcs, shown):
    aivcs.ok("run", "import", write(aivcs, samples.CLAUDE, f"{samples.CLAUDE_ID}.jsonl"))
    lines = shown("run", "show")
    at = lines.index(line_with(lines, "✗ Bash"))
    assert "cat missing.txt" in lines[at]
    assert "exit code 1" in lines[at] + lines[at + 1]
    assert "exit code 1: cat: missing.txt: No such file or directory" in lines[at] + lines[at + 1]
    assert lines[-2].endswith("1 error")


def test_subagents_are_nested(aivcs, shown):
    name = f"{samples.CLAUDE_ID}/subagents/agent-{samples.AGENT_ID}.jsonl"
    aivcs.ok("run", "import", write(aivcs, samples.CLAUDE, f"{samples.CLAUDE_ID}.jsonl"),
             write(aivcs, samples.CLAUDE_SUBAGENT, name))  # fmt: skip
    lines = shown("run", "show", samples.CLAUDE_ID)
    child = f"run {samples.CLAUDE_ID}.{samples.AGENT_ID}"
    began, title = (line for line in lines if child in line)
    assert not began.startswith("┌")  # in the timeline, where it began
    assert title.startswith("┌ finder  running")
    inside = lines[lines.index(title) + 1 :]
    assert all(line.startswith("│") for line in inside)
    assert line_with(inside, "Bash")
    # A run that nobody started has no such part.
    assert "┌" not in "".join(shown("run", "show", f"{samples.CLAUDE_ID}.{samples.AGENT_ID}"))


@pytest.mark.parametrize("columns", [20, 40, 59, 60, 80, 99, 100, 200])
def test_lines_fit_the_terminal(aivcs, shown, columns):
    name = f"{samples.CLAUDE_ID}/subagents/agent-{samples.AGENT_ID}.jsonl"
    aivcs.ok("run", "import", write(aivcs, samples.CLAUDE, f"{samples.CLAUDE_ID}.jsonl"),
             write(aivcs, samples.CLAUDE_SUBAGENT, name))  # fmt: skip
    lines = shown("run", "show", samples.CLAUDE_ID, columns=columns)
    start = next(number for number, line in enumerate(lines) if not line)
    assert max(len(line) for line in lines[start:] if "┌" not in line) <= max(columns, 29)


def test_two_sessions_are_compared_by_calls_and_tokens(aivcs):
    other = samples.CODEX.replace(b"cat missing.txt", b"cat README.md").replace(
        b"000000000002", b"000000000003"
    )
    aivcs.ok("run", "import", write(aivcs, samples.CODEX, "a.jsonl"),
             write(aivcs, other.replace(b'"input_tokens": 1000', b'"input_tokens": 5000'),
                   "b.jsonl"))  # fmt: skip
    second = samples.CODEX_ID.replace("000000000002", "000000000003")
    cells = [line.split("\t") for line in aivcs.ok("run", "diff", samples.CODEX_ID, second).lines]
    assert ["input_tokens", "4200", "8200"] in cells
    (changed,) = [row for row in cells if row[0] == "param_changed"]
    assert changed[3:] == ["exec_command", "arguments.cmd", '"cat missing.txt"', '"cat README.md"']
