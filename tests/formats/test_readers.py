"""What each format's reader makes of a session: the same story, whatever the format."""

import json

import pytest
from formats import samples
from formats.reading import read
from formats.samples import CODES, LAST, PROMPT, SAYS, STORY, lines

from aivcs.formats import model
from aivcs.formats.claude_code import hint_of as claude_hint
from aivcs.formats.codex import hint_of as codex_hint
from aivcs.formats.errors import FormatError
from aivcs.formats.gemini import hint_of as gemini_hint
from aivcs.trace.usage import figures

WHOLE = {
    "claude-code": ("Bash", "command"),
    "claude-code-stream": ("Bash", "command"),
    "claude-code-execution": ("Bash", "command"),
    "codex": ("exec_command", "cmd"),
    "codex-exec": ("command_execution", "command"),
    "otlp-spans": ("shell", "command"),
    "otlp-document": ("shell", "command"),
    "otlp-logs": ("exec_command", "cmd"),
    "atif": ("shell", "command"),
    "gemini-cli": ("run", "command"),
    "gemini-cli-legacy": ("run", "command"),
    "gemini-stream": ("run", "command"),
    "opencode": ("bash", "command"),
    "mini-swe-agent": ("bash", "command"),
    "inspect-ai": ("shell", "command"),
    "mlflow": ("shell", "command"),
}


@pytest.mark.parametrize("sample", WHOLE)
def test_calls_come_in_order_and_a_failure_is_a_failure(sample):
    told = read(samples.ALL[sample][1])
    tool, argument = WHOLE[sample]
    calls = told.calls()
    assert [(name, arguments) for name, arguments, _ in calls] == [
        (tool, {argument: command}) for command in STORY
    ]
    assert [failed for _, _, (_, failed) in calls] == [code != 0 for code in CODES]
    if sample != "inspect-ai":  # which says it in words only
        assert [code or 0 for _, _, (code, _) in calls] == CODES
    (failure,) = told.of("tool_failed")
    assert "No such file or directory" in failure["error"]
    outcome = next(o for o in told.outcomes if o.figures.get("tool_calls"))
    assert outcome.figures["tool_calls"] == 3
    assert outcome.figures["tool_failures"] == 1


@pytest.mark.parametrize("sample", WHOLE)
def test_messages_are_told_once_and_in_order(sample):
    told = read(samples.ALL[sample][1])
    story = next(o.session.id for o in told.outcomes if o.figures.get("tool_calls"))
    messages = [
        (event.payload["role"], event.payload["content"])
        for event in told.events
        if event.kind == "message" and event.session == story
    ]
    if sample == "otlp-logs":
        assert messages == [("user", PROMPT)]
        return
    expected = [("assistant", said) for said in [*SAYS, LAST]]
    if sample in {"claude-code-stream", "claude-code-execution"}:  # which end with a result
        expected.pop()
    elif sample == "mini-swe-agent":
        expected[:0] = [("system", samples.MINI_SYSTEM["content"]), ("user", PROMPT)]
    elif sample not in {"codex-exec", "opencode"}:
        expected.insert(0, ("user", PROMPT))
    assert messages == expected


@pytest.mark.parametrize(
    ("sample", "calls", "total", "cached", "out"),
    [
        # Input that came from the cache is counted; an answer on three lines is counted once.
        ("claude-code", 4, 400 + 500 + 600 + 700 + 4 * 500, 1600, 160),
        ("claude-code-stream", 3, 400 + 500 + 600 + 3 * 500, 1200, 120),
        ("codex", 4, 900 + 1000 + 1100 + 1200, 1600, 160),
        ("codex-exec", 1, 4200, 1600, 160),
        ("otlp-spans", 4, 4200, 1600, 160),
        ("otlp-document", 4, 4200, 1600, 160),
        ("otlp-logs", 3, 3000, 1200, 120),
        ("atif", 3, 4200, 1600, 160),
        ("gemini-cli", 4, 4200, 1600, 160),
        ("gemini-cli-legacy", 4, 4200, 1600, 160),
        ("gemini-stream", 1, 4200, 1600, 160),
        ("opencode", 4, 4200, 1600, 160),
        ("mini-swe-agent", 4, 3000, 1200, 120),
    ],
)
def test_tokens_are_totals_with_what_came_from_the_cache(sample, calls, total, cached, out):
    figures = read(samples.ALL[sample][1]).outcomes[0].figures
    assert figures["model_calls"] == calls
    assert figures["input_tokens"] == total
    assert figures["cached_input_tokens"] == cached
    assert figures["output_tokens"] == out


