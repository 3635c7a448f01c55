"""Static completion scripts, made from the command tree.

Typer's own completion starts Python on every Tab. These scripts hold the whole tree as tables, and ask luma itself
only for task ids, which `__main__` answers before anything heavy is imported.
"""

from luma_cli.api.task import State
from luma_cli.cli.command_tree import Argument, Command, Option, choices_of
from luma_cli.config import settings
from luma_cli.errors import UsageError
from luma_cli.journal.records import Outcome
from luma_cli.sandbox import SCENARIOS

FILES = {"bash": "luma.bash", "zsh": "_luma", "fish": "luma.fish", "powershell": "luma.ps1"}

# What stands where a placeholder is: `files`, `tasks`, or words.
_FILES = ("FILE", "PATH", "VIDEO", "DIR")


def script(shell: str, tree: Command) -> str:
    """The completion script for a shell.

    Raises:
        UsageError: no such shell.
    """
    if shell not in FILES:
        raise UsageError(f"no completion for {shell[:40]!a}", hint=f"shells: {' '.join(FILES)}")
    makers = {"bash": _bash, "zsh": _zsh, "fish": _fish, "powershell": _powershell}
    return makers[shell](list(tree.walk()))


def _kind(placeholder: str) -> str:
    """What completes a placeholder: "files", "tasks", words, or "" for free text."""
    if "TASK" in placeholder or placeholder == "ID":
        return "tasks"
    if any(word in placeholder for word in _FILES):
        return "files"
    if "COMMAND" in placeholder:
        return "commands"
    if placeholder == "KEY":
        return " ".join((*settings.KEYS, *settings.SECRETS))
    return " ".join(choices_of(placeholder))


def _value_kind(command: Command, option: Option) -> str:
    if command.path == ("sandbox",) and "--scenario" in option.flags:
        return " ".join(SCENARIOS)
    if "--state" in option.flags:
        return " ".join(dict.fromkeys([*State, *Outcome]))
    if option.value == "KEY":
        return "auto"
    return _kind(option.value or "")


def _argument_kind(arguments: tuple[Argument, ...]) -> str:
    return _kind(arguments[0].placeholder) if arguments else ""


def _key(command: Command) -> str:
    return " ".join(command.path)


def _words(command: Command) -> list[tuple[str, str]]:
    """Subcommands and flags with their explanations."""
    subcommands = [(each.path[-1], each.summary) for each in command.commands]
    return subcommands + [(flag, option.help) for option in command.options for flag in option.flags]


def _values(commands: list[Command]) -> list[tuple[str, str]]:
    """`path:flag` and what completes its value, for every option that takes one."""
    return [
        (f"{_key(command)}:{flag}", _value_kind(command, option))
        for command in commands
        for option in command.options
        if option.value is not None
        for flag in option.flags
    ]


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


def _bash(commands: list[Command]) -> str:
    words = "\n".join(
        f"    {_quoted(_key(each))}) echo {_quoted(' '.join(word for word, _ in _words(each)))} ;;" for each in commands
    )
    values = "\n".join(f"    {_quoted(key)}) echo {_quoted(kind)} ;;" for key, kind in _values(commands))
    arguments = "\n".join(
        f"    {_quoted(_key(each))}) echo {_quoted(_argument_kind(each.arguments))} ;;"
        for each in commands
        if each.arguments
    )
    return _BASH.format(words=words, values=values, arguments=arguments, paths=_path_cases(commands))


def _path_cases(commands: list[Command]) -> str:
    return " | ".join(_quoted(_key(each)) for each in commands if each.path)


