#!/usr/bin/env bash
# A Docker of its own for the tests: a private dockerd, Compose v2, and stand-ins for the two images that the project
# starts from, so that nothing is pulled.
#
#   lab.sh up [DIR]     brings it up; does nothing if it is up already
#   lab.sh env [DIR]    prints what to `eval` to talk to it
#   lab.sh down [DIR]   ends it: no process, container, volume, mount, bridge or file is left, except the cache
#
# DIR is LOCKTENDER_LAB or /var/tmp/locktender-lab. Several labs can be up at once. Needs root, and Debian with apt.
# /var/cache/locktender-lab holds what was made and the images that were built; it can be removed when no lab is up.
# LOCKTENDER_LAB_CACHE is another place for that.
set -euo pipefail

# What the Dockerfile and compose.yaml name by default. What stands there is made by the recipes beside this file:
# Debian 12 with its Python 3.11, and Debian's PostgreSQL 15 with an entry point that takes the official one's variables.
BASE_IMAGE=python:3.11-slim-bookworm
POSTGRES_IMAGE=postgres:15-bookworm

recipes=$(cd "$(dirname "$0")" && pwd)
cache=${LOCKTENDER_LAB_CACHE:-/var/cache/locktender-lab}
verb=${1:-help}
lab=$(realpath -m "${2:-${LOCKTENDER_LAB:-/var/tmp/locktender-lab}}")

