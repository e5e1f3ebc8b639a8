#!/usr/bin/env bash
# Writes constraints.txt: the newest versions that pyproject.toml allows, found by installing them afresh.
set -euo pipefail
cd "$(dirname "$0")/.."

environment=$(mktemp -d)
trap 'rm -rf "$environment"' EXIT
"${1:-python3}" -m venv "$environment"
"$environment/bin/python" -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
pins=$("$environment/bin/python" -m pip freeze --exclude-editable)

if unusable=$(grep --invert-match --extended-regexp '^[A-Za-z0-9_.-]+==[A-Za-z0-9_.+!-]+$' <<<"$pins"); then
  echo "These are no plain pins, so others could not install them: $unusable" >&2
  exit 1
fi
{
  echo "# Written by \`make constraints\`: every version that development, the tests and the image use."
  echo "$pins"
} >constraints.txt