@pytest.mark.parametrize(
    ("sample", "status", "known"),
    [
        ("claude-code", None, {"id": samples.CLAUDE_ID, "agent": "claude-code",
                               "version": "2.1.300", "model": "claude-test-1",
                               "cwd": "/srv/tables", "git_branch": "main"}),
        ("claude-code-stream", "completed", {"id": samples.CLAUDE_ID, "model": "claude-test-1",
                                             "version": "2.1.300", "started_at": None}),
        ("codex", "completed", {"id": samples.CODEX_ID, "version": "0.171.0", "model": "gpt-test",
                                "git_sha": "c0ffee" * 6 + "c0ff",
                                "started_at": "2026-11-01T10:00:00.400000Z"}),
        ("codex-exec", "completed", {"id": samples.CODEX_ID, "program": "codex"}),
        ("otlp-spans", "completed", {"id": "conv-1", "agent": "table-agent", "version": "1.4.0",
                                     "model": "gpt-test"}),
        ("otlp-logs", None, {"id": samples.CODEX_ID, "version": "1.4.0", "model": "gpt-test"}),
        ("gemini-cli", None, {"id": samples.GEMINI_ID, "model": "gemini-test",
                              "started_at": "2026-11-01T10:00:00.000000Z"}),
        ("gemini-stream", "completed", {"id": samples.GEMINI_ID, "model": "gemini-test",
                                        "program": "gemini-cli"}),
        ("opencode", "completed", {"id": samples.OPENCODE_ID}),
        ("mlflow", "completed", {"id": "s-1", "agent": "table-agent", "model": "gpt-test"}),
        ("mini-swe-agent", "completed", {"model": "gpt-test", "version": "2.4.6",
                                         "cwd": "/srv/tables"}),
        ("atif", None, {"id": "atif-session-1", "agent": "table-agent", "model": "gpt-test"}),
    ],
)  # fmt: skip
def test_the_outcome_says_what_the_source_says(sample, status, known):
    outcome = read(samples.ALL[sample][1]).outcomes[0]
    assert outcome.status == status
    assert {name: getattr(outcome.session, name) for name in known} == known


@pytest.mark.parametrize(
    ("sample", "kind", "record"),
    [
        ("claude-code", "claude-code.brand-new-type", samples.CLAUDE_RECORDS[10]),
        ("codex", "codex.brand_new_event", {"type": "brand_new_event", "novelty": 1}),
        ("gemini-cli", "gemini-cli.brand_new", None),
        ("opencode", "opencode.brand_new", None),
        ("otlp-logs", "otlp.codex.brand_new", None),
        ("otlp-spans", "otlp.span", None),
    ],
)
def test_an_unknown_record_is_an_event_as_it_is(sample, kind, record):
    told = read(samples.ALL[sample][1])
    (payload,) = told.of(kind)
    assert record is None or payload == record
    # Logs of a program that is known are known even where no shared kind says what they say.
    assert (kind in told.outcome.unknown) == (sample != "otlp-logs")


@pytest.mark.parametrize(
    "sample",
    [
        "claude-code",
        "claude-code-subagent",
        "claude-code-stream",
        "codex",
        "codex-exec",
        "gemini-cli",
    ],
)
def test_no_line_is_without_an_event(sample):
    data = samples.ALL[sample][1]
    assert {e.line for e in read(data).events} == set(range(1, data.count(b"\n") + 1))


# Claude Code


def test_a_subagents_file_is_a_session_begun_by_its_parent():
    told = read(samples.CLAUDE_SUBAGENT)
    session = told.outcome.session
    assert session.id == f"{samples.CLAUDE_ID}.{samples.AGENT_ID}"
    assert session.parent == samples.CLAUDE_ID
    assert session.agent_id == samples.AGENT_ID
    assert session.agent == "finder"
    assert not any("sidechain" in event.payload for event in told.events)


