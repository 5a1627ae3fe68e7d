"""Small sessions in each format, made for these tests: the same story in all of them.

An agent looks at a folder, reads a file that is not there, and makes a table.
"""

import hashlib
import json

STORY = ["ls", "cat missing.txt", "printf 'a,b' > table.csv"]
CODES = [0, 1, 0]
OUTPUTS = ["README.md\n", "cat: missing.txt: No such file or directory\n", ""]
SAYS = ["I look first.", "Now missing.txt.", "It is not there; I make a table."]
LAST = "table.csv has one line."
PROMPT = "Look at the folder, read missing.txt, and make a small table."


def lines(*records):
    """JSON Lines of some records."""
    return b"".join(json.dumps(record).encode() + b"\n" for record in records)


# Claude Code

CLAUDE_ID = "5e55105e-0000-4000-8000-000000000001"
AGENT_ID = "a1b2c3d4"


def claude(kind, number, **members):
    """A record of a session of Claude Code."""
    return {
        "parentUuid": f"u{number - 1}" if number else None,
        "isSidechain": False,
        "userType": "external",
        "cwd": "/srv/tables",
        "sessionId": CLAUDE_ID,
        "version": "2.1.300",
        "gitBranch": "main",
        "type": kind,
        "uuid": f"u{number}",
        "timestamp": f"2026-11-01T10:00:{number:02}.250Z",
        **members,
    }


def answer(number, message_id, *content, tokens, stop=None, **members):
    """A line of an answer of the model."""
    usage = {
        "input_tokens": tokens,
        "cache_read_input_tokens": 400,
        "cache_creation_input_tokens": 100,
        "output_tokens": 40,
    }
    message = {
        "id": message_id, "type": "message", "role": "assistant", "model": "claude-test-1",
        "content": list(content), "stop_reason": stop, "usage": usage,
    }  # fmt: skip
    return claude("assistant", number, message=message, requestId=f"req-{message_id}", **members)


def bash(number):
    return {"type": "tool_use", "id": f"toolu_{number}", "name": "Bash",
            "input": {"command": STORY[number]}}  # fmt: skip


def bash_result(number):
    failed = CODES[number] != 0
    text = f"Exit code {CODES[number]}\n{OUTPUTS[number]}" if failed else OUTPUTS[number]
    part = {"type": "tool_result", "tool_use_id": f"toolu_{number}", "content": text,
            "is_error": failed}  # fmt: skip
    detail = f"Error: {text}" if failed else {"stdout": text, "stderr": "", "interrupted": False}
    return {"message": {"role": "user", "content": [part]}, "toolUseResult": detail}


def text(said):
    return {"type": "text", "text": said}


CLAUDE_RECORDS = [
    {"type": "permission-mode", "permissionMode": "default", "sessionId": CLAUDE_ID},
    claude("user", 1, message={"role": "user", "content": PROMPT}),
    answer(2, "msg_1", {"type": "thinking", "thinking": "", "signature": "x"}, tokens=7),
    answer(3, "msg_1", text(SAYS[0]), tokens=7),
    answer(4, "msg_1", bash(0), tokens=400, stop="tool_use"),
    claude("user", 5, **bash_result(0)),
    answer(6, "msg_2", text(SAYS[1]), bash(1), tokens=500, stop="tool_use"),
    claude("user", 7, **bash_result(1)),
    answer(8, "msg_3", text(SAYS[2]), bash(2), tokens=600, stop="tool_use"),
    claude("user", 9, **bash_result(2)),
    claude("brand-new-type", 10, novelty={"deep": [1, 2]}),
    answer(11, "msg_4", text(LAST), tokens=700, stop="end_turn"),
    claude("system", 12, subtype="turn_duration", durationMs=9500, messageCount=9),
]
CLAUDE = lines(*CLAUDE_RECORDS)
CLAUDE_SUBAGENT = lines(
    *(
        record | {"isSidechain": True, "agentId": AGENT_ID, "attributionAgent": "finder"}
        for record in CLAUDE_RECORDS[1:6]
    )
)


def stream(kind, **members):
    return {"type": kind, "session_id": CLAUDE_ID, **members}


STREAM_RECORDS = [
    stream("system", subtype="init", model="claude-test-1", cwd="/srv/tables", tools=["Bash"],
           claude_code_version="2.1.300"),
    *(
        stream(record["type"], message=record["message"], parent_tool_use_id=None)
        for record in CLAUDE_RECORDS[2:10]
    ),
    stream("result", subtype="success", is_error=False, duration_ms=9500, num_turns=4,
           result=LAST, total_cost_usd=0.25, usage={"input_tokens": 1},
           permission_denials=[{"tool_name": "Write", "tool_use_id": "toolu_9",
                                "tool_input": {"file_path": "/etc/passwd"}}]),
]  # fmt: skip
CLAUDE_STREAM = lines(*STREAM_RECORDS)
CLAUDE_EXECUTION = json.dumps(STREAM_RECORDS, indent=2).encode()

# Codex

CODEX_ID = "01a00000-0000-7000-8000-000000000002"


