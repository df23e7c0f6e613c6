#!/usr/bin/env bash
# One program in six languages: tests/capi/six.sh PREFIX
#
# PREFIX is what tools/install-capi.sh was given. Runs examples/hello.rs and the same program in C,
# C++, Go, Java and Python, and compares what they print byte for byte. A language whose tools are not
# here is left out with a note, which is an error with CODEGEEX_CI=1; C, C++ and Rust have to be.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
[ $# -eq 1 ] || { echo "usage: tests/capi/six.sh PREFIX" >&2; exit 2; }
prefix=$(cd "$1" && pwd)
model=$root/models/codegeex_tiny.safetensors
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export PKG_CONFIG_PATH=$prefix/lib/pkgconfig LD_LIBRARY_PATH=$prefix/lib
export CODEGEEX_LIBRARY=$prefix/lib/libcodegeex.so PYTHONDONTWRITEBYTECODE=1

cd "$root"
cargo run --locked --quiet --all-features --example hello -- "$model" >"$work/expected"
grep -qx -- '-- cancelled after 5 tokens, cancelled' "$work/expected"
echo "Rust: $(wc -c <"$work/expected") bytes"

note() { echo "note: $*"; [ "${CODEGEEX_CI-}" != 1 ] || exit 1; }
same() { cmp "$work/output" "$work/expected"; echo "$1: the same"; }
flags=$(pkg-config --cflags --libs codegeex)
# shellcheck disable=SC2086
cc -std=c99 -D_POSIX_C_SOURCE=200809L examples/c/complete.c $flags -o "$work/c"
"$work/c" "$model" >"$work/output"
same C
# shellcheck disable=SC2086
c++ -std=c++17 examples/cpp/complete.cpp $flags -o "$work/cpp"
"$work/cpp" "$model" >"$work/output"
same C++
if command -v go >/dev/null; then
  (cd bindings/go && GOTOOLCHAIN=local GOPROXY=off go run ./examples/complete "$model") >"$work/output"
  same Go
else
  note "no Go here"
fi
jar=bindings/java/target/codegeex-0.1.0.jar
if home=$(bindings/java/jdk.sh) && [ -f "$jar" ]; then
  "$home/bin/java" -jar "$jar" "$model" >"$work/output"
  same Java
else
  note "no Java here, or bindings/java/ci.sh has not run"
fi
if command -v python3 >/dev/null; then
  PYTHONPATH=bindings/python/src python3 bindings/python/examples/complete.py "$model" >"$work/output"
  same Python
else
  note "no Python here"
fi
