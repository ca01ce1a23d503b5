#!/usr/bin/env bash
# Feeds the targets with hostile octets.
#
#   fuzz/run.sh SECONDS [TARGET...]     each of these targets, or of all, for so long
#   JOBS=2 fuzz/run.sh 30               so many at a time
#   fuzz/run.sh minimise [TARGET...]    puts what was found since into the corpus, as little as possible
#
# What is found on the way stays in fuzz/found; an input that breaks a promise is kept in
# fuzz/artifacts and ends this with 1. Put it into fuzz/corpus/TARGET once it is mended.
set -euo pipefail
cd "$(dirname "$0")"

mode=${1:?seconds, or minimise}
shift
targets=("$@")
((${#targets[@]})) || mapfile -t targets < <(ls bin | sed 's/\.rs$//')

# What cargo-fuzz passes to the compiler, without its need to be installed. No sanitiser: there is no
# unsafe code of ours for it to watch, and it would halve the speed.
export RUSTFLAGS="--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
-Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
-Cllvm-args=-sanitizer-coverage-trace-compares"
host=$(rustc +nightly -vV | sed -n "s/^host: //p")
cargo +nightly build --quiet --release --target "$host"
programs=target/$host/release

fuzz() {
    local target=$1
    mkdir -p "found/$target" "artifacts/$target" "corpus/$target"
    local log=found/$target.log status=0
    "$programs/$target" -max_total_time="$mode" -timeout=20 -rss_limit_mb=2048 -max_len=4096 -print_final_stats=1 \
        -artifact_prefix="artifacts/$target/" "found/$target" "corpus/$target" >"$log" 2>&1 || status=$?
    local runs
    runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
    if ((status)); then
        printf '%-8s FAILED after %s executions\n' "$target" "${runs:-?}"
        tail -n 30 "$log"
        return 1
    fi
    printf '%-8s %10s executions in %s s, nothing found\n' "$target" "$runs" "$mode"
}

minimise() {
    local target=$1 small
    small=$(mktemp -d)
    mkdir -p "found/$target"
    "$programs/$target" -set_cover_merge=1 -max_len=4096 "$small" "corpus/$target" "found/$target" >"found/$target.log" 2>&1
    # Inputs that once broke something stay, whatever they cover.
    find "corpus/$target" -type f ! -name 'regression-*' -delete
    cp "$small"/* "corpus/$target/"
    rm -r "$small"
    printf '%-8s %5s files, %s\n' "$target" "$(ls "corpus/$target" | wc -l)" "$(du -sh --apparent-size "corpus/$target" | cut -f1)"
}

work=fuzz
[[ $mode == minimise ]] && work=minimise
failed=0
for target in "${targets[@]}"; do
    while (($(jobs -rp | wc -l) >= ${JOBS:-1})); do
        wait -n || failed=1
    done
    "$work" "$target" &
done
while (($(jobs -rp | wc -l))); do
    wait -n || failed=1
done
exit "$failed"
