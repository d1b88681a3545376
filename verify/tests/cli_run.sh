#!/bin/bash
# cli_run.sh: what the commands do: verdicts and exit codes, streams, environment, colour.
# SPDX-License-Identifier: Apache-2.0
# shellcheck source-path=SCRIPTDIR source=cli.sh
. "$(dirname "$0")/cli.sh"
small=(relu/forward --case n64 --backend ref)

# help and version
expect 0 "usage: kernelmark" --help
expect 0 "usage: kernelmark verify" verify --help
expect 0 "kernelmark " --version
[ ! -s err ] || fail "--version writes to stderr"

# verdicts
expect 0 "1 cells: 1 ok, 0 wrong" verify "${small[@]}"
expect 1 "WRONG   relu/forward/n64/fixture" verify relu --case n64 --plugin "$fixtures/fixture_wrong.so" \
    --backend ref,fixture
holds out "1 of 64 elements of y wrong; first [3]"
holds out "kernelmark verify relu/forward --backend fixture --case n64 --seed 1 --plugin $fixtures/fixture_wrong.so"
holds out "3 cells: 2 ok, 1 wrong"
command=$(grep -o 'kernelmark verify .*' out | head -n 1)
read -ra words <<<"${command#kernelmark }"
run "${words[@]}" # the line that was given reproduces it
[ $code -eq 1 ] || fail "'$command' does not reproduce the failure"
expect 1 "CRASHED relu/forward/n64/fixture" verify relu --case n64 --case n65 -v \
    --plugin "$fixtures/fixture_crash.so" --backend fixture,ref
holds out "write of y past its end, at byte 256 of 256"
holds out "CRASHED relu/forward/n65/fixture" # and the run goes on
holds out "ok      relu/backward/n65/ref"
holds out "6 cells: 4 ok, 0 wrong, 2 crashed, 0 skipped"
expect 0 "fixture" verify relu --case n64 --plugin "$fixtures/fixture_right.so" --backend fixture

# every cell skipped is not a pass
if [ "$(uname -m)" = x86_64 ]; then
    expect 77 "skipped: 2 of avx2: above the --isa cap" verify relu --case n64 --isa baseline --backend avx2
    holds out "2 cells: 0 ok, 0 wrong, 0 crashed, 2 skipped"
fi

# all data on stdout, talk on stderr
run verify relu --case n64 --case n65 --backend ref --json -
[ $code -eq 0 ] || fail "--json -: exit $code"
python3 -c 'import json, sys
lines = [json.loads(line, parse_constant=lambda c: sys.exit(c)) for line in open("out")]
assert lines[0]["type"] == "run" and lines[-1]["type"] == "end"
cells = [line for line in lines if line["type"] == "cell"]
assert len(cells) == lines[-1]["cells"] == len(lines) - 2 > 3
assert sum(lines[-1][s] for s in ("ok", "wrong", "skipped", "crashed")) == len(cells)' ||
    fail "--json - is not a run file"
holds err "elements compared"
lacks err $'\r' # progress is for terminals
run verify "${small[@]}" --junit -
python3 -c 'import xml.dom.minidom; xml.dom.minidom.parse("out")' || fail "--junit - is not XML"
run verify "${small[@]}"
[ ! -s err ] || fail "a good run writes to stderr: $(head -n 1 err)"

# the same seed, the same data
"$kernelmark" verify silu --case n300 --seed 7 --backend ref --json a >/dev/null
"$kernelmark" verify silu --case n300 --seed 7 --backend ref --json b >/dev/null
"$kernelmark" verify silu --case n300 --seed 8 --backend ref --json c >/dev/null
figures() { grep -o '"verify":{[^}]*}' "$1"; }
[ "$(figures a)" = "$(figures b)" ] || fail "one seed gives two results"
[ "$(figures a)" != "$(figures c)" ] || fail "two seeds give one result"

