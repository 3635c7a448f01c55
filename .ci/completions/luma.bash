# bash completion for luma. Made from the command tree; do not edit.

_luma_words() {
    case "$1" in
%words%
    esac
}

_luma_flags() {
    case "$1" in
%flags%
    esac
}

_luma_value() {
    case "$1" in
%values%
    *) return 1 ;;
    esac
}

_luma_argument() {
    case "$1" in
%arguments%
    esac
}

# The first column of what luma itself says.
_luma_ask() {
    "${COMP_WORDS[0]}" "$@" 2>/dev/null | cut -f1
}

# What of the words in $1 begins with $2, in their order.
_luma_offer() {
    local kind words=""
    local -a found=()
    for kind in $1; do
        case "$kind" in
        @files)
            if [[ $2 == @* ]]; then words+=" $(_luma_ask __tasks)"; continue; fi
            compopt -o filenames 2>/dev/null
            mapfile -t found < <(compgen -f -- "${COMP_WORDS[COMP_CWORD]}")
            ;;
        @commands) mapfile -t found < <(compgen -c -- "$2") ;;
        @tasks) words+=" $(_luma_ask __tasks)" ;;
        @prompts) if [[ $2 == @* ]]; then words+=" $(_luma_ask __prompts @)"; fi ;;
        @keys) words+=" $(_luma_ask __prompts prompt.)" ;;
        *) words+=" $kind" ;;
        esac
    done
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$2")
    COMPREPLY+=("${found[@]}")
    compopt -o nosort 2>/dev/null
}

_luma() {
    local line=${COMP_LINE:0:COMP_POINT} cur="" path="" word skip="" kind
    local -a words
    COMPREPLY=()
    read -ra words <<< "$line"
    if [[ $line != *[[:space:]] ]]; then cur=${words[-1]}; unset "words[-1]"; fi
    for word in "${words[@]:1}"; do
        if [ -n "$skip" ]; then skip=""; continue; fi
        if [ "$word" = -- ]; then _luma_offer "$(_luma_argument "$path")" "$cur"; return; fi
        if _luma_value "$path:$word" >/dev/null; then skip=$word; continue; fi
        case "${path:+$path }$word" in
        %paths%) path="${path:+$path }$word" ;;
        esac
    done
    if [ -n "$skip" ]; then _luma_offer "$(_luma_value "$path:$skip")" "$cur"; return; fi
    if [[ $cur == --*=* ]] && kind=$(_luma_value "$path:${cur%%=*}"); then
        _luma_offer "$kind" "${cur#*=}"
        return
    fi
    kind="$(_luma_words "$path") $(_luma_argument "$path")"
    if [[ $cur == -* || -z ${kind// /} ]]; then _luma_offer "$(_luma_flags "$path")" "$cur"; return; fi
    _luma_offer "$kind" "$cur"
}

complete -F _luma luma kie-luma
