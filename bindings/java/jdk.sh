#!/usr/bin/env bash
# Prints the home of a JDK of 22 or later: JAVA_HOME if that is one, or the newest that is installed.
set -euo pipefail
least=22
version() { [ -x "$1/bin/javac" ] && "$1/bin/javac" -version 2>&1 | sed -n 's/^javac \([0-9]*\).*/\1/p'; }
best="" best_version=0
for home in "${JAVA_HOME:-}" /usr/lib/jvm/* /opt/java/* /opt/jdk*; do
  [ -n "$home" ] || continue
  found=$(version "$home" || true)
  [ "${found:-0}" -ge "$least" ] || continue
  # What the caller chose comes first.
  if [ "$home" = "${JAVA_HOME:-}" ]; then best=$home; break; fi
  if [ "$found" -gt "$best_version" ]; then best=$home best_version=$found; fi
done
[ -n "$best" ] || { echo "no JDK of $least or later: set JAVA_HOME" >&2; exit 1; }
echo "$best"
