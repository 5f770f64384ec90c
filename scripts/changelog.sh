#!/usr/bin/env bash
# Prints what CHANGELOG.md says of the version given as v1.2.3, and stops when that is nothing.
source "$(dirname "$0")/common.sh"
version="${1#v}"
[[ "$1" =~ ^v[0-9]+\.[0-9]+\.[0-9]+(-[0-9A-Za-z.]+)?$ ]] || stop "$1 is not a version such as v1.2.3"
section=$(awk -v heading="$version" '
  /^## / { inside = ($2 == heading); next }
  inside { print }
' CHANGELOG.md)
[ -n "$section" ] || stop "CHANGELOG.md has no section \"## $version\": write down what changes before the tag is pushed"
printf '%s\n' "$section"
