#!/usr/bin/env bash
# Writes the ABI of the header into abi/VERSION/, at a release: tests/capi/dump-abi.sh
#
# The dump is made of a library of empty functions that is compiled against the header, not of
# libcodegeex.so: Rust's debug information has no C types, and would change with the compiler.
set -euo pipefail
cd "$(dirname "$0")"
version=$(sed -n 's/^#define CODEGEEX_VERSION "\([0-9]*\.[0-9]*\).*"$/\1/p' ../../include/codegeex.h)
abi=$(sed -n 's/^#define CODEGEEX_ABI_MAJOR //p' ../../include/codegeex.h)
mkdir -p "abi/$version"
cp ../../include/codegeex.h "abi/$version/codegeex.h"
shim=$(mktemp)
trap 'rm -f "$shim"' EXIT
# Compiled from here, so that no path of this machine is in it.
${CC:-cc} -shared -fPIC -g -O0 -w -fdebug-prefix-map="$PWD/../.."=. -Wl,-soname,"libcodegeex.so.$abi" \
  -I../../include generated/shim.c -o "$shim"
abidw --no-corpus-path --no-comp-dir-path --no-show-locs --no-parameter-names \
  --no-elf-needed --type-id-style hash "$shim" >"abi/$version/codegeex.abi"
ls -l "abi/$version"