def codex(ordinal, outer, **payload):
    """A record of a rollout."""
    return {"timestamp": f"2026-11-01T10:00:{ordinal:02}.500Z", "ordinal": ordinal,
            "type": outer, "payload": payload}  # fmt: skip


def usage(total):
    return {"input_tokens": 900 + 100 * total, "cached_input_tokens": 400, "output_tokens": 40,
            "reasoning_output_tokens": 8}  # fmt: skip


def codex_call(number, ordinal):
    """What a rollout says of one command: six records."""
    output = (
        f"Chunk ID: 1\nWall time: 0.1 seconds\nProcess exited with code {CODES[number]}\n"
        f"Output:\n{OUTPUTS[number]}"
    )
    item = {
        "type": "CommandExecution", "id": f"call_{number}", "command": ["sh", "-c", STORY[number]],
        "status": "failed" if CODES[number] else "completed", "exit_code": CODES[number],
        "aggregated_output": OUTPUTS[number], "duration": {"secs": 0, "nanos": 12_500_000},
    }  # fmt: skip
    said = [{"type": "output_text", "text": SAYS[number]}]
    return [
        codex(ordinal, "response_item", type="message", role="assistant", content=said),
        codex(ordinal + 1, "response_item", type="function_call", status="completed",
              name="exec_command", call_id=f"call_{number}",
              arguments=json.dumps({"cmd": STORY[number]})),
        codex(ordinal + 2, "token_usage_record", usage=usage(number)),
        codex(ordinal + 3, "event_msg", type="item_completed", item=item),
        codex(ordinal + 4, "response_item", type="function_call_output",
              call_id=f"call_{number}", output=output),
        codex(ordinal + 5, "event_msg", type="token_count",
              info={"total_token_usage": {"input_tokens": number}, "last_token_usage": {}}),
    ]  # fmt: skip


CODEX_META = codex(
    0, "session_meta", id=CODEX_ID, timestamp="2026-11-01T10:00:00.400Z", cwd="/srv/tables",
    originator="codex_exec", cli_version="0.171.0", source="exec",
    git={"commit_hash": "c0ffee" * 6 + "c0ff", "branch": "main"},
)  # fmt: skip
CODEX_RECORDS = [
    CODEX_META,
    codex(1, "event_msg", type="task_started", turn_id="t1"),
    codex(2, "turn_context", turn_id="t1", cwd="/srv/tables", model="gpt-test"),
    codex(3, "response_item", type="message", role="user",
          content=[{"type": "input_text", "text": PROMPT}]),
    codex(4, "response_item", type="reasoning", encrypted_content="AAAA",
          summary=[{"type": "summary_text", "text": "Look first."}]),
    *codex_call(0, 5),
    *codex_call(1, 11),
    *codex_call(2, 17),
    codex(23, "event_msg", type="brand_new_event", novelty=1),
    codex(24, "response_item", type="message", role="assistant",
          content=[{"type": "output_text", "text": LAST}]),
    codex(25, "token_usage_record", usage=usage(3)),
    codex(26, "event_msg", type="task_complete", turn_id="t1", duration_ms=9500),
]  # fmt: skip
CODEX = lines(*CODEX_RECORDS)


def exec_item(stage, number, **members):
    item = {"id": f"item_{number}", "type": "command_execution", "command": STORY[number],
            "aggregated_output": "", "exit_code": None, "status": "in_progress"}  # fmt: skip
    return {"type": f"item.{stage}", "item": item | members}


def exec_call(number):
    said = {"id": f"m{number}", "type": "agent_message", "text": SAYS[number]}
    return [
        {"type": "item.completed", "item": said},
        exec_item("started", number),
        exec_item("completed", number, aggregated_output=OUTPUTS[number], exit_code=CODES[number],
                  status="failed" if CODES[number] else "completed"),
    ]  # fmt: skip


CODEX_EXEC = lines(
    {"type": "thread.started", "thread_id": CODEX_ID},
    {"type": "turn.started"},
    *exec_call(0),
    *exec_call(1),
    *exec_call(2),
    {"type": "item.completed", "item": {"id": "m9", "type": "agent_message", "text": LAST}},
    {"type": "turn.completed",
     "usage": {"input_tokens": 4200, "cached_input_tokens": 1600, "output_tokens": 160,
               "reasoning_output_tokens": 32}},
)  # fmt: skip

# OTLP/JSON

TRACE = "0af7651916cd43dd8448eb211c80319c"
CONVERSATION = "conv-1"


def attributes(**named):
    """Attributes as exporters in Python and Rust write them: 64-bit numbers are texts."""

    def value(given):
        if isinstance(given, bool):
            return {"boolValue": given}
        if isinstance(given, int):
            return {"intValue": str(given)}
        if isinstance(given, float):
            return {"doubleValue": given}
        if isinstance(given, list):
            return {"arrayValue": {"values": [value(item) for item in given]}}
        return {"stringValue": given}

    return [{"key": key.replace("__", "."), "value": value(v)} for key, v in named.items()]


def span(number, name, begin, end, *, parent="f000000000000000", error=None, events=(), **named):
    return {
        "traceId": TRACE, "spanId": f"{number:016x}", "parentSpanId": parent, "name": name,
        "kind": 1, "startTimeUnixNano": f"17619912{begin:02}000000000",
        "endTimeUnixNano": f"17619912{end:02}000000000", "attributes": attributes(**named),
        "status": {"code": 2, "message": error} if error else {}, "events": list(events),
    }  # fmt: skip