# environment: a twin for every option, and the option wins
KERNELMARK_BACKEND=ref run list relu/forward --case n8
[ "$(cat out)" = relu/forward/n8/ref ] || fail "KERNELMARK_BACKEND is not heard"
KERNELMARK_BACKEND=nonsense expect 0 "relu/forward/n8/ref" list relu/forward --case n8 --backend ref
KERNELMARK_BACKEND=nonsense expect 2 "no backend matches 'nonsense'" list relu/forward --case n8
KERNELMARK_THREADS=0 expect 2 "--threads must be" verify "${small[@]}"
KERNELMARK_VERBOSE=1 expect 0 "ok      relu/forward/n64/ref" verify "${small[@]}"
KERNELMARK_VERBOSE=0 run verify "${small[@]}"
lacks out "ok      relu/forward"
KERNELMARK_CASE=n9 expect 0 "relu/forward/n9/ref" list relu/forward --backend ref

# colour
escape=$'\033'
expect 0 "${escape}[32mok" verify "${small[@]}" -v --color always
NO_COLOR=1 expect 0 "${escape}[32mok" verify "${small[@]}" -v --color always # said later, and louder
expect 0 "ok" verify "${small[@]}" -v --color never
lacks out "$escape"
expect 0 "ok" verify "${small[@]}" -v # not a terminal
lacks out "$escape"

# lists
run list --canonical --full
cp out canonical
run list --canonical --cases=canonical
cmp -s out canonical || fail "list --canonical is no fixed point: $(diff out canonical | head -n 3)"
run verify --cases canonical --backend nothing
[ $code -eq 2 ] || fail "cases of a file and an unknown backend: exit $code"
printf '  relu/n5 # five\n\n# none\r\nrelu/n6\r\n' >cases
run list relu/forward --backend ref --cases=cases
[ "$(cat out)" = $'relu/forward/n5/ref\nrelu/forward/n6/ref' ] || fail "case file: $(cat out)"
expect 0 "fixture" list --backends --plugin "$fixtures/fixture_right.so"
expect 0 "y = max(0, x)" list relu --ops
expect 0 "writes y (within 2 ulp)" list tanh --ops

# tags
expect 0 "linear/forward/n32c84k10/ref" list linear/forward --tag lenet5 --backend ref
expect 2 "no tag matches 'lenet'; did you mean 'lenet5'?" list linear --tag lenet
run verify linear/forward/n1c84k10 --tag lenet5 --backend ref --json tagged
grep -q '"case":"n1c84k10".*"tags":\["lenet5"\]' tagged || fail "no tags in a run file"

# all floats, sampled
for op in relu sigmoid hardswish; do
    expect 0 "ok      $op/forward/n65536/ref  65536 inputs" verify --exhaustive "$op" --sample 65536 --backend ref
done
expect 1 "outside the bound, such as x = " verify --exhaustive relu --sample 65536 \
    --plugin "$fixtures/fixture_wrong.so" --backend fixture
# several backends share the oracle: each is judged as if alone, and a crash costs the others nothing
relu=(verify --exhaustive relu --sample 16384 --plugin)
run "${relu[@]}" "$fixtures/fixture_right.so" --backend ref
alone=$(cat out)
for fixture in wrong crash; do
    run "${relu[@]}" "$fixtures/fixture_$fixture.so" --backend ref,fixture
    [ $code -eq 1 ] || fail "ref beside a fixture that is $fixture: exit $code"
    [ "$(head -n 1 out)" = "$alone" ] || fail "ref beside a fixture that is $fixture: $(cat out err)"
done
holds err "relu/forward/n65536/fixture: crashed: write of y past its end"
run "${relu[@]}" "$fixtures/fixture_right.so" --backend ref --seed 2
[ "$(cat out)" != "$alone" ] || fail "--seed 2 takes the same sample"
run "${relu[@]}" "$fixtures/fixture_right.so" --backend ref --seed 16385
[ "$(cat out)" = "$alone" ] || fail "--seed 16385 takes another sample than 1: $(cat out)"
finish
