#!/usr/bin/env bash
# Prints the section of CHANGELOG.md for the version given as v1.2.3; fails if there is none.
source "$(dirname "$0")/common.sh"
version="${1#v}"
[[ "$1" =~ ^v[0-9]+\.[0-9]+\.[0-9]+(-[0-9A-Za-z.]+)?$ ]] || stop "$1 is not a version: use a tag such as v1.2.3"
section=$(awk -v heading="$version" '
  /^## / { inside = ($2 == heading); next }
  inside { print }
' CHANGELOG.md)
[ -n "$section" ] || stop "CHANGELOG.md has no section \"## $version\": add it before you push the tag"
printf '%s\n' "$section"
