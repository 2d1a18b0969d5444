# `make help` lists the targets.

PORT ?= 9501
SECONDS ?= 10
ROUNDS ?= 3
ONLY ?=
SERVERS ?=
TARGET := $(abspath $(or $(CARGO_TARGET_DIR),target))
PYTEST := .venv/bin/pytest tests
AUTOBAHN = .venv-autobahn/bin/python tests/autobahn/run.py --logs $(TARGET)/autobahn

# Where the tests find the two servers, and the peers that drive them.
export WIREWOOL_ECHO := $(TARGET)/release/examples/echo
export WIREWOOL_PEERS := $(TARGET)/peers/peers
export WIREWOOL_EXT := $(abspath build/wirewool.so)

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: run ext test autobahn autobahn-ci loom fuzz lint idle soak valgrind bench instructions clean help servers peers install-build install-test install-autobahn install-bench

run: ext ## Builds the extension and starts the chat example (PORT=9501).
	exec php -d extension=build/wirewool.so examples/chat/server.php $(PORT)

ext: install-build ## Builds the PHP extension: build/wirewool.so.
	cargo build --release -p wirewool-php
	@# Not a copy into the old file: a running server may have it mapped.
	install -D -m 644 $(TARGET)/release/libwirewool_php.so build/wirewool.so

test: install-build install-test ## Runs all tests: Rust's, PHP's (phpt), and those over real sockets.
	cargo test
	cargo test -p wirewool-php
	cargo test --profile peers -p wirewool-peers
	cargo test -p wirewool-bench
	$(MAKE) --no-print-directory servers peers
	$(PYTEST)

autobahn: install-autobahn servers ## Runs the Autobahn test suite, all 517 cases, against both servers and the client (ten minutes).
	$(AUTOBAHN) all

autobahn-ci: install-autobahn servers ## Runs its 385 quick cases (under a minute).
	$(AUTOBAHN) ci

loom: install-build ## Tries all orders in which the two sides of a ring can meet (under a minute).
	RUSTFLAGS="$(RUSTFLAGS) --cfg loom" CARGO_TARGET_DIR=$(TARGET)/loom cargo test -p wirewool-ipc --lib ring::orders

fuzz: install-build ## Fuzzes each decoder, and the hub (SECONDS=10 each), if there is a nightly Rust.
	scripts/fuzz.sh $(SECONDS) $(TARGET)

lint: install-build ## Checks the format, clippy's lints and the dependencies' licences and sources.
	scripts/install-lint.sh
	cargo fmt --all -- --check
	cargo clippy --workspace --all-targets -- -D warnings
	cargo deny check bans licenses sources

idle: install-build install-test servers ## Prints what 10,000 idle connections take: memory each, and work in 10 s.
	QUIET_SECONDS=10 $(PYTEST) -s -k test_ten_thousand_idle_connections

soak: install-build install-test servers ## Kills and replaces workers under traffic, pushes to one who does not read, closes the silent (SECONDS=10 each).
	.venv/bin/python tests/soak.py $(SECONDS)
	SLOW_READERS=999 SLOW_SECONDS=$(SECONDS) $(PYTEST) -s -k test_a_client_that_does_not_read
	SILENT_CLIENTS=5000 $(PYTEST) -s -k test_a_great_silence

valgrind: install-build ## Runs PHP's tests of the extension under valgrind (five minutes).
	cargo build --release -p wirewool-php
	scripts/valgrind.sh $(TARGET)

instructions: install-build install-bench ext ## Counts instructions on the hot paths, against bench/instructions.csv (UPDATE=1 writes it), and of a PHP callback.
	cargo build --release -p wirewool-instructions
	$(TARGET)/release/wirewool-instructions compare $(if $(UPDATE),--update) bench/instructions.csv
	python3 bench/callback.py

bench: install-build servers ## Compares servers (ROUNDS=3 ONLY=echo-20B SERVERS=floor,rust-base): target/bench/results.md.
	cargo build --release -p wirewool-bench -p wirewool-bench-peers
	$(TARGET)/release/compare --rounds $(ROUNDS) --only "$(ONLY)" --servers "$(SERVERS)" --out $(TARGET)/bench

clean: ## Removes everything that was built or installed here.
	cargo clean
	rm -rf build .venv .venv-autobahn tests/node_modules

help: ## Lists the targets.
	@sed -n 's/^\([a-z-]*\):.*## /make \1 \t/p' Makefile | expand -t 18

servers: ext
	cargo build --release --examples

peers:
	cargo build --profile peers -p wirewool-peers

install-build:
	@scripts/install-build.sh

install-test:
	@scripts/install-test.sh

install-autobahn:
	@scripts/install-autobahn.sh

install-bench:
	@scripts/install-bench.sh
