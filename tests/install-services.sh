#!/bin/sh
# Installs what the tests talk to and the machine lacks: a PostgreSQL server, pgbouncer, sshd, npm (GitHub's description of its API
# comes from there), jq, a browser, and what makes network namespaces.
# Without apt (or without root) the tests use the PostgreSQL that comes from PyPI and skip what needs the others.
set -eu
missing=""
ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || missing="$missing postgresql"
command -v pgbouncer >/dev/null 2>&1 || [ -x /usr/sbin/pgbouncer ] || missing="$missing pgbouncer"
[ -x /usr/sbin/sshd ] || missing="$missing openssh-server"
command -v ip >/dev/null 2>&1 || [ -x /usr/sbin/ip ] || missing="$missing iproute2"
command -v iptables >/dev/null 2>&1 || [ -x /usr/sbin/iptables ] || missing="$missing iptables"
command -v npm >/dev/null 2>&1 || missing="$missing npm"
command -v jq >/dev/null 2>&1 || missing="$missing jq"
command -v chromium >/dev/null 2>&1 || command -v google-chrome >/dev/null 2>&1 || missing="$missing chromium"
[ -z "$missing" ] && exit 0
if ! command -v apt-get >/dev/null 2>&1; then
    echo "No apt here: testing on the embedded PostgreSQL alone (missing:$missing)."
    exit 0
fi
as_root=""
if [ "$(id -u)" != 0 ]; then
    if ! sudo -n true 2>/dev/null; then
        echo "Not root, and no sudo without a password: testing without$missing."
        exit 0
    fi
    as_root="sudo"
fi
echo "Installing for the tests, by apt:$missing"
export DEBIAN_FRONTEND=noninteractive
$as_root apt-get update -qq
# Debian would create and start a cluster and a pgbouncer of its own; the tests start throwaway ones.
if [ ! -e /etc/postgresql-common/createcluster.conf ]; then
    $as_root mkdir -p /etc/postgresql-common
    echo "create_main_cluster = false" | $as_root tee /etc/postgresql-common/createcluster.conf >/dev/null
fi
# shellcheck disable=SC2086
$as_root apt-get install -y -qq --no-install-recommends $missing >/dev/null
