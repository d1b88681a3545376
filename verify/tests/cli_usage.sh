#!/bin/bash
# cli_usage.sh: every bad input is refused with exit code 2 and one line that names it.
# SPDX-License-Identifier: Apache-2.0
# shellcheck source-path=SCRIPTDIR source=cli.sh
. "$(dirname "$0")/cli.sh"

# commands and options
expect 2 "unknown command 'verfy'; did you mean 'verify'?" verfy
expect 2 "unknown command 'conquer'; see 'kernelmark --help'" conquer
expect 2 "unknown command ''" ''
run
if [ $code -ne 2 ] || [ ! -s err ] || [ -s out ]; then
    fail "no command: exit $code"
fi
expect 2 "verify has no option '--backnd'; did you mean '--backend'?" verify --backnd ref
expect 2 "verify has no option '--repetitions'" verify --repetitions 11
expect 2 "has no option '-x'" verify -x
expect 2 "has no option '-q'" verify relu -vq
expect 2 "option '--json' needs a value" verify --json
expect 2 "option '-j' needs a value" verify -j
expect 2 "option '--quick' takes no value" verify --quick=3
expect 2 "option '--backend' needs a value" verify --backend ''
expect 2 "option '--backend' needs a value" verify --backend ,,
expect 2 "info takes no 'relu'" info relu
expect 2 "report needs a run file" report
expect 2 "golden needs the folder" golden
expect 2 "golden has no option '--junit'" golden . --junit x.xml
expect 2 "--color must be auto, always or never" golden . --color red

# patterns
expect 2 "no op matches 'rellu'; did you mean 'relu'?" verify rellu
expect 2 "no op matches 'unfold3d'; see 'kernelmark list --ops'" bench unfold3d
expect 2 "no pass matches 'bakward'; did you mean 'backward'?" verify relu/bakward
expect 2 "no backend matches 'avx3'; did you mean 'avx2'?" list --backend avx3
expect 2 "no backend matches 'avx3'; did you mean 'avx2'?" list 'relu/*/*/avx3'
expect 2 "matches no listed case" verify relu/forward/n77
expect 2 "more than four segments" verify a/b/c/d/e
expect 2 "empty segment" verify ''
expect 2 "no op matches 'tanhh'" verify relu tanhh

# cases
expect 2 "unexpected 'm8'" verify relu --case m8
expect 2 "size 'n' needs a whole number, not '-8'" verify relu --case n-8
expect 2 "size 'n' is larger than any tensor can be" verify relu --case n99999999999999999999
expect 2 "this machine has" verify relu --case n999999999999999
expect 2 "must lie in [1, 1e+09]" verify prelu --case n8c3_num_parameters0
expect 2 "num_parameters must be 1 or c" verify prelu --case n8c3_num_parameters2
expect 2 "cannot be 'nan'" verify elu --case n8_alphanan
expect 2 "cannot be '0x10'" verify elu --case n8_alpha0x10
expect 2 "must be finite" verify elu --case n8_alpha1e999
expect 2 "did you mean 'alpha'?" verify elu --case n8_alhpa2
expect 2 "relu has no attributes" verify relu --case n8_alpha2
expect 2 "no op matches 'rellu'; did you mean 'relu'?" verify --case rellu/n8
expect 2 "option '--case' needs a value" verify relu --case ''
expect 2 "size 'n' is missing" verify relu --case _
expect 2 "cannot read case file nowhere: No such file" verify relu --cases nowhere
expect 2 "holds no case" verify relu --cases /dev/null
expect 2 "cannot read case file ." verify relu --cases .
printf '# nothing here\n\n   \n' >blank
expect 2 "holds no case" verify relu --cases blank
printf 'n5\nn6 n7\n' >two
expect 2 "unexpected ' n7'" verify relu --cases two
head -c 5000 /dev/zero | tr '\0' n >long
expect 2 "case 'nnn" verify relu --cases long
head -c 3000 /dev/urandom >noise
run verify relu --cases noise
[ $code -eq 2 ] || fail "a case file of noise: exit $code"

# numbers and words
expect 2 "option '--threads' needs a value" verify relu --case n8 --threads ''
for bad in 0 -1 x 1.5 1e3 99999999999999999999 ' ' 4x; do
    expect 2 "--threads must be a whole number from 1 to 1024" verify relu --case n8 --threads "$bad"
done
for bad in x -1 0x10 9223372036854775808; do
    expect 2 "--seed must be a whole number" verify relu --case n8 --seed "$bad"
done
expect 2 "--offset must be a whole number from 0 to 15, not '16'" verify relu --case n8 --offset 16
expect 2 "--offset must be a whole number" verify relu --case n8 --offset -1
expect 2 "--repetitions must be a whole number from 9 to 101" bench relu --case n8 --repetitions 3
expect 2 "--min-time must be a whole number" bench relu --case n8 --min-time 0
expect 2 "--max-call must be a whole number" bench relu --case n8 --max-call 0
expect 2 "--sample must be a whole number from 1 to 65536" verify --exhaustive relu --sample 0
expect 2 "is not a function of x alone" verify --exhaustive prelu
expect 2 "no op matches 'reluu'; did you mean 'relu'?" verify --exhaustive reluu
expect 2 "--color must be auto, always or never, not 'red'" verify relu --case n8 --color red
expect 2 "--layout must be plain or native, not 'nchw'" verify relu --case n8 --layout nchw
expect 2 "unknown ISA level 'avx3'; did you mean 'avx2'?" verify relu --case n8 --isa avx3
expect 2 "--json and --junit cannot both go to standard output" verify relu --case n8 --json - --junit -

# plugins
expect 2 "cannot load plugin" verify --plugin nowhere.so
expect 2 "plugin ABI version 99" verify --plugin "$fixtures/fixture_abi.so"
expect 2 "no symbol 'kernelmark_backend'" verify --plugin "$fixtures/fixture_symbol.so"
expect 2 "a backend named 'ref' exists already" list --plugin "$fixtures/fixture_clash.so"
expect 2 "unknown op 'unfold3d'" list --plugin "$fixtures/fixture_op.so"

# what a message repeats cannot forge a line
run verify $'rel\nkernelmark: all good'
[ "$(wc -l <err)" -eq 1 ] || fail "a newline in a pattern makes two lines"
finish
