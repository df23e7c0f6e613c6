#!/usr/bin/env bash
# Builds the Python packages, and installs and runs each in an empty project:
# bindings/python/packaging/ci.sh PREFIX
#
# PREFIX is what tools/install-capi.sh was given. CODEGEEX_MODEL names another model than the toy.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../../.." && pwd)
[ $# -eq 1 ] || { echo "usage: bindings/python/packaging/ci.sh PREFIX" >&2; exit 2; }
prefix=$(cd "$1" && pwd)
model=${CODEGEEX_MODEL:-$root/models/toy.safetensors}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
unset CODEGEEX_LIBRARY LD_LIBRARY_PATH PYTHONPATH

"$here/build.sh" "$prefix" "$work/dist"
ls "$work"/dist/*-py3-none-manylinux_*.whl >/dev/null || { echo "the wheel has no manylinux tag" >&2; exit 1; }

cat >"$work/program.py" <<'END'
import pathlib
import sys

import codegeex

with codegeex.Model(sys.argv[1]) as model:
    prompt = codegeex.prompt("python", "def add(a, b):")
    (done,) = model.generate(prompt, max_new_tokens=5)
    print(len(done.ids), done.finish_reason, pathlib.Path(codegeex.__file__).parent)
END
# run NAME PACKAGE: a fresh environment, and a folder that has nothing else.
run() {
  "${PYTHON:-python3}" -m venv "$work/$1"
  "$work/$1/bin/python" -m pip install --quiet --disable-pip-version-check ${3-} "$2"
  mkdir "$work/$1-project"
  (cd "$work/$1-project" && "$work/$1/bin/python" "$work/program.py" "$model") | tee "$work/output"
  grep -q "^5 .*$work/$1/" "$work/output"
}
echo "== the wheel, nothing else installed"
run wheel "$work"/dist/*.whl --no-index
ls "$work"/wheel/lib/python3*/site-packages/codegeex/libcodegeex.so.* >/dev/null
echo "== the source archive, with the library of the prefix"
CODEGEEX_LIBRARY=$prefix/lib/libcodegeex.so run source "$work"/dist/*.tar.gz