def test_a_path_says_what_the_records_do_not():
    path = f"/x/{samples.CLAUDE_ID}/subagents/agent-ab12.jsonl"
    expected = model.Hint(f"{samples.CLAUDE_ID}.ab12", samples.CLAUDE_ID, "ab12")
    assert claude_hint(path) == expected
    assert claude_hint(f"/x/{samples.CLAUDE_ID}.jsonl") == model.Hint(samples.CLAUDE_ID)
    assert claude_hint("/x/notes.jsonl") == model.Hint()
    rollout = f"rollout-2026-11-01T10-00-00-{samples.CODEX_ID}.jsonl"
    assert codex_hint(rollout) == model.Hint(samples.CODEX_ID)
    told = read(lines({"type": "summary", "summary": "x", "leafUuid": "y"}), hint=expected)
    assert told.outcome.session.parent == samples.CLAUDE_ID


def test_members_of_a_subagent_in_its_parents_file_are_marked_and_counted_apart():
    inline = samples.answer(20, "msg_9", samples.text("Sub."), tokens=1, agentId="zz")
    inline["isSidechain"] = True
    told = read(samples.CLAUDE + lines(inline))
    assert told.outcome.session.id == samples.CLAUDE_ID
    assert told.of("message")[-1]["agent_id"] == "zz"
    assert told.of("model_called")[-1]["agent_id"] == "zz"


def test_a_line_that_is_there_again_counts_nothing():
    again = read(samples.CLAUDE + lines(*samples.CLAUDE_RECORDS[1:6]))
    once = read(samples.CLAUDE)
    assert again.outcome.figures == once.outcome.figures
    assert again.kinds == once.kinds + ["claude-code.repeated"] * 5


def test_an_answer_of_which_more_lines_may_come_is_not_counted_yet():
    half = lines(*samples.CLAUDE_RECORDS[:4])
    assert read(half, final=False).of("model_called") == []
    assert len(read(half, final=True).of("model_called")) == 1


def test_a_rewound_prompt_names_where_it_goes_back_to():
    prompt = samples.claude("user", 30, message={"role": "user", "content": "Again."})
    prompt["parentUuid"] = "u5"
    straight = samples.claude("user", 31, message={"role": "user", "content": "Go on."})
    straight["parentUuid"] = "u12"
    told = read(samples.CLAUDE + lines(prompt, straight))
    assert [m.get("rewound_to") for m in told.of("message")[-2:]] == ["u5", None]


def test_a_denied_and_an_interrupted_call_failed():
    denied = samples.bash_result(0) | {"toolDenialKind": "user-rejected"}
    interrupted = samples.bash_result(2) | {"toolUseResult": {"interrupted": True}}
    told = read(lines(
        samples.answer(1, "m", samples.bash(0), samples.bash(2), tokens=1),
        samples.claude("user", 2, **denied), samples.claude("user", 3, **interrupted),
    ))  # fmt: skip
    first, second = told.of("tool_failed")
    assert first["denied"] == "user-rejected"
    assert second["error"] == "interrupted"


def test_output_that_speaks_of_exit_codes_did_not_fail():
    fine = samples.bash_result(0)
    fine["message"]["content"][0]["content"] = "Exit code 1\n"
    told = read(lines(samples.answer(1, "m", samples.bash(0), tokens=1),
                      samples.claude("user", 2, **fine)))  # fmt: skip
    assert told.kinds[:2] == ["tool_called", "tool_returned"]


def test_a_stream_tells_denials_cost_and_the_reason_of_a_failure():
    told = read(samples.CLAUDE_STREAM)
    (denial,) = told.of("permission_denied")
    assert denial["tool_name"] == "Write"
    assert told.outcome.figures["cost_usd"] == 0.25
    assert told.outcome.duration_ms == 9500
    bad = samples.STREAM_RECORDS[-1] | {"subtype": "error_max_turns", "is_error": True,
                                        "errors": ["too many turns"]}  # fmt: skip
    failed = read(lines(*samples.STREAM_RECORDS[:-1], bad)).outcome
    assert (failed.status, failed.reason) == ("failed", "too many turns")


def test_api_errors_are_errors_and_compaction_is_told():
    error = samples.answer(1, "m", samples.text("API Error: 529"), tokens=0,
                           isApiErrorMessage=True)  # fmt: skip
    error["message"]["model"] = "<synthetic>"
    told = read(lines(
        error,
        samples.claude("system", 2, subtype="api_error", error={"message": "overloaded"}),
        samples.claude("system", 3, subtype="compact_boundary", content="Compacted",
                       compactMetadata={"trigger": "auto", "preTokens": 9}),
    ))  # fmt: skip
    assert [e["message"] for e in told.of("error")] == ["API Error: 529", "overloaded"]
    assert told.of("compacted")[0]["preTokens"] == 9
    assert told.outcome.session.model is None