# Two labs must not share a bridge or a network: both come from the directory's name.
number=$((16#$(printf %s "$lab" | sha256sum | cut -c1-6)))
bridge=$(printf 'lab%06x' "$number")
network=10.$((128 + number % 120))
export DOCKER_HOST=unix://$lab/docker.sock DOCKER_CONFIG=$lab/config
# Another program called docker may come first in the PATH.
docker=/usr/bin/docker

say() { echo "lab: $*" >&2; }
is_up() { "$docker" version >/dev/null 2>&1; }

install_programs() {
    local missing=()
    [ -x /usr/bin/docker ] && [ -x /usr/sbin/dockerd ] || missing+=(docker.io)
    command -v iptables >/dev/null || missing+=(iptables)
    command -v ip >/dev/null || missing+=(iproute2)
    command -v mmdebstrap >/dev/null || missing+=(mmdebstrap)
    command -v zstd >/dev/null || missing+=(zstd)
    command -v git >/dev/null || missing+=(git)
    [ ${#missing[@]} = 0 ] && return
    say "installing by apt: ${missing[*]}"
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq >&2
    apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
}

# cached NAME RECIPE… -- COMMAND…: the path of what COMMAND writes to its stdout, kept by the hash of the recipes.
cached() {
    local name=$1 files=() path part
    shift
    while [ "$1" != -- ]; do files+=("$1"); shift; done
    shift
    path=$cache/$name-$(cat "${files[@]}" | sha256sum | cut -c1-16)
    if [ ! -e "$path" ]; then
        say "making $name (kept in $cache)"
        mkdir -p "$cache"
        part=$(mktemp "$path.XXXXXX")
        "$@" >"$part" || { rm -f "$part"; return 1; }
        mv "$part" "$path"
    fi
    echo "$path"
}

# Images stay for the next lab. Of several at once the first has them: its daemon holds the lock for as long as it lives.
choose_data() {
    local kept
    kept=$cache/docker-$(cat "$recipes/base-image.sh" "$recipes"/postgres/* | sha256sum | cut -c1-16)
    mkdir -p "$kept"
    exec 8>"$kept/lock"
    flock -n 8 || { exec 8>&-; kept=$lab/own-data; mkdir -p "$kept"; }
    ln -sfn "$kept" "$lab/data"
}

start_daemon() {
    mkdir -p "$DOCKER_CONFIG" "$lab/bin"
    ln -sf "$docker" "$lab/bin/docker"
    # Not the machine's own daemon.json; and what builds leave behind stays bounded.
    echo '{"builder": {"gc": {"enabled": true, "defaultKeepStorage": "4GB"}}}' >"$lab/daemon.json"
    choose_data
    ip link show "$bridge" >/dev/null 2>&1 || ip link add "$bridge" type bridge
    ip addr replace "$network.0.1/24" dev "$bridge"
    ip link set "$bridge" up
    if ! launch; then
        say "Docker does not start with what is in $(realpath "$lab/data"); once more, with nothing:"
        tail -n 5 "$lab/dockerd.log" >&2
        find "$lab/data/" -mindepth 1 -not -name lock -delete
        launch || { say "Docker does not start:"; tail -n 20 "$lab/dockerd.log" >&2; exit 1; }
    fi
    exec 8>&-
}

launch() {
    # What an ended daemon left here would keep the new one from starting.
    rm -rf "$lab/exec" "$lab/docker.pid" "$lab/docker.sock"
    # Its own process and mount namespace: whatever it starts and mounts ends with it.
    setsid unshare --mount --pid --fork --kill-child --mount-proc \
        /usr/sbin/dockerd --config-file "$lab/daemon.json" --data-root "$(realpath "$lab/data")" \
        --exec-root "$lab/exec" --pidfile "$lab/docker.pid" -H "$DOCKER_HOST" \
        --bridge "$bridge" --default-address-pool "base=$network.0.0/16,size=24" \
        >"$lab/dockerd.log" 2>&1 </dev/null 9>&- &
    echo $! >"$lab/pid"
    for _ in $(seq 300); do
        is_up && return
        kill -0 "$(cat "$lab/pid")" 2>/dev/null || return 1
        sleep 0.2
    done
    kill -KILL "$(cat "$lab/pid")"
    return 1
}

compressed() { "$@" | zstd -q -T0 -3; }

pack_postgres() {
    "$docker" build -q -t "$POSTGRES_IMAGE" --build-arg "BASE_IMAGE=$BASE_IMAGE" "$recipes/postgres" >&2
    "$docker" save "$POSTGRES_IMAGE" | zstd -q -T0 -3
}

provide_images() {
    local file
    file=$(cached base.tar.zst "$recipes/base-image.sh" -- compressed "$recipes/base-image.sh")
    if ! "$docker" image inspect "$BASE_IMAGE" >/dev/null 2>&1; then
        zstd -dcq "$file" | "$docker" import --change 'CMD ["python3"]' - "$BASE_IMAGE" >/dev/null
    fi
    file=$(cached postgres.tar.zst "$recipes/base-image.sh" "$recipes"/postgres/* -- pack_postgres)
    "$docker" image inspect "$POSTGRES_IMAGE" >/dev/null 2>&1 || zstd -dcq "$file" | "$docker" load -q >/dev/null
}

provide_compose() {
    local file
    file=$(cached docker-compose "$recipes/compose-plugin.sh" -- "$recipes/compose-plugin.sh")
    mkdir -p "$DOCKER_CONFIG/cli-plugins"
    install -m 755 "$file" "$DOCKER_CONFIG/cli-plugins/docker-compose"
}

up() {
    [ "$(id -u)" = 0 ] || { say "needs root"; exit 1; }
    install -d -m 755 "$lab"
    exec 9>"$lab/lock"
    flock 9
    install_programs
    is_up || start_daemon
    provide_images
    provide_compose
    say "up in $lab: $("$docker" version -f '{{.Server.Version}}'), Compose $("$docker" compose version --short)"
}

down() {
    local pid inner link table
    [ -d "$lab" ] || return 0
    pid=$(cat "$lab/pid" 2>/dev/null || true)
    if is_up; then
        "$docker" ps -aq | xargs -r "$docker" rm -fv >/dev/null
        "$docker" volume ls -q | xargs -r "$docker" volume rm -f >/dev/null
        "$docker" network prune -f >/dev/null
        "$docker" image prune -f >/dev/null
    fi
    if [ -n "$pid" ] && grep -qs "$lab/docker.pid" "/proc/$pid/cmdline"; then
        inner=$(pgrep -P "$pid" || true)
        [ -z "$inner" ] || kill -TERM "$inner" 2>/dev/null || true
        for _ in $(seq 100); do kill -0 "$pid" 2>/dev/null || break; sleep 0.1; done
        kill -KILL "$pid" 2>/dev/null || true
    fi
    # Docker leaves the bridge that it was given; if it was killed, those of its networks too.
    for link in $(ip -4 -o addr | awk -v net="$network." 'index($4, net) == 1 {print $2}'); do
        for table in nat filter; do
            iptables -w -t "$table" -S | grep -w -- "$link" | sed 's/^-A/-D/' |
                while read -r rule; do
                    # shellcheck disable=SC2086
                    iptables -w -t "$table" $rule
                done
        done
        ip link del "$link"
    done
    rm -rf "$lab"
    say "down: $lab"
}

environment() {
    echo "export DOCKER_HOST=$DOCKER_HOST DOCKER_CONFIG=$DOCKER_CONFIG DOCKER_BUILDKIT=1 PATH=$lab/bin:\$PATH"
}

case $verb in
up) up ;;
env) environment ;;
down) down ;;
*) sed -n '2,12s/^# \{0,1\}//p' "$0"; exit 2 ;;
esac
