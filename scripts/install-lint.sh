#!/usr/bin/env bash
# Installs what linting takes: rustfmt and clippy belong to Rust, cargo-deny is compiled (some minutes, once).
set -euo pipefail

cargo fmt --version >/dev/null 2>&1 || rustup component add rustfmt
cargo clippy --version >/dev/null 2>&1 || rustup component add clippy
if ! cargo deny --version >/dev/null 2>&1; then
    echo "installing cargo-deny"
    cargo install --quiet --locked cargo-deny --version '^0.20'
fi
