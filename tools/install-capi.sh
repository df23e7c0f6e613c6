#!/usr/bin/env bash
# Builds the C library and installs it: tools/install-capi.sh PREFIX [--profile NAME] [--features LIST]
#
# Lays down what `cargo cinstall --prefix PREFIX` does with the metadata in Cargo.toml: the shared
# library with its soname links, the static one, the header, codegeex.pc, and a CMake package. The
# default profile is release-capi; `--profile dev` builds in a fraction of the time.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)

usage() { echo "usage: tools/install-capi.sh PREFIX [--profile NAME] [--features LIST]" >&2; exit 2; }
prefix="" profile=release-capi features=capi
while [ $# -gt 0 ]; do
  case $1 in
    --profile) [ $# -ge 2 ] || usage; profile=$2; shift 2 ;;
    --features) [ $# -ge 2 ] || usage; features=$2; shift 2 ;;
    -*) usage ;;
    *) [ -z "$prefix" ] || usage; prefix=$1; shift ;;
  esac
done
[ -n "$prefix" ] || usage
mkdir -p "$prefix"
prefix=$(cd "$prefix" && pwd)

version=$(sed -n 's/^version = "\(.*\)"$/\1/p' "$root/Cargo.toml" | head -n 1)
abi=$(sed -n 's/^#define CODEGEEX_ABI_MAJOR \([0-9]*\)$/\1/p' "$root/include/codegeex.h")
[ -n "$version" ] && [ -n "$abi" ]

# Crate types are given here and not in Cargo.toml, as cargo-c does too: every other build of the
# crate would link a shared library that was not asked for. A soname on the static library's command
# line does nothing.
target=${CARGO_TARGET_DIR:-$root/target}
case $profile in dev) folder=$target/debug ;; *) folder=$target/$profile ;; esac
cargo rustc --locked --quiet --manifest-path "$root/Cargo.toml" --lib --features "$features" \
  --profile "$profile" --crate-type cdylib,staticlib -- --cfg codegeex_c_library -C "link-arg=-Wl,-soname,libcodegeex.so.$abi"

install -d "$prefix"/{include,lib/pkgconfig,lib/cmake/codegeex}
install -m 644 "$root"/include/codegeex.h* "$prefix/include/"
# The file of the other versions goes, so that links never point to a stranger.
rm -f "$prefix"/lib/libcodegeex.so*
install -m 755 "$folder/libcodegeex.so" "$prefix/lib/libcodegeex.so.$version"
ln -s "libcodegeex.so.$version" "$prefix/lib/libcodegeex.so.$abi"
ln -s "libcodegeex.so.$abi" "$prefix/lib/libcodegeex.so"
install -m 644 "$folder/libcodegeex.a" "$prefix/lib/libcodegeex.a"
sed -e "s|@PREFIX@|$prefix|" -e "s|@VERSION@|$version|" "$root/packaging/codegeex.pc.in" \
  >"$prefix/lib/pkgconfig/codegeex.pc"
install -m 644 "$root"/packaging/codegeex-config*.cmake "$prefix/lib/cmake/codegeex/"

cat <<END
codegeex $version (ABI $abi, profile $profile) is in $prefix:
  include/codegeex.h, include/codegeex.hpp
  lib/libcodegeex.so -> libcodegeex.so.$abi -> libcodegeex.so.$version ($(stat -Lc %s "$prefix/lib/libcodegeex.so") bytes)
  lib/libcodegeex.a ($(stat -c %s "$prefix/lib/libcodegeex.a") bytes)
  lib/pkgconfig/codegeex.pc, lib/cmake/codegeex/
CMake: find_package(codegeex REQUIRED) with -DCMAKE_PREFIX_PATH=$prefix, then
  target_link_libraries(APP codegeex::codegeex), or codegeex::static for the static library
pkg-config: PKG_CONFIG_PATH=$prefix/lib/pkgconfig pkg-config --cflags --libs codegeex
Programs find the shared library by LD_LIBRARY_PATH=$prefix/lib or an rpath, unless the loader looks there.
END
