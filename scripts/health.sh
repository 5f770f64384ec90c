#!/usr/bin/env bash
# Waits until the deployed app answers its health endpoint; fails if it reports problems. It reads
# no app, and prints only those with problems.
source "$(dirname "$0")/common.sh"
needs curl
deployed

for try in 1 2 3 4 5 6 7 8 9 10 11 12; do
  if health=$(ask 'health?needs=false'); then
    jq '{status, problems, apps: (.apps // [] | {served: map(select(.problems | not)) | length, others: map(select(.problems))})}' <<< "$health"
    [ "$(jq -r .status <<< "$health")" = ok ] || stop "$FUNCTION_APP is up and reports problems, see above: fix bluegreen.yaml, then run make package and scripts/publish.sh"
    say "$FUNCTION_APP is up: BLUEGREEN_URL=https://$FUNCTION_HOST"
    exit
  fi
  say "no answer yet ($try of 12)"
  sleep "${BLUEGREEN_PAUSE:-10}"
done
stop "$FUNCTION_APP does not answer: read its log stream"
