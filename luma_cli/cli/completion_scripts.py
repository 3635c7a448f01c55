"""Static completion scripts, made from the command tree.

Typer's own completion starts Python on every Tab. These scripts hold the whole tree as tables, and ask luma itself
only for tasks and kept prompts, which `__main__` answers before anything heavy is imported.

What completes a value or an argument is its kind: words, among which some stand for more than themselves. `@files`,
`@commands`, `@tasks` and `@keys` (kept prompts as settings) are asked for, `@prompts` only behind an `@`.
"""

from luma_cli.api.models import MODELS
from luma_cli.api.options import same_name
from luma_cli.api.task import State
from luma_cli.cli import help_topics
from luma_cli.cli.command_tree import Command, Option, choices_of
from luma_cli.config import settings
from luma_cli.errors import UsageError
from luma_cli.journal.records import Outcome
from luma_cli.sandbox import SCENARIOS

FILES = {"bash": "luma.bash", "zsh": "_luma", "fish": "luma.fish", "powershell": "luma.ps1"}

# In a placeholder, these stand for a file.
_FILE_WORDS = ("FILE", "PATH", "VIDEO", "DIR", "RECIPE")


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
    """What completes a placeholder, "" for free text."""
    kinds = []
    if "TASK" in placeholder or placeholder == "ID":
        kinds.append("@tasks")
    if any(word in placeholder for word in _FILE_WORDS):
        kinds.append("@files")
    if "COMMAND" in placeholder:
        kinds.append("@commands")
    if placeholder == "KEY":
        kinds += [*settings.KEYS, *settings.SECRETS, "@keys"]
    return " ".join((*kinds, *choices_of(placeholder)))


def _value_kind(command: Command, option: Option) -> str:
    """What completes an option's value; some placeholders do not say it."""
    flag = option.flags[-1]
    if command.path == ("sandbox",) and flag == "--scenario":
        return " ".join(SCENARIOS)
    if flag == "--state":
        return " ".join(name for name in dict.fromkeys([*State, *Outcome, "failed"]) if name != Outcome.ACCEPTED)
    known = {
        "--model": " ".join(MODELS),
        "--set": " ".join(f"{name}=" for name in _settings_of_models()),
        "--prompt": "@prompts",
        "--audio": "keep none @files",
        "--since": "today yesterday 7d 30d",
        "--on-done": "@commands",
    }
    if flag in known:
        return known[flag]
    return "auto" if option.value == "KEY" else _kind(option.value or "")


def _settings_of_models() -> list[str]:
    """What `--set` takes, each name once, however the models spell it."""
    options = [option for model in MODELS.values() for option in model.options]
    return list({same_name(option.name): option.name for option in options}.values())


def _argument_kind(command: Command, commands: list[Command]) -> str:
    if command.path == ("help",):
        names = [other.path[0] for other in commands if len(other.path) == 1]
        return " ".join(dict.fromkeys([*help_topics.TOPICS, *names]))
    return _kind(command.arguments[0].placeholder) if command.arguments else ""


def _key(command: Command) -> str:
    return " ".join(command.path)


def _subcommands(command: Command) -> list[tuple[str, str]]:
    return [(other.path[-1], other.summary) for other in command.commands]


def _flags(command: Command) -> list[tuple[str, str]]:
    """Options with their explanations, each flag once."""
    return list({flag: option.help for option in command.options for flag in option.flags}.items())


def _values(commands: list[Command]) -> list[tuple[str, str]]:
    """`path:flag` and what completes its value, for every option that takes one."""
    return [
        (f"{_key(command)}:{flag}", _value_kind(command, option))
        for command in commands
        for option in command.options
        if option.value is not None
        for flag in option.flags
    ]


def _arguments(commands: list[Command]) -> list[tuple[str, str]]:
    """Each path and what completes its argument, for every command that takes one."""
    return [(_key(command), _argument_kind(command, commands)) for command in commands if command.arguments]


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


def _cases(pairs: list[tuple[str, str]], template: str) -> str:
    return "\n".join(template.format(_quoted(key), _quoted(text)) for key, text in pairs)


def _bash(commands: list[Command]) -> str:
    def words(pairs: list[tuple[str, str]]) -> str:
        return " ".join(word for word, _ in pairs)

    template = "    {}) echo {} ;;"
    return _BASH.format(
        words=_cases([(_key(command), words(_subcommands(command))) for command in commands], template),
        flags=_cases([(_key(command), words(_flags(command))) for command in commands], template),
        values=_cases(_values(commands), template),
        arguments=_cases(_arguments(commands), template),
        paths=_path_cases(commands),
    )


def _path_cases(commands: list[Command]) -> str:
    return " | ".join(_quoted(_key(command)) for command in commands if command.path)


