#!/usr/bin/env bash
# Everything that is tested, in one command.
#
#   tests/run.sh             uses what is installed; says loudly what was NOT tested
#   tests/run.sh --install   first installs what is missing (apt, npm, rustup; needs root), and then
#                            fails if any part could not be tested
set -euo pipefail
cd "$(dirname "$0")/.."

packages=(e2fsprogs git curl openssl python3 python3-pip nginx libnginx-mod-mail libnginx-mod-stream haproxy postfix swaks libnet-ssleay-perl
    msmtp mpop fetchmail getmail6 mutt chromium nodejs npm musl-tools procps systemd strace util-linux)
target=x86_64-unknown-linux-musl

if [[ ${1-} == --install ]]; then
    export TEST_EVERYTHING=1
    missing=()
    for package in "${packages[@]}"; do
        # A program that came another way (node, say) is as good as the package.
        dpkg -s "$package" >/dev/null 2>&1 || command -v "$package" >/dev/null || missing+=("$package")
    done
    if ((${#missing[@]})); then
        apt-get update -qq
        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
    fi
    rustup component list --installed 2>/dev/null | grep -q clippy || rustup component add clippy rustfmt
    rustup toolchain list | grep -q '^nightly' || rustup toolchain install nightly --profile minimal
    rustup target list --installed | grep -qx "$target" || rustup target add "$target"
    # Without optimisation: a minute and a half, and it runs for a second.
    command -v cargo-deny >/dev/null || cargo install --quiet --debug --locked --version 0.20.2 cargo-deny
    (cd tests/interop && npm install --no-package-lock --no-audit --no-fund --silent)
    (cd tests/looks && npm install --no-package-lock --no-audit --no-fund --silent --ignore-scripts)
fi

step() { printf '\n=== %s\n' "$*"; }

step "format"
cargo fmt --check

step "clippy, warnings are errors"
cargo clippy --locked --all-targets -- -D warnings

step "tests"
# Most of them wait for a server or a browser most of the time.
RUST_TEST_THREADS=${RUST_TEST_THREADS:-$(($(nproc) * 2))} cargo test --locked

step "hostile octets, 30 seconds a target"
if rustup toolchain list 2>/dev/null | grep -q '^nightly'; then
    JOBS=2 fuzz/run.sh 30
elif [[ ${TEST_EVERYTHING-} ]]; then
    echo "no nightly compiler" >&2
    exit 1
else
    printf '\n*** NOT TESTED: new hostile octets (the known ones were replayed): needs rustup toolchain install nightly ***\n'
fi

step "what comes from others: licences, versions, sources, advisories"
if command -v cargo-deny >/dev/null; then
    cargo fetch --locked
    cargo deny --locked --offline check bans licenses sources
    # The list of advisories is at GitHub, which not every machine may ask; one that is here will do.
    if cargo deny fetch db >/dev/null 2>&1; then
        cargo deny --locked check advisories
    elif compgen -G "${CARGO_HOME:-$HOME/.cargo}/advisory-dbs/*/crates" >/dev/null; then
        cargo deny --locked --offline check advisories
    else
        printf '\n*** NOT TESTED: advisories: the database of RustSec cannot be reached ***\n'
    fi
elif [[ ${TEST_EVERYTHING-} ]]; then
    echo "no cargo-deny" >&2
    exit 1
else
    printf '\n*** NOT TESTED: licences, versions, sources, advisories: needs cargo install cargo-deny ***\n'
fi

step "the static binary does the main job"
if rustup target list --installed 2>/dev/null | grep -qx "$target" && command -v musl-gcc >/dev/null; then
    cargo fetch --locked --target "$target"
    # Everything is built here, and nothing that builds it reaches a network.
    alone=(unshare --net)
    if ! "${alone[@]}" true 2>/dev/null; then
        [[ -z ${TEST_EVERYTHING-} ]]
        printf '\n*** NOT TESTED: that no build script downloads anything: needs root, for unshare --net ***\n'
        alone=()
    fi
    # Without optimisation: it takes minutes, and nothing of what is looked at here.
    CARGO_PROFILE_RELEASE_OPT_LEVEL=0 \
        "${alone[@]}" cargo build --locked --offline --release --target "$target"
    tests/static.sh "target/$target/release/smtpd"
elif [[ ${TEST_EVERYTHING-} ]]; then
    echo "no $target target or no musl-gcc" >&2
    exit 1
else
    printf '\n*** NOT TESTED: the static binary: needs rustup target add %s, and musl-tools ***\n' "$target"
fi

step "done"
