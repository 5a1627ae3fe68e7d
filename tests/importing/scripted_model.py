"""A model on loopback that always says the same: for Codex (Responses) and Gemini CLI.

The turn is the number of results of tools in the request.
"""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from formats.samples import LAST, SAYS, STORY


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_GET(self):
        self.answer("application/json", json.dumps({"object": "list", "data": [], "models": []}))

    def do_POST(self):
        size = int(self.headers.get("content-length") or 0)
        request = json.loads(self.rfile.read(size) or b"{}")
        if self.path.endswith("/responses"):
            self.answer("text/event-stream", responses(request))
        elif "generateContent" in self.path.replace("streamG", "g"):
            text = json.dumps(gemini(request))
            is_stream = "stream" in self.path
            self.answer(
                "text/event-stream" if is_stream else "application/json",
                f"data: {text}\n\n" if is_stream else text,
            )
        else:
            self.answer("application/json", '{"totalTokens": 100}')

    def answer(self, kind, text):
        data = text.encode()
        self.send_response(200)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(data)))
        self.send_header("connection", "close")
        self.end_headers()
        self.wfile.write(data)


def responses(request):
    items = [item for item in request.get("input") or [] if isinstance(item, dict)]
    turn = sum(str(item.get("type")).endswith("call_output") for item in items)
    names = [tool.get("name") for tool in request.get("tools") or []]
    said = SAYS[turn] if turn < len(STORY) else LAST
    output: list[dict[str, object]] = [
        {"type": "message", "id": f"msg_{turn}", "role": "assistant", "status": "completed",
         "content": [{"type": "output_text", "text": said, "annotations": []}]}
    ]  # fmt: skip
    if turn < len(STORY):
        name = "exec_command" if "exec_command" in names else "shell_command"
        arguments = {"cmd" if name == "exec_command" else "command": STORY[turn]}
        output.append({"type": "function_call", "id": f"fc_{turn}", "call_id": f"call_{turn}",
                       "name": name, "arguments": json.dumps(arguments),
                       "status": "completed"})  # fmt: skip
    usage = {"input_tokens": 900 + 100 * turn, "input_tokens_details": {"cached_tokens": 400},
             "output_tokens": 40, "output_tokens_details": {"reasoning_tokens": 8},
             "total_tokens": 940 + 100 * turn}  # fmt: skip
    events: list[dict[str, object]] = [
        {"type": "response.created", "response": {"id": f"resp_{turn}"}}
    ]
    for place, item in enumerate(output):
        for kind in ("response.output_item.added", "response.output_item.done"):
            events.append({"type": kind, "output_index": place, "item": item})
    done = {"id": f"resp_{turn}", "status": "completed", "output": output, "usage": usage}
    events.append({"type": "response.completed", "response": done})
    return "".join(f"event: {e['type']}\ndata: {json.dumps(e)}\n\n" for e in events)


def gemini(request):
    parts = [part for content in request.get("contents") or [] for part in content.get("parts", [])]
    turn = sum("functionResponse" in part for part in parts)
    if not any(tool.get("functionDeclarations") for tool in request.get("tools") or []):
        choice = {"reasoning": "x", "model_choice": "flash", "complexity_score": 5,
                  "next_speaker": "user", "complexity_reasoning": "x"}  # fmt: skip
        answer: list[dict[str, object]] = [{"text": json.dumps(choice)}]
    elif turn < len(STORY):
        call = {"name": "run_shell_command",
                "args": {"command": STORY[turn], "description": f"step {turn}"}}  # fmt: skip
        answer = [{"text": SAYS[turn]}, {"functionCall": call}]
    else:
        answer = [{"text": LAST}]
    return {
        "candidates": [
            {"content": {"role": "model", "parts": answer}, "finishReason": "STOP", "index": 0}
        ],
        "usageMetadata": {"promptTokenCount": 900 + 100 * turn, "candidatesTokenCount": 40,
                          "totalTokenCount": 940 + 100 * turn},
        "modelVersion": "mock-1",
    }  # fmt: skip


def serve():
    """Starts the model; returns the server, whose port is free."""
    for port in range(18_919, 19_019):  # below those that systems give to clients
        try:
            server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        except OSError:
            continue
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return server
    raise OSError("no port is free")