# Codex


def test_a_failure_that_only_the_screen_was_told_is_one():
    """The output says nothing of an exit code; `status: completed` of the call is not an answer."""
    records = [samples.CODEX_META, *samples.codex_call(1, 5)]
    records[5]["payload"]["output"] = "cat: missing.txt: No such file or directory\n"
    told = read(lines(*records))
    (failure,) = told.of("tool_failed")
    assert failure["exit_code"] == 1
    assert failure["duration_ms"] == 12.5


def test_a_command_that_failed_after_the_model_was_told_it_goes_on_failed():
    call = samples.codex_call(1, 5)
    call[3], call[4] = call[4], call[3]
    call[3]["payload"]["output"] = "Process running with session ID 1"
    told = read(lines(samples.CODEX_META, *call))
    assert [k for k in told.kinds if k.startswith("tool_")] == [
        "tool_called", "tool_returned", "tool_failed",
    ]  # fmt: skip
    only = read(lines(samples.CODEX_META, *samples.codex_call(1, 5)[:4]))
    assert only.calls() == [("exec_command", {"cmd": STORY[1]}, (1, True))]


def test_the_parents_history_in_a_subagents_rollout_is_inherited():
    meta = json.loads(json.dumps(samples.CODEX_META))
    meta["payload"]["subagent_history_start_ordinal"] = 11
    meta["payload"]["source"] = {
        "subagent": {"thread_spawn": {"parent_thread_id": "p-1", "agent_role": "finder"}}
    }
    told = read(lines(meta, *samples.CODEX_RECORDS[1:]))
    assert told.outcome.session.parent == "p-1"
    assert told.outcome.session.agent == "finder"
    assert told.outcome.figures["tool_calls"] == 2
    assert told.kinds[:11] == ["inherited"] * 11
    assert told.of("inherited")[6]["kind"] == "tool_called"


def test_a_session_copied_from_another_keeps_its_own_facts():
    other = json.loads(json.dumps(samples.CODEX_META))
    other["payload"] |= {"id": "another", "cwd": "/elsewhere"}
    own = json.loads(json.dumps(samples.CODEX_META))
    del own["payload"]["cwd"]
    assert read(lines(own, other)).outcome.session.cwd is None


def test_older_rollouts_tell_tokens_by_token_counts_each_of_them_once():
    count = samples.codex(5, "event_msg", type="token_count", info={
        "total_token_usage": {"input_tokens": 10, "output_tokens": 1},
        "last_token_usage": {"input_tokens": 10, "output_tokens": 1}})  # fmt: skip
    told = read(lines(samples.CODEX_META, count, count))
    assert told.outcome.figures["input_tokens"] == 10


@pytest.mark.parametrize(
    ("last", "status", "reason"),
    [
        (samples.codex(9, "event_msg", type="turn_aborted", reason="interrupted"),
         "cancelled", "interrupted"),
        (samples.codex(9, "event_msg", type="task_complete", error={"message": "no model"}),
         "failed", "no model"),
        (samples.codex(9, "event_msg", type="task_started"), None, None),
    ],
)  # fmt: skip
def test_how_a_turn_ended_is_how_the_session_stands(last, status, reason):
    outcome = read(samples.CODEX + lines(last)).outcome
    assert (outcome.status, outcome.reason) == (status, reason)


def test_outputs_with_an_object_inside_say_how_the_command_went():
    output = json.dumps({"output": "no\n", "metadata": {"exit_code": 2, "duration_seconds": 0.5}})
    told = read(lines(
        samples.CODEX_META,
        samples.codex(1, "response_item", type="function_call", name="shell", call_id="c",
                      arguments="{not json"),
        samples.codex(2, "response_item", type="function_call_output", call_id="c",
                      output=output),
    ))  # fmt: skip
    assert told.calls() == [("shell", "{not json", (2, True))]
    assert told.of("tool_failed")[0]["duration_ms"] == 500