_BASH = """\
# bash completion for luma. Made from the command tree; do not edit.

_luma_words() {{
    case "$1" in
{words}
    esac
}}

_luma_value() {{
    case "$1" in
{values}
    *) return 1 ;;
    esac
}}

_luma_argument() {{
    case "$1" in
{arguments}
    esac
}}

_luma_offer() {{
    case "$1" in
    files) compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -f -- "$2") ;;
    commands) mapfile -t COMPREPLY < <(compgen -c -- "$2") ;;
    tasks) mapfile -t COMPREPLY < <(compgen -W "$("${{COMP_WORDS[0]}}" __task_ids 2>/dev/null)" -- "$2") ;;
    *) mapfile -t COMPREPLY < <(compgen -W "$1" -- "$2") ;;
    esac
}}

_luma() {{
    local cur=${{COMP_WORDS[COMP_CWORD]}} path="" word kind i skip=""
    for ((i = 1; i < COMP_CWORD; i++)); do
        word=${{COMP_WORDS[i]}}
        if [ -n "$skip" ]; then skip=""; continue; fi
        if [ "$word" = -- ]; then _luma_offer "$(_luma_argument "$path")" "$cur"; return; fi
        if _luma_value "$path:$word" >/dev/null; then skip=$word; continue; fi
        case "${{path:+$path }}$word" in
        {paths}) path="${{path:+$path }}$word" ;;
        esac
    done
    COMPREPLY=()
    if [ -n "$skip" ]; then kind=$(_luma_value "$path:$skip"); _luma_offer "$kind" "$cur"; return; fi
    kind=$(_luma_argument "$path")
    if [ -n "$kind" ] && [ "${{cur#-}}" = "$cur" ]; then _luma_offer "$kind" "$cur"; return; fi
    mapfile -t COMPREPLY < <(compgen -W "$(_luma_words "$path")" -- "$cur")
}}

complete -F _luma luma kie-luma
"""


def _zsh(commands: list[Command]) -> str:
    words = "\n".join(f"    {_quoted(_key(each))}) list=({_zsh_list(_words(each))}) ;;" for each in commands)
    values = "\n".join(f"    {_quoted(key)}) kind={_quoted(kind)} ;;" for key, kind in _values(commands))
    arguments = "\n".join(
        f"    {_quoted(_key(each))}) kind={_quoted(_argument_kind(each.arguments))} ;;"
        for each in commands
        if each.arguments
    )
    return _ZSH.format(words=words, values=values, arguments=arguments, paths=_path_cases(commands).replace(" | ", "|"))


def _zsh_list(words: list[tuple[str, str]]) -> str:
    return " ".join(_quoted(f"{word}:{help_text}") for word, help_text in words)


_ZSH = """\
#compdef luma kie-luma
# zsh completion for luma. Made from the command tree; do not edit.

_luma_words() {{
    case "$1" in
{words}
    esac
}}

_luma_value() {{
    kind=""
    case "$1" in
{values}
    *) return 1 ;;
    esac
}}

_luma_argument() {{
    kind=""
    case "$1" in
{arguments}
    esac
}}

_luma_offer() {{
    case "$1" in
    files) _files ;;
    commands) _command_names -e ;;
    tasks) compadd -- ${{(f)"$($words[1] __task_ids 2>/dev/null)"}} ;;
    *) compadd -- ${{=1}} ;;
    esac
}}

_luma() {{
    local at="" word kind="" skip="" i
    local -a list
    for ((i = 2; i < CURRENT; i++)); do
        word=$words[i]
        if [[ -n $skip ]]; then skip=""; continue; fi
        if [[ $word == -- ]]; then _luma_argument "$at"; _luma_offer "$kind"; return; fi
        if _luma_value "$at:$word"; then skip=$word; continue; fi
        case "${{at:+$at }}$word" in
        {paths}) at="${{at:+$at }}$word" ;;
        esac
    done
    if [[ -n $skip ]]; then _luma_value "$at:$skip"; _luma_offer "$kind"; return; fi
    _luma_argument "$at"
    if [[ -n $kind && $words[CURRENT] != -* ]]; then _luma_offer "$kind"; return; fi
    _luma_words "$at"
    _describe 'luma' list
}}

if [ "$funcstack[1]" = _luma ]; then _luma "$@"; else compdef _luma luma kie-luma; fi
"""


