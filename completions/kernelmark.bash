# kernelmark.bash: completion for bash. Asks the program that stands on the command line, so that it always fits.
# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash

# Words that an option's value may be.
_kernelmark_values() # PROGRAM COMMAND OPTION
{
    case $3 in
    -b | --backend) "$1" list --backends 2>/dev/null | awk '!NF {exit} {print $1}' ;;
    -c | --case) "$1" list --canonical 2>/dev/null | cut -d/ -f2 | sort -u ;;
    --exhaustive) "$1" list --ops 2>/dev/null | awk '/^[^ ]/ {print $1}' ;;
    --isa) printf '%s\n' baseline neon avx2 avx512 ;;
    --layout) printf '%s\n' plain native ;;
    --color) printf '%s\n' auto always never ;;
    *) return 1 ;;
    esac
}

# Whether an option of a command takes a value as its next word.
_kernelmark_takes_value() # PROGRAM COMMAND OPTION
{
    case $3 in
    -[bctrj]) return 0 ;;
    --*) "$1" --list-options 2>/dev/null | grep -qxF -e "$2 $3 ARG" ;;
    *) return 1 ;;
    esac
}

_kernelmark_patterns() # PROGRAM COMMAND
{
    case $2 in
    list | verify | bench) "$1" list --ops 2>/dev/null | awk '/^[^ ]/ {print $1}' ;;
    esac
}

_kernelmark()
{
    local program=$1 word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]}
    local command=${COMP_WORDS[1]:-} words
    COMPREPLY=()
    if [ "$COMP_CWORD" = 1 ]; then
        words="$("$program" --list-options 2>/dev/null | cut -d' ' -f1 | uniq) --help --version"
    elif [[ $word != -* ]] && _kernelmark_takes_value "$program" "$command" "$before"; then
        words=$(_kernelmark_values "$program" "$command" "$before") || return 0 # a file: bash's own
    elif [[ $word == -* ]]; then
        words=$("$program" --list-options 2>/dev/null | awk -v c="$command" '$1 == c {print $2}')
    else
        words=$(_kernelmark_patterns "$program" "$command")
    fi
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")
}

complete -o default -F _kernelmark kernelmark
