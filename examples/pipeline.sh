#!/usr/bin/env bash
# The life of one agent, from its first prompt to a rollback, in a store of its own.
# Usage: examples/pipeline.sh [DIR]     (default: a new temporary folder)
set -euo pipefail

cd "${1:-$(mktemp -d)}"
aivcs init

# --- What the agent is: a prompt and a config, and a spec that names both by their digests. -------
cat >prompt.txt <<'EOF'
You review shell scripts. For every script: say what it does, and name each unquoted variable.
EOF
cat >config.json <<'EOF'
{"model": "small-1", "temperature": 0.2, "tools": ["list_files", "count_lines"]}
EOF
first=$(aivcs spec create prompt.txt config.json)

# --- What it did: a run. Whatever happens below, the trap ends it, and ends it truthfully. --------
run_agent() ( # SPEC
    AIVCS_RUN=$(aivcs run start --agent reviewer --spec "$1" --tag task=review)
    export AIVCS_RUN
    trap 'aivcs run finish @ --exit-code $?' EXIT
    trap 'exit 130' INT; trap 'exit 143' TERM # else $? would be that of the command before

    aivcs run log @ message_added role=user content='Review the scripts in /etc/init.d, if any.'
    aivcs run log @ tool_called tool_name=list_files path=/etc step:=1
    count=$(find /etc -maxdepth 1 -type f | wc -l)
    aivcs run log @ tool_returned tool_name=list_files step:=1 files:="$count"
    find /etc -maxdepth 1 -type f >listing.txt
    aivcs run log --blob listing=listing.txt @ artifact name=listing
    aivcs run log @ message_added role=assistant content="$count files, nothing to review."
    echo "$AIVCS_RUN" >last-run
)
run_agent "$first"
echo "--- the run:"
aivcs run show "$(cat last-run)"
echo "--- its events:"
aivcs run events "$(cat last-run)"

# --- What is live: promote it, promote a second one, and roll back. --------------------------------
aivcs release promote reviewer "$first" --label v1 --notes "first light"

echo 'Answer in one sentence.' >>prompt.txt
second=$(aivcs spec create prompt.txt config.json)
run_agent "$second"
aivcs release promote reviewer "$second" --label v2 --notes "shorter answers"
aivcs release rollback reviewer --reason "answers became too short to be useful"

echo "--- what is live, and how it came to be:"
aivcs release current reviewer
aivcs release history reviewer
echo "--- and all of it is as it was stored:"
aivcs verify