def batch(*spans, kind="Spans"):
    resource = attributes(service__name="table-agent", service__version="1.4.0")
    records = "spans" if kind == "Spans" else "logRecords"
    scopes = [{"scope": {"name": "test"}, records: list(spans)}]
    return {f"resource{kind}": [{"resource": {"attributes": resource}, f"scope{kind}": scopes}]}


def call_part(number):
    return {"type": "tool_call", "id": f"call_{number}", "name": "shell",
            "arguments": {"command": STORY[number]}}  # fmt: skip


def said(role, *parts):
    return {"role": role, "parts": list(parts)}


def told(number):
    """What a model is told at its call of this number: all that came before."""
    messages = [said("user", {"type": "text", "content": PROMPT})]
    for before in range(number):
        messages.append(
            said("assistant", {"type": "text", "content": SAYS[before]}, call_part(before))
        )
        messages.append(
            said("tool", {"type": "tool_call_response", "id": f"call_{before}",
                          "result": OUTPUTS[before]})
        )  # fmt: skip
    return json.dumps(messages)


def chat(number):
    parts = [{"type": "text", "content": SAYS[number] if number < 3 else LAST}]
    parts += [call_part(number)] if number < 3 else []
    return span(
        10 + number, "chat gpt-test", 10 * number + 1, 10 * number + 2,
        gen_ai__operation__name="chat", gen_ai__request__model="gpt-test",
        gen_ai__provider__name="openai", gen_ai__conversation__id=CONVERSATION,
        gen_ai__usage__input_tokens=900 + 100 * number, gen_ai__usage__output_tokens=40,
        gen_ai__usage__cache_read__input_tokens=400, gen_ai__input__messages=told(number),
        gen_ai__output__messages=json.dumps([said("assistant", *parts)]),
        gen_ai__response__finish_reasons=["stop"],
    )  # fmt: skip


def execute(number):
    output = {"exit_code": CODES[number], "stdout": "", "stderr": OUTPUTS[number]}
    return span(
        20 + number, "execute_tool shell", 10 * number + 3, 10 * number + 4,
        error=f"exit code {CODES[number]}: {OUTPUTS[number]}" if CODES[number] else None,
        gen_ai__operation__name="execute_tool", gen_ai__tool__name="shell",
        gen_ai__tool__call__id=f"call_{number}",
        gen_ai__tool__call__arguments=json.dumps({"command": STORY[number]}),
        gen_ai__tool__call__result=json.dumps(output),
    )  # fmt: skip


EVALUATION = {
    "name": "gen_ai.evaluation.result", "timeUnixNano": "1761991250000000000",
    "attributes": attributes(gen_ai__evaluation__name="correctness",
                             gen_ai__evaluation__score__value=0.93,
                             gen_ai__evaluation__score__label="pass"),
}  # fmt: skip
ROOT = span(
    1, "invoke_agent table-agent", 0, 50, parent="", events=[EVALUATION],
    gen_ai__operation__name="invoke_agent", gen_ai__agent__name="table-agent",
    gen_ai__agent__version="1.4.0", gen_ai__conversation__id=CONVERSATION,
    gen_ai__input__messages=told(0),
    gen_ai__output__messages=json.dumps([said("assistant", {"type": "text", "content": LAST})]),
)  # fmt: skip
SPANS = [
    chat(0), execute(0), chat(1), execute(1), chat(2), execute(2),
    span(40, "GET /v1/models", 35, 36, http__response__status_code=200), chat(3), ROOT,
]  # fmt: skip
OTLP_SPANS = lines(*(batch(one) for one in SPANS))
OTLP_DOCUMENT = json.dumps(batch(ROOT, *SPANS[:-1]), indent=1).encode()


def log(second, name, **named):
    """A log record as Codex writes it: no time, a worthless name, numbers as texts."""
    return {
        "timeUnixNano": "0", "observedTimeUnixNano": f"17619912{second:02}000000000",
        "eventName": "event otel/src/x.rs:1", "body": None, "traceId": TRACE,
        "attributes": attributes(event__name=f"codex.{name}", conversation__id=CODEX_ID,
                                 app__version="0.171.0", model="gpt-test", **named),
    }  # fmt: skip


def logged(number):
    output = f"Wall time: 0.1 seconds\nProcess exited with code {CODES[number]}\nOutput:\n"
    return [
        log(10 * number + 1, "sse_event", event__kind="response.completed",
            input_token_count=str(900 + 100 * number), cached_token_count="400",
            output_token_count="40", reasoning_token_count="8"),
        log(10 * number + 2, "tool_result", tool_name="exec_command", call_id=f"call_{number}",
            arguments=json.dumps({"cmd": STORY[number]}), output=output + OUTPUTS[number],
            success="true", duration_ms="90"),
    ]  # fmt: skip


OTLP_LOGS = lines(
    batch(log(0, "conversation_starts"), log(0, "user_prompt", prompt=PROMPT), kind="Logs"),
    batch(*logged(0), *logged(1), *logged(2), log(40, "brand_new"), kind="Logs"),
)

