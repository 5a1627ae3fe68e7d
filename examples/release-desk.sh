#!/usr/bin/env bash
# One agent at the release desk: what is not good enough is refused, what is good goes live and is
# signed, what turns out bad is rolled back and kept out, and who edits the record is found out.
# Usage: examples/release-desk.sh [DIR]     (default: a new temporary folder)
# Needs jq and ssh-keygen. With AIVCS_TEST_TRACES=FOLDER the runs are real ones from there; with
# AIVCS_TEST_STORE=URL the store is made there, such as s3://bucket/desk, and not in the folder.
set -euo pipefail

traces=${AIVCS_TEST_TRACES:-}
cd "${1:-$(mktemp -d)}"
# Keys and settings of its own: nothing here touches yours.
export HOME=$PWD/home XDG_CONFIG_HOME=$PWD/home/.config
unset AIVCS_STORE AIVCS_RUN
[ -z "${AIVCS_TEST_STORE:-}" ] || export AIVCS_STORE=$AIVCS_TEST_STORE
mkdir -p "$HOME"

title() { printf '\n--- %s\n' "$*"; }

# Runs a command that must end with a certain exit code, and shows what it said.
expect() { # CODE COMMAND…
    local code=0 wanted=$1
    shift
    printf '$'
    printf ' %q' "$@"
    echo
    "$@" || code=$?
    [ "$code" = "$wanted" ] || { echo "exit $code, expected $wanted" >&2; exit 1; }
    [ "$code" = 0 ] || echo "(exit $code, as it should)"
}

# Tells what is stored: of a folder each byte, of a store elsewhere what it answers.
contents() {
    if [ -z "${AIVCS_STORE:-}" ]; then
        find .aivcs -type f -exec sha256sum {} + | sort
    else
        aivcs blob ls && aivcs run list --json && aivcs release list --json && aivcs config list
    fi
}

# --- What the agent is: two specs, of prompts and configs that may be real ones. -------------------
if [ -n "$traces" ] && [ -d "$traces/events" ]; then
    events=$traces/events
    first=marshmallow-1867-default second=marshmallow-1867-xml
else
    events=$PWD/traces first=careful second=quick
    mkdir -p "$events"
    for name in "$first" "$second"; do
        echo "You are a $name reviewer of shell scripts." >"$events/$name.system-prompt.txt"
        echo "{\"model\": \"small-1\", \"style\": \"$name\"}" >"$events/$name.config.json"
        for step in 1 2 3; do
            printf '{"kind":"tool_called","payload":{"tool_name":"read","step":%d}}\n' "$step"
        done >"$events/$name.jsonl"
    done
fi

spec_of() { # NAME
    aivcs spec create --root "$events" --prompts "$events/$1.system-prompt.txt" \
        --config "$events/$1.config.json"
}

title "a store, and two specs"
aivcs init
one=$(spec_of "$first")
two=$(spec_of "$second")
echo "$first is $one"
echo "$second is $two"

# --- What must be true of a release. ---------------------------------------------------------------
title "the policy: three evaluated runs of exactly this spec, a version, a reason, a signature"
aivcs config set policy.reviewer.require_runs 3
aivcs config set policy.reviewer.require_event \
    '{"kind":"evaluation","pointer":"/score","min":0.8}'
aivcs config set policy.reviewer.require_label semver
aivcs config set policy.reviewer.unique_label true
aivcs config set policy.reviewer.require_notes true
aivcs config set policy.reviewer.require_signature true
aivcs config list | grep '^policy'

title "whose signatures count: that is for the reader to say, never for the store"
ssh-keygen -q -t ed25519 -N '' -C ada -f "$HOME/ada"
printf 'ada@example.com namespaces="aivcs-*" %s\n' "$(cut -d ' ' -f 1,2 "$HOME/ada.pub")" \
    >"$HOME/allowed_signers"
