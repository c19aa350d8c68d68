#!/bin/sh
# Writes the Compose v2 plugin to stdout: Debian testing's, since Debian 12 has v1 only. It needs nothing but libc.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/lists/partial" "$work/unpacked"
chmod 755 "$work"
"$here/apt-sources.sh" testing >"$work/sources.list"
cd "$work"
set -- -qq -o "Dir::Etc::SourceList=$work/sources.list" -o Dir::Etc::SourceParts=/dev/null -o "Dir::State::Lists=$work/lists" \
    -o APT::Sandbox::User=root
apt-get "$@" update >&2
apt-get "$@" download docker-compose >&2
dpkg -x docker-compose_*.deb unpacked
cat "$(find unpacked -name docker-compose -type f -size +1M)"
