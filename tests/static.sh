#!/usr/bin/env bash
# Runs a static binary in an empty root, as a container FROM scratch would, sends a message by SMTP
# and reads it back by HTTP.   Usage: tests/static.sh BINARY
set -euo pipefail

binary=$1
file=$(head -c 4 "$binary" | od -An -c | tr -d ' \n')
[[ $file == '177ELF' ]] || { echo "$binary is not an ELF file" >&2; exit 1; }
if readelf -d "$binary" 2>/dev/null | grep -q NEEDED; then
    echo "$binary needs shared libraries" >&2
    exit 1
fi

root=$(mktemp -d)
pid=
cleanup() {
    [[ -z $pid ]] || kill "$pid" 2>/dev/null || true
    rm -rf "$root"
}
trap cleanup EXIT
cp "$binary" "$root/smtpd"
mkdir "$root/data"

export SMTPD_SMTP_LISTEN=127.0.0.1:0 SMTPD_HTTP_LISTEN=127.0.0.1:0 SMTPD_STORE_PATH=/data
if [[ $(id -u) == 0 ]]; then
    chroot "$root" /smtpd >"$root/out" 2>"$root/log" &
else
    (cd "$root" && SMTPD_STORE_PATH=data exec ./smtpd) >"$root/out" 2>"$root/log" &
fi
pid=$!
for _ in $(seq 100); do grep -q 'http://' "$root/out" && break; sleep 0.1; done
smtp=$(sed -n 's|.*smtp://\([0-9.:]*\).*|\1|p' "$root/out")
http=$(sed -n 's|.*http://\([0-9.:]*\).*|\1|p' "$root/out")
[[ $smtp && $http ]] || { echo "it did not start:" >&2; cat "$root/out" "$root/log" >&2; exit 1; }

printf 'From: a@example.org\r\nSubject: static\r\n\r\nhello from scratch\r\n' |
    curl --silent --show-error --fail "smtp://$smtp" --mail-from a@example.org --mail-rcpt b@example.org --upload-file -
curl --silent --show-error --fail "http://$http/?q=scratch" | grep -q 'static'
size=$(stat -c %s "$binary")
echo "a static binary of $((size / 1024)) KiB took a message by SMTP and showed it by HTTP in an empty root"