aivcs config set --user signing.key "$HOME/ada"
aivcs config set --user signing.allowed_signers "$HOME/allowed_signers"
expect 2 aivcs config set signing.allowed_signers "$HOME/allowed_signers"

# --- What it did: six runs, each with an evaluation at its end. ------------------------------------
run_of() { # NAME SPEC SCORE
    local run
    run=$(aivcs run start --agent reviewer --spec "$2" --git-sha "$(printf '%040d' 1)")
    aivcs run log --stdin "$run" <"$events/$1.jsonl"
    aivcs run log "$run" evaluation suite=regression score:="$3"
    aivcs run finish "$run"
    echo "$run"
}

title "six runs"
good=() bad=()
for score in 0.86 0.91 0.88; do good+=(--evidence "$(run_of "$first" "$one" "$score")"); done
for score in 0.97 0.93 0.95; do bad+=(--evidence "$(run_of "$second" "$two" "$score")"); done
aivcs run list

# --- The desk. -------------------------------------------------------------------------------------
title "not enough: two runs, no version that is one, nobody who signs"
before=$(contents)
expect 15 aivcs release promote reviewer "$one" "${good[@]:0:4}" --label v1
[ "$before" = "$(contents)" ]
echo "(and the store is as it was)"

title "the verdict, rule by rule"
expect 0 aivcs release promote reviewer "$one" "${good[@]}" \
    --label 1.0.0 --notes "first light" --sign --dry-run

title "good enough"
expect 0 aivcs release promote reviewer "$one" "${good[@]}" \
    --label 1.0.0 --notes "first light" --sign
expect 0 aivcs release promote reviewer "$two" "${bad[@]}" \
    --label 1.1.0 --notes "faster" --sign
[ "$(aivcs release current reviewer)" = "$two" ]

title "1.1.0 scores well and does harm: roll back, and keep it out"
expect 0 aivcs release rollback reviewer --block --reason "1.1.0 approves scripts unread" --sign
[ "$(aivcs release current reviewer)" = "$one" ]
expect 15 aivcs release promote reviewer "$two" "${bad[@]}" \
    --label 1.1.1 --notes "try again" --sign
aivcs release history reviewer

# --- Proof. It reads files: those of the store, or of a clone if that is elsewhere. ----------------
files=.aivcs
if [ -n "${AIVCS_STORE:-}" ]; then
    title "a clone: the same lines, as files"
    aivcs clone "$AIVCS_STORE" clone
    files=clone/.aivcs
fi

title "the signature of the first release, checked without aivcs"
log=$files/releases/reviewer.jsonl
jq -r 'select(.mark == "signature" and .signed_seq == 1).signature' "$log" >signature
jq -j 'select(.type == "release" and .seq == 1).hash' "$log" |
    ssh-keygen -Y verify -f "$HOME/allowed_signers" -I ada@example.com \
        -n aivcs-release@v1 -s signature

title "all of it again, offline"
expect 0 aivcs release verify reviewer

title "what the live release was made of, for those who read in-toto"
aivcs release provenance reviewer | jq -c '.subject, .predicate.buildDefinition.resolvedDependencies'

# --- Somebody edits the record. --------------------------------------------------------------------
title "an edited line breaks the chain"
cp -R "$files" edited
sed 's/first light/second thoughts/' "$log" >edited/releases/reviewer.jsonl
expect 14 aivcs --store edited release verify reviewer

title "a log that is written anew has a whole chain, but not ada's signature"
previous=
while IFS= read -r line; do
    body=${line%,\"hash\":\"*}
    previous=$(printf %s "$previous$body" | sha256sum | cut -c 1-64)
    printf '%s,"hash":"%s"}\n' "$body" "$previous"
done <edited/releases/reviewer.jsonl >forged
mv forged edited/releases/reviewer.jsonl
expect 14 aivcs --store edited release verify reviewer @1

title "done: everything was as it should be in $PWD"
