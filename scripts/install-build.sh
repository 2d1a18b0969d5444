#!/usr/bin/env bash
# Installs what building and running the extension takes: a C compiler, PHP, its headers. Rust must be there.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/debian.sh
source scripts/debian.sh

if ! command -v cargo >/dev/null; then
    echo "cargo is missing: install Rust from https://rustup.rs, then try again" >&2
    exit 1
fi
need cc gcc
need php php-cli
need "${PHP_CONFIG:-php-config}" php-dev
install_missing
