#!/usr/bin/env bash
# Installs the Autobahn test suite in .venv-autobahn, from PyPI alone: Python 2 code, ported on the way.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/debian.sh
source scripts/debian.sh

need python3 python3
# Debian's Python has the module venv without what it needs to work.
python3 -c 'import ensurepip' 2>/dev/null || missing+=(python3-venv)
install_missing

venv=.venv-autobahn
# It remembers all that it was made from.
sources=(scripts/install-autobahn.sh tests/autobahn/requirements.txt tests/autobahn/port.py)
if cat "${sources[@]}" | cmp -s - "$venv/installed"; then
    exit
fi
echo "installing the Autobahn test suite"
python3 -m venv --clear "$venv"
# Without isolation a package is built with the setuptools that requirements.txt names: autobahn and the suite have
# nothing but a setup.py of their time.
pip=("$venv/bin/pip" --quiet --disable-pip-version-check)
"${pip[@]}" install setuptools==80.9.0 wheel==0.45.1
"${pip[@]}" install --no-build-isolation -r tests/autobahn/requirements.txt
"${pip[@]}" download --no-deps --no-binary :all: --no-build-isolation -d "$venv/suite" autobahntestsuite==25.10.1
"$venv/bin/python" tests/autobahn/port.py "$venv"/suite/autobahntestsuite-*.tar.gz
cat "${sources[@]}" >"$venv/installed"
