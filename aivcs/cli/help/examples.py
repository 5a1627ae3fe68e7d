"""The examples of the man pages, by command. A test runs every one of them.

They are written for a store where the agent `reviewer` was released twice (v1.0, v1.1), `digest`
and `spec` name blobs, and AIVCS_RUN is a running run. The files that they read exist.
"""

from __future__ import annotations

from typing import NamedTuple


class Example(NamedTuple):
    """An example.

    Attributes:
        about: Its purpose, printed before a colon.
        script: The commands.
    """

    about: str
    script: str


EXAMPLES: dict[str, list[Example]] = {
    "aivcs": [
        Example(
            "From a prompt to a release, and the record of a run",
            """\
aivcs init
spec=$(aivcs blob put prompt.md)
aivcs release promote reviewer "$spec" --label v1.2
export AIVCS_RUN=$(aivcs run start --agent reviewer --spec reviewer@current)
trap 'aivcs run finish @ --exit-code $?' EXIT
trap 'exit 129' HUP; trap 'exit 130' INT; trap 'exit 143' TERM
aivcs run log @ tool_called name=search results:=12""",
        ),
    ],
    "aivcs push": [
        Example("Copy what the other store lacks", "aivcs push"),
        Example(
            "See what one agent's runs of this week would send",
            "aivcs push origin --agent reviewer --since 1w --dry-run",
        ),
    ],
    "aivcs pull": [
        Example("Fetch the team's runs, and what is live there", "aivcs pull\naivcs status"),
    ],
    "aivcs clone": [
        Example("Work with a store of one's own that knows the team's", "aivcs clone ../team copy"),
        Example(
            "Restore a backup",
            "aivcs bundle create backup.tar\naivcs clone backup.tar restored",
        ),
    ],
    "aivcs spool": [
        Example("See what waits for its store, and push it", "aivcs spool list\naivcs spool push"),
    ],
    "aivcs spool push": [
        Example("Push what waits on this machine", "aivcs spool push"),
    ],
    "aivcs spool list": [
        Example("See what waits on this machine, and why", "aivcs spool list"),
    ],
    "aivcs bundle": [
        Example(
            "Hand over the releases of an agent with all that supports them",
            "aivcs bundle create evidence.tar --release reviewer\naivcs bundle verify evidence.tar",
        ),
    ],
    "aivcs bundle create": [
        Example("Back up the whole store", "aivcs bundle create backup.tar"),
        Example("Take one run out of a job", 'aivcs bundle create run.tar --run "$AIVCS_RUN"'),
    ],
    "aivcs bundle verify": [
        Example(
            "Check a bundle against the digest that was kept",
            'head=$(aivcs bundle create backup.tar)\naivcs bundle verify backup.tar --head "$head"',
        ),
    ],
    "aivcs remote": [
        Example(
            "Share the runs of this folder with a team",
            "aivcs remote add team ../team\naivcs push team",
        ),
    ],
    "aivcs remote add": [
        Example("Name the store of a team", "aivcs remote add team ../team"),
    ],
    "aivcs remote list": [Example("The other stores", "aivcs remote list")],
    "aivcs remote rm": [Example("Forget one", "aivcs remote rm origin")],
    "aivcs init": [
        Example("Make a store in this folder", "aivcs init"),
        Example("Make one that the group of a folder writes to", "aivcs init --shared agents"),
        Example(
            "Let another folder use it", "aivcs init agents\naivcs init --link agents/.aivcs desk"
        ),
    ],
    "aivcs trust": [
        Example("Trust a store that files name", 'aivcs trust "$PWD/.aivcs"'),
        Example("See what is trusted", "aivcs trust --list"),
    ],
    "aivcs store": [
        Example("Check the setup, after something was changed on the server", "aivcs store check")
    ],
    "aivcs store grants": [
        Example("Give CI jobs their rights in a database", "aivcs store grants --role recorder"),
    ],
    "aivcs store check": [Example("Check the setup of a store", "aivcs store check")],
    "aivcs store upgrade": [
        Example("After an update of aivcs on a server's store", "aivcs store upgrade")
    ],
    "aivcs status": [
        Example("How much there is, and what is live", "aivcs status"),
        Example(
            "Let Prometheus see it, by the textfile collector of its node exporter",
            """\
aivcs status --openmetrics > aivcs.prom.new
mv aivcs.prom.new aivcs.prom""",
        ),
    ],
    "aivcs report": [
        Example(
            "In a CI job: a page about the job, to be kept as an artifact",
            "aivcs report -o report.html",
        ),
        Example(
            "Show how one agent has changed in a month, and a run of it",
            "aivcs report --agent reviewer --since 30d --run @ -o reviewer.html",
        ),
    ],
    "aivcs browse": [
        Example("Look at what is live and why", "aivcs browse"),
        Example("Begin with the history of a name", "aivcs browse reviewer"),
    ],
    "aivcs web": [
        Example(
            "Look at the store in a browser, as long as it takes",
            "timeout 1 aivcs web || true",
        ),
        Example(
            "On a server, for a browser at home: ssh -L 8080:/run/user/1000/aivcs.sock SERVER",
            "timeout 1 aivcs web --socket ~/aivcs.sock || true",
        ),
    ],
    "aivcs verify": [
        Example(
            "Check a store in a nightly job, and keep what was found",
            "aivcs verify --json > findings.jsonl",
        ),
        Example(
            "Note today what the logs are, and hold the store to it later",
            """\
head=$(aivcs head)
aivcs verify --head "$head\"""",
        ),
        Example("Tidy up after a crash", "aivcs verify --repair"),
    ],
    "aivcs gc": [
        Example("See what could go", "aivcs gc --dry-run"),
        Example("Delete what nobody has needed for three months", "aivcs gc --grace 90d"),
    ],
    "aivcs head": [
        Example(
            "Keep a proof of the whole history where nobody who can change the store can change it",
            'aivcs blob get "$(aivcs head)" > ../heads.json',
        ),
    ],
    "aivcs help": [
        Example("How events are written down", "aivcs help run log"),
        Example("What every command has in common", "aivcs help aivcs"),
        Example("All commands and options, for a program", "aivcs help --json"),
    ],
    "aivcs completion": [
        Example("In this bash, from now on", 'eval "$(aivcs completion bash)"'),
        Example(
            "In every fish",
            """\
mkdir -p ~/.config/fish/completions
aivcs completion fish > ~/.config/fish/completions/aivcs.fish""",
        ),
    ],
    "aivcs shell-init": [
        Example(
            "Log every step of a script, without a process for each, and end the run with it",
            """\
eval "$(aivcs shell-init)"
export AIVCS_RUN=$(aivcs run start --agent reviewer --spec reviewer@current)
trap 'aivcs_finish --exit-code $?' EXIT
trap 'exit 129' HUP; trap 'exit 130' INT; trap 'exit 143' TERM
for file in *.md; do aivcs_log file_read path="$file"; done
aivcs_flush""",
        ),
    ],
    "aivcs blob": [
        Example(
            "Store a file, and read it back by its digest",
            'digest=$(aivcs blob put prompt.md)\naivcs blob get "$digest"',
        ),
    ],
    "aivcs blob put": [
        Example("Store a file", "digest=$(aivcs blob put prompt.md)"),
        Example("Store what a command prints", "date | aivcs blob put -"),
        Example(
            "Store many files, and check them against their digests later",
            """\
find prompts -type f -print0 > names
aivcs blob put --stdin-paths -z --sums < names > sums
sha256sum -c sums""",
        ),
    ],
    "aivcs blob get": [
        Example(
            "See how what is live differs from a file",
            'aivcs blob get "$(aivcs release current reviewer)" | diff - prompt.md || true',
        ),
        Example("Write a blob to a file", 'aivcs blob get "$digest" -o restored.md'),
    ],
    "aivcs blob has": [
        Example(
            "Ask whether a blob is stored",
            """if aivcs blob has "$digest"; then echo 'it is there'; fi""",
        ),
    ],
    "aivcs blob rm": [
        Example(
            "Remove what was stored by mistake",
            'digest=$(aivcs blob put notes.md)\naivcs blob rm "$digest"',
        ),
    ],
    "aivcs blob pin": [
        Example(
            "Keep a blob that nothing refers to",
            'digest=$(aivcs blob put notes.md)\naivcs blob pin "$digest"',
        ),
    ],
    "aivcs blob unpin": [
        Example("Let a blob go with the next gc", 'aivcs blob unpin "$digest"'),
    ],
    "aivcs blob ls": [
        Example("Count the blobs", "aivcs blob ls | wc -l"),
        Example("List those that begin with 3f", "aivcs blob ls 3f"),
        Example("See sizes, kinds, and what names each", "aivcs blob ls -l"),
    ],
    "aivcs blob verify": [Example("Check all blobs", "aivcs blob verify")],
    "aivcs spec": [
        Example(
            "Store the files of an agent, and make them live",
            """\
spec=$(aivcs spec create prompts config.json)
aivcs release promote reviewer "$spec\"""",
        ),
    ],
    "aivcs spec create": [
        Example(
            "Store a folder of prompts and two files; their paths tell which part they are",
            "aivcs spec create prompts tools.json config.json",
        ),
        Example("Store all that agents read in this repository", "aivcs spec create --auto"),
        Example(
            "Say which part a file is, and add the commit of the code",
            """\
aivcs spec create prompts --tools notes.md --graph graph.json \\
    --git-sha 9fceb02d0ae598e95dc970b74767f19372d61af8""",
        ),
    ],
    "aivcs spec list": [
        Example("See the newest specs, and how they are released", "aivcs spec list -n 10"),
    ],
    "aivcs spec show": [
        Example(
            "See what an agent is made of",
            """\
spec=$(aivcs spec create prompts)
aivcs spec show "$spec\"""",
        ),
    ],
    "aivcs spec checkout": [
        Example(
            "Get the parts of what is live back as files",
            """\
spec=$(aivcs spec create prompts)
aivcs release promote reviewer "$spec"
aivcs spec checkout reviewer@current live""",
        ),
    ],
    "aivcs spec diff": [
        Example(
            "See what is new since the first release",
            "aivcs spec diff reviewer@v1.0 reviewer@current",
        ),
        Example(
            "See whether what lies here is what is live",
            """\
spec=$(aivcs spec create --auto)
aivcs release promote reviewer "$spec"
aivcs spec diff reviewer@current --auto --exit-code""",
        ),
    ],
    "aivcs run": [
        Example(
            "Record a run",
            """\
export AIVCS_RUN=$(aivcs run start --agent reviewer --spec reviewer@current)
aivcs run log @ file_read path=main.py lines:=120
aivcs run finish @ --status completed""",
        ),
    ],
    "aivcs run start": [
        Example(
            "Start a run of what is live, for the commands that follow",
            "export AIVCS_RUN=$(aivcs run start --agent reviewer --spec reviewer@current)",
        ),
        Example(
            "Start a run of a spec in a file, with tags",
            "aivcs run start --agent reviewer --spec-file spec.json \\\n"
            "    --tag ticket=OPS-7 --tag priority:=2",
        ),
        Example(
            "Start a run that is known to be over when this shell is",
            "AIVCS_RUN=$(aivcs run start --agent reviewer \\\n"
            "    --spec reviewer@current --owner-pid $$)",
        ),
    ],
    "aivcs run exec": [
        Example(
            "Run a check, and keep what it printed",
            "aivcs run exec --agent reviewer --spec reviewer@current -- wc prompt.md",
        ),
        Example(
            "Keep output of any size, and see where it is",
            """\
aivcs run exec --agent reviewer --spec reviewer@current \\
    --capture blobs -- seq 1000 > numbers
aivcs run list -n 1 | cut -f 1 | xargs aivcs run events --kind output""",
        ),
    ],
    "aivcs run import": [
        Example(
            "Keep what an agent in CI did, under the spec that it ran with",
            """\
run=$(aivcs run import --agent reviewer --spec reviewer@current execution.json)
aivcs run show "$run\"""",
        ),
        Example(
            "Keep every session that is still there, and those that were written since",
            "aivcs run import --all",
        ),
        Example("Import what a pipe brings", "aivcs run import --seal - < execution.json"),
    ],
    "aivcs run log": [
        Example(
            "Log an event with a few members",
            "aivcs run log @ tool_called name=search results:=12",
        ),
        Example(
            "Log a JSON value as it is",
            """aivcs run log @ tool_called '{"name": "search", "results": 12}'""",
        ),
        Example(
            "Log an event with the text of a file, and store another as a blob",
            "aivcs run log --file prompt=prompt.md --blob answer=answer.json @ answered",
        ),
        Example("Log the JSON in a file", "aivcs run log @ answered - < answer.json"),
        Example(
            "Log many events with one process",
            "aivcs run log --stdin --print-seq @ < events.jsonl",
        ),
        Example(
            "Log an event once, however often this is tried",
            "aivcs run log --seq 17 @ step_done step=build",
        ),
    ],
    "aivcs run finish": [
        Example(
            "End a run however its script ends",
            "trap 'aivcs run finish @ --if-running --exit-code $?' EXIT\n"
            "trap 'exit 129' HUP; trap 'exit 130' INT; trap 'exit 143' TERM",
        ),
        Example(
            "End a run with the state it left",
            "aivcs run finish @ --status completed --state-file answer.json",
        ),
    ],
    "aivcs run show": [Example("Show the run in AIVCS_RUN", "aivcs run show @")],
    "aivcs run events": [
        Example("Print the events of one kind", "aivcs run events @ --kind tool_called --json"),
        Example("Watch a run until it ends", "aivcs run events @ --follow"),
    ],
    "aivcs run stats": [
        Example("How the runs of this week went, agent by agent", "aivcs run stats --since 1w"),
        Example(
            "Fail a check if an agent fails too often",
            """\
aivcs run stats --agent reviewer --since 1d --json |
    jq -e '(.success_rate // 1) >= 0.5'""",
        ),
    ],
    "aivcs run list": [
        Example(
            "List what failed since yesterday",
            "aivcs run list --agent reviewer --status failed --since 1d",
        ),
        Example(
            "Show the last run of an agent",
            "aivcs run list --agent reviewer -n 1 | cut -f 1 | xargs aivcs run show",
        ),
    ],
    "aivcs run diff": [
        Example(
            "Compare a run with the last one of the same agent",
            """\
last=$(aivcs run list --agent reviewer -n 1 | cut -f 1)
aivcs run diff --ignore step @ "$last\"""",
        ),
    ],
    "aivcs run reap": [
        Example("End the runs of processes that were killed", "aivcs run reap"),
        Example(
            "See which runs would end that nothing was heard of for two days",
            "aivcs run reap --older-than 2d --dry-run",
        ),
    ],
    "aivcs mcp": [
        Example(
            "Ask which tools there are",
            """\
echo '{"jsonrpc": "2.0", "id": 1, "method": "tools/list"}' | aivcs mcp""",
        ),
    ],
    "aivcs skill": [
        Example(
            "Let Claude Code in this project know of aivcs",
            "aivcs skill --install .claude/skills",
        ),
    ],
    "aivcs run search": [
        Example(
            "What failed with a message in the last month",
            "aivcs run search 'No such file' --failed --since 30d || true",
        ),
        Example(
            "Low scores of one agent",
            """\
aivcs run search --kind evaluation --where '/score < 0.5' \\
    --agent reviewer || true""",
        ),
    ],
    "aivcs run tree": [
        Example("Which runs an agent started inside this one", "aivcs run tree @"),
    ],
    "aivcs run why": [
        Example("Who asked for this line", "aivcs run why src/app.py:12"),
    ],
    "aivcs run state": [
        Example(
            "Keep what has been done so far, and go on from there after a crash",
            """\
aivcs run state put @ answer.json
new=$(aivcs run start --agent reviewer --spec reviewer@current --from @)
aivcs run state get "$new" -o answer.json""",
        ),
    ],
    "aivcs run annotate": [
        Example(
            "Say that somebody looked at a run, and mark it",
            'aivcs run annotate @ -m "read it: fine" --tag reviewed=yes',
        ),
        Example(
            "Add the score of a judge that ran later",
            "aivcs run annotate @ evaluation name=quality score:=0.9",
        ),
    ],
    "aivcs run redact": [
        Example(
            "Erase a token that was recorded, wherever the run has it",
            """\
TOKEN=sk-f3a1b9
aivcs run log @ output "text=the key is $TOKEN"
aivcs run redact @ --match "$TOKEN" --with-blobs --reason "leaked token" """,
        ),
        Example(
            "Erase one event",
            """\
seq=$(aivcs run log --print-seq @ output "text=Ada, 12 May 1990")
aivcs run redact @ "$seq" --reason "personal data" """,
        ),
    ],
    "aivcs run rm": [
        Example(
            "Erase a run, and say why",
            """\
aivcs run finish @ --status cancelled
aivcs run rm @ --reason "recorded by mistake" """,
        ),
    ],
    "aivcs run prune": [
        Example(
            "See what would go, then let it go",
            """\
aivcs run prune --older-than 90d --keep-last 20 --dry-run
aivcs run prune --older-than 90d --keep-last 20""",
        ),
    ],
    "aivcs run export": [
        Example(
            "Read a run as a page, in the summary of a job or a comment",
            "aivcs run export @ --format markdown -o run.md",
        ),
        Example(
            "Open all runs as tables, in sqlite3, Datasette or pandas",
            "aivcs run export --format sqlite -o runs.db",
        ),
        Example(
            "See a run in a viewer of OpenTelemetry's traces",
            "aivcs run export @ --format otlp -o run.jsonl",
        ),
    ],
    "aivcs run session": [
        Example(
            "Go on with an imported session of Claude Code here",
            """\
source=$(aivcs blob put events.jsonl)  # what aivcs run import does by itself
aivcs run annotate @ import.source format=claude-code masked:=false \\
    'blob:={"$blob":"'"$source"'"}'
aivcs run session @""",
        ),
    ],
    "aivcs run digest": [
        Example("Compare what two runs did, byte for byte", "aivcs run digest @ --replay"),
    ],
    "aivcs run verify": [Example("Check all runs", "aivcs run verify")],
    "aivcs release": [
        Example(
            "Make a spec live, see it, and take it back",
            """\
aivcs release promote reviewer "$spec" --label v1.2
aivcs release current reviewer
aivcs release rollback reviewer --reason 'too many false alarms'""",
        ),
    ],
    "aivcs release promote": [
        Example(
            "Make a spec live under a label",
            "aivcs release promote reviewer \"$spec\" --label v1.2 --notes 'shorter prompt'",
        ),
        Example(
            "Make it live only if nobody released anything meanwhile",
            """\
live=$(aivcs release current reviewer --default none)
aivcs release promote reviewer "$spec" --expect "$live\"""",
        ),
        Example(
            "Make live in production what is live in staging",
            "aivcs release promote reviewer/production reviewer@current",
        ),
    ],
    "aivcs release rollback": [
        Example(
            "Return to the release before",
            "aivcs release rollback reviewer --reason 'too many false alarms'",
        ),
        Example("Return to a release by its label", "aivcs release rollback reviewer --to v1.0"),
        Example(
            "Return, and let nobody make it live again",
            "aivcs release rollback reviewer --block --reason 'leaks the prompt'",
        ),
        Example("See where it would lead", "aivcs release rollback reviewer --dry-run"),
    ],
    "aivcs release block": [
        Example(
            "Keep a release from becoming live again",
            "aivcs release block reviewer v1.0 --reason 'leaks the prompt'",
        ),
    ],
    "aivcs release unblock": [
        Example(
            "Take a block back",
            """\
aivcs release block reviewer v1.0 --reason 'leaks the prompt'
aivcs release unblock reviewer v1.0 --reason 'it was the logger'""",
        ),
    ],
    "aivcs release show": [
        Example("Show what is live with all that speaks for it", "aivcs release show reviewer"),
        Example(
            "Print the keys that signed the release v1.0",
            "aivcs release show reviewer v1.0 --json | jq -r '.signatures[].fingerprint'",
        ),
    ],
    "aivcs release current": [
        Example(
            "Print the spec that is live",
            'aivcs blob get "$(aivcs release current reviewer)"',
        ),
        Example(
            "Go on where nothing was ever released",
            'live=$(aivcs release current newcomer --default "$spec")',
        ),
    ],
    "aivcs release history": [
        Example("Show the last five entries", "aivcs release history reviewer -n 5"),
        Example(
            "Count the rollbacks of this week",
            "aivcs release history reviewer --since 1w | cut -f 2 | grep -c rollback || true",
        ),
    ],
    "aivcs release diff": [
        Example("See what the live release has changed", "aivcs release diff reviewer"),
        Example(
            "See how a release differs from what is live",
            "aivcs release diff reviewer v1.0",
        ),
    ],
    "aivcs release list": [
        Example(
            "Show what is live under every name",
            "aivcs release list",
        ),
    ],
    "aivcs release verify": [
        Example("Check all releases", "aivcs release verify"),
        Example(
            "Prove what went live as reviewer, and list what cannot be proven",
            "aivcs release verify reviewer | grep -v -w ok",
        ),
    ],
    "aivcs release wait": [
        Example(
            "In a deployment job: go on when this release is live, fail after five minutes",
            "aivcs release wait reviewer v1.1 --timeout 300",
        ),
    ],
    "aivcs release watch": [
        Example(
            "Print what is live, for a program that follows",
            "aivcs release watch --once --json reviewer",
        ),
        Example(
            "Restart a service whenever another release is live, also over restarts of the watch",
            """\
watch() { aivcs release watch --state ~/reviewer-watch "$@"; }
watch --once reviewer --exec sh -c 'echo "live: $AIVCS_RELEASE_LABEL"'""",
        ),
    ],
    "aivcs release checkout": [
        Example(
            "Deploy what is live, and keep five versions to look at",
            """\
agent=$(aivcs spec create --prompts prompts)
aivcs release promote agent "$agent"
aivcs release checkout --keep 5 agent ~/agent
ls ~/agent/current/prompts""",
        ),
    ],
    "aivcs release sign": [
        Example(
            "Sign what is live with an SSH key of your own",
            """\
ssh-keygen -q -t ed25519 -N '' -f ~/aivcs-key
aivcs release sign reviewer --signing-key ~/aivcs-key""",
        ),
    ],
    "aivcs release approve": [
        Example(
            "Approve a spec that somebody else is to release",
            """\
ssh-keygen -q -t ed25519 -N '' -f ~/aivcs-key
spec=$(echo 'You are a careful reviewer.' | aivcs blob put -)
aivcs release approve reviewer "$spec" --signing-key ~/aivcs-key""",
        ),
    ],
    "aivcs release provenance": [
        Example(
            "Hand on what the first release was made of",
            "aivcs release provenance reviewer @1 > reviewer.intoto.jsonl",
        ),
    ],
    "aivcs config": [
        Example("See all settings, and where they come from", "aivcs config list --show-origin"),
    ],
    "aivcs hook": [
        Example(
            "Keep the sessions of Claude Code: those to come, and those that are still there",
            """\
aivcs hook install claude-code
aivcs run import --all --from claude-code""",
        ),
    ],
    "aivcs hook install": [
        Example(
            "From now on, keep every session of Claude Code and Codex",
            "aivcs hook install claude-code codex",
        ),
        Example(
            "For everybody who works on this project",
            "aivcs hook install --project claude-code",
        ),
    ],
    "aivcs hook uninstall": [
        Example("Stop capturing", "aivcs hook uninstall claude-code codex"),
    ],
    "aivcs hook status": [Example("Is everything captured?", "aivcs hook status")],
    "aivcs hook run": [
        Example(
            "What the hook of a program does",
            """\
echo '{"session_id": "s-1", "hook_event_name": "Stop"}' | aivcs hook run codex""",
        ),
    ],
    "aivcs config get": [
        Example("Print a setting", "aivcs config get core.durability"),
    ],
    "aivcs config set": [
        Example(
            "Make events durable when their run ends, instead of each at once",
            "aivcs config set core.durability batch",
        ),
        Example(
            "Trust a store that belongs to somebody else",
            "aivcs config set --user safe.directory /srv/agents/.aivcs",
        ),
    ],
    "aivcs config unset": [
        Example("Return to the default", "aivcs config unset core.durability"),
    ],
    "aivcs config list": [
        Example("Print all settings as JSON", "aivcs config list --json"),
    ],
}
"""Examples by command; every command and group has at least one."""
