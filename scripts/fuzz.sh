#!/usr/bin/env bash
# Fuzzes each target for so many seconds. The corpus grows in the target folder, so the next run begins where this ends.
set -euo pipefail
cd "$(dirname "$0")/.."

seconds=${1:?seconds per target}
target_folder=${2:?where cargo builds}

if ! rustup toolchain list 2>/dev/null | grep '^nightly' >/dev/null; then
    echo "not fuzzed: cargo-fuzz needs a nightly toolchain (rustup toolchain install nightly)"
    exit 0
fi
if ! cargo fuzz --version >/dev/null 2>&1; then
    echo "installing cargo-fuzz"
    cargo install --quiet --locked cargo-fuzz --version '^0.13'
fi

# What is freed stays aside for a while, to find its late users: that much of it.
export ASAN_OPTIONS=quarantine_size_mb=8
fuzz=(cargo +nightly fuzz)
options=(--fuzz-dir fuzz --target-dir "$target_folder/fuzz")
"${fuzz[@]}" build "${options[@]}"
mkdir -p "$target_folder/fuzz-crashes"
for file in fuzz/fuzz_targets/*.rs; do
    target=$(basename "$file" .rs)
    corpus=$target_folder/fuzz-corpus/$target
    mkdir -p "$corpus"
    echo "fuzzing $target for $seconds s"
    # The limits: no input may take ten seconds, 512 MB in all, or 64 MB at once.
    if ! "${fuzz[@]}" run "${options[@]}" "$target" "$corpus" "fuzz/seeds/$target" -- -max_total_time="$seconds" \
        -timeout=10 -rss_limit_mb=512 -malloc_limit_mb=64 -artifact_prefix="$target_folder/fuzz-crashes/$target-" \
        -verbosity=0 -print_final_stats=1; then
        echo "$target: the input is in $target_folder/fuzz-crashes; once understood, it belongs in fuzz/seeds/$target"
        exit 1
    fi
done