_BASH = """\
# bash completion for luma. Made from the command tree; do not edit.

_luma_words() {{
    case "$1" in
{words}
    esac
}}

_luma_flags() {{
    case "$1" in
{flags}
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

# The first column of what luma itself says.
_luma_ask() {{
    "${{COMP_WORDS[0]}}" "$@" 2>/dev/null | cut -f1
}}

# What of the words in $1 begins with $2, in their order.
_luma_offer() {{
    local kind words=""
    local -a found=()
    for kind in $1; do
        case "$kind" in
        @files)
            if [[ $2 == @* ]]; then words+=" $(_luma_ask __tasks)"; continue; fi
            compopt -o filenames 2>/dev/null
            mapfile -t found < <(compgen -f -- "${{COMP_WORDS[COMP_CWORD]}}")
            ;;
        @commands) mapfile -t found < <(compgen -c -- "$2") ;;
        @tasks) words+=" $(_luma_ask __tasks)" ;;
        @prompts) if [[ $2 == @* ]]; then words+=" $(_luma_ask __prompts @)"; fi ;;
        @keys) words+=" $(_luma_ask __prompts prompt.)" ;;
        *) words+=" $kind" ;;
        esac
    done
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$2")
    COMPREPLY+=("${{found[@]}}")
    compopt -o nosort 2>/dev/null
}}

_luma() {{
    local line=${{COMP_LINE:0:COMP_POINT}} cur="" path="" word skip="" kind
    local -a words
    COMPREPLY=()
    read -ra words <<< "$line"
    if [[ $line != *[[:space:]] ]]; then cur=${{words[-1]}}; unset "words[-1]"; fi
    for word in "${{words[@]:1}}"; do
        if [ -n "$skip" ]; then skip=""; continue; fi
        if [ "$word" = -- ]; then _luma_offer "$(_luma_argument "$path")" "$cur"; return; fi
        if _luma_value "$path:$word" >/dev/null; then skip=$word; continue; fi
        case "${{path:+$path }}$word" in
        {paths}) path="${{path:+$path }}$word" ;;
        esac
    done
    if [ -n "$skip" ]; then _luma_offer "$(_luma_value "$path:$skip")" "$cur"; return; fi
    if [[ $cur == --*=* ]] && kind=$(_luma_value "$path:${{cur%%=*}}"); then
        _luma_offer "$kind" "${{cur#*=}}"
        return
    fi
    kind="$(_luma_words "$path") $(_luma_argument "$path")"
    if [[ $cur == -* || -z ${{kind// /}} ]]; then _luma_offer "$(_luma_flags "$path")" "$cur"; return; fi
    _luma_offer "$kind" "$cur"
}}

complete -F _luma luma kie-luma
"""


def _zsh(commands: list[Command]) -> str:
    def described(pairs: list[tuple[str, str]]) -> str:
        return " ".join(_quoted(f"{word}:{text}") for word, text in pairs)

    def lists(pairs: list[tuple[str, str]]) -> str:
        return "\n".join(f"    {_quoted(key)}) list=({text}) ;;" for key, text in pairs)

    return _ZSH.format(
        words=lists([(_key(command), described(_subcommands(command))) for command in commands]),
        flags=lists([(_key(command), described(_flags(command))) for command in commands]),
        values=_cases(_values(commands), "    {}) kind={} ;;"),
        arguments=_cases(_arguments(commands), "    {}) kind={} ;;"),
        paths=_path_cases(commands).replace(" | ", "|"),
    )


_ZSH = """\
#compdef luma kie-luma
# zsh completion for luma. Made from the command tree; do not edit.

_luma_words() {{
    list=()
    case "$1" in
{words}
    esac
}}

_luma_flags() {{
    list=()
    case "$1" in
{flags}
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

# What luma itself says, in its order: a word, a tab, and what stands beside it.
_luma_ask() {{
    local -a lines=("${{(@f)$($words[1] "$@" 2>/dev/null)}}")
    lines=("${{(@)lines:#}}")
    lines=("${{(@)lines//$'\\t'/:}}")
    (( $#lines )) && _describe -V "$1" lines
}}

_luma_offer() {{
    local word
    local -a plain
    for word in ${{=1}}; do
        case $word in
        @files) if [[ $PREFIX == @* ]]; then _luma_ask __tasks; else _files; fi ;;
        @commands) _command_names -e ;;
        @tasks) _luma_ask __tasks ;;
        @prompts) [[ $PREFIX == @* ]] && _luma_ask __prompts @ ;;
        @keys) _luma_ask __prompts prompt. ;;
        *) plain+=($word) ;;
        esac
    done
    (( $#plain )) && compadd -- $plain
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
    if [[ $PREFIX == --*=* ]] && _luma_value "$at:${{PREFIX%%=*}}"; then
        compset -P '*='
        _luma_offer "$kind"
        return
    fi
    _luma_words "$at"
    _luma_argument "$at"
    if [[ $PREFIX == -* || ( -z $kind && $#list -eq 0 ) ]]; then
        _luma_flags "$at"
        _describe -o 'option' list
        return
    fi
    (( $#list )) && _describe -V 'command' list
    [[ -n $kind ]] && _luma_offer "$kind"
}}

if [ "$funcstack[1]" = _luma ]; then _luma "$@"; else compdef _luma luma kie-luma; fi
"""


