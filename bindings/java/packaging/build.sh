#!/usr/bin/env bash
# Builds the Maven artifact with the library inside: bindings/java/packaging/build.sh PREFIX REPOSITORY
#
# PREFIX is what tools/install-capi.sh was given; REPOSITORY a folder that becomes a Maven repository with
# codegeex:codegeex. Needs Maven and a JDK of 22 or later.
set -euo pipefail
here=$(cd "$(dirname "$0")/.." && pwd)
[ $# -eq 2 ] || { echo "usage: bindings/java/packaging/build.sh PREFIX REPOSITORY" >&2; exit 2; }
prefix=$(cd "$1" && pwd)
mkdir -p "$2"
repository=$(cd "$2" && pwd)
JAVA_HOME=$("$here/jdk.sh")
export JAVA_HOME
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

natives=$work/natives/linux-$(uname -m)
mkdir -p "$natives"
strip -o "$natives/libcodegeex.so" "$prefix/lib/libcodegeex.so"
# A copy, so that the library does not stay among the classes of other builds.
cp -r "$here"/{pom.xml,src} "$work/"
mvn -B -ntp -f "$work/pom.xml" deploy -Dmaven.test.skip=true -Dmaven.install.skip=true \
  -Dcodegeex.natives="$work/natives" -DaltDeploymentRepository="built::file://$repository" \
  >"$work/log" 2>&1 || { cat "$work/log" >&2; exit 1; }
find "$repository" -name '*.jar' -printf '%P: %s bytes\n'
