# Read by run.sh, test.sh and docker/: which Debian packages are needed, and how they come onto the machine.
BUILD_PACKAGES="build-essential cmake libev-dev libjemalloc-dev liblua5.4-dev liblz4-dev"
TEST_PACKAGES="redis-server redis-tools python3 python3-redis libhiredis-dev nodejs node-redis clang-format"
# Debian's npm is a package of its own; the nodejs of others brings one, and would not stand beside it.
command -v npm >/dev/null || TEST_PACKAGES="$TEST_PACKAGES npm"
RUN_PACKAGES="libev4 libjemalloc2 liblz4-1"

# need_packages NAME...: installs those that are missing, and starts no service of theirs.
need_packages() {
    missing=
    for p in "$@"; do
        dpkg-query -W -f '${db:Status-Status}\n' "$p" 2>/dev/null | grep -qx installed || missing="$missing $p"
    done
    [ -n "$missing" ] || return 0
    echo "== installing:$missing" >&2
    as_root=
    if [ "$(id -u)" -ne 0 ]; then
        if ! command -v sudo >/dev/null; then
            echo "$0: these packages are missing, and only root can install them:$missing" >&2
            echo "$0: as root: apt-get install$missing" >&2
            exit 1
        fi
        as_root=sudo
    fi
    # A package's service must not start: it would take port 6379 and outlive us.
    policy=/usr/sbin/policy-rc.d
    made=
    if [ ! -e $policy ]; then
        printf '#!/bin/sh\nexit 101\n' | $as_root tee $policy >/dev/null
        $as_root chmod 755 $policy
        made=yes
    fi
    status=0
    # dpkg's lock may be held by another apt for a while: wait instead of failing.
    { $as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=300 update &&
        $as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -y -o DPkg::Lock::Timeout=300 \
            install --no-install-recommends $missing; } >&2 || status=$?
    [ -z "$made" ] || $as_root rm -f $policy
    # Nor at the next boot.
    case " $missing " in
    *" redis-server "*) [ ! -d /run/systemd/system ] || $as_root systemctl disable redis-server >&2 || : ;;
    esac
    if [ $status -ne 0 ]; then
        echo "$0: apt-get could not install:$missing" >&2
        exit 1
    fi
}
