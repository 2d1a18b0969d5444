#!/bin/sh
# Turns each stubs/NAME.stub.php into NAME_arginfo.h with PHP's own gen_stub.php.
# Needs php8.2-dev (gen_stub.php of a later release writes headers that 8.2 does not compile) and php-parser.
set -eu
cd "$(dirname "$0")"

build=$(php-config --prefix)/lib/php/$(php-config --phpapi)/build
parser=${PHP_PARSER:-/usr/share/php/PhpParser}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

cp "$build/gen_stub.php" "$work/"
cp ../../../stubs/*.stub.php "$work/"
# gen_stub.php looks for the parser beside itself, in a folder named after the release that it would download.
release=$(sed -n 's/.*\$version = "\([0-9.]*\)";.*/\1/p' "$work/gen_stub.php" | head -n 1)
mkdir -p "$work/PHP-Parser-$release/lib"
ln -s "$parser" "$work/PHP-Parser-$release/lib/PhpParser"

for stub in "$work"/*.stub.php; do
    php "$work/gen_stub.php" "$stub"
done
cp "$work"/*_arginfo.h .
