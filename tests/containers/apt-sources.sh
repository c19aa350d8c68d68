#!/bin/sh
# Prints apt's source lines for Debian, from this machine's mirrors. With a SUITE: one line, for that suite.
set -eu
apt-get indextargets --format \
    'deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $(REPO_URI) $(RELEASE) $(COMPONENT)' \
    'Identifier: Packages' 'Origin: Debian' |
    if [ $# = 0 ]; then cat; else awk -v suite="$1" '$4 !~ /-/ {$4 = suite; print; exit}'; fi
