# bash completion for luma. Made from the command tree; do not edit.

_luma_words() {
    case "$1" in
    '') echo 'modify redo status wait download open batch tasks config upload credits listen report sandbox completion help' ;;
    'modify') echo '' ;;
    'redo') echo '' ;;
    'status') echo '' ;;
    'wait') echo '' ;;
    'download') echo '' ;;
    'open') echo '' ;;
    'batch') echo '' ;;
    'tasks') echo 'list show forget prune adopt recover' ;;
    'tasks list') echo '' ;;
    'tasks show') echo '' ;;
    'tasks forget') echo '' ;;
    'tasks prune') echo '' ;;
    'tasks adopt') echo '' ;;
    'tasks recover') echo '' ;;
    'config') echo 'list get set unset path edit check' ;;
    'config list') echo '' ;;
    'config get') echo '' ;;
    'config set') echo '' ;;
    'config unset') echo '' ;;
    'config path') echo '' ;;
    'config edit') echo '' ;;
    'config check') echo '' ;;
    'upload') echo '' ;;
    'credits') echo '' ;;
    'listen') echo '' ;;
    'report') echo '' ;;
    'sandbox') echo '' ;;
    'completion') echo '' ;;
    'help') echo '' ;;
    esac
}

_luma_flags() {
    case "$1" in
    '') echo '-V --version --json -q --quiet -v --verbose -h --help' ;;
    'modify') echo '-p --prompt -F --prompt-file --takes --model --set --audio --match --fit --split --redo-piece --keep-pieces --as-delivered --watermark --callback-url -w --wait -o --output -f --force --interval --timeout --no-check --strict --trim --max-credits -n --dry-run --idempotency-key --resubmit --listen --public-url --on-done --recipe --open --github --notify --json -q --quiet -v --verbose -h --help' ;;
    'redo') echo '-p --prompt -F --prompt-file --takes --model --set --audio --match --fit --split --redo-piece --keep-pieces --as-delivered --watermark --callback-url -w --wait -o --output -f --force --interval --timeout --no-check --strict --trim --max-credits -n --dry-run --idempotency-key --resubmit --listen --public-url --on-done --recipe --open --github --notify --json -q --quiet -v --verbose -h --help' ;;
    'status') echo '--exit-status --model --cached --json -q --quiet -v --verbose -h --help' ;;
    'wait') echo '-o --output -f --force --interval --timeout --audio --match --as-delivered --fail-fast --parallel --model --listen --public-url --on-done --open --github --notify --json -q --quiet -v --verbose -h --help' ;;
    'download') echo '-o --output -f --force --skip-existing --audio --match --as-delivered --parallel --all-missing --model --open --github --notify --json -q --quiet -v --verbose -h --help' ;;
    'open') echo '--json -q --quiet -v --verbose -h --help' ;;
    'batch') echo '-o --output -f --force --interval --timeout --parallel --audio --match --as-delivered --max-active --max-credits --fail-fast --shard --no-check --strict --on-done --resubmit -n --dry-run --github --notify --json -q --quiet -v --verbose -h --help' ;;
    'tasks') echo '--json -q --quiet -v --verbose --state --since --limit --search --refresh -h --help' ;;
    'tasks list') echo '--state --since --limit --search --refresh --json -q --quiet -v --verbose -h --help' ;;
    'tasks show') echo '--json -q --quiet -v --verbose -h --help' ;;
    'tasks forget') echo '--json -q --quiet -v --verbose -h --help' ;;
    'tasks prune') echo '--older-than -f --force --json -q --quiet -v --verbose -h --help' ;;
    'tasks adopt') echo '--for --model --json -q --quiet -v --verbose -h --help' ;;
    'tasks recover') echo '--json -q --quiet -v --verbose -h --help' ;;
    'config') echo '--json -q --quiet -v --verbose --show-origin -h --help' ;;
    'config list') echo '--show-origin --json -q --quiet -v --verbose -h --help' ;;
    'config get') echo '--reveal --json -q --quiet -v --verbose -h --help' ;;
    'config set') echo '--json -q --quiet -v --verbose -h --help' ;;
    'config unset') echo '--json -q --quiet -v --verbose -h --help' ;;
    'config path') echo '--json -q --quiet -v --verbose -h --help' ;;
    'config edit') echo '--json -q --quiet -v --verbose -h --help' ;;
    'config check') echo '--json -q --quiet -v --verbose -h --help' ;;
    'upload') echo '--json -q --quiet -v --verbose -h --help' ;;
    'credits') echo '--min --spent --since --json -q --quiet -v --verbose -h --help' ;;
    'listen') echo '--host --port --public-url --forward-to --model --json -q --quiet -v --verbose -h --help' ;;
    'report') echo '-o --output --copy-media -f --force --open --json -q --quiet -v --verbose -h --help' ;;
    'sandbox') echo '--port --duration --scenario --realistic --price --json -q --quiet -v --verbose -h --help' ;;
    'completion') echo '--json -q --quiet -v --verbose -h --help' ;;
    'help') echo '--json -q --quiet -v --verbose -h --help' ;;
    esac
}

