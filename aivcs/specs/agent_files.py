"""Tells the part of an agent that a file belongs to from its path. No I/O.

Paths are relative to the root of the agent's repository, with `/` between the names.
"""

from __future__ import annotations

import re
from functools import cache

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

PLACES: Mapping[str, Sequence[str]] = {
    "tools": (
        ".mcp.json", "**/.vscode/mcp.json", "**/.cursor/mcp.json", "/tools.json",
        "**/.claude/skills/**", "**/.agents/skills/**", "**/.codex/skills/**",
        "**/.gemini/skills/**", "/skills-lock.json", "**/.opencode/tool/**",
        "**/.opencode/tools/**",
    ),
    "config": (
        "**/.claude/settings.json", "**/.claude/hooks/**", "**/.codex/config.toml",
        "**/.codex/hooks.json", "**/.cursor/hooks.json", "**/.gemini/settings.json",
        "**/.gemini/policies/**", "opencode.json", "opencode.jsonc", "/.aider.conf.yml",
        "/agent.yaml", "/agent.yml", "promptfooconfig.yaml",
    ),
    "graph": ("langgraph.json", "**/.claude/workflows/**", "/recipe.yaml"),
    "prompts": (
        "AGENTS.md", "AGENTS.override.md", "CLAUDE.md", "GEMINI.md", "/CONTEXT.md",
        ".github/copilot-instructions.md", ".github/instructions/**/*.instructions.md",
        ".cursorrules", "**/.cursor/rules/**/*.mdc", "**/.cursor/commands/**/*.md",
        "**/.claude/rules/**/*.md", "**/.claude/agents/**/*.md", "**/.claude/commands/**",
        "**/.claude/output-styles/**/*.md", ".goosehints", "/CONVENTIONS.md", "/prompts/**",
        "*.prompt.md", "*.prompty", "**/.codex/agents/**", "**/.codex/prompts/**",
        "**/.gemini/agents/**/*.md", "**/.gemini/commands/**/*.toml",
        "**/.opencode/agent/**/*.md", "**/.opencode/agents/**/*.md",
        "**/.opencode/command/**/*.md", "**/.opencode/commands/**/*.md", ".github/agents/**/*.md",
    ),
}  # fmt: skip
"""The places that agents read for each part, as in .gitignore: without a slash at any depth. The
first match counts, so that a skill with an AGENTS.md of its own stays whole."""
CREW = frozenset({"agents.yaml", "tasks.yaml"})
"""The files of a folder `config` that are the graph of a CrewAI crew, if both exist."""
AGENT_FOLDERS = frozenset({".agents", ".claude", ".codex", ".cursor", ".gemini", ".opencode"})
"""Folders that only agents read; files in them that belong to no part are reported."""
_BY_NAME = {
    "prompts": {"prompt", "prompts", "system", "system-prompt", "system_prompt", "instructions"},
    "tools": {"tool", "tools", "skills", "mcp"},
    "config": {"config", "settings", "agent", "model"},
    "graph": {"graph", "workflow", "recipe"},
}
"""Names of files (without suffix) and folders that tell the part of a named path."""
_OF_ONE_MACHINE = re.compile(r".*\.local\..*", re.IGNORECASE | re.DOTALL)
"""Personal settings."""
_SECRET = re.compile(
    r"\.env|\.env\.(?!(example|sample|template|dist)$).*", re.IGNORECASE | re.DOTALL
)
"""Variables of one deployment, most often with secrets."""
_FENCED = re.compile(r"^ {0,3}(```+|~~~+).*?(^ {0,3}\1[`~]*[ \t]*$|\Z)", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"(`+)[^`\n]+\1")
_IMPORT = re.compile(r"(?:^|(?<=\s))@((?:\\ |[^\s`@])+)")


def part_of(path: str) -> str | None:
    """Returns the part that a path belongs to, or None."""
    found = _places().fullmatch(path)
    return found.lastgroup if found else None


def part_by_name(path: str) -> str | None:
    """Returns the part that the innermost telling name of a path names, or None.

    Only for paths that the user named: elsewhere, `config.json` may be anything.
    """
    for name in reversed(path.lower().split("/")):
        stem = name.partition(".")[0]
        for part, stems in _BY_NAME.items():
            if stem in stems or name.endswith((f".{part}.json", f".{part}.md", f".{part}.yaml")):
                return part
    return None


def may_hold_parts(folder: str) -> bool:
    """Tells whether agents read a folder, so that a link to it must not be skipped."""
    names = folder.split("/")
    return not AGENT_FOLDERS.isdisjoint(names) or part_of(f"{folder}/_") is not None


def why_never(name: str) -> str:
    """Returns why no spec may hold a file or folder of this name; empty if one may."""
    if _OF_ONE_MACHINE.fullmatch(name):
        return "*.local.* is of one machine"
    return ".env may hold secrets" if _SECRET.fullmatch(name) else ""


def imports_in(text: str) -> Iterator[str]:
    """Yields the paths that a Markdown text imports by `@PATH`, outside of code."""
    text = _CODE.sub("", _FENCED.sub("", text))
    for found in _IMPORT.finditer(text):
        path = found[1].replace("\\ ", " ").rstrip(".,;:!?)")
        if path:
            yield path


@cache
def _places() -> re.Pattern[str]:
    """All places in one pattern, a group for each part, for repositories with very many files."""
    groups = (
        f"(?P<{part}>{'|'.join(map(_expression, patterns))})" for part, patterns in PLACES.items()
    )
    return re.compile("|".join(groups), re.DOTALL)


def _expression(pattern: str) -> str:
    anywhere = "/" not in pattern
    text = re.escape(pattern.removeprefix("/"))
    for wildcard, expression in (
        (r"\*\*/", "(?:.*/)?"), (r"\*\*", ".+"), (r"\*", "[^/]*"),
    ):  # fmt: skip
        text = text.replace(wildcard, expression)
    return f"(?:.*/)?{text}" if anywhere else text
