# shellcheck shell=bash
# Completion for the programs of phonehome. What there is to complete is asked of the program itself (--help), so that this
# file cannot fall behind it. Installed under the name of each program.

# The commands that PROGRAM's help lists, one a line; those of two words ("rollover begin") as they are.
_phonehome_commands() {
    "$1" --help 2>/dev/null | sed -n '/^Commands:/,/^$/s/^  \([a-z][a-z-]*\( [a-z][a-z-]*\)\{0,1\}\) .*/\1/p'
}

# _phonehome_options PROGRAM [COMMAND]: "--option VALUE" or "--option", one a line.
_phonehome_options() {
    "$@" --help 2>/dev/null | sed -n 's/^  \(--[a-z][a-z-]*\)\( [A-Z][^ ]*\)\{0,1\} .*/\1\2/p'
}

# _phonehome_behind PROGRAM COMMAND: the words of which one stands behind the command, from the list of commands ("rollover
# begin") or from the command's usage ("issue [OPTION...] device|broker").
_phonehome_behind() {
    _phonehome_commands "$1" | sed -n "s/^$2 //p"
    "$1" "$2" --help 2>/dev/null | sed -n '1s/^Usage:.*[] ]\[\{0,1\}\([a-z-]*|[a-z|-]*\).*/\1/p' | tr '|' '\n'
}

# _phonehome_files WORD -f|-d: adds files or folders; readline then puts the slash behind a folder.
_phonehome_files() {
    local found
    compopt -o filenames 2>/dev/null
    mapfile -t found < <(compgen "$2" -- "$1")
    COMPREPLY+=("${found[@]}")
}

# _phonehome_value WORD KIND: what the value of an option may be. Only files and folders can be known beforehand.
_phonehome_value() {
    case $2 in
    FILE | FILE[,\|]* | PROGRAM) _phonehome_files "$1" -f ;;
    DIR | DIR[,\|]*) _phonehome_files "$1" -d ;;
    LEVEL) mapfile -t COMPREPLY < <(compgen -W 'error warning info debug' -- "$1") ;;
    *) COMPREPLY=() ;;
    esac
}

# Sets command and second to the command on the line so far: "rollover" and "begin", "issue" and "", or nothing.
_phonehome_command() {
    local word commands
    commands=$(_phonehome_commands "$1")
    command='' second=''
    for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
        if [[ $word == -* ]]; then
            continue
        elif [[ -z $command ]]; then
            grep -q "^$word\( \|$\)" <<<"$commands" || return
            command=$word
        elif grep -qx "$command $word" <<<"$commands"; then
            second=$word
            return
        else
            return
        fi
    done
}

_phonehome() {
    local program=$1 word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]}
    local command second options kind
    COMPREPLY=()
    _phonehome_command "$program"
    options=$(_phonehome_options "$program" ${command:+"$command"} ${second:+"$second"})
    # ph-fleet takes the options of "run" without saying so.
    [[ -n $command || -n $options ]] || options=$(_phonehome_options "$program" run)
    if [[ $before == --* ]]; then
        kind=$(sed -n "s/^$before //p" <<<"$options")
        if [[ -n $kind ]]; then
            _phonehome_value "$word" "$kind"
            return
        fi
    fi
    if [[ $word == -* ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$(cut -d' ' -f1 <<<"$options")" -- "$word")
    elif [[ -z $command ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$(_phonehome_commands "$program" | cut -d' ' -f1 | sort -u)" -- "$word")
    elif [[ -z $second && $before == "$command" ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$(_phonehome_behind "$program" "$command")" -- "$word")
        [[ ${#COMPREPLY[@]} != 0 ]] || _phonehome_files "$word" -f
    else
        _phonehome_files "$word" -f
    fi
}

complete -F _phonehome ph-ca ph-fleet ph-ingest ph-policy ph-thermostat
