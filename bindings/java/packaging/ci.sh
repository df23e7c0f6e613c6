#!/usr/bin/env bash
# Builds the Maven artifact with the library inside, and builds and runs a program with it in an empty
# project: bindings/java/packaging/ci.sh PREFIX
#
# PREFIX is what tools/install-capi.sh was given. CODEGEEX_MODEL names another model than the toy.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../../.." && pwd)
[ $# -eq 1 ] || { echo "usage: bindings/java/packaging/ci.sh PREFIX" >&2; exit 2; }
prefix=$(cd "$1" && pwd)
model=${CODEGEEX_MODEL:-$root/models/toy.safetensors}
JAVA_HOME=$("$here/../jdk.sh")
export JAVA_HOME
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
unset CODEGEEX_LIBRARY LD_LIBRARY_PATH

"$here/build.sh" "$prefix" "$work/repository"
version=$(sed -n 's|^  <version>\(.*\)</version>$|\1|p' "$here/../pom.xml")

mkdir -p "$work/project/src/main/java"
cd "$work/project"
cat >pom.xml <<END
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>example</groupId>
  <artifactId>example</artifactId>
  <version>1</version>
  <properties>
    <maven.compiler.release>22</maven.compiler.release>
    <project.build.sourceEncoding>UTF-8</project.build.sourceEncoding>
  </properties>
  <repositories>
    <repository><id>built</id><url>file://$work/repository</url></repository>
  </repositories>
  <dependencies>
    <dependency><groupId>codegeex</groupId><artifactId>codegeex</artifactId><version>$version</version></dependency>
  </dependencies>
  <build>
    <plugins>
      <plugin><artifactId>maven-resources-plugin</artifactId><version>3.3.1</version></plugin>
      <plugin><artifactId>maven-compiler-plugin</artifactId><version>3.13.0</version></plugin>
    </plugins>
  </build>
</project>
END
cat >src/main/java/Program.java <<'END'
import codegeex.CancelToken;
import codegeex.GenerateOptions;
import codegeex.Model;
import codegeex.Prompt;
import codegeex.TokenStream;
import java.nio.file.Path;

class Program {
    public static void main(String[] arguments) {
        var options = GenerateOptions.builder().maxNewTokens(5).build();
        int tokens = 0;
        try (Model model = Model.open(Path.of(arguments[0]));
                TokenStream stream = model.stream(Prompt.of("def add(a, b):"), options, new CancelToken())) {
            while (stream.hasNext()) {
                tokens += stream.next().isEnd() ? 0 : 1;
            }
        }
        System.out.println(tokens + " tokens");
    }
}
END
# A repository of its own, so that no other build of the same version is found; plugins are linked.
mkdir "$work/m2"
if [ -d "$HOME/.m2/repository" ]; then
  cp -al "$HOME/.m2/repository/." "$work/m2/" 2>/dev/null || cp -a "$HOME/.m2/repository/." "$work/m2/"
  rm -rf "$work/m2/codegeex"
fi
mvn -B -ntp -Dmaven.repo.local="$work/m2" compile >"$work/log" 2>&1 || { cat "$work/log" >&2; exit 1; }
jar=$work/m2/codegeex/codegeex/$version/codegeex-$version.jar
"$JAVA_HOME/bin/java" --enable-native-access=ALL-UNNAMED -cp "target/classes:$jar" Program "$model" | tee output
grep -qx '5 tokens' output