def _fish(commands: list[Command]) -> str:
    lines = [_FISH.format(paths=" ".join(_quoted(_key(each)) for each in commands if each.path))]
    for command in commands:
        at = f"-n {_quoted('__luma_at ' + chr(34) + _key(command) + chr(34))}"
        for each in command.commands:
            lines.append(f"complete -c luma -f {at} -a {each.path[-1]} -d {_quoted(each.summary)}")
        lines += [_fish_option(command, option, at) for option in command.options]
        if command.arguments:
            lines.append(f"complete -c luma {at} {_fish_kind(_argument_kind(command.arguments))}")
    lines.append("complete -c kie-luma -w luma")
    return "\n".join(lines) + "\n"


def _fish_option(command: Command, option: Option, at: str) -> str:
    flags = " ".join(f"-l {flag[2:]}" if flag.startswith("--") else f"-s {flag[1:]}" for flag in option.flags)
    value = f" -r {_fish_kind(_value_kind(command, option))}" if option.value is not None else ""
    return f"complete -c luma {at} {flags}{value} -d {_quoted(option.help)}"


def _fish_kind(kind: str) -> str:
    if kind == "files":
        return "-F"
    if kind == "commands":
        return "-f -a '(__fish_complete_command)'"
    if kind == "tasks":
        return "-f -a '(luma __task_ids 2>/dev/null)'"
    return f"-f -a {_quoted(kind)}"


_FISH = """\
# fish completion for luma. Made from the command tree; do not edit.

function __luma_at
    set -l at
    for word in (commandline -opc)[2..-1]
        contains -- (string join -- ' ' $at $word) {paths}; and set -a at $word
    end
    test "$at" = "$argv[1]"
end

complete -c luma -f"""


def _powershell(commands: list[Command]) -> str:
    words = "\n".join(
        f"    {_ps(_key(each))} = @({', '.join(_ps(word) for word, _ in _words(each))})" for each in commands
    )
    values = "\n".join(f"    {_ps(key)} = {_ps(kind)}" for key, kind in _values(commands))
    arguments = "\n".join(
        f"    {_ps(_key(each))} = {_ps(_argument_kind(each.arguments))}" for each in commands if each.arguments
    )
    return _POWERSHELL.format(words=words, values=values, arguments=arguments)


def _ps(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


_POWERSHELL = """\
# PowerShell completion for luma. Made from the command tree; do not edit.

$script:LumaWords = @{{
{words}
}}
$script:LumaValues = [System.Collections.Hashtable]::new([System.StringComparer]::Ordinal)
$lumaLines = @'
{values}
'@
foreach ($line in $lumaLines -split "`n") {{
    if ($line -match "^\\s*'(.*)' = '(.*)'") {{ $script:LumaValues[$Matches[1]] = $Matches[2] }}
}}
$script:LumaArguments = @{{
{arguments}
}}

Register-ArgumentCompleter -Native -CommandName luma, kie-luma -ScriptBlock {{
    param($wordToComplete, $commandAst, $cursorPosition)
    $at = ''
    $skip = ''
    $words = @($commandAst.CommandElements | Select-Object -Skip 1 | ForEach-Object {{ $_.ToString() }})
    if ($wordToComplete -and $words.Count) {{ $words = @($words | Select-Object -SkipLast 1) }}
    foreach ($word in $words) {{
        if ($skip) {{ $skip = ''; continue }}
        if ($script:LumaValues.ContainsKey("${{at}}:$word")) {{ $skip = $word; continue }}
        $next = "$at $word".Trim()
        if ($script:LumaWords.ContainsKey($next)) {{ $at = $next }}
    }}
    $kind = if ($skip) {{ $script:LumaValues["${{at}}:$skip"] }} else {{ $script:LumaArguments[$at] }}
    $offers = @()
    if (-not $skip -and (-not $kind -or $wordToComplete.StartsWith('-'))) {{
        $offers = $script:LumaWords[$at]
    }} elseif ($kind -eq 'tasks') {{
        $offers = & $commandAst.CommandElements[0].ToString() __task_ids 2>$null
    }} elseif ($kind -and $kind -notin 'files', 'commands') {{
        $offers = $kind -split ' '
    }}
    $offers | Where-Object {{ $_ -like "$wordToComplete*" }} | ForEach-Object {{
        [System.Management.Automation.CompletionResult]::new($_, $_, 'ParameterValue', $_)
    }}
}}
"""
