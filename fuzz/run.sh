#!/usr/bin/env bash
# Feeds the targets with hostile octets.
#
#   fuzz/run.sh SECONDS [TARGET...]     each of these targets, or of all, for so long
#   fuzz/run.sh 20min [TARGET...]       until each has used so many minutes of a processor, by the account
#                                       in fuzz/found/account, which outlasts an interruption
#   fuzz/run.sh account                 what each has used until now
#   JOBS=2 fuzz/run.sh 30               so many at a time
#   fuzz/run.sh minimise [TARGET...]    puts what was found since into the corpus, as little as possible
#
# What is found on the way stays in fuzz/found; an input that breaks a promise is kept in
# fuzz/artifacts and ends this with 1. Put it into fuzz/corpus/TARGET once it is mended.
set -euo pipefail
cd "$(dirname "$0")"

mode=${1:?seconds, minutes of a processor, account, or minimise}
shift
targets=("$@")
((${#targets[@]})) || mapfile -t targets < <(ls bin | sed 's/\.rs$//')

# A line for each run: target, executions, seconds of a processor. Short lines are appended whole.
account=found/account
mkdir -p found
touch "$account"

# What one target has used in all runs.
used() { awk -v target="$1" '$1 == target { runs += $2; seconds += $3 } END { printf "%d %d\n", runs, seconds }' "$account"; }

if [[ $mode == account ]]; then
    for target in "${targets[@]}"; do
        read -r runs seconds < <(used "$target")
        printf '%-8s %11s executions in %4d min %02d s of a processor\n' "$target" "$runs" $((seconds / 60)) $((seconds % 60))
    done
    exit
fi

# What cargo-fuzz passes to the compiler, without its need to be installed. No sanitiser: there is no
# unsafe code of ours for it to watch, and it would halve the speed.
export RUSTFLAGS="--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
-Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
-Cllvm-args=-sanitizer-coverage-trace-compares"
host=$(rustc +nightly -vV | sed -n "s/^host: //p")
cargo +nightly build --quiet --release --target "$host"
programs=target/$host/release

# One target for so many seconds by the clock.
fuzz() {
    local target=$1 seconds=$2
    mkdir -p "found/$target" "artifacts/$target" "corpus/$target"
    local log=found/$target.log status=0 TIMEFORMAT='%U %S' runs spent
    spent=$({ time "$programs/$target" -max_total_time="$seconds" -timeout=20 -rss_limit_mb=2048 -max_len=4096 \
        -print_final_stats=1 -artifact_prefix="artifacts/$target/" "found/$target" "corpus/$target" >"$log" 2>&1; } 2>&1) \
        || status=$?
    spent=$(awk '{ print $1 + $2 }' <<<"$spent")
    runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
    if ((status)); then
        printf '%-8s FAILED after %s executions\n' "$target" "${runs:-?}"
        tail -n 30 "$log"
        return 1
    fi
    echo "$target $runs $spent" >>"$account"
    printf '%-8s %10s executions in %s s (%s s of a processor), nothing found\n' "$target" "$runs" "$seconds" "$spent"
}

# One target until it has used so many seconds of a processor, in pieces: each begins with what the ones
# before have found, and a processor that others use, too, gives less than the clock says.
fuzz_long() {
    local target=$1 wanted=$2 runs seconds
    while read -r runs seconds < <(used "$target") && ((seconds < wanted)); do
        fuzz "$target" $((wanted - seconds < 120 ? wanted - seconds + 1 : 120)) || return 1
    done
    printf '%-8s %10s executions in %s s of a processor altogether\n' "$target" "$runs" "$seconds"
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

case $mode in
    minimise) work() { minimise "$1"; } ;;
    *min) work() { fuzz_long "$1" $((${mode%min} * 60)); } ;;
    *) work() { fuzz "$1" "$mode"; } ;;
esac
failed=0
for target in "${targets[@]}"; do
    while (($(jobs -rp | wc -l) >= ${JOBS:-1})); do
        wait -n || failed=1
    done
    work "$target" &
done
while (($(jobs -rp | wc -l))); do
    wait -n || failed=1
done
exit "$failed"
