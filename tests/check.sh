#!/usr/bin/env bash
# The quick check for every day, some minutes once the dependencies are built. tests/run.sh is the whole.
set -euo pipefail
cd "$(dirname "$0")/.."

step() { printf '\n=== %s\n' "$*"; }

step "format"
cargo fmt --check

step "clippy, warnings are errors"
cargo clippy --locked --all-targets -- -D warnings

step "documentation, warnings are errors"
RUSTDOCFLAGS="-D warnings" cargo doc --locked --no-deps --lib

step "without MongoDB"
cargo check --locked --no-default-features

step "the pure parts, the dialogs, the house"
cargo test --locked --lib
cargo test --locked --test it -- dialog:: tidy::

rust_version=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)
step "the oldest compiler, $rust_version"
if rustup toolchain list 2>/dev/null | grep -q "^$rust_version"; then
    CARGO_TARGET_DIR=target/oldest cargo "+$rust_version" check --locked
else
    printf '\n*** NOT TESTED: needs rustup toolchain install %s --profile minimal ***\n' "$rust_version"
fi

step "done"