# ATIF


def atif_step(number):
    return {
        "step_id": number + 2, "timestamp": f"2026-11-01T10:00:{number:02}Z", "source": "agent",
        "model_name": "gpt-test", "message": SAYS[number], "reasoning_content": "Hm.",
        "tool_calls": [{"tool_call_id": f"call_{number}", "function_name": "shell",
                        "arguments": {"command": STORY[number]}}],
        "observation": {"results": [{"source_call_id": f"call_{number}",
                                     "content": OUTPUTS[number],
                                     "extra": {"exit_code": CODES[number]}}]},
        "metrics": {"prompt_tokens": 900 + 100 * number, "completion_tokens": 40,
                    "cached_tokens": 400, "cost_usd": 0.05},
    }  # fmt: skip


ATIF_VALUE = {
    "schema_version": "ATIF-v1.7",
    "session_id": "atif-session-1",
    "agent": {"name": "table-agent", "version": "1.4.0", "model_name": "gpt-test"},
    "steps": [
        {"step_id": 1, "timestamp": "2026-11-01T09:59:59Z", "source": "user", "message": PROMPT},
        *(atif_step(number) for number in range(3)),
        {"step_id": 5, "source": "agent", "message": LAST, "novelty": 1},
    ],
    "notes": "made by hand",
    "final_metrics": {"total_prompt_tokens": 4200, "total_completion_tokens": 160,
                      "total_cached_tokens": 1600, "total_cost_usd": 0.25, "total_steps": 5},
    "subagent_trajectories": [
        {"schema_version": "ATIF-v1.7", "trajectory_id": "inner",
         "agent": {"name": "finder", "version": "1"},
         "steps": [{"step_id": 1, "source": "agent", "message": "Found."}]},
    ],
}  # fmt: skip
ATIF = json.dumps(ATIF_VALUE, indent=2).encode()

# Gemini CLI

GEMINI_ID = "9e0e0000-0000-4000-8000-000000000003"


def gemini_time(second):
    return f"2026-11-01T10:00:{second:02}.000Z"


def gemini_output(number):
    code = f"\nExit Code: {CODES[number]}" if CODES[number] else ""
    return f"<untrusted_context>\nOutput: {OUTPUTS[number]}{code}\nProcess Group PGID: 1\n"


def gemini_call(number):
    """What a session file says of one command: three records, the second replaces the first."""
    call_id = f"run__run_{number}"
    response = {"id": call_id, "name": "run", "response": {"output": gemini_output(number)}}
    message = {
        "id": f"m{number}", "timestamp": gemini_time(10 * number + 1), "type": "gemini",
        "content": SAYS[number], "model": "gemini-test", "thoughts": [],
        "tokens": {"input": 900 + 100 * number, "output": 30, "cached": 400, "thoughts": 10},
    }  # fmt: skip
    call = {
        "id": call_id, "name": "run", "args": {"command": STORY[number]}, "status": "success",
        "timestamp": gemini_time(10 * number + 2), "resultDisplay": OUTPUTS[number],
        "result": [{"functionResponse": response}],
    }  # fmt: skip
    return [
        message,
        message | {"toolCalls": [call]},
        {"id": f"r{number}", "timestamp": gemini_time(10 * number + 3), "type": "user",
         "content": [{"functionResponse": response}]},
    ]  # fmt: skip


GEMINI_PROMPT = {"id": "p", "timestamp": gemini_time(0), "type": "user",
                 "content": [{"text": PROMPT}]}  # fmt: skip
GEMINI_LAST = {
    "id": "m9", "timestamp": gemini_time(40), "type": "gemini", "content": LAST,
    "model": "gemini-test", "thoughts": [{"subject": "Done", "description": "Say so."}],
    "tokens": {"input": 1200, "output": 30, "cached": 400, "thoughts": 10},
}  # fmt: skip
GEMINI_HEADER = {"sessionId": GEMINI_ID, "projectHash": "ab" * 32, "startTime": gemini_time(0),
                 "lastUpdated": gemini_time(0), "kind": "main"}  # fmt: skip
GEMINI = lines(
    GEMINI_HEADER,
    {"$set": {"messages": [GEMINI_PROMPT], "lastUpdated": gemini_time(0)}},
    *gemini_call(0),
    {"$set": {"lastUpdated": gemini_time(5)}},
    *gemini_call(1),
    *gemini_call(2),
    {"id": "n", "timestamp": gemini_time(39), "type": "brand_new", "content": "?"},
    GEMINI_LAST,
)
GEMINI_LEGACY = json.dumps(
    GEMINI_HEADER
    | {"messages": [GEMINI_PROMPT, *(gemini_call(n)[1] for n in range(3)), GEMINI_LAST]},
    indent=2,
).encode()


def gemini_piece(second, text):
    return {"type": "message", "timestamp": gemini_time(second), "role": "assistant",
            "content": text, "delta": True}  # fmt: skip


