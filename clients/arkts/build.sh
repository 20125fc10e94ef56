#!/bin/sh
# Checks and compiles the library: `sh build.sh OUT TOOLS`. The compilers go to TOOLS, once for each lock; what is compiled, to OUT.
set -eu
out="$1" tools="$2"
if ! cmp -s package-lock.json "$tools/.installed"; then
  rm -rf "$tools" && mkdir -p "$tools"
  cp package.json package-lock.json .npmrc "$tools"
  (cd "$tools" && npm ci) > "$tools/npm.log" 2>&1 || { echo "The compilers could not be installed: see $tools/npm.log" >&2; exit 1; }
  cp package-lock.json "$tools/.installed"
fi
mkdir -p "$out"
node build.mjs . "$out" "$tools"
