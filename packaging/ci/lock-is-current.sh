#!/usr/bin/env bash
# Proves, without any data, that dvc.lock belongs to the code, the prompts and the settings beside it.
# Exit code 1 when a stage would run; docs/dvc.md says what it can see and what it cannot.
set -euo pipefail

# A dry run that finds something to do may end with 0, or fail on data that is not there. That
# nothing is to do this sentence alone says.
current="Data and pipelines are up to date."
if said=$(dvc repro --dry --allow-missing --keep-going 2>&1) && grep -qxF "$current" <<<"$said"; then
    echo "dvc.lock is current."
    exit 0
fi
# What DVC says of all stages that did not change, and of those that come after one that did, hides
# the names of those that count.
grep -vE "^(Stage |> |WARNING: |$)" <<<"$said" >&2 || true
echo "error: dvc.lock is not current. Run \`dvc repro\`, then commit dvc.lock." >&2
exit 1