def test_a_failed_turn_of_codex_exec_failed():
    told = read(lines(
        {"type": "thread.started", "thread_id": "t-1"},
        {"type": "turn.started"},
        {"type": "item.completed", "item": {
            "id": "i", "type": "mcp_tool_call", "server": "s", "tool": "find", "status": "failed",
            "arguments": {"q": 1}, "error": {"message": "no such server"}, "result": None}},
        {"type": "turn.failed", "error": {"message": "lost"}},
    ))  # fmt: skip
    assert told.calls() == [("find", {"q": 1}, (None, True))]
    assert told.of("tool_failed")[0]["error"] == "no such server"
    assert (told.outcome.status, told.outcome.reason) == ("failed", "lost")


# OTLP/JSON


def test_an_evaluation_is_one_that_gates_can_read():
    (evaluation,) = read(samples.OTLP_SPANS).of("evaluation")
    assert evaluation == {"name": "correctness", "score": 0.93, "label": "pass"}


def test_spans_of_one_conversation_are_one_session_however_many_traces():
    spans = []
    for number, one in enumerate(samples.SPANS):
        spans.append(one | {"traceId": f"{number:032x}"})
    for number in (1, 3, 5):  # a tool's span has no conversation of its own here
        spans[number]["traceId"] = spans[number - 1]["traceId"]
    spans.pop(6)
    told = read(lines(*map(samples.batch, spans)))
    assert [session.id for session in told.sessions] == ["conv-1"]
    assert told.outcome.figures["tool_calls"] == 3


def test_spans_wait_for_the_one_that_knows_their_conversation():
    told = read(lines(*map(samples.batch, [samples.SPANS[1], samples.SPANS[0]])), final=False)
    assert [session.id for session in told.sessions] == ["conv-1"]
    alone = lines(samples.batch(samples.SPANS[1]))
    assert read(alone, final=False).items == []
    assert read(alone).sessions[0].id == samples.TRACE


def test_the_vocabulary_before_1_37_is_read():
    events = [
        {"name": f"gen_ai.{role}.message", "timeUnixNano": "1761991200000000000",
         "attributes": samples.attributes(content=content, role=role)}
        for role, content in [("system", "Be brief."), ("user", "Hi.")]
    ] + [
        {"name": "gen_ai.choice", "timeUnixNano": "1761991201000000000",
         "attributes": samples.attributes(message=json.dumps({
             "role": "assistant", "content": "Hello.",
             "tool_calls": [{"id": "c1", "type": "function",
                             "function": {"name": "look", "arguments": "{\"at\": 1}"}}]}))},
        {"name": "gen_ai.tool.message", "timeUnixNano": "1761991202000000000",
         "attributes": samples.attributes(id="c1", content="seen")},
    ]  # fmt: skip
    old = samples.span(1, "chat x", 1, 2, parent="", events=events, gen_ai__operation__name="chat",
                       gen_ai__system="openai", gen_ai__usage__prompt_tokens=5,
                       gen_ai__usage__completion_tokens=6)  # fmt: skip
    told = read(lines(samples.batch(old)))
    assert [(m["role"], m["content"]) for m in told.of("message")] == [
        ("system", "Be brief."), ("user", "Hi."), ("assistant", "Hello."),
    ]  # fmt: skip
    assert told.calls() == [("look", {"at": 1}, (None, False))]
    assert told.outcome.figures["input_tokens"] == 5
    indexed = samples.span(
        1, "chat x", 1, 2, parent="", gen_ai__operation__name="chat",
        gen_ai__prompt__0__role="user", gen_ai__prompt__0__content="Hi.",
        gen_ai__completion__0__content="Hello.",
    )  # fmt: skip
    messages = read(lines(samples.batch(indexed))).of("message")
    assert [(m["role"], m["content"]) for m in messages] == [
        ("user", "Hi."), ("assistant", "Hello."),
    ]  # fmt: skip


def test_the_same_words_said_twice_are_told_twice():
    def chat(number, *texts):
        messages = json.dumps([
            samples.said("user", {"type": "text", "content": text}) for text in texts
        ])  # fmt: skip
        return samples.span(
            number, "chat", number, number + 1, gen_ai__operation__name="chat",
            gen_ai__conversation__id="c-1", gen_ai__input__messages=messages,
        )  # fmt: skip

    told = read(lines(samples.batch(chat(1, "Go on.")), samples.batch(chat(3, "Go on.", "Go on."))))
    assert len(told.of("message")) == 2