_luma_value() {
    case "$1" in
    ':-v') echo '' ;;
    ':--verbose') echo '' ;;
    'modify:-p') echo '@prompts' ;;
    'modify:--prompt') echo '@prompts' ;;
    'modify:-F') echo '@files' ;;
    'modify:--prompt-file') echo '@files' ;;
    'modify:--takes') echo '' ;;
    'modify:--model') echo 'luma aleph wan-2.7-edit happyhorse' ;;
    'modify:--set') echo 'aspect_ratio= seed= reference_image= uploadCn= negative_prompt= resolution= duration= audio_setting= prompt_extend= watermark=' ;;
    'modify:--audio') echo 'keep none @files' ;;
    'modify:--redo-piece') echo '' ;;
    'modify:--watermark') echo '' ;;
    'modify:--callback-url') echo '' ;;
    'modify:-o') echo '@files' ;;
    'modify:--output') echo '@files' ;;
    'modify:--interval') echo '' ;;
    'modify:--timeout') echo '' ;;
    'modify:--trim') echo '' ;;
    'modify:--max-credits') echo '' ;;
    'modify:--idempotency-key') echo 'auto' ;;
    'modify:--listen') echo '' ;;
    'modify:--public-url') echo '' ;;
    'modify:--on-done') echo '@commands' ;;
    'modify:-v') echo '' ;;
    'modify:--verbose') echo '' ;;
    'redo:-p') echo '@prompts' ;;
    'redo:--prompt') echo '@prompts' ;;
    'redo:-F') echo '@files' ;;
    'redo:--prompt-file') echo '@files' ;;
    'redo:--takes') echo '' ;;
    'redo:--model') echo 'luma aleph wan-2.7-edit happyhorse' ;;
    'redo:--set') echo 'aspect_ratio= seed= reference_image= uploadCn= negative_prompt= resolution= duration= audio_setting= prompt_extend= watermark=' ;;
    'redo:--audio') echo 'keep none @files' ;;
    'redo:--redo-piece') echo '' ;;
    'redo:--watermark') echo '' ;;
    'redo:--callback-url') echo '' ;;
    'redo:-o') echo '@files' ;;
    'redo:--output') echo '@files' ;;
    'redo:--interval') echo '' ;;
    'redo:--timeout') echo '' ;;
    'redo:--trim') echo '' ;;
    'redo:--max-credits') echo '' ;;
    'redo:--idempotency-key') echo 'auto' ;;
    'redo:--listen') echo '' ;;
    'redo:--public-url') echo '' ;;
    'redo:--on-done') echo '@commands' ;;
    'redo:-v') echo '' ;;
    'redo:--verbose') echo '' ;;
    'status:--model') echo 'luma aleph wan-2.7-edit happyhorse' ;;
    'status:-v') echo '' ;;
    'status:--verbose') echo '' ;;
    'wait:-o') echo '@files' ;;
    'wait:--output') echo '@files' ;;
    'wait:--interval') echo '' ;;
    'wait:--timeout') echo '' ;;
    'wait:--audio') echo 'keep none @files' ;;
    'wait:--parallel') echo '' ;;
    'wait:--model') echo 'luma aleph wan-2.7-edit happyhorse' ;;
    'wait:--listen') echo '' ;;
    'wait:--public-url') echo '' ;;
    'wait:--on-done') echo '@commands' ;;
    'wait:-v') echo '' ;;
    'wait:--verbose') echo '' ;;
    'download:-o') echo '@files' ;;
    'download:--output') echo '@files' ;;
    'download:--audio') echo 'keep none @files' ;;
    'download:--parallel') echo '' ;;
    'download:--model') echo 'luma aleph wan-2.7-edit happyhorse' ;;
    'download:-v') echo '' ;;
    'download:--verbose') echo '' ;;
    'open:-v') echo '' ;;
    'open:--verbose') echo '' ;;
    'batch:-o') echo '@files' ;;
    'batch:--output') echo '@files' ;;
    'batch:--interval') echo '' ;;
    'batch:--timeout') echo '' ;;
    'batch:--parallel') echo '' ;;
    'batch:--audio') echo 'keep none @files' ;;
    'batch:--max-active') echo '' ;;
    'batch:--max-credits') echo '' ;;
    'batch:--shard') echo '' ;;
    'batch:--on-done') echo '@commands' ;;
    'batch:-v') echo '' ;;
    'batch:--verbose') echo '' ;;
    'tasks:-v') echo '' ;;
    'tasks:--verbose') echo '' ;;
    'tasks:--state') echo 'generating succeeded create_failed generate_failed unknown sending refused failed' ;;
    'tasks:--since') echo 'today yesterday 7d 30d' ;;
    'tasks:--limit') echo '' ;;
    'tasks:--search') echo '' ;;
    'tasks list:--state') echo 'generating succeeded create_failed generate_failed unknown sending refused failed' ;;
    'tasks list:--since') echo 'today yesterday 7d 30d' ;;
    'tasks list:--limit') echo '' ;;
    'tasks list:--search') echo '' ;;
    'tasks list:-v') echo '' ;;
    'tasks list:--verbose') echo '' ;;
    'tasks show:-v') echo '' ;;
    'tasks show:--verbose') echo '' ;;
    'tasks forget:-v') echo '' ;;
    'tasks forget:--verbose') echo '' ;;
    'tasks prune:--older-than') echo '' ;;
    'tasks prune:-v') echo '' ;;
    'tasks prune:--verbose') echo '' ;;
    'tasks adopt:--for') echo '' ;;
    'tasks adopt:--model') echo 'luma aleph wan-2.7-edit happyhorse' ;;
    'tasks adopt:-v') echo '' ;;
    'tasks adopt:--verbose') echo '' ;;
    'tasks recover:-v') echo '' ;;
    'tasks recover:--verbose') echo '' ;;
    'config:-v') echo '' ;;
    'config:--verbose') echo '' ;;
    'config list:-v') echo '' ;;
    'config list:--verbose') echo '' ;;
    'config get:-v') echo '' ;;
    'config get:--verbose') echo '' ;;
    'config set:-v') echo '' ;;
    'config set:--verbose') echo '' ;;
    'config unset:-v') echo '' ;;
    'config unset:--verbose') echo '' ;;
    'config path:-v') echo '' ;;
    'config path:--verbose') echo '' ;;
    'config edit:-v') echo '' ;;
    'config edit:--verbose') echo '' ;;
    'config check:-v') echo '' ;;
    'config check:--verbose') echo '' ;;
    'upload:-v') echo '' ;;
    'upload:--verbose') echo '' ;;
    'credits:--min') echo '' ;;
    'credits:--since') echo 'today yesterday 7d 30d' ;;
    'credits:-v') echo '' ;;
    'credits:--verbose') echo '' ;;
    'listen:--host') echo '' ;;
    'listen:--port') echo '' ;;
    'listen:--public-url') echo '' ;;
    'listen:--forward-to') echo '' ;;
    'listen:--model') echo 'luma aleph wan-2.7-edit happyhorse' ;;
    'listen:-v') echo '' ;;
    'listen:--verbose') echo '' ;;
    'report:-o') echo '@files' ;;
    'report:--output') echo '@files' ;;
    'report:-v') echo '' ;;
    'report:--verbose') echo '' ;;
    'sandbox:--port') echo '' ;;
    'sandbox:--duration') echo '' ;;
    'sandbox:--scenario') echo 'ok slow flag2 flag3 flag4 not-visible rate-limit maintenance no-credits bad-key http-200-401 gone cut-transfer expired-link lost-answer server-error garbage realistic moderation never-ends withdrawn validation-500 empty-429 record-408 record-501 urls-as-text callback-duplicate callback-forged callback-stale' ;;
    'sandbox:--price') echo '' ;;
    'sandbox:-v') echo '' ;;
    'sandbox:--verbose') echo '' ;;
    'completion:-v') echo '' ;;
    'completion:--verbose') echo '' ;;
    'help:-v') echo '' ;;
    'help:--verbose') echo '' ;;
    *) return 1 ;;
    esac
}

