#!/usr/bin/env bash
# Installs what the tests take: Python and its packages in .venv, Node and its packages in tests/, Chromium.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/debian.sh
source scripts/debian.sh

need python3 python3
# Debian's Python has the module venv without what it needs to work.
python3 -c 'import ensurepip' 2>/dev/null || missing+=(python3-venv)
need node nodejs
need npm npm
need "${CHROMIUM:-/usr/bin/chromium}" chromium
install_missing

# Each folder remembers the list that it was installed from.
if ! cmp -s tests/requirements.txt .venv/installed; then
    python3 -m venv .venv
    .venv/bin/pip install --quiet --disable-pip-version-check -r tests/requirements.txt
    cp tests/requirements.txt .venv/installed
fi
if ! cmp -s tests/package-lock.json tests/node_modules/.installed; then
    npm ci --prefix tests --no-audit --no-fund
    cp tests/package-lock.json tests/node_modules/.installed
fi
