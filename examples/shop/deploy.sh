#!/bin/sh
# From whatever there is to the version in this directory; from nothing, too.
set -eu
cd "$(dirname "$0")"
if [ ! -e .env ]; then
    password=$(head -c 24 /dev/urandom | base64 | tr '+/' '-_')
    (umask 077 && sed "s/^POSTGRES_PASSWORD=$/&$password/" .env.example >.env)
fi
set -a && . ./.env && set +a
docker compose up --detach --wait db
locktender deploy --yes "$@"
docker compose up --detach --build --wait
