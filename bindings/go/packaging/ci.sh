#!/usr/bin/env bash
# Packs the Go module, and builds and runs a program with it in an empty project:
# bindings/go/packaging/ci.sh PREFIX
#
# PREFIX is what tools/install-capi.sh was given; the module finds it by pkg-config. The module has no
# published address, so a project names the unpacked archive in a `replace`. CODEGEEX_MODEL names
# another model than the toy.
set -euo pipefail
here=$(cd "$(dirname "$0")/.." && pwd)
root=$(cd "$here/../.." && pwd)
[ $# -eq 1 ] || { echo "usage: bindings/go/packaging/ci.sh PREFIX" >&2; exit 2; }
prefix=$(cd "$1" && pwd)
model=${CODEGEEX_MODEL:-$root/models/toy.safetensors}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
version=$(sed -n 's/^version = "\(.*\)"$/\1/p' "$root/Cargo.toml" | head -n 1)

# What a user of the module needs, and neither tests nor scripts.
mkdir "$work/codegeex-go-$version"
cp "$here"/{go.mod,README.md} "$root"/LICENSE-* "$work/codegeex-go-$version/"
for file in "$here"/*.go "$here"/*.c "$here"/*.h; do
  case $file in *_test.go) ;; *) cp "$file" "$work/codegeex-go-$version/" ;; esac
done
tar -C "$work" -czf "$work/codegeex-go-$version.tar.gz" "codegeex-go-$version"
rm -r "$work/codegeex-go-$version"
echo "codegeex-go-$version.tar.gz: $(stat -c %s "$work/codegeex-go-$version.tar.gz") bytes"

mkdir "$work/project"
tar -C "$work" -xzf "$work/codegeex-go-$version.tar.gz"
cd "$work/project"
export GOFLAGS=-mod=mod GOTOOLCHAIN=local GOPROXY=off
export PKG_CONFIG_PATH=$prefix/lib/pkgconfig
cat >main.go <<'END'
package main

import (
	"context"
	"fmt"
	"log"
	"os"

	"codegeex"
)

func main() {
	ctx := context.Background()
	model, err := codegeex.Open(ctx, os.Args[1], nil)
	if err != nil {
		log.Fatal(err)
	}
	defer model.Close()
	tokens := 0
	options := &codegeex.GenerateOptions{MaxNewTokens: 5}
	for token, err := range model.Stream(ctx, codegeex.Text("def add(a, b):"), options) {
		if err != nil {
			log.Fatal(err)
		}
		if !token.End() {
			tokens++
		}
	}
	fmt.Println(tokens, "tokens")
}
END
go mod init example >/dev/null 2>&1
go mod edit -require "codegeex@v$version" -replace "codegeex=$work/codegeex-go-$version"
go build -o program .
LD_LIBRARY_PATH=$prefix/lib ./program "$model" | tee output
grep -qx '5 tokens' output
