#!/usr/bin/env bash
# Checks the Java package against an installed library: bindings/java/ci.sh PREFIX
# (tools/install-capi.sh lays down a PREFIX). Needs Maven, a C++ compiler and a JDK of 22 or later; where
# there is none it tries to install one, and if that fails ends with a note, which is an error with
# CODEGEEX_CI=1.
set -euo pipefail
[ $# -eq 1 ] || { echo "usage: bindings/java/ci.sh PREFIX" >&2; exit 2; }
prefix=$(cd "$1" && pwd)
cd "$(dirname "$0")"

if ! home=$(./jdk.sh); then
  (apt-get update -qq && for jdk in openjdk-25-jdk-headless openjdk-24-jdk-headless openjdk-22-jdk-headless; do
    apt-get install -y -qq "$jdk" && break
  done) >/dev/null 2>&1 || true
fi
home=$(./jdk.sh) || { echo "note: no JDK of 22 or later can be installed here, the Java package was not checked"; exit "$([ "${CODEGEEX_CI-}" = 1 ] && echo 1 || echo 0)"; }
command -v mvn >/dev/null || (apt-get update -qq && apt-get install -y -qq maven) >/dev/null 2>&1 || true
command -v mvn >/dev/null || { echo "note: Maven cannot be installed here, the Java package was not checked"; exit "$([ "${CODEGEEX_CI-}" = 1 ] && echo 1 || echo 0)"; }
export JAVA_HOME=$home
"$JAVA_HOME/bin/javac" -version

export CODEGEEX_LIBRARY="$prefix/lib/libcodegeex.so" CODEGEEX_INCLUDE="$prefix/include"
# Tests, the jar, and the documentation, in which a warning is an error.
log=$(mktemp)
mvn -B -ntp clean verify javadoc:javadoc >"$log" 2>&1 || { cat "$log" >&2; exit 1; }
grep -E '^\[INFO\] Tests run: [0-9]+, .*Skipped: [0-9]+$' "$log"
rm -f "$log"
