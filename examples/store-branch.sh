#!/usr/bin/env bash
# Keeps a store on a branch of its own of the git repository around it, for jobs that begin with nothing.
# Usage: store-branch.sh fetch            the store is then store/.aivcs
#        store-branch.sh save MESSAGE     commits and pushes it; fails if another job was faster
# AIVCS_BRANCH is the branch (aivcs-store), AIVCS_PUSH_URL where to push if origin may not be written to.
set -euo pipefail
cd "$(git rev-parse --show-toplevel)"
branch=${AIVCS_BRANCH:-aivcs-store}

case ${1-} in
fetch)
    # git exits with 2 if there is no such branch. Any other failure must not begin a new store.
    there=0
    git ls-remote --exit-code origin "refs/heads/$branch" >/dev/null || there=$?
    git worktree add -q --force --detach store # by force: a runner may remember the last job's
    case $there in
    0) git -C store fetch -q --depth 1 origin "$branch" && git -C store checkout -q --detach FETCH_HEAD ;;
    2) git -C store checkout -q --orphan "$branch" && git -C store rm -rfq --ignore-unmatch . ;;
    *) exit "$there" ;;
    esac
    aivcs init store
    ;;
save)
    aivcs --store store/.aivcs verify
    # The store's own .gitignore keeps it out of a commit that did not mean it, hence -f.
    git -C store add -f -- .aivcs ':!.aivcs/*.sqlite*' ':!.aivcs/tmp'
    git -C store -c user.name=aivcs -c user.email=aivcs@localhost commit -q --allow-empty -m "$2"
    git -C store push -q "${AIVCS_PUSH_URL:-origin}" "HEAD:refs/heads/$branch"
    ;;
*)
    sed -n 's/^# //p' "$0" >&2
    exit 2
    ;;
esac