@pytest.mark.parametrize(
    ("name", "named", "kind", "member"),
    [
        ("claude_code.api_request",
         {"model": "m", "input_tokens": 5, "cache_read_tokens": 6, "cache_creation_tokens": 7,
          "output_tokens": 8, "cost_usd": 0.5}, "model_called", ("input_tokens", 18)),
        ("claude_code.tool_result", {"tool_name": "Bash", "success": "false", "error": "no"},
         "tool_failed", ("error", "no")),
        ("claude_code.api_error", {"error": "overloaded"}, "error", ("message", "overloaded")),
        ("gemini_cli.api_response",
         {"model": "m", "input_token_count": 5, "output_token_count": 6}, "model_called",
         ("input_tokens", 5)),
        ("gemini_cli.tool_call", {"function_name": "ls", "success": True, "function_args": "{}"},
         "tool_returned", ("tool_name", "ls")),
        ("codex.tool_decision", {"tool_name": "x", "decision": "denied"}, "permission_denied",
         ("tool_name", "x")),
        ("gen_ai.evaluation.result", {"gen_ai__evaluation__name": "q",
                                      "gen_ai__evaluation__score__value": 1}, "evaluation",
         ("score", 1)),
    ],
)  # fmt: skip
def test_logs_of_the_programs_say_what_their_sessions_say(name, named, kind, member):
    record = samples.log(1, "x")
    record["attributes"] = samples.attributes(event__name=name, session__id="s-1", **named)
    told = read(lines(samples.batch(record, kind="Logs")))
    assert told.of(kind)[0][member[0]] == member[1]


# ATIF


def test_a_trajectory_within_one_is_a_session_begun_by_it():
    told = read(samples.ATIF)
    inner = told.outcomes[1].session
    assert (inner.id, inner.parent, inner.agent) == (
        "atif-session-1.inner", "atif-session-1", "finder",
    )  # fmt: skip
    assert told.outcomes[0].figures["cost_usd"] == 0.25


@pytest.mark.parametrize(
    "extra", [{"returncode": 3}, {"tool_result_is_error": True}, {"is_error": True}]
)
def test_what_converters_say_of_a_failure_counts(extra):
    value = json.loads(samples.ATIF)
    value["steps"][1]["observation"]["results"][0]["extra"] = extra
    told = read(json.dumps(value).encode())
    assert len(told.of("tool_failed")) == 2


def test_a_result_without_an_id_is_that_of_the_call_in_its_place():
    value = json.loads(samples.ATIF)
    for step in value["steps"][1:4]:
        del step["observation"]["results"][0]["source_call_id"]
    told = read(json.dumps(value).encode())
    assert [failed for _, _, (_, failed) in told.calls()] == [False, True, False]


# Gemini CLI


def test_what_a_message_took_away_stays_told_and_what_is_cut_off_is_marked():
    told = read(samples.GEMINI + lines(
        {"$rewindTo": "m1"},
        samples.GEMINI_LAST | {"content": "Rather so."},
        {"$set": {"messages": [samples.GEMINI_PROMPT, samples.GEMINI_LAST | {"content": "So."}]}},
    ))  # fmt: skip
    assert told.of("gemini-cli.rewound") == [{"to": "m1"}]
    assert [m["content"] for m in told.of("message")][-3:] == [LAST, "Rather so.", "So."]
    assert told.outcome.figures["model_calls"] == 4


def test_a_call_that_was_cancelled_or_went_wrong_failed():
    (message, with_call, _) = samples.gemini_call(0)
    for status, response in (
        ("cancelled", {"error": "cancelled by the user"}), ("error", {"error": "no such tool"}),
    ):  # fmt: skip
        call = with_call["toolCalls"][0] | {
            "status": status, "result": [{"functionResponse": {"response": response}}],
        }  # fmt: skip
        told = read(lines(samples.GEMINI_HEADER, message | {"toolCalls": [call]}))
        assert told.of("tool_failed")[0]["error"] == response["error"]


def test_a_subagent_of_gemini_cli_is_begun_by_its_parent():
    hint = gemini_hint(f"/x/chats/{samples.GEMINI_ID}/sub-1.jsonl")
    session = read(samples.GEMINI, hint=hint).outcome.session
    assert (session.id, session.parent) == (f"{samples.GEMINI_ID}.sub-1", samples.GEMINI_ID)
    assert gemini_hint("/x/chats/session-1.jsonl") == model.Hint()


