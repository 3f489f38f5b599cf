#!/bin/sh
# The steps of the image, one call each: steps.sh build-packages | build SOURCE OUT | run-packages | user
# Debian only; the caller is root in a root of its own (an image being built, or check.sh's folder).
set -eu
. "$(dirname "$0")/packages.sh"

install() {
    apt-get -q update
    DEBIAN_FRONTEND=noninteractive apt-get -q -y install --no-install-recommends "$@"
    apt-get -q clean
    rm -rf /var/lib/apt/lists/*
}

case ${1:-} in
build-packages)
    install $BUILD_PACKAGES
    ;;
build)
    # A build folder apart: one that came with the source was made for another machine.
    cmake -S "$2" -B /tmp/skep-build -DCMAKE_BUILD_TYPE=RelWithDebInfo -DCMAKE_INSTALL_PREFIX=/usr
    cmake --build /tmp/skep-build -j "$(nproc)" --target skep skepctl
    DESTDIR=$3 cmake --install /tmp/skep-build
    rm -rf /tmp/skep-build
    ;;
run-packages)
    install $RUN_PACKAGES
    ;;
user)
    groupadd --system --gid 999 skep
    useradd --system --uid 999 --gid skep --home-dir /data --no-create-home --shell /usr/sbin/nologin skep
    mkdir -p /data
    chown skep:skep /data
    ;;
*)
    echo "usage: steps.sh build-packages | build SOURCE OUT | run-packages | user" >&2
    exit 1
    ;;
esac