def gemini_streamed(number):
    at, call_id = 10 * number, f"run_{number}"
    return [
        gemini_piece(at, SAYS[number][:5]),
        gemini_piece(at + 1, SAYS[number][5:]),
        {"type": "tool_use", "timestamp": gemini_time(at + 2), "tool_name": "run",
         "tool_id": call_id, "parameters": {"command": STORY[number]}},
        {"type": "tool_result", "timestamp": gemini_time(at + 3), "tool_id": call_id,
         "status": "success", "output": gemini_output(number)},
    ]  # fmt: skip


GEMINI_STREAM = lines(
    {"type": "init", "timestamp": gemini_time(0), "session_id": GEMINI_ID, "model": "gemini-test"},
    {"type": "message", "timestamp": gemini_time(0), "role": "user", "content": PROMPT},
    *gemini_streamed(0),
    *gemini_streamed(1),
    *gemini_streamed(2),
    gemini_piece(40, LAST),
    {"type": "result", "timestamp": gemini_time(41), "status": "success",
     "stats": {"input_tokens": 4200, "cached": 1600, "output_tokens": 160, "duration_ms": 9500}},
)  # fmt: skip

# OpenCode

OPENCODE_ID = "ses_0000000000000001abcdefghij"


def opencode(kind, second, **part):
    return {"type": kind, "timestamp": 1761991200000 + 1000 * second, "sessionID": OPENCODE_ID,
            "part": {"messageID": "msg_1", "sessionID": OPENCODE_ID, **part}}  # fmt: skip


def opencode_step(number):
    at = 10 * number
    state = {
        "status": "completed", "input": {"command": STORY[number]}, "output": OUTPUTS[number],
        "metadata": {"exit": CODES[number], "truncated": False}, "title": STORY[number],
        "time": {"start": 1761991200000 + 1000 * at, "end": 1761991200090 + 1000 * at},
    }  # fmt: skip
    return [
        opencode("step_start", at, type="step-start"),
        opencode("text", at + 1, type="text", text=SAYS[number]),
        opencode("tool_use", at + 2, type="tool", tool="bash", callID=f"call_{number}",
                 state=state),
        opencode("step_finish", at + 3, type="step-finish", reason="tool-calls", cost=0.05,
                 tokens={"input": 500 + 100 * number, "output": 40, "reasoning": 8,
                         "cache": {"read": 400, "write": 0}}),
    ]  # fmt: skip


OPENCODE = lines(
    *opencode_step(0), *opencode_step(1), *opencode_step(2),
    {"type": "brand_new", "timestamp": 1, "sessionID": OPENCODE_ID},
    opencode("text", 40, type="text", text=LAST),
    opencode("step_finish", 41, type="step-finish", reason="stop", cost=0.1,
             tokens={"input": 800, "output": 40, "reasoning": 8, "cache": {"read": 400}}),
)  # fmt: skip

# mini-swe-agent


def mini_messages(number):
    call = {
        "id": f"call_{number}",
        "type": "function",
        "function": {"name": "bash", "arguments": json.dumps({"command": STORY[number]})},
    }
    return [
        {"role": "assistant", "content": SAYS[number], "tool_calls": [call],
         "extra": {"actions": [{"command": STORY[number], "tool_call_id": f"call_{number}"}],
                   "cost": 0.05, "timestamp": 1761991200.5 + number,
                   "response": {"model": "gpt-test", "usage": {
                       "prompt_tokens": 900 + 100 * number, "completion_tokens": 40,
                       "prompt_tokens_details": {"cached_tokens": 400}}}}},
        {"role": "tool", "tool_call_id": f"call_{number}",
         "content": f"<returncode>{CODES[number]}</returncode>\n<output>\n...</output>",
         "extra": {"raw_output": OUTPUTS[number], "returncode": CODES[number],
                   "timestamp": 1761991200.75 + number, "exception_info": ""}},
    ]  # fmt: skip


MINI_SYSTEM = {"role": "system", "content": "End with COMPLETE_TASK_AND_SUBMIT_FINAL_OUTPUT."}
MINI_VALUE = {
    "info": {
        "exit_status": "Submitted", "submission": "done", "mini_version": "2.4.6",
        "model_stats": {"instance_cost": 0.25, "api_calls": 4},
        "config": {"model": {"model_name": "gpt-test"}, "environment": {"cwd": "/srv/tables"}},
    },
    "messages": [
        MINI_SYSTEM,
        {"role": "user", "content": PROMPT},
        *mini_messages(0), *mini_messages(1), *mini_messages(2),
        {"role": "assistant", "content": LAST, "extra": {"cost": 0.1, "timestamp": 1761991210.0}},
        {"role": "exit", "content": "done",
         "extra": {"exit_status": "Submitted", "submission": "done"}},
    ],
    "trajectory_format": "mini-swe-agent-1.1",
}  # fmt: skip
MINI = json.dumps(MINI_VALUE, indent=2).encode()


def mini_old(number):
    return [
        {"role": "assistant",
         "content": f"{SAYS[number]}\n\n```mswea_bash_command\n{STORY[number]}\n```"},
        {"role": "user", "content": f"<returncode>{CODES[number]}</returncode>\n<output>\n"
                                    f"{OUTPUTS[number]}</output>"},
    ]  # fmt: skip