def test_an_answer_that_goes_on_is_not_told_yet():
    begun = lines(*samples.gemini_streamed(0)[:2])
    first = samples.GEMINI_STREAM.split(b"\n")[0] + b"\n"
    assert read(first + begun, final=False).of("message") == []
    assert read(first + begun).of("message")[0]["content"] == SAYS[0]


def test_a_run_of_gemini_cli_that_failed_failed():
    end = {"type": "result", "status": "error", "error": {"message": "quota"}, "stats": {}}
    first = samples.GEMINI_STREAM.split(b"\n")[0] + b"\n"
    outcome = read(first + lines(end)).outcome
    assert (outcome.status, outcome.reason) == ("failed", "quota")


# OpenCode


def test_an_error_of_opencode_is_one_and_the_run_failed():
    error = {"name": "APIError", "data": {"message": "no credit"}}
    wrong = samples.opencode_step(0)[2]
    wrong["part"]["state"] = {"status": "error", "input": {}, "error": "no such file"}
    told = read(
        lines(
            wrong,
            {"type": "error", "sessionID": "ses_1", "error": error},
            {"type": "error", "sessionID": samples.OPENCODE_ID, "error": error},
        )
    )
    assert told.of("tool_failed")[0]["error"] == "no such file"
    assert [(o.status, o.reason) for o in told.outcomes] == [("failed", "no credit")] * 2


# mini-swe-agent


def test_the_array_of_older_versions_is_read_with_commands_and_exit_codes_in_the_text():
    told = read(samples.MINI_OLD)
    assert [arguments["command"] for _, arguments, _ in told.calls()] == STORY
    assert [p["exit_code"] for p in told.of("tool_returned", "tool_failed")] == CODES
    assert told.kinds.count("tool_failed") == 1


def test_a_run_that_did_not_submit_failed_by_its_own_word():
    value = json.loads(samples.MINI)
    value["info"]["exit_status"] = "LimitsExceeded"
    value["messages"][-1]["extra"]["exit_status"] = "LimitsExceeded"
    outcome = read(json.dumps(value).encode()).outcome
    assert (outcome.status, outcome.reason) == ("failed", "LimitsExceeded")
    assert outcome.figures["cost_usd"] == 0.25


def test_two_runs_of_mini_swe_agent_are_two_sessions():
    other = samples.MINI.replace(b"1761991200.5", b"1761991777.5")
    ids = {read(data).outcome.session.id for data in (samples.MINI, samples.MINI, other)}
    assert len(ids) == 2


# inspect_ai


def test_each_sample_is_a_session_with_its_scores_and_so_is_the_whole():
    told = read(samples.INSPECT)
    whole, sample = told.outcomes
    assert (whole.session.id, whole.status) == ("Eval1", "completed")
    assert (sample.session.id, sample.session.parent) == ("Eval1.table-1.1", "Eval1")
    assert (sample.status, sample.duration_ms) == ("completed", 9500)
    assert sample.session.git_sha == "c0ffee1"
    assert sample.figures["input_tokens"] == 4200
    metric, score = told.of("evaluation")
    assert metric == {"name": "includes/accuracy", "score": 1.0}
    assert score == {
        "name": "includes",
        "score": 1,
        "label": "C",
        "answer": LAST,
        "explanation": "It includes the target.",
    }


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("C", 1),
        ("P", 0.5),
        ("I", 0),
        ("N", 0),
        (True, 1),
        (0.25, 0.25),
        ("good", None),
        ({"a": 1}, None),
    ],
)
def test_scores_are_numbers_where_they_can_be(value, expected):
    sample = samples.INSPECT_SAMPLE | {"scores": {"s": {"value": value}}, "events": []}
    told = read(json.dumps(samples.INSPECT_VALUE | {"samples": [sample]}).encode())
    assert told.of("evaluation")[-1].get("score") == expected


