#!/bin/bash
# cli_files.sh: output files are whole or absent, and a full disk or a damaged file is exit code 4.
# SPDX-License-Identifier: Apache-2.0
# shellcheck source-path=SCRIPTDIR source=cli.sh
. "$(dirname "$0")/cli.sh"
small=(relu/forward --case n64 --backend ref)
run verify "${small[@]}" --json run.jsonl --junit run.xml
[ $code -eq 0 ] || fail "writing run.jsonl: exit $code"

# every way to write, to a full disk and to places that are none
for target in /dev/full nowhere/file .; do
    say=$([ "$target" = /dev/full ] && echo "No space left" || echo "cannot write $target")
    expect 4 "$say" verify "${small[@]}" --json "$target"
    expect 4 "$say" verify "${small[@]}" --junit "$target"
    for form in markdown html csv; do
        expect 4 "$say" report run.jsonl "--$form" "$target"
    done
done
mkdir sealed && chmod a-w sealed
[ "$(id -u)" -eq 0 ] || expect 4 "Permission denied" verify "${small[@]}" --json sealed/run.jsonl
expect 4 "run.jsonl/x: Not a directory" verify "${small[@]}" --json run.jsonl/x
for arguments in "list relu" "verify ${small[*]}" "report run.jsonl" "verify ${small[*]} --json -" \
    "verify ${small[*]} --junit -" "report run.jsonl --html -" --help "verify --help" --version; do
    read -ra words <<<"$arguments"
    "$kernelmark" "${words[@]}" >/dev/full 2>err
    [ $? -eq 4 ] || fail "kernelmark $arguments to a full disk: not exit 4"
    lacks err Success
done

# said before the work is done, not after it
expect 4 "cannot write nowhere/file" verify "${small[@]}" --junit nowhere/file
lacks out ok

# interrupted: nothing lies about
"$kernelmark" verify --json cut.jsonl >/dev/null 2>&1 &
for _ in {1..100}; do
    compgen -G 'cut.jsonl*' >/dev/null && break
    sleep 0.05
done
compgen -G 'cut.jsonl.*.tmp' >/dev/null || fail "a run does not write aside"
kill -TERM $!
wait $! 2>/dev/null
compgen -G 'cut.jsonl*' >/dev/null && fail "an interrupted run leaves a file"

# a disk that fills up half-way: the old file stays, nothing lies beside it
cp run.jsonl old.jsonl
find . >before
(
    trap '' XFSZ
    ulimit -f 1 # KiB
    "$kernelmark" verify relu selu --case n64 --json run.jsonl >/dev/null 2>err
)
[ $? -eq 4 ] || fail "a full disk: not exit 4"
holds err "cannot write run.jsonl: File too large"
cmp -s run.jsonl old.jsonl || fail "a full disk damages the old run file"
find . | cmp -s - before || fail "a full disk leaves $(find . | diff - before | tail -n 1)"

# a run that is interrupted leaves the old file
"$kernelmark" verify --full --json run.jsonl >/dev/null 2>&1 &
sleep 0.5
kill -TERM $! && wait $! 2>/dev/null
cmp -s run.jsonl old.jsonl || fail "an interrupted run replaces the old run file"
rm -f run.jsonl.*.tmp

# run files that are none
expect 0 "relu" report run.jsonl
expect 4 "gone.jsonl: No such file" report gone.jsonl
expect 4 "the file is empty" report /dev/null
head -c -40 run.jsonl >cut.jsonl
expect 4 "cut.jsonl:" report cut.jsonl
head -n 2 run.jsonl >open.jsonl
expect 4 "no end line" report open.jsonl
sed 's/"version":1/"version":2/' run.jsonl >newer.jsonl
expect 4 "version" report newer.jsonl
sed 's/"max_ulp":[0-9.e-]*/"max_ulp":NaN/' run.jsonl >nan.jsonl
expect 4 "nan.jsonl:2:" report nan.jsonl
expect 4 "gone.jsonl" report run.jsonl gone.jsonl --html page.html
[ ! -e page.html ] || fail "a report of a missing run leaves a page"
head -c 100000 /dev/urandom >noise
run report noise
[ $code -eq 4 ] || fail "a report of noise: exit $code"
finish
