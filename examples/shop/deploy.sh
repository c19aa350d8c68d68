#!/bin/sh
# Deploys the version in this directory; or another one, with --ref, where it is a clone. From nothing, too.
set -eu
cd "$(dirname "$0")"
if [ ! -e .env ]; then
    password=$(head -c 24 /dev/urandom | base64 | tr '+/' '-_')
    (umask 077 && sed "s/^POSTGRES_PASSWORD=$/&$password/" .env.example >.env)
fi
set -a && . ./.env && set +a
exec locktender deploy --yes "$@"
