"""The hooks in a program's settings: adding ours, removing it, finding it. No I/O.

Claude Code, Codex and Gemini CLI have the same form: `hooks` holds, for each event, a list of
groups with a list of hooks, each with a shell command. A hook is ours if its command calls
`hook run PROGRAM`.
"""

from __future__ import annotations

import re

from aivcs.codec import json_edit
from aivcs.codec.json_edit import Item, Span
from aivcs.errors import SerializationError, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any

EMPTY = "{}\n"
"""Settings of a program that has none."""


def with_hook(text: str, program: str, events: Sequence[str], command: str) -> str:
    """Returns settings in which each event calls a command.

    A hook of ours gets the command in its place; all other bytes stay.

    Args:
        text: The settings.
        program: The program's name, as `hook run` knows it.
        events: The events.
        command: The shell command.

    Raises:
        UsageError: The settings have another form.
    """
    try:
        for event in events:
            text = json_edit.edit(text, lambda old, event=event: _add(old, program, event, command))  # type: ignore[misc]
    except SerializationError as error:
        raise _unusable(error) from error
    return text


def without_hook(text: str, program: str) -> str:
    """Returns settings without the hooks of ours, and without what they alone needed.

    Raises:
        UsageError: The settings have another form.
    """
    try:
        while True:
            ours = next(_ours(text, program), None)
            if ours is None:
                return text
            text = _remove(text, ours)
    except SerializationError as error:
        raise _unusable(error) from error


def commands_in(text: str, program: str) -> dict[str, str]:
    """Returns the command of ours for each event.

    Raises:
        UsageError: The settings have another form.
    """
    try:
        return {
            str(path[-1][1].key): _text_at(text, command) for path, command in _found(text, program)
        }
    except SerializationError as error:
        raise _unusable(error) from error


_Path = list[tuple[Span, Item]]
"""Holders of a hook with the item in each: hook, group's hooks, group, event's list, event, …"""


def _found(text: str, program: str) -> Iterator[tuple[_Path, Item]]:
    """Yields the holders of each hook of ours up to its event, innermost first, and its command."""
    calls = re.compile(rf"(?:^|[\s/\"'])aivcs\b.* hook run {re.escape(program)}(?=[\s;]|$)")
    root = json_edit.root_of(text)
    hooks = json_edit.find(root, "hooks")
    if text[root.start] != "{":
        raise SerializationError("they are not an object")
    if hooks is None:
        return
    events = _object(text, hooks)
    for event in events.items:
        if text[event.value_start] != "[":
            continue  # a setting beside the events
        groups = json_edit.span_at(text, event.value_start)
        for group in groups.items:
            if text[group.value_start] != "{":
                continue
            members = json_edit.span_at(text, group.value_start)
            listed = json_edit.find(members, "hooks")
            if listed is None or text[listed.value_start] != "[":
                continue
            inner = json_edit.span_at(text, listed.value_start)
            for hook in inner.items:
                if text[hook.value_start] != "{":
                    continue
                command = json_edit.find(json_edit.span_at(text, hook.value_start), "command")
                if command is not None and calls.search(_text_at(text, command)):
                    yield [(inner, hook), (groups, group), (events, event)], command


def _ours(text: str, program: str) -> Iterator[_Path]:
    for path, _ in _found(text, program):
        root = json_edit.root_of(text)
        hooks = json_edit.find(root, "hooks")
        assert hooks is not None
        yield [*path, (root, hooks)]


def _remove(text: str, path: _Path) -> str:
    """Removes a hook, and each holder that would be empty without it."""
    for span, item in path:
        if len(span.items) > 1 or span is path[-1][0]:
            return json_edit.remove(text, span, item)
    raise AssertionError(path)


def _add(text: str, program: str, event: str, command: str) -> str:
    for path, found in _found(text, program):
        if path[-1][1].key == event:
            same = _text_at(text, found) == command
            return text if same else json_edit.replace(text, found, command)
    group = {"hooks": [{"type": "command", "command": command}]}
    root = json_edit.root_of(text)
    hooks = json_edit.find(root, "hooks")
    if hooks is None:
        return json_edit.append(text, root, {event: [group]}, "hooks")
    events = _object(text, hooks)
    listed = json_edit.find(events, event)
    if listed is None:
        return json_edit.append(text, events, [group], event)
    if text[listed.value_start] != "[":
        raise SerializationError(f"hooks.{event} is not a list")
    return json_edit.append(text, json_edit.span_at(text, listed.value_start), group)


def _object(text: str, item: Item) -> Span:
    if text[item.value_start] != "{":
        raise SerializationError(f"{item.key} is not an object")
    return json_edit.span_at(text, item.value_start)


def _text_at(text: str, item: Item) -> str:
    import json

    value: Any = json.loads(text[item.value_start : item.end])
    return value if isinstance(value, str) else ""


def _unusable(error: SerializationError) -> UsageError:
    return UsageError(f"the settings cannot be changed: {error}")
