#!/bin/sh
# Writes the root file system of the base image's stand-in to stdout: Debian 12 with its Python 3.11, pip and venv.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
"$here/apt-sources.sh" | mmdebstrap --quiet --variant=minbase --include=ca-certificates,python3,python3-pip,python3-venv \
    --aptopt='APT::Install-Recommends "false"' \
    --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
    --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-include=/usr/share/doc/*/copyright' \
    --customize-hook='copy-in /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs' \
    --customize-hook='[ ! -e /etc/pip.conf ] || cp /etc/pip.conf "$1/etc"' \
    --customize-hook='ln -s python3 "$1/usr/bin/python"' \
    bookworm - -
