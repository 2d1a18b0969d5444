#!/usr/bin/env bash
# Runs the extension's PHP tests under valgrind: no invalid access, and nothing lost. Without tests named, all of them.
#
# PHP's allocator would hide what happens inside of its pages: PHP is told to leave it off. Without it there is no memory
# limit; tests that reach one, and one that would take an hour, skip themselves then.
#
# After a fatal error PHP leaves by longjmp: what the frames that it skips have held is lost, in PHP as in the extension.
# Tests that end so are run for invalid accesses alone. The code that PCRE compiles reads beyond its input: it interprets
# instead. Nothing is suppressed.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/debian.sh
source scripts/debian.sh

target_folder=${1:?where cargo builds}
shift
tests=crates/php/tests/phpt
fatal=" bailout_user coroutine_fatal framing_port framing_server "

need valgrind valgrind
install_missing

php=$(php-config --php-binary)
runner=$(php-config --prefix)/lib/php/$(php-config --phpapi)/build/run-tests.php
[ -e "$runner" ] || runner=$(php-config --prefix)/lib/php/build/run-tests.php

leaving=()
ending=()
for test in "${@:-$tests/*.phpt}"; do
    for file in $test; do
        case $fatal in
        *" $(basename "$file" .phpt) "*) ending+=("$PWD/$file") ;;
        *) leaving+=("$PWD/$file") ;;
        esac
    done
done

# run LEAKS TEST...: LEAKS is valgrind's word for how hard it looks for what is lost.
run() {
    local leaks=$1
    shift
    if (($# == 0)); then
        return
    fi
    # The stacks of coroutines lie apart: a jump of so many bytes is another one, not a large frame.
    VALGRIND_OPTS="--max-stackframe=100000 --leak-check=$leaks --show-leak-kinds=definite \
        --errors-for-leak-kinds=definite --num-callers=30" \
        TEST_PHP_EXECUTABLE=$php NO_INTERACTION=1 REPORT_EXIT_STATUS=1 timeout 3600 \
        "$php" -n "$runner" -q -n -m --show-diff --show-mem -p "$php" \
        -d "extension=$target_folder/release/libwirewool_php.so" -d pcre.jit=0 \
        --temp-source "$PWD/$tests" --temp-target "$target_folder/valgrind" "$@"
}

mkdir -p "$target_folder/valgrind"
status=0
run full "${leaving[@]}" || status=$?
run no "${ending[@]}" || status=$?
exit $status