_luma_argument() {
    case "$1" in
    'modify') echo '@files' ;;
    'redo') echo '@tasks @files' ;;
    'status') echo '@tasks' ;;
    'wait') echo '@tasks' ;;
    'download') echo '@tasks' ;;
    'open') echo '@tasks' ;;
    'batch') echo '@files' ;;
    'tasks show') echo '@tasks' ;;
    'tasks forget') echo '@tasks' ;;
    'tasks adopt') echo '@tasks' ;;
    'config get') echo 'base_url upload_url interval timeout output_dir watermark callback_url api_key_command model daily_credits audio recipe api_key webhook_key @keys' ;;
    'config set') echo 'base_url upload_url interval timeout output_dir watermark callback_url api_key_command model daily_credits audio recipe api_key webhook_key @keys' ;;
    'config unset') echo 'base_url upload_url interval timeout output_dir watermark callback_url api_key_command model daily_credits audio recipe api_key webhook_key @keys' ;;
    'upload') echo '@files' ;;
    'report') echo '@tasks' ;;
    'sandbox') echo '@commands' ;;
    'completion') echo 'bash zsh fish powershell' ;;
    'help') echo 'environment exit-codes json ci prompts models sandbox modify redo status wait download open batch tasks config upload credits listen report completion help' ;;
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
        'modify' | 'redo' | 'status' | 'wait' | 'download' | 'open' | 'batch' | 'tasks' | 'tasks list' | 'tasks show' | 'tasks forget' | 'tasks prune' | 'tasks adopt' | 'tasks recover' | 'config' | 'config list' | 'config get' | 'config set' | 'config unset' | 'config path' | 'config edit' | 'config check' | 'upload' | 'credits' | 'listen' | 'report' | 'sandbox' | 'completion' | 'help') path="${path:+$path }$word" ;;
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
