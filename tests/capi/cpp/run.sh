#!/usr/bin/env bash
# Tests include/codegeex.hpp: tests/capi/cpp/run.sh PREFIX
#
# PREFIX is what tools/install-capi.sh was given. Checks that the C++ header covers the C header and
# compiles alone in every dialect it promises, runs the tests under AddressSanitizer and
# UndefinedBehaviorSanitizer, and runs the example. CODEGEEX_MODEL names another model; CXX_LIST
# other compilers than g++ and, where it is there, clang++; the first builds the tests.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../../.." && pwd)
[ $# -eq 1 ] || { echo "usage: tests/capi/cpp/run.sh PREFIX" >&2; exit 2; }
prefix=$(cd "$1" && pwd)
model=${CODEGEEX_MODEL:-$root/models/codegeex_tiny.safetensors}
read -ra compilers <<<"${CXX_LIST:-g++ $(command -v clang++ >/dev/null && echo clang++)}"
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

header=$prefix/include/codegeex.hpp
strict=(-Wall -Wextra -Werror -pedantic -Wshadow -Wconversion "-I$prefix/include")
returning=(-fno-exceptions -fno-rtti -DCODEGEEX_NO_EXCEPTIONS)

echo "== every C function is in the C++ header"
functions=$(grep -oE '\bcodegeex_[a-z0-9_]+\(' "$prefix/include/codegeex.h" | tr -d '(' | sort -u)
[ "$(wc -l <<<"$functions")" -gt 150 ]
missing=0
for function in $functions; do
  grep -qw "$function" "$header" || { echo "codegeex.hpp does not use $function" >&2; missing=1; }
done
[ $missing = 0 ]

echo "== the header compiles alone"
echo '#include <codegeex.hpp>' >"$scratch/alone.cpp"
for compiler in "${compilers[@]}"; do
  for standard in c++17 c++20 c++2b; do
    "$compiler" "-std=$standard" "${strict[@]}" -fsyntax-only "$scratch/alone.cpp"
    "$compiler" "-std=$standard" "${strict[@]}" "${returning[@]}" -fsyntax-only "$scratch/alone.cpp"
    # The switch is found without the macro too.
    "$compiler" "-std=$standard" "${strict[@]}" -fno-exceptions -fsyntax-only "$scratch/alone.cpp"
  done
done
# Every template as well: the newest dialect with the first compiler, the oldest with the last.
templates() {
  for file in "$here"/*.cpp; do
    flags=()
    [ "$(basename "$file")" != no_exceptions.cpp ] || flags=("${returning[@]}")
    "$1" "-std=$2" -Wall -Wextra -Werror -pedantic "-I$prefix/include" "${flags[@]}" \
      -fsyntax-only "$file"
  done
}
templates "${compilers[0]}" c++2b
templates "${compilers[-1]}" c++17

echo "== tests, with sanitizers"
sanitizers=(-fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer)
for file in "$here"/*.cpp; do
  flags=()
  name=$(basename "$file" .cpp)
  [ "$name" != no_exceptions ] || flags=("${returning[@]}")
  "${compilers[0]}" -std=c++17 -O1 -g "${sanitizers[@]}" "-I$prefix/include" "${flags[@]}" \
    -c "$file" -o "$scratch/$name.o"
done
"${compilers[0]}" "${sanitizers[@]}" "$scratch"/*.o "-L$prefix/lib" -lcodegeex -pthread \
  -o "$scratch/tests"
export LD_LIBRARY_PATH=$prefix/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
ASAN_OPTIONS=detect_stack_use_after_return=1 "$scratch/tests" "$model"

echo "== the example"
"${compilers[0]}" -std=c++17 "${strict[@]}" "$root/examples/cpp/complete.cpp" "-L$prefix/lib" \
  -lcodegeex -o "$scratch/complete"
"$scratch/complete" "$model" | tee "$scratch/output"
grep -qx -- '-- cancelled after 5 tokens, cancelled' "$scratch/output"
