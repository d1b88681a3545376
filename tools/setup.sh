# setup.sh: what ./run, ./test and .ci/run share: packages, then a configured and built tree.
# Sourced, not run. Progress goes to stderr; a failure ends the caller with exit code 4.
# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash

export LC_ALL=C # the same messages, sorting and number format everywhere

# What has to be there: how to find it, and Debian's package of it. Looked for by what it offers and not
# by package, so that another system, or a compiler from elsewhere, serves as well.
km_needs=(
    "command meson            meson"
    "command ninja            ninja-build"
    "command ${CC:-cc}        gcc"
    "command ${CXX:-c++}      g++"
    "command pkg-config       pkg-config"
    "module jansson           libjansson-dev"
    "module cmocka            libcmocka-dev"
    "module benchmark         libbenchmark-dev"
    "header xxhash.h          libxxhash-dev"
    "header oneapi/dnnl/dnnl.h libdnnl-dev"
    "command gnuplot          gnuplot-nox"
)

say()
{
    printf '%s\n' "$*" >&2
}

die()
{
    say "$(basename "$0"): $*"
    exit 4
}

as_root()
{
    if [ "$(id -u)" = 0 ]; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo "$@"
    else
        die "need to be root for: $*"
    fi
}

is_there() # KIND NAME
{
    case $1 in
    command) command -v "$2" >/dev/null ;;
    module) pkg-config --exists "$2" 2>/dev/null ;;
    header) printf '#include <%s>\n' "$2" | "${CC:-cc}" -E -x c - >/dev/null 2>&1 ;;
    esac
}

# Prints the packages behind every need that is not met.
missing_packages()
{
    local need kind name package
    for need in "${km_needs[@]}"; do
        read -r kind name package <<<"$need"
        is_there "$kind" "$name" || printf '%s\n' "$package"
    done
}

apt_install() # PACKAGE...
{
    say "installing: $*"
    as_root env DEBIAN_FRONTEND=noninteractive apt-get update -qq >&2 || die "apt-get update failed"
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" \
        </dev/null >&2 || die "apt-get could not install: $*"
}

# Installs what is missing; sets km_installed if anything was.
install_packages()
{
    local missing
    mapfile -t missing < <(missing_packages)
    km_installed=${#missing[@]}
    [ "$km_installed" = 0 ] && return
    if ! command -v apt-get >/dev/null; then
        say "kernelmark needs, under Debian's names:"
        printf '    %s\n' "${missing[@]}" >&2
        die "no apt-get here: install these with your system's package manager, then try again"
    fi
    apt_install "${missing[@]}"
}

# A release build in build/. Ninja itself reconfigures when a meson.build changed; a library that came
# since the tree was configured has to be looked for again.
build_release()
{
    if [ ! -f build/build.ninja ]; then
        meson setup build --buildtype=release >&2 || die "meson setup failed"
    elif [ "$km_installed" != 0 ]; then
        meson setup --reconfigure build >&2 || die "meson setup --reconfigure failed"
    fi
    ninja -C build >&2 || die "the build failed"
}

# ---- tests -----------------------------------------------------------------------------------------

km_passed=0 km_failed=0 km_skipped=0

count_results() # LOG RESULT...: how many tests of Meson's log ended so
{
    local log=$1 IFS='|'
    shift
    grep -cE "\"result\": \"($*)\"" "$log" || true
}

# Runs the tests of a build folder and adds to the counts; returns Meson's exit code.
run_tests() # FOLDER [meson test's arguments...]
{
    local log=$1/meson-logs/testlog.json code=0
    rm -f "$log" # of an earlier run
    meson test -C "$1" --print-errorlogs "${@:2}" </dev/null || code=$?
    if [ -f "$log" ]; then
        km_passed=$((km_passed + $(count_results "$log" OK EXPECTEDFAIL)))
        km_failed=$((km_failed + $(count_results "$log" FAIL ERROR TIMEOUT INTERRUPT UNEXPECTEDPASS)))
        km_skipped=$((km_skipped + $(count_results "$log" SKIP)))
    else
        km_failed=$((km_failed + 1)) # did not come as far as the first test
    fi
    return "$code"
}

# The one line that CI reads.
closing_line()
{
    if [ "$km_skipped" = 0 ]; then
        printf '%d passed, %d failed\n' "$km_passed" "$km_failed"
    else
        printf '%d passed, %d failed, %d skipped\n' "$km_passed" "$km_failed" "$km_skipped"
    fi
}
