"""Messages of the GenAI conventions, of the newest vocabulary and of those before 1.37."""

from __future__ import annotations

from typing import Any

from aivcs.formats.values import as_dict, as_list, as_text, parsed

Message = tuple[str, list[Any]]
"""A role, and parts: texts, or objects with a `type`."""


def content_key(message: Message) -> int:
    """Returns a key that messages of the same content share, whatever ids their calls have."""
    said = [
        {name: value for name, value in part.items() if name != "id"}
        if isinstance(part, dict)
        else {"type": "text", "content": part}
        for part in message[1]
    ]
    # Not the role: some programs give an answer another one when they tell it again.
    return hash(repr(said))


def messages_in(value: Any, role: str) -> list[Message]:
    """Returns the messages of an attribute: JSON in a text, or structured; of either vocabulary.

    Args:
        value: The attribute; None has no messages.
        role: The role of a message that names none.
    """
    value = parsed(value)
    if isinstance(value, str) and value[:1] == '"':
        value = as_dict(parsed(f'{{"text":{value}}}')).get("text", value)
    if value is None:
        return []
    if not isinstance(value, list):
        value = [value]
    # Instructions are parts without a message around them.
    if value and all(isinstance(item, str) or "type" in as_dict(item) for item in value):
        value = [{"role": role, "parts": value}]
    found: list[Message] = []
    for item in value:
        message = as_dict(item)
        said = as_text(message.get("role")) or role
        parts = message.get("parts", message.get("content", item if not message else None))
        if not isinstance(parts, list):
            parts = [] if parts is None else [parts]
        parts = [part_of(part) for part in [*parts, *as_list(message.get("tool_calls"))]]
        calls = any(as_dict(part).get("type") == "tool_call" for part in parts)
        found.append(("assistant" if calls or said == "model" else said, parts))
    return found


def answers_in(value: Any) -> list[Message]:
    """Returns the messages of an answer, which are the assistant's whatever role they name."""
    return [("assistant", parts) for _, parts in messages_in(value, "assistant")]


def part_of(part: Any) -> Any:
    """Returns a part of a message in the newest vocabulary."""
    if not isinstance(part, dict):
        return part
    kind = as_text(part.get("type"))
    if kind in {"tool_call", "tool_call_response"}:
        return part
    if call := as_dict(part.get("functionCall")):
        return _call(call.get("id"), call.get("name"), call.get("args"))
    if response := as_dict(part.get("functionResponse")):
        output = as_dict(response.get("response"))
        return {
            "type": "tool_call_response",
            "id": response.get("id"),
            "result": output.get("output", output),
        }
    if function := as_dict(part.get("function")):
        return _call(part.get("id"), function.get("name"), function.get("arguments"))
    if isinstance(part.get("text"), str) and kind in {None, "text"}:
        return {"type": "text", "content": part["text"]}
    return part


def _call(call_id: Any, name: Any, arguments: Any) -> dict[str, Any]:
    return {"type": "tool_call", "id": call_id, "name": name, "arguments": arguments}


def old_messages_in(attributes: dict[str, Any], prefix: str, role: str) -> list[Message]:
    """Returns the messages of `gen_ai.prompt`, whole or as one attribute for each member.

    Args:
        attributes: The attributes of a span.
        prefix: The name of the attribute, or how the names of its members begin.
        role: The role of a message that names none.
    """
    found = messages_in(attributes.get(prefix), role)
    number = 0
    while f"{prefix}.{number}.role" in attributes or f"{prefix}.{number}.content" in attributes:
        said = as_text(attributes.get(f"{prefix}.{number}.role")) or role
        content = attributes.get(f"{prefix}.{number}.content")
        parts = [content if isinstance(content, str) else parsed(content)]
        found.append((said, [part for part in parts if part is not None]))
        number += 1
    return found
