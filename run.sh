#!/bin/sh
# Installs what the build needs, builds into build/, and runs the server in the foreground:
#   ./run.sh [server arguments]
set -eu
cd "$(dirname "$0")"
. conf/packages.sh

need_packages $BUILD_PACKAGES
echo "== configuring build/" >&2
cmake -S . -B build -DCMAKE_BUILD_TYPE=RelWithDebInfo >&2
echo "== building" >&2
cmake --build build -j "$(nproc)" --target skep skepctl >&2
echo "== starting build/skep" >&2
exec build/skep "$@"
