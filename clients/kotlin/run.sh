#!/usr/bin/env bash
# Runs the tests' program on what build.sh compiled: run.sh OUT COMPILER vectors|program|units ARGUMENT...
set -euo pipefail
out="$1" compiler="$2"
shift 2
# A GET without an answer is not repeated behind the client's back: it would carry the same proof.
exec java -Djdk.httpclient.redirects.retrylimit=1 -Xmx256m -Xshare:auto -XX:+UseSerialGC -XX:TieredStopAtLevel=1 \
  -cp "$out/core.jar:$out/tests.jar:$compiler/node_modules/kotlin-compiler/lib/kotlin-stdlib.jar" io.bonafide.client.tests.MainKt "$@"
