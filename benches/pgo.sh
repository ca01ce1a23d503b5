#!/usr/bin/env bash
# The release build with profile-guided optimisation: builds smtpd with counters, gives it the mail that
# it will get, builds it again with what was counted, and says what that gained.
#
#   benches/pgo.sh                    target/pgo/release/smtpd
#   benches/pgo.sh --target TRIPLE    the same for another target that runs on this machine
#
# Needs llvm-profdata of the compiler's LLVM or a newer one (rustup component add llvm-tools, or Debian:
# llvm), smtp-source (Debian: postfix), curl and python3.
set -euo pipefail
cd "$(dirname "$0")/.."
PATH=$PATH:/usr/sbin

target=$(rustc -vV | sed -n 's/^host: //p')
[[ ${1-} == --target ]] && target=${2:?which target?}
work=$PWD/target/pgo
messages=${MESSAGES:-40000}

need() { command -v "$1" >/dev/null || { echo "$1 is missing: $2" >&2; exit 1; }; }
need smtp-source "apt-get install postfix"
need curl "apt-get install curl"
profdata=$(find "$(rustc --print sysroot)" -name llvm-profdata -type f | head -n 1)
profdata=${profdata:-$(command -v llvm-profdata || true)}
if [[ -z $profdata ]]; then
    echo "llvm-profdata is missing: rustup component add llvm-tools (or apt-get install llvm)" >&2
    exit 1
fi
# Older tools do not understand what a newer compiler counted.
have=$("$profdata" --version 2>/dev/null | sed -n 's/.*LLVM version \([0-9]*\).*/\1/p' || true)
want=$(rustc -vV | sed -n 's/^LLVM version: \([0-9]*\).*/\1/p')
if ((${have:-0} < want)); then
    echo "$profdata is of LLVM ${have:-14 or older}, the compiler of $want: rustup component add llvm-tools" >&2
    exit 1
fi

build() { # FLAGS FOLDER
    RUSTFLAGS="${RUSTFLAGS-} $1" cargo build --locked --profile dist --target "$target" --target-dir "$work/$2" >&2
    echo "$work/$2/$target/dist/smtpd"
}

free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }

start() { # BINARY: sets server, smtp, http, store
    store=$(mktemp -d "$work/store.XXXXXX")
    smtp=$(free_port) http=$(free_port)
    (cd "$store" && SMTPD_SMTP_LISTEN=127.0.0.1:$smtp SMTPD_HTTP_LISTEN=127.0.0.1:$http exec "$1" >/dev/null 2>&1) &
    server=$!
    trap 'kill "$server" 2>/dev/null || true' EXIT
    for _ in {1..200}; do
        curl -sf "http://127.0.0.1:$http/readyz" >/dev/null && return
        sleep 0.05
    done
    echo "$1 does not start" >&2
    exit 1
}

stop() { # the counters are written when the process ends
    kill "$server"
    wait "$server" || true
    trap - EXIT
    rm -r "$store"
}

train() {
    local to=127.0.0.1:$smtp people="-f a@example.org -t b@example.org"
    # shellcheck disable=SC2086
    {
        smtp-source -d -s 50 -l 1024 -m $((messages / 2)) $people "$to"
        smtp-source -s 50 -l 1024 -m $((messages / 8)) $people "$to"
        smtp-source -d -s 1 -l 1024 -m $((messages / 40)) $people "$to"
        smtp-source -d -s 16 -l 10240 -m $((messages / 8)) $people "$to"
        smtp-source -d -s 16 -l 102400 -m $((messages / 80)) $people "$to"
    }
    for _ in {1..50}; do
        for path in / "/?q=xxx" "/?q=-is%3Aread" "/?mailbox=b%40example.org" "/api/messages?limit=50" /status; do
            curl -sf -o /dev/null --compressed -H "Accept: text/html" "http://127.0.0.1:$http$path"
        done
    done
}

rate() { # BINARY: messages a second
    start "$1"
    python3 - "$smtp" "$messages" <<'PYTHON'
import subprocess, sys, time
port, count = sys.argv[1:]
command = ["smtp-source", "-d", "-s", "50", "-l", "1024", "-m", count, "-f", "a@example.org", "-t", "b@example.org"]
begun = time.monotonic()
subprocess.run([*command, f"127.0.0.1:{port}"], check=True)
print(round(int(count) / (time.monotonic() - begun)))
PYTHON
    stop
}

mkdir -p "$work"
rm -rf "$work/counts"
echo "=== counting" >&2
counting=$(build "-Cprofile-generate=$work/counts" counting)
start "$counting"
train
stop
"$profdata" merge -o "$work/counts.profdata" "$work/counts"
echo "=== building with what was counted" >&2
better=$(build "-Cprofile-use=$work/counts.profdata" use)
plain=$(build "" plain)
mkdir -p "$work/release"
cp "$better" "$work/release/smtpd"

echo "=== five times each, in turn: messages/s, 1 KB, 50 sessions, kept connections" >&2
for _ in {1..5}; do
    echo "$(rate "$plain") $(rate "$better")"
done | tee /dev/stderr | python3 -c '
import statistics, sys
pairs = [tuple(map(int, line.split())) for line in sys.stdin]
plain, better = (statistics.median(column) for column in zip(*pairs))
gain = statistics.median(better / plain for plain, better in pairs)
print(f"plain {plain:,.0f}/s, with profile {better:,.0f}/s, ratio {gain:.2f} (medians)")'
ls -l "$plain" "$work/release/smtpd"
