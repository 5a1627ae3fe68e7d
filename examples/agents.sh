#!/usr/bin/env bash
# Runs of three agents' programs, recorded as they happen: messages, tool calls, tokens, failures.
# Usage: examples/agents.sh PROMPT     (a store must be there: aivcs init)
# Each program that is installed is asked the same; what it prints passes through.
set -uo pipefail

prompt=${1:?usage: agents.sh PROMPT}
# What the agents are made of: AGENTS.md, CLAUDE.md, .mcp.json and the like, found by themselves.
spec=$(aivcs spec create --auto 2>/dev/null) || spec=$(printf '%s' "$prompt" | aivcs blob put -)

record() { # AGENT COMMAND…
    local agent=$1
    shift
    command -v "$1" >/dev/null || return 0
    # Its exit code is that of the program; 125 is that of aivcs.
    aivcs run exec --agent "$agent" --spec "$spec" --events auto -- "$@"
}

record claude-code claude -p "$prompt" --output-format stream-json --verbose
record codex codex exec --json "$prompt"
record gemini-cli gemini -p "$prompt" --output-format stream-json

aivcs run list -n 3
