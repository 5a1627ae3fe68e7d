#!/usr/bin/env bash
# Gives a job a store of its own, whose runs go to a store that lasts, and whose releases are made there.
# Usage: store-remote.sh fetch            the store is then store/.aivcs
#        store-remote.sh save MESSAGE     pushes its runs; if that store is away, leaves store/unsent.tar
# AIVCS_REMOTE is the store that lasts: the path of its folder, or a URL. It takes any number of jobs at once.
set -euo pipefail
cd "$(git rev-parse --show-toplevel)"

case ${1-} in
fetch)
    aivcs init store
    aivcs --store store/.aivcs remote add origin "${AIVCS_REMOTE:?}"
    aivcs --store store/.aivcs config set 'release.home.*' origin
    aivcs --store store/.aivcs pull --releases-only
    ;;
save)
    # A store that is away does not make the job fail: its runs are in a file, to be kept as an artifact.
    aivcs --store store/.aivcs push --timeout 60 --or-bundle store/unsent.tar
    ;;
*)
    sed -n 's/^# //p' "$0" >&2
    exit 2
    ;;
esac
