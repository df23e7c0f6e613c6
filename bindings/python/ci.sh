#!/usr/bin/env bash
# Tests the Python package: bindings/python/ci.sh PREFIX_OR_LIBRARY
#
# The argument is what tools/install-capi.sh was given, or the path of a libcodegeex.so. Installs the
# package into a virtual environment that is removed at the end, with pip from the package index.
# PYTHON names the interpreter, CODEGEEX_MODEL another model.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
[ $# -eq 1 ] || { echo "usage: bindings/python/ci.sh PREFIX_OR_LIBRARY" >&2; exit 2; }
library=$1
[ ! -d "$library" ] || library=$library/lib/libcodegeex.so
[ -f "$library" ] || { echo "$library: no such library" >&2; exit 2; }
model=${CODEGEEX_MODEL:-$root/models/codegeex_tiny.safetensors}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
CODEGEEX_LIBRARY=$(cd "$(dirname "$library")" && pwd)/$(basename "$library")
export CODEGEEX_LIBRARY PYTHONDONTWRITEBYTECODE=1

echo "== installs"
"${PYTHON:-python3}" -m venv "$scratch/venv"
python=$scratch/venv/bin/python
# A copy, because a build leaves files behind.
mkdir "$scratch/package"
cp -r "$here"/{pyproject.toml,setup.py,README.md,src} "$root"/LICENSE-* "$scratch/package/"
"$python" -m pip install --quiet --disable-pip-version-check "$scratch/package"
# Nothing else is needed to use it.
[ "$("$python" -m pip list --disable-pip-version-check --format=freeze |
  grep -cvE '^(pip|setuptools|wheel)==')" = 1 ]
(cd "$scratch" && "$python" -c 'import codegeex; codegeex.load(); print(codegeex.library_version())')
"$python" -m pip install --quiet --disable-pip-version-check 'mypy>=1.13' 'pytest>=7' 'numpy'

echo "== types"
cd "$here"
MYPYPATH=src "$python" -m mypy --cache-dir "$scratch/mypy"

echo "== tests, of the installed package"
CODEGEEX_MODEL=$model "$python" -m pytest -p no:cacheprovider

echo "== the example"
"$python" examples/complete.py "$model" | tee "$scratch/output"
grep -qx -- '-- cancelled after 5 tokens, cancelled' "$scratch/output"
