#!/usr/bin/env bash
# Prints the version of a build: the given one, or that of the checkout. Whoever may push a tag
# chooses its name, and make puts the version into commands, so other text is no version.
set -euo pipefail
form='^[0-9A-Za-z][0-9A-Za-z._+-]*$'
version="${1:-}"
if [ -n "$version" ]; then
  [[ "$version" =~ $form ]] || { printf 'VERSION %q: use letters, digits and ._+-\n' "$version" >&2; exit 1; }
else
  version=$(git describe --tags --always --dirty 2> /dev/null) || version=dev
  [[ "$version" =~ $form ]] || version=$(git describe --always --exclude '*' --dirty)
fi
printf '%s\n' "$version"
