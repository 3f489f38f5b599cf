#!/bin/sh
# Installs what the tests need, makes a test build in build-test/, and runs every test:
#   ./test.sh [ctest arguments]      for example ./test.sh -L regress
# SKEP_TEST_BUILD names another build folder, SKEP_TEST_CMAKE further arguments of cmake.
set -eu
cd "$(dirname "$0")"
. conf/packages.sh

build=${SKEP_TEST_BUILD:-build-test}
need_packages $BUILD_PACKAGES $TEST_PACKAGES
command -v npm >/dev/null || need_packages npm # some builds of Node bring it along
echo "== configuring $build/" >&2
# shellcheck disable=SC2086 # several arguments
cmake -S . -B "$build" -DCMAKE_BUILD_TYPE=RelWithDebInfo -DSKEP_DEBUG=ON ${SKEP_TEST_CMAKE:-} >&2
echo "== building" >&2
if ! cmake --build "$build" -j "$(nproc)" >&2; then
    echo "test.sh: the build in $build/ failed; no test was run" >&2
    exit 1
fi
if [ ! -x "$build/skep" ]; then
    echo "test.sh: the build made no $build/skep; no test was run" >&2
    exit 1
fi
echo "== testing" >&2
# One more than there are processors: many tests wait for something most of the time.
if ! ctest --test-dir "$build" --output-on-failure --no-tests=error -j "$(($(nproc) < 4 ? $(nproc) + 1 : 4))" "$@"; then
    echo "test.sh: tests failed; their names stand above, their output in $build/Testing/Temporary/LastTest.log" >&2
    exit 1
fi
