#!/usr/bin/env bash
# Checks the Go package against an installed library: bindings/go/ci.sh PREFIX
# (tools/install-capi.sh lays down a PREFIX). FUZZ_SECONDS is about how long the fuzz test runs, 10
# unless set: a number of inputs is given, since go test fails at times when a time runs out.
set -euo pipefail
[ $# -eq 1 ] || { echo "usage: bindings/go/ci.sh PREFIX" >&2; exit 2; }
prefix=$(cd "$1" && pwd)
cd "$(dirname "$0")"
export PKG_CONFIG_PATH="$prefix/lib/pkgconfig" LD_LIBRARY_PATH="$prefix/lib"
export GOFLAGS=-mod=mod GOTOOLCHAIN=local GOPROXY=off

go version
unformatted=$(gofmt -l .)
[ -z "$unformatted" ] || { echo "gofmt changes: $unformatted" >&2; exit 1; }
go vet ./...
# Pointers of Go's that C keeps are looked for too.
GOEXPERIMENT=cgocheck2 go test -count=1 -race ./...
go test -run '^$' -fuzz FuzzTokenizerRoundTrip -fuzztime "$((20000 * ${FUZZ_SECONDS:-10}))x" -parallel 2 .
