"""Makes a partial spec of what a source says of its agent: program, model, instructions, tools."""

from __future__ import annotations

from aivcs.codec.canonical_json import canonical
from aivcs.errors import SerializationError
from aivcs.formats.values import as_dict, as_list
from aivcs.model.digest import ContentDigest
from aivcs.specs.manifest import File, encode_manifest, encode_spec

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from aivcs.formats.model import Session
    from aivcs.model.run import RunEvent
    from aivcs.repository import Repository

_PLAIN = "644"


def store_spec(
    repo: Repository, session: Session, events: Iterable[RunEvent], durable: set[ContentDigest]
) -> ContentDigest:
    """Stores the spec of an agent as far as its session tells it; returns the digest.

    The same facts give the same spec: it holds no id, no time and no path. Call it in a hold.

    Args:
        repo: The repository.
        session: The header of the session.
        events: Its first events.
        durable: The parts that this process has stored: most sessions have the same, and to sync
            them again takes longer than all the rest of a short session. Those of this one are
            added.
    """

    def put(content: bytes) -> ContentDigest:
        digest = ContentDigest.from_bytes(content)
        if digest not in durable or not repo.blobs.contains(digest):
            repo.blobs.put(content)
            durable.add(digest)
        return digest

    fields: dict[str, str] = {}
    for part, (name, content) in _files(session, events).items():
        manifest = encode_manifest([File(name, _PLAIN, put(content))])
        fields[f"{part}_digest"] = put(manifest)
    return put(encode_spec(fields))


def _files(session: Session, events: Iterable[RunEvent]) -> dict[str, tuple[str, bytes]]:
    """The file of each part."""
    facts: dict[str, Any] = {"program": session.program, "agent": session.agent}
    known = {"version": session.version, "model": session.model}
    facts |= {name: value for name, value in known.items() if value is not None}
    files = {"config": ("agent.json", canonical(facts))}
    for event in events:
        payload = as_dict(event.payload)
        if event.kind == "session_started":
            instructions = as_dict(payload.get("base_instructions")).get("text")
            _keep(files, "prompts", "instructions.md", instructions)
            if tools := as_list(payload.get("tools")):
                try:
                    files.setdefault("tools", ("tools.json", canonical(tools)))
                except SerializationError:
                    continue
        elif event.kind == "codex.world_state":
            agents = as_dict(as_dict(payload.get("state")).get("agents_md"))
            if isinstance(agents.get("text"), str) and agents["text"]:
                files["prompts"] = ("AGENTS.md", agents["text"].encode())
    return files


def _keep(files: dict[str, tuple[str, bytes]], part: str, name: str, text: Any) -> None:
    if isinstance(text, str) and text:
        files.setdefault(part, (name, text.encode()))
