#!/usr/bin/env bash
# Writes src/main/java/codegeex/Native.java from include/codegeex.h. A test says when that is needed.
set -euo pipefail
cd "$(dirname "$0")"
JAVA_HOME=$(./jdk.sh)
mkdir -p target/generator
"$JAVA_HOME/bin/javac" -d target/generator src/test/java/codegeex/Header.java src/test/java/codegeex/NativeGenerator.java
"$JAVA_HOME/bin/java" -cp target/generator codegeex.NativeGenerator
