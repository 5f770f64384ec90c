#!/usr/bin/env bash
# Fails a workflow that has no place to go: the variables of its environment say where Azure is
# and who signs in. A pull request without them has no preview, and says so; ready=yes among
# the outputs of the step lets the later ones run.
set -euo pipefail
missing=""
for name in AZURE_CLIENT_ID AZURE_TENANT_ID AZURE_SUBSCRIPTION_ID AZURE_ENV_NAME; do
  [ -n "${!name:-}" ] || missing="$missing $name"
done
if [ -z "$missing" ]; then
  echo "ready=yes" >> "$GITHUB_OUTPUT"
elif [ "$GITHUB_EVENT_NAME" = pull_request ]; then
  echo "::notice::no preview: the environment preview has no variable$missing"
else
  echo "::error::the environment has no variable$missing: nothing was changed"
  exit 1
fi
