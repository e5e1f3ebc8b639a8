#!/usr/bin/env bash
# Makes .venv, or brings it up to date. One whose making was interrupted, that was made in another folder, or with
# another Python than the one asked for, is made anew. Usage: venv.sh [PYTHON]
set -euo pipefail
cd "$(dirname "$0")/.."
stamp=.venv/.installed

version_of() {
  "$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null
}

asked=${1:-}
python=${asked:-python3}
if ! version=$(version_of "$python"); then
  echo "There is no '$python' that runs. Name a Python 3.11 or newer: make PYTHON=python3.12" >&2
  exit 1
fi
present=$(version_of .venv/bin/python || true)
if [ -z "$asked" ] && [ -n "$present" ] && [ -e "$stamp" ]; then
  version=$present
fi
case $version in
  2.* | 3.[0-9] | 3.10)
    echo "crowd_pipelines needs Python 3.11 or newer, and '$python' is $version. Name another: make PYTHON=python3.12" >&2
    exit 1
    ;;
esac

place="$PWD with Python $version"
wanted="$place, $(cat pyproject.toml constraints.txt | cksum)"
found=$(cat "$stamp" 2>/dev/null || true)
if [ "$found" = "$wanted" ] && [ "$present" = "$version" ]; then
  exit 0
fi
if [ "${found%, *}" = "$place" ] && [ "$present" = "$version" ]; then
  rm "$stamp" # so that an update that is interrupted is not taken for a finished one
else
  echo "Making .venv with Python $version"
  "$python" -m venv --clear .venv
fi
echo "Installing; the first time this takes a minute or two"
.venv/bin/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
echo "$wanted" >"$stamp"