def _fish(commands: list[Command]) -> str:
    paths = " ".join(_quoted(_key(command)) for command in commands if command.path)
    lines = [_FISH.format(paths=paths)]
    for command in commands:
        at = f"-n {_quoted('__luma_at ' + chr(34) + _key(command) + chr(34))}"
        for word, summary in _subcommands(command):
            lines.append(f"complete -c luma -f {at} -a {word} -d {_quoted(summary)}")
        lines += [_fish_option(command, option, at) for option in command.options]
        if command.arguments:
            lines.append(f"complete -c luma {at} {_fish_kind(_argument_kind(command, commands))}")
    lines.append("complete -c kie-luma -w luma")
    return "\n".join(lines) + "\n"


def _fish_option(command: Command, option: Option, at: str) -> str:
    flags = " ".join(f"-l {flag[2:]}" if flag.startswith("--") else f"-s {flag[1:]}" for flag in option.flags)
    value = f" -r {_fish_kind(_value_kind(command, option))}" if option.value is not None else ""
    return f"complete -c luma {at} {flags}{value} -d {_quoted(option.help)}"


_FISH_KINDS = {
    "@commands": "(__fish_complete_command)",
    "@tasks": "(luma __tasks 2>/dev/null)",
    "@prompts": "(luma __prompts @ 2>/dev/null)",
    "@keys": "(luma __prompts prompt. 2>/dev/null)",
}


def _fish_kind(kind: str) -> str:
    """`-k` keeps the order: the newest task comes first."""
    words = kind.split()
    offers = [_FISH_KINDS.get(word, word) for word in words if word != "@files"]
    if "@files" in words:
        offers.append("(string match -q '@*' -- (commandline -ct); and luma __tasks 2>/dev/null)")
    files = "-F" if "@files" in words else "-f"
    return f"{files} -k -a {_quoted_in_fish(' '.join(offers))}" if offers else files


def _quoted_in_fish(text: str) -> str:
    return "'" + text.replace("'", "\\'") + "'"


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
    def words(pairs: list[tuple[str, str]]) -> str:
        return ", ".join(_ps(f"{word}\t{text}") for word, text in pairs)

    return _POWERSHELL.format(
        words="\n".join(f"    {_ps(_key(command))} = @({words(_subcommands(command))})" for command in commands),
        flags="\n".join(f"    {_ps(_key(command))} = @({words(_flags(command))})" for command in commands),
        values="\n".join(f"    {_ps(key)} = {_ps(kind)}" for key, kind in _values(commands)),
        arguments="\n".join(f"    {_ps(key)} = {_ps(kind)}" for key, kind in _arguments(commands)),
    )


def _ps(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


_POWERSHELL = """\
# PowerShell completion for luma. Made from the command tree; do not edit.

$script:LumaWords = @{{
{words}
}}
$script:LumaFlags = @{{
{flags}
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
    $program = $commandAst.CommandElements[0].ToString()
    $words = @($commandAst.CommandElements | Select-Object -Skip 1 | ForEach-Object {{ $_.ToString() }})
    if ($wordToComplete -and $words.Count) {{ $words = @($words | Select-Object -SkipLast 1) }}
    foreach ($word in $words) {{
        if ($skip) {{ $skip = ''; continue }}
        if ($script:LumaValues.ContainsKey("${{at}}:$word")) {{ $skip = $word; continue }}
        $next = "$at $word".Trim()
        if ($script:LumaFlags.ContainsKey($next)) {{ $at = $next }}
    }}
    $kind = if ($skip) {{ $script:LumaValues["${{at}}:$skip"] }} else {{ $script:LumaArguments[$at] }}
    $offers = @()
    if (-not $skip) {{ $offers += $script:LumaWords[$at] }}
    foreach ($part in "$kind" -split ' ') {{
        if ($part -eq '@tasks' -or ($part -eq '@files' -and $wordToComplete -like '@*')) {{
            $offers += & $program __tasks 2>$null
        }} elseif ($part -eq '@prompts') {{
            if ($wordToComplete -like '@*') {{ $offers += & $program __prompts '@' 2>$null }}
        }} elseif ($part -eq '@keys') {{
            $offers += & $program __prompts 'prompt.' 2>$null
        }} elseif ($part -and $part -notlike '@*') {{
            $offers += $part
        }}
    }}
    if (-not $skip -and ($wordToComplete -like '-*' -or (-not $offers -and -not $kind))) {{
        $offers = $script:LumaFlags[$at]
    }}
    $offers | Where-Object {{ $_ -and $_ -like "$wordToComplete*" }} | ForEach-Object {{
        $word, $beside = $_ -split "`t", 2
        if (-not $beside) {{ $beside = $word }}
        [System.Management.Automation.CompletionResult]::new($word, $word, 'ParameterValue', $beside)
    }}
}}
"""