def test_a_sample_that_went_wrong_failed_and_without_events_its_messages_are_told():
    sample = samples.INSPECT_SAMPLE | {
        "events": [],
        "error": {"message": "out of memory"},
        "messages": [
            {"role": "user", "content": PROMPT, "source": "input"},
            {
                "role": "assistant",
                "content": "Hm.",
                "tool_calls": [{"id": "c", "function": "shell", "arguments": {"command": "ls"}}],
            },
            {"role": "tool", "tool_call_id": "c", "content": "", "error": {"message": "no"}},
            {
                "role": "tool",
                "tool_call_id": "d",
                "function": "bash",
                "content": "",
                "error": {"type": "timeout", "message": "too slow"},
            },
        ],
    }
    value = samples.INSPECT_VALUE | {"status": "error", "samples": [sample]}
    told = read(json.dumps(value).encode())
    assert [o.status for o in told.outcomes] == ["failed", "failed"]
    assert told.outcomes[1].reason == "out of memory"
    assert told.calls() == [("shell", {"command": "ls"}, (None, True))]
    first, second = told.of("tool_failed")
    assert (first["tool_name"], first["error"], "error_type" in first) == ("shell", "no", False)
    assert (second["tool_name"], second["error"]) == ("bash", "too slow")
    assert second["error_type"] == "timeout"
    assert [m["content"] for m in told.of("message")] == [PROMPT, "Hm."]


def test_calls_of_the_responses_api_are_counted_and_sums_of_them_are_not():
    usage = {
        "requests": 1, "input_tokens": 900, "output_tokens": 40, "total_tokens": 940,
        "input_tokens_details": {"cached_tokens": 400},
        "output_tokens_details": {"reasoning_tokens": 8},
    }  # fmt: skip
    turn = {"sdk_span_type": "turn", "turn": 1, "usage": {"input_tokens": 900}}
    told = read(
        samples.lines(
            samples.agents_span(1, 1, {"type": "response", "response_id": "r-1", "usage": usage}),
            samples.agents_span(2, 2, {"type": "response", "response_id": "r-2"}),
            samples.agents_span(3, 0, {"type": "custom", "name": "turn", "data": turn}),
        )
    )
    assert told.kinds == ["model_called", "model_called", "openai-agents.custom"]
    assert told.events[0].payload["response_id"] == "r-1"
    assert told.outcome.figures == {
        "model_calls": 2, "input_tokens": 900, "cached_input_tokens": 400, "output_tokens": 40,
        "reasoning_tokens": 8,
    }  # fmt: skip


def test_an_archive_is_an_error_that_says_what_to_do():
    with pytest.raises(FormatError, match="inspect log dump"):
        read(b"PK\x03\x04...")


def test_an_answer_that_a_stream_tells_as_it_begins_says_nothing_of_its_output():
    records = [json.loads(line) for line in samples.CLAUDE_STREAM.splitlines()]
    for record in records:
        if record["type"] == "assistant":
            record["message"] |= {"stop_reason": None}
            record["message"]["usage"] |= {"output_tokens": 1}
    records[-1]["modelUsage"] = {
        name: {"inputTokens": 1100, "cacheReadInputTokens": 800, "cacheCreationInputTokens": 50,
               "outputTokens": 80, "costUSD": 0.125}
        for name in ("claude-test-1", "claude-small-1")
    }  # fmt: skip
    told = read(lines(*records))
    for call in told.of("model_called"):
        assert "output_tokens" not in call
        assert "output_tokens" not in call["usage"]
        assert call["input_tokens"]
    totals = figures((event.kind, event.payload) for event in told.events)
    assert (totals.input_tokens, totals.cached_input_tokens) == (3900, 1600)
    assert (totals.output_tokens, totals.cost_usd) == (160, 0.25)


@pytest.mark.parametrize("models", [None, [], {}, {"m": 1}, {"m": {"outputTokens": "9"}}])
def test_totals_that_are_none_add_nothing(models):
    events = [
        ("model_called", {"model": "m", "input_tokens": 5, "output_tokens": 2}),
        ("turn_finished", {"model_usage": models}),
    ]
    totals = figures(events)
    assert (totals.input_tokens, totals.output_tokens) == (5, 2)


def test_what_stands_before_the_first_line_of_a_gemini_session_is_told_even_if_nothing_follows():
    header, *messages = samples.GEMINI.splitlines(keepends=True)
    told = read(b"".join([*messages[:3], header]))
    assert {event.line for event in told.events} == {1, 2, 3, 4}


def test_a_kind_that_no_event_can_have_is_replaced():
    trace = json.loads(samples.TRACE_FILE)
    del trace["replay_digest"]  # it is that of other kinds
    for event in trace["events"]:
        event["kind"] = "\0"
    told = read(json.dumps(trace).encode(), "trace", final=False)
    assert {event.kind for event in told.events} == {"_"}