MINI_OLD = json.dumps(
    [MINI_SYSTEM, {"role": "user", "content": PROMPT}, *mini_old(0), *mini_old(1), *mini_old(2)]
).encode()

# inspect_ai


def inspect_events(number):
    at = f"2026-11-01T10:00:{10 * number:02}"
    message = {
        "role": "assistant",
        "source": "generate",
        "content": SAYS[number],
        "tool_calls": [{"id": f"call_{number}", "function": "shell"}],
    }
    error = {"type": "unknown", "message": f"exit code 1: {OUTPUTS[number]}"}
    return [
        {"event": "span_begin", "timestamp": f"{at}.000+00:00", "name": "shell"},
        {"event": "model", "timestamp": f"{at}.100+00:00", "model": "test/model", "output": {
            "model": "gpt-test", "choices": [{"message": message, "stop_reason": "tool_calls"}],
            "usage": {"input_tokens": 500 + 100 * number, "input_tokens_cache_read": 400,
                      "output_tokens": 40}, "time": 0.5}},
        {"event": "tool", "timestamp": f"{at}.200+00:00", "completed": f"{at}.300+00:00",
         "id": f"call_{number}", "function": "shell", "arguments": {"command": STORY[number]},
         "result": "" if CODES[number] else OUTPUTS[number],
         "error": error if CODES[number] else None},
    ]  # fmt: skip


INSPECT_SAMPLE = {
    "id": "table-1", "epoch": 1, "input": PROMPT, "target": "2 lines",
    "scores": {"includes": {"value": "C", "explanation": "attachment://ab"}},
    "attachments": {"ab": "It includes the target."},
    "started_at": "2026-11-01T10:00:00+00:00", "completed_at": "2026-11-01T10:01:00+00:00",
    "total_time": 9.5,
    "events": [
        *inspect_events(0), *inspect_events(1), *inspect_events(2),
        {"event": "brand_new", "timestamp": "2026-11-01T10:00:39+00:00"},
        {"event": "model", "timestamp": "2026-11-01T10:00:40+00:00", "output": {
            "choices": [{"message": {"role": "assistant", "content": LAST}}],
            "usage": {"input_tokens": 800, "input_tokens_cache_read": 400, "output_tokens": 40}}},
        {"event": "score", "timestamp": "2026-11-01T10:00:50+00:00", "intermediate": False,
         "score": {"value": "C", "answer": LAST, "explanation": "attachment://ab"}},
    ],
}  # fmt: skip
INSPECT_VALUE = {
    "version": 2,
    "status": "success",
    "eval": {"eval_id": "Eval1", "run_id": "Run1", "created": "2026-11-01T09:59:00+00:00",
             "task": "table", "model": "test/model", "packages": {"inspect_ai": "0.3.285"},
             "revision": {"type": "git", "commit": "c0ffee1"}},
    "results": {"scores": [{"name": "includes", "scorer": "includes",
                            "metrics": {"accuracy": {"value": 1.0}}}]},
    "samples": [INSPECT_SAMPLE],
}  # fmt: skip
INSPECT = json.dumps(INSPECT_VALUE, indent=2).encode()

# MLflow


def mlflow_span(number, kind, begin, end, name, *, parent="AAAAAAAAAAE=", error=None, **members):
    return {
        "trace_id": "CvdlGRbNQ92ESOshHIAxnA==", "span_id": f"AAAAAAAAA{number:02}=",
        "parent_span_id": parent, "name": name, "start_time_unix_nano": 1761991200 * 10**9 + begin,
        "end_time_unix_nano": 1761991200 * 10**9 + end,
        "status": {"code": "STATUS_CODE_ERROR" if error else "STATUS_CODE_OK",
                   "message": error or ""},
        "attributes": {"mlflow.spanType": json.dumps(kind)} | {
            f"mlflow.{name}": json.dumps(value) for name, value in members.items()
        }, "events": [],
    }  # fmt: skip


def mlflow_chat(number):
    said = {"role": "assistant", "content": SAYS[number] if number < 3 else LAST}
    if number < 3:
        said["tool_calls"] = [{"id": f"call_{number}", "type": "function", "function": {
            "name": "shell", "arguments": json.dumps({"command": STORY[number]})}}]  # fmt: skip
    messages = [{"role": "user", "content": PROMPT}]
    spans = [mlflow_span(
        10 + number, "CHAT_MODEL", 10 * number + 1, 10 * number + 2, "chat",
        spanInputs={"messages": messages, "model": "gpt-test"},
        spanOutputs={"choices": [{"message": said}]}, **{
            "llm.model": "gpt-test",
            "chat.tokenUsage": {"input_tokens": 900 + 100 * number, "output_tokens": 40}},
    )]  # fmt: skip
    if number < 3:
        error = f"exit code 1: {OUTPUTS[number]}" if CODES[number] else None
        spans.append(mlflow_span(
            20 + number, "TOOL", 10 * number + 3, 10 * number + 4, "shell", error=error,
            spanInputs={"command": STORY[number]},
            spanOutputs={"exit_code": CODES[number], "stderr": OUTPUTS[number]},
        ))  # fmt: skip
    return spans


