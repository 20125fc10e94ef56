#!/usr/bin/env bash
# Compiles the core, then the Android adapters against stubs, then the tests, each where its sources changed.
# build.sh OUT COMPILER: OUT gets core.jar, adapters.jar and tests.jar; COMPILER is where npm installs the Kotlin compiler.
set -euo pipefail

here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
out="$1" compiler="$2"
mkdir -p "$out" "$compiler"

if ! cmp -s "$here/package-lock.json" "$compiler/package-lock.json" || [ ! -d "$compiler/node_modules/kotlin-compiler" ]; then
  cp "$here/package.json" "$here/.npmrc" "$compiler/"
  cp "$here/package-lock.json" "$compiler/new-lock.json"
  (cd "$compiler" && mv new-lock.json package-lock.json && npm ci --loglevel error) || { rm -f "$compiler/package-lock.json"; exit 1; }
fi
lib="$compiler/node_modules/kotlin-compiler/lib"

jar() { # jar NAME CLASSPATH OPTIONS FOLDER...: compile the folders' sources, unless they and all options are as they were
  local name="$1" classpath="$2" options="$3" stamp
  shift 3
  stamp="$({ echo "$classpath $options"; cd "$here" && find "$@" -name '*.kt' -o -name '*.java' | LC_ALL=C sort | xargs sha256sum; } | sha256sum)"
  [ "$stamp" = "$(cat "$out/$name.stamp" 2> /dev/null)" ] && [ -s "$out/$name" ] && return
  rm -f "$out/$name" "$out/$name.stamp"
  # shellcheck disable=SC2086 # options are words
  (cd "$here" && java -Xmx512m -Xss4m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -cp "$lib/kotlin-compiler.jar:$lib/kotlin-stdlib.jar:$lib/kotlin-reflect.jar:$lib/kotlin-script-runtime.jar:$lib/kotlinx-coroutines-core-jvm.jar:$lib/annotations-13.0.jar" \
    org.jetbrains.kotlin.cli.jvm.K2JVMCompiler -no-stdlib -no-reflect -jvm-target 1.8 -Werror -Wextra $options \
    -cp "$lib/kotlin-stdlib.jar${classpath:+:$classpath}" -d "$out/$name" "$@")
  printf '%s' "$stamp" > "$out/$name.stamp"
}

jar core.jar "" "-Xexplicit-api=strict" core
jar stubs.jar "" "-Xexplicit-api=strict" stubs
jar adapters.jar "$out/core.jar:$out/stubs.jar" "-Xexplicit-api=strict" adapters
jar quickstart.jar "$out/core.jar:$out/stubs.jar:$out/adapters.jar" "" quickstart
jar tests.jar "$out/core.jar" "-Xfriend-paths=$out/core.jar" tests
