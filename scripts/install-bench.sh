#!/usr/bin/env bash
# Installs what counting instructions takes: valgrind.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/debian.sh
source scripts/debian.sh

need valgrind valgrind
install_missing