MLFLOW = json.dumps({
    "info": {"trace_id": "tr-0af7651916cd43dd8448eb211c80319c", "state": "OK",
             "request_time": "2026-11-01T10:00:00Z",
             "trace_metadata": {"mlflow.trace.session": "s-1"},
             "tags": {"mlflow.traceName": "table-agent"}},
    "data": {"spans": [
        mlflow_span(1, "AGENT", 0, 50, "run", parent=None, spanOutputs=LAST),
        *mlflow_chat(0), *mlflow_chat(1), *mlflow_chat(2), *mlflow_chat(3),
    ]},
}, indent=2).encode()  # fmt: skip

# Upstream's trace, and the log of a run: of the same four events.

RUN_ID = "5e55105e-0000-4000-8000-0000000000aa"
SPEC = "ab" * 32
GOLDEN = [
    ("graph_started", {"graph_name": "golden_graph", "entry_point": "start"}),
    ("node_entered", {"node_id": "node_0", "iteration": 1}),
    ("node_exited", {"node_id": "node_0", "next_node": None, "duration_ms": 42}),
    ("graph_completed", {"iterations": 1, "duration_ms": 100}),
]
GOLDEN_DIGEST = "f5557fd15de85c61ff7507c0b97c671f8ba7471324794df16ceb54b906b0c3f8"
"""The digest of these events, all at 2024-06-01T12:00:00Z, by upstream's own test."""
TRACE_ARTIFACT = {
    "run_id": RUN_ID, "spec_digest": SPEC, "agent_name": "graph-bot", "status": "Completed",
    "created_at": "2024-06-01T11:59:59Z", "completed_at": "2024-06-01T12:00:01.250Z",
    "events": [
        {"seq": seq, "kind": kind, "payload": payload, "timestamp": "2024-06-01T12:00:00Z"}
        for seq, (kind, payload) in enumerate(GOLDEN, 1)
    ],
    "replay_digest": GOLDEN_DIGEST, "event_count": 4,
}  # fmt: skip
TRACE_FILE = json.dumps(TRACE_ARTIFACT).encode() + b"\n"


def chained(*entries):
    """The bytes of a log with these entries, chained as the file format says."""
    before, out = "", []
    for entry in entries:
        body = json.dumps(entry, separators=(",", ":"), ensure_ascii=False)[:-1]
        before = hashlib.sha256((before + body).encode()).hexdigest()
        out.append(f'{body},"hash":"{before}"}}\n'.encode())
    return b"".join(out)


RUN_LOG = chained(
    {"type": "run", "format": 1, "run_id": RUN_ID, "spec_digest": SPEC,
     "metadata": {"git_sha": "c0ffee", "agent_name": "graph-bot", "tags": {"task": "golden"}},
     "created_at": "2024-06-01T11:59:59.000000Z"},
    *({"type": "event", "seq": seq, "kind": kind, "payload": payload,
       "timestamp": "2024-06-01T12:00:00.000000Z"}
      for seq, (kind, payload) in enumerate(GOLDEN, 1)),
    {"type": "end", "status": "FAILED",
     "summary": {"total_events": 4, "final_state_digest": None, "duration_ms": 77,
                 "success": False},
     "completed_at": "2024-06-01T12:00:01.250000Z"},
)  # fmt: skip

# SWE-agent

SWE_STEPS = [
    {"action": command, "observation": output, "response": said, "thought": said,
     "execution_time": 0.25, "state": {"working_dir": "/srv/tables"}}
    for command, output, said in zip(STORY, OUTPUTS, SAYS, strict=True)
]  # fmt: skip
SWE_MESSAGES = [
    {"role": "system", "content": "You are an agent.", "agent": "main",
     "message_type": "system_prompt"},
    {"role": "user", "content": PROMPT, "agent": "main", "message_type": "observation"},
    {"role": "assistant", "content": SAYS[0], "agent": "main", "message_type": "action",
     "tool_calls": [{"id": "call_0", "type": "function",
                     "function": {"name": "bash", "arguments": json.dumps({"command": "ls"})}}]},
    {"role": "tool", "content": OUTPUTS[0], "agent": "main", "message_type": "observation",
     "tool_call_ids": ["call_0"]},
]  # fmt: skip
SWE_INFO = {"exit_status": "submitted", "submission": "diff",
            "model_stats": {"instance_cost": 0.5, "tokens_sent": 4200, "tokens_received": 160,
                            "api_calls": 4}}  # fmt: skip
SWE = json.dumps({"environment": "main", "trajectory": SWE_STEPS, "history": SWE_MESSAGES,
                  "info": SWE_INFO, "replay_config": {}}, indent=1).encode()  # fmt: skip
SWE_HISTORY = json.dumps({"history": SWE_MESSAGES}).encode()

# OpenHands


def hands(number, kind, source, **members):
    return {"id": f"e{number}", "timestamp": f"2026-11-01T10:00:{number:02}.250000",
            "source": source, "kind": kind, **members}  # fmt: skip


