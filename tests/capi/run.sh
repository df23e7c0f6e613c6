#!/usr/bin/env bash
# The C library against its promises: tests/capi/run.sh [--profile NAME | --prefix DIR]
#
# Builds the library as it is installed (profile release-capi unless another is named), or takes the one
# that tools/install-capi.sh has laid down in DIR; and builds it once more with the symbols that only
# tests need. Wants cc, c++, cmake, pkg-config, valgrind and abidiff
# (Debian: gcc g++ cmake pkg-config valgrind abigail-tools).
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
profile=release-capi prefix=""
case ${1-} in
  --profile) profile=$2 ;;
  --prefix) prefix=$(cd "$2" && pwd) ;;
esac
cc=${CC:-cc} cxx=${CXX:-c++}
model=$root/models/codegeex_tiny.safetensors
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
flags=(-std=c99 -D_POSIX_C_SOURCE=200809L -g -O1 -Wall -Wextra -Werror -pedantic)

step() { printf -- '-- %s\n' "$*"; }
fail() { echo "$*" >&2; exit 1; }

# Runs a program, which must print nothing on standard output.
quiet() {
  local said
  said=$("$@") || return 1
  [ -z "$said" ] || fail "$1 printed on standard output: $said"
}

step "the header alone, as C99 and as C++17"
printf '#include "codegeex.h"\n' >"$work/alone.c"
cp "$work/alone.c" "$work/alone.cpp"
strict=(-Wall -Wextra -Werror -pedantic -Wcast-qual -Wstrict-prototypes)
"$cc" -std=c99 "${strict[@]}" -fsyntax-only -I"$root/include" "$work/alone.c"
"$cxx" -std=c++17 "${strict[@]:0:4}" -fsyntax-only -I"$root/include" "$work/alone.cpp"

if [ -z "$prefix" ]; then
  step "installed ($profile)"
  prefix=$work/prefix
  "$root/tools/install-capi.sh" "$prefix" --profile "$profile"
fi
library=$prefix/lib/libcodegeex.so
export PKG_CONFIG_PATH=$prefix/lib/pkgconfig LD_LIBRARY_PATH=$prefix/lib

step "exported symbols are those of the list"
nm -D --defined-only "$library" | awk '{print $3}' | LC_ALL=C sort >"$work/symbols"
diff "$here/symbols.txt" "$work/symbols" || fail "exported symbols differ (> are exported)"
# What --cfg codegeex_c_library brings along; the wheel and the Maven artifact carry this library.
nm "$library" | grep 6memory7reserve >/dev/null || fail "no reserve of memory: --cfg codegeex_c_library was not given"

step "soname and needed libraries"
abi=$(sed -n 's/^#define CODEGEEX_ABI_MAJOR //p' "$root/include/codegeex.h")
readelf -d "$library" | grep -q "SONAME.*\[libcodegeex.so.$abi\]" || fail "no soname libcodegeex.so.$abi"
needed=$(readelf -d "$library" | sed -n 's/.*NEEDED.*\[\(.*\)\]/\1/p')
# ld-linux is the loader, a part of libc.
strangers=$(grep -vE '^(libc|libm|libgcc_s|ld-linux[-a-z0-9_]*)\.so\.[0-9]+$' <<<"$needed" || true)
[ -z "$strangers" ] || fail "needs $strangers"
echo "$needed" | tr '\n' ' '; echo

if [ "$profile" = release-capi ]; then
  step "stripped, under 5 MB"
  strip -o "$work/stripped.so" "$library"
  size=$(stat -c %s "$work/stripped.so")
  echo "$size bytes"
  [ "$size" -lt 5000000 ] || fail "libcodegeex.so has $size bytes"
fi

step "the ABI is that of the last release, and more"
"$cc" -shared -fPIC -g -O0 -w -Wl,-soname,libcodegeex.so.$abi -I"$root/include" \
  "$here/generated/shim.c" -o "$work/shim.so"
for dump in "$here"/abi/*/codegeex.abi; do
  abidiff --no-added-syms --suppressions "$here/abi/appended.abignore" "$dump" "$work/shim.so" \
    || fail "$dump: abidiff says $?"
  echo "$(basename "$(dirname "$dump")"): compatible"
done

step "programs of earlier releases"
for program in "$here"/abi/*/program.c; do
  "$cc" "${flags[@]}" -I"$(dirname "$program")" "$program" -L"$prefix/lib" -lcodegeex -o "$work/old"
  quiet "$work/old" "$model"
  echo "$(basename "$(dirname "$program")"): runs"
