# One verb for each task. `just` lists them; https://just.systems has the program.

_:
    @just --list --unsorted

# Start smtpd: mail to port 25000, pages on http://127.0.0.1:10025
run *arguments:
    cargo run --release -- {{arguments}}

# The quick check: format, lints, documentation, pure tests, dialogs, and the build without MongoDB
check:
    tests/check.sh

# Everything that CI runs; `just test --install` first installs what is missing (Debian, as root)
test *arguments:
    tests/run.sh {{arguments}}

# One slice of the integration tests, such as `just slice store`
slice name:
    cargo test --locked --test it {{name}}

# Look for hostile octets, so many seconds for each target: `just fuzz 60 session`
fuzz seconds *targets:
    fuzz/run.sh {{seconds}} {{targets}}

# Rewrite the goldens of messages; read the diff
golden:
    UPDATE_GOLDEN=1 cargo test --locked --test it mime

# BENCHMARKS.md anew, on a machine that does nothing else
bench *arguments:
    cargo build --locked --release
    benches/compare.py {{arguments}}

# A static binary for this kind of machine, and a run of it in an empty root
static:
    cargo build --locked --release --target {{arch()}}-unknown-linux-musl
    tests/static.sh target/{{arch()}}-unknown-linux-musl/release/smtpd
