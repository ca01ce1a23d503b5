#!/bin/sh
# Draws all mails of tests/looks as they were sent and as smtpd shows them, compares the pictures, and
# writes a report for people to look at: target/looks/index.html. Takes minutes, and fetches the public
# templates by npm if they are not there yet.
#
#   tests/looks/run.sh [SMTPD]     the binary; else that of target/debug is built
set -eu
cd "$(dirname "$0")/../.."
[ -d tests/looks/node_modules ] || (cd tests/looks && npm install --no-package-lock --no-audit --no-fund --silent --ignore-scripts)
smtpd=${1:-}
if [ -z "$smtpd" ]; then
    cargo build --quiet
    smtpd=target/debug/smtpd
fi
folder=$(mktemp -d)
smtp=$((20000 + $$ % 10000)) http=$((30000 + $$ % 10000))
SMTPD_SMTP_LISTEN=127.0.0.1:$smtp SMTPD_HTTP_LISTEN=127.0.0.1:$http SMTPD_STORE_PATH=$folder "$smtpd" >"$folder/log" 2>&1 &
pid=$!
trap 'kill $pid; wait $pid 2>/dev/null || :; rm -rf "$folder"' EXIT
until curl -fs "http://127.0.0.1:$http/readyz" >/dev/null; do
    kill -0 $pid || { cat "$folder/log"; exit 1; }
    sleep 0.2
done
CHROMIUM=${CHROMIUM:-/usr/bin/chromium} node tests/looks/looks.mjs "http://127.0.0.1:$http" 127.0.0.1 $smtp "${LOOKS:-all}" target/looks