done

step "a CMake project and pkg-config"
example=$root/examples/c/complete.c
"$cc" "${flags[@]}" "$example" $(pkg-config --cflags --libs codegeex) -o "$work/complete"
"$work/complete" "$model" >"$work/complete.txt"
cmake -S "$here/cmake-consumer" -B "$work/consumer" -DCMAKE_PREFIX_PATH="$prefix" \
  -DEXAMPLE="$example" >"$work/cmake.log" || { cat "$work/cmake.log" >&2; exit 1; }
cmake --build "$work/consumer" >>"$work/cmake.log" || { cat "$work/cmake.log" >&2; exit 1; }
for kind in shared static; do
  env -u LD_LIBRARY_PATH "$work/consumer/$kind" "$model" | cmp - "$work/complete.txt"
done
grep -qx -- '-- cancelled after 5 tokens, cancelled' "$work/complete.txt" || fail "another answer"

step "loaded and unloaded, also after a fork"
"$cc" "${flags[@]}" -I"$root/include" "$here/unload.c" -ldl -o "$work/unload"
quiet "$work/unload" "$library" "$model"

step "the library with the symbols of tests"
cargo rustc --locked --quiet --manifest-path "$root/Cargo.toml" --lib --features capi --profile dev \
  --crate-type cdylib -- --cfg codegeex_capi_test --cfg codegeex_c_library
mkdir "$work/test" "$work/files"
cp "${CARGO_TARGET_DIR:-$root/target}/debug/libcodegeex.so" "$work/test/"
export LD_LIBRARY_PATH=$work/test

arguments() {
  case $1 in
    refused) echo "$root/models/codegeex_tiny.safetensors $work/files" ;;
    model) echo "$model $work/files" ;;
    infill) echo "$root/tests/data/infill $root/models/toy.safetensors" ;;
    threads | panic) echo "$model" ;;
  esac
}
# Builds the tests with some flags and runs them with some command before each.
suite() {
  local kind=$1 before=$2; shift 2
  mkdir -p "$work/$kind"
  for name in nulls base code handles refused model infill threads panic; do
    source=$here/$name.c
    [ -f "$source" ] || source=$here/generated/$name.c
    "$cc" "${flags[@]}" "$@" -I"$root/include" "$source" -L"$work/test" -lcodegeex -lm -lpthread \
      -o "$work/$kind/$name"
    # shellcheck disable=SC2086
    quiet $before "$work/$kind/$name" $(arguments $name) || fail "$kind/$name failed"
  done
}

step "C tests"
suite plain ""
step "C tests with AddressSanitizer and UndefinedBehaviorSanitizer"
suite sanitized "" -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
step "C tests under valgrind"
# In INT8, as the tests have just written it: valgrind takes minutes over half precision. One core, so
# that no thread spins while valgrind lets another run.
mv "$work/files/int8.safetensors" "$work/int8.safetensors"
model=$work/int8.safetensors
memcheck="taskset -c 0 valgrind --quiet --error-exitcode=99 --leak-check=full --show-leak-kinds=definite"
memcheck+=" --errors-for-leak-kinds=definite --suppressions=$here/valgrind.supp"
suite valgrind "$memcheck"
"$cc" "${flags[@]}" -I"$root/include" "$here/unload.c" -ldl -o "$work/unload"
quiet $memcheck "$work/unload" "$library" "$model" || fail "unload failed"
step "threads with ThreadSanitizer, the C side instrumented"
for name in threads handles; do
  "$cc" "${flags[@]}" -fsanitize=thread -I"$root/include" "$here/$name.c" -L"$work/test" -lcodegeex \
    -lm -lpthread -o "$work/$name-tsan"
  TSAN_OPTIONS="ignore_noninstrumented_modules=1 exitcode=66" quiet "$work/$name-tsan" "$model"
done

step "memory that is refused: with limits of the process, and each allocation in turn"
for name in limit failing; do
  "$cc" "${flags[@]}" -I"$root/include" "$here/$name.c" -L"$work/test" -lcodegeex -lm -lpthread \
    -o "$work/$name"
  quiet "$work/$name" "$root/models/toy.safetensors" "$work/files" || fail "$name failed"
done

step "the C library keeps its promises"
