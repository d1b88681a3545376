# shellcheck shell=bash disable=SC2034 # the variables are for those who source this
# cli.sh: what the command-line tests share. Arguments: the kernelmark to test, the folder of the plugins.
# SPDX-License-Identifier: Apache-2.0
kernelmark=$(realpath "$1") fixtures=$(realpath "$2") failures=0 checks=0
scratch=$(mktemp -d) || exit 1
trap 'rm -rf "$scratch"' EXIT
cd "$scratch" || exit 1
unset NO_COLOR "${!KERNELMARK_@}"

fail() {
    printf 'FAILED: %s\n' "$1"
    failures=$((failures + 1))
}

# run ARGUMENT...: leaves code, out and err.
run() {
    "$kernelmark" "$@" >out 2>err </dev/null
    code=$?
    checks=$((checks + 1))
    [ $code -lt 126 ] || fail "killed ($code): kernelmark $*"
}

# expect CODE PART ARGUMENT...: the exit code, and a part of what was said; a usage error is one line on stderr
# that names the program.
expect() {
    local want=$1 part=$2
    shift 2
    run "$@"
    [ $code -eq "$want" ] || fail "kernelmark $*: exit $code, not $want: $(tail -n 1 err)"
    grep -qF -e "$part" out err || fail "kernelmark $*: nothing says '$part': $(tail -n 1 err)"
    if [ "$want" -eq 2 ]; then
        if [ -s out ] || [ "$(wc -l <err)" -ne 1 ] || ! grep -q '^kernelmark: ' err; then
            fail "kernelmark $*: not one line on stderr"
        fi
    fi
}

# holds FILE PART, lacks FILE PART
holds() {
    grep -qF -e "$2" "$1" || fail "$1 does not hold '$2'"
}
lacks() {
    ! grep -qF -e "$2" "$1" || fail "$1 holds '$2'"
}

finish() {
    echo "$checks runs of kernelmark, $failures failures"
    exit $((failures > 0))
}
