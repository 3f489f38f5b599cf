#!/bin/bash
# Does what the Dockerfile does, without a container engine: two Debian roots made by debootstrap, the same steps.sh in them,
# then the server as an ordinary user and as pid 1 of a pid namespace, its health check, and SIGTERM. Takes a few minutes and
# about 1 GB, needs root and a Debian mirror; run by hand:   docker/check.sh [FOLDER]
# MIRROR names the mirror; by default, the one that this machine's apt uses.
set -euo pipefail
cd "$(dirname "$0")/.."

[ "$(id -u)" -eq 0 ] || { echo "check.sh: needs root, for debootstrap and chroot" >&2; exit 1; }
for tool in debootstrap unshare; do
    command -v $tool >/dev/null || { echo "check.sh: $tool is missing: apt-get install $tool" >&2; exit 1; }
done
if [ -z "${MIRROR:-}" ]; then
    MIRROR=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Codename: bookworm' | head -n 1)
fi
work=${1:-$(mktemp -d)}
mkdir -p "$work"
server=
finish() {
    [ -z "$server" ] || kill -KILL "$server" 2>/dev/null || true
    for root in build run; do
        mountpoint -q "$work/$root/proc" && umount "$work/$root/proc" || true
    done
    [ -n "${KEEP:-}" ] || rm -rf "$work/build" "$work/run" "$work/base"
}
trap finish EXIT
trap 'exit 1' INT TERM HUP

# The apt configuration of this machine (proxies, certificates) holds inside as well.
make_root() {
    cp -a "$work/base" "$work/$1"
    mkdir -p "$work/$1/steps" "$work/$1/proc"
    cp conf/packages.sh docker/steps.sh "$work/$1/steps/"
    cp /etc/resolv.conf "$work/$1/etc/" 2>/dev/null || true
    cp /etc/apt/apt.conf.d/* "$work/$1/etc/apt/apt.conf.d/" 2>/dev/null || true
    rm -f "$work/$1/etc/apt/apt.conf.d/"*docker* "$work/$1/etc/apt/apt.conf.d/"*pre-install*
    cp -rL /etc/ssl/certs "$work/$1/etc/ssl/" 2>/dev/null || true
    mount -t proc proc "$work/$1/proc"
}

echo "== base system (debootstrap from $MIRROR)"
debootstrap --variant=minbase --include=ca-certificates bookworm "$work/base" "$MIRROR" >"$work/debootstrap.log" ||
    { tail -n 20 "$work/debootstrap.log" >&2; exit 1; }

echo "== build stage"
make_root build
chroot "$work/build" sh /steps/steps.sh build-packages >"$work/build.log" 2>&1 || { tail -n 20 "$work/build.log" >&2; exit 1; }
mkdir -p "$work/build/source"
tar -c --exclude=./.git --exclude='./build*' . | tar -x -C "$work/build/source"
chroot "$work/build" sh /steps/steps.sh build /source /out >>"$work/build.log" 2>&1 || { tail -n 40 "$work/build.log" >&2; exit 1; }

echo "== final stage"
make_root run
chroot "$work/run" sh /steps/steps.sh run-packages >"$work/run.log" 2>&1 || { tail -n 20 "$work/run.log" >&2; exit 1; }
chroot "$work/run" sh /steps/steps.sh user
cp -a "$work/build/out/." "$work/run/"

# A free port; the server inside is the same machine's neighbour.
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')

# $1: "" or "pid1". Starts the server as the image does and asks it as its health check does.
try_server() {
    echo "== server ${1:-as an ordinary process}"
    local start="exec chroot --userspec=skep:skep $work/run /usr/bin/skep /etc/skep/skep.conf --bind 127.0.0.1 --port $port --dir /data --daemonize no"
    if [ "${1:-}" = pid1 ]; then
        unshare --pid --fork --kill-child --mount-proc="$work/run/proc" sh -c "$start" >"$work/server.log" 2>&1 &
    else
        sh -c "$start" >"$work/server.log" 2>&1 &
    fi
    server=$!
    local up=
    for _ in $(seq 150); do
        if chroot --userspec=skep:skep "$work/run" /usr/bin/skepctl --port "$port" status >"$work/health.log" 2>&1; then
            up=yes
            break
        fi
        sleep 0.2
    done
    [ -n "$up" ] || { echo "check.sh: the health check never passed" >&2; cat "$work/server.log" "$work/health.log" >&2; exit 1; }
    # unshare passes no signal on: pid 1 of the namespace is its child.
    local target=$server
    [ "${1:-}" != pid1 ] || target=$(cut -d ' ' -f 1 "/proc/$server/task/$server/children")
    kill -TERM "$target"
    local status=0
    wait "$server" || status=$?
    server=
    [ $status -eq 0 ] || { echo "check.sh: SIGTERM ended the server with $status" >&2; cat "$work/server.log" >&2; exit 1; }
}
try_server
try_server pid1
echo "== the image's steps work"
