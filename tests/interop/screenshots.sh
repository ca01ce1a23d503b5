#!/usr/bin/env bash
# Makes the pictures of docs/ anew: builds smtpd, starts it on free ports, sends a few mails, looks.
set -euo pipefail
cd "$(dirname "$0")/../.."
cargo build --release
folder=$(mktemp -d)
(cd "$folder" && SMTPD_SMTP_LISTEN=127.0.0.1:0 SMTPD_HTTP_LISTEN=127.0.0.1:0 SMTPD_POLICY_BLOCK_RECIPIENTS="*@gone.example" exec "$OLDPWD/target/release/smtpd") >"$folder/out" 2>"$folder/log" &
pid=$!
trap 'kill "$pid"; rm -rf "$folder"' EXIT
until grep -q http:// "$folder/out"; do sleep 0.1; done
smtp=$(sed -n 's|.*smtp://\([0-9.:]*\).*|\1|p' "$folder/out")
http=$(sed -n 's|.*\(http://[0-9.:]*\).*|\1|p' "$folder/out")
CHROMIUM=${CHROMIUM:-/usr/bin/chromium} node tests/interop/screenshots.mjs "$http" "${smtp%:*}" "${smtp##*:}" docs