def hands_call(number):
    text = [{"type": "text", "text": OUTPUTS[number]}]
    return [
        hands(3 * number + 2, "ActionEvent", "agent", tool_name="terminal",
              tool_call_id=f"call_{number}", thought=[{"type": "text", "text": SAYS[number]}],
              action={"command": STORY[number], "kind": "TerminalAction"}),
        hands(3 * number + 3, "ObservationEvent", "environment", tool_name="terminal",
              tool_call_id=f"call_{number}",
              observation={"content": text, "is_error": False, "exit_code": CODES[number],
                           "kind": "TerminalObservation"}),
    ]  # fmt: skip


OPENHANDS = lines(
    hands(1, "MessageEvent", "user",
          llm_message={"role": "user", "content": [{"type": "text", "text": PROMPT}]}),
    *hands_call(0), *hands_call(1), *hands_call(2),
    hands(12, "ConversationStateUpdateEvent", "environment", key="status", value="finished"),
    hands(13, "BrandNewEvent", "agent", novelty=1),
)  # fmt: skip
OPENHANDS_OLD = json.dumps(
    [{"id": 0, "timestamp": "2025-01-27T22:44:56.900854", "source": "user", "message": PROMPT,
      "action": "message", "args": {"content": PROMPT}}]
    + [one for number in range(3) for one in (
        {"id": 2 * number + 1, "timestamp": "2025-01-27T22:45:13.764487", "source": "agent",
         "message": "", "action": "run",
         "args": {"command": STORY[number], "thought": SAYS[number]}},
        {"id": 2 * number + 2, "timestamp": "2025-01-27T22:45:14.764487", "source": "agent",
         "message": "ran", "cause": 2 * number + 1, "observation": "run",
         "content": OUTPUTS[number], "extras": {"metadata": {"exit_code": CODES[number]}}},
    )],
).encode()  # fmt: skip

# OpenAI Agents SDK


def agents_span(number, second, data, *, parent="span_agent", error=None):
    return {"object": "trace.span", "id": f"span_{number}", "trace_id": "trace_5e55",
            "parent_id": parent, "started_at": f"2026-11-01T10:00:{second:02}.250000+00:00",
            "ended_at": f"2026-11-01T10:00:{second + 1:02}.250000+00:00", "span_data": data,
            "error": error}  # fmt: skip


def agents_call(number):
    told: list[dict[str, object]] = [{"role": "user", "content": PROMPT}]
    for before in range(number):
        told += [
            {"role": "assistant", "content": SAYS[before], "tool_calls": [{"id": before}]},
            {"role": "tool", "tool_call_id": before, "content": OUTPUTS[before]},
        ]
    failed = {"message": "Error running tool", "data": {"error": OUTPUTS[number]}}
    return [
        agents_span(2 * number, 3 * number, {
            "type": "generation", "model": "gpt-test", "input": told,
            "output": [{"role": "assistant", "content": SAYS[number]}],
            "usage": {"input_tokens": 900 + 100 * number, "output_tokens": 40}}),
        agents_span(2 * number + 1, 3 * number + 1, {
            "type": "function", "name": "shell", "input": json.dumps({"command": STORY[number]}),
            "output": OUTPUTS[number]}, error=failed if CODES[number] else None),
    ]  # fmt: skip


OPENAI_AGENTS = lines(
    {"object": "trace", "id": "trace_5e55", "workflow_name": "table-agent", "group_id": None,
     "metadata": None},
    *agents_call(0), *agents_call(1), *agents_call(2),
    agents_span(90, 20, {"type": "handoff", "from_agent": "a", "to_agent": "b"}),
    agents_span(91, 0, {"type": "agent", "name": "table-agent", "tools": ["shell"]}),
    agents_span(92, 0, {"type": "custom", "name": "task", "data": {}}, parent=None),
)  # fmt: skip

ALL = {
    "claude-code": ("claude-code", CLAUDE),
    "claude-code-subagent": ("claude-code", CLAUDE_SUBAGENT),
    "claude-code-stream": ("claude-code", CLAUDE_STREAM),
    "claude-code-execution": ("claude-code", CLAUDE_EXECUTION),
    "codex": ("codex", CODEX),
    "codex-exec": ("codex-exec", CODEX_EXEC),
    "otlp-spans": ("otlp", OTLP_SPANS),
    "otlp-document": ("otlp", OTLP_DOCUMENT),
    "otlp-logs": ("otlp", OTLP_LOGS),
    "atif": ("atif", ATIF),
    "gemini-cli": ("gemini-cli", GEMINI),
    "gemini-cli-legacy": ("gemini-cli", GEMINI_LEGACY),
    "gemini-stream": ("gemini-stream", GEMINI_STREAM),
    "opencode": ("opencode", OPENCODE),
    "mini-swe-agent": ("mini-swe-agent", MINI),
    "mini-swe-agent-old": ("mini-swe-agent", MINI_OLD),
    "inspect-ai": ("inspect-ai", INSPECT),
    "mlflow": ("mlflow", MLFLOW),
    "trace": ("trace", TRACE_FILE),
    "run-log": ("run-log", RUN_LOG),
    "swe-agent": ("swe-agent", SWE),
    "swe-agent-history": ("swe-agent", SWE_HISTORY),
    "openhands": ("openhands", OPENHANDS),
    "openhands-old": ("openhands", OPENHANDS_OLD),
    "openai-agents": ("openai-agents", OPENAI_AGENTS),
}
"""The format and the bytes of each sample."""
