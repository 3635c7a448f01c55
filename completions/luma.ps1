# PowerShell completion for luma. Made from the command tree; do not edit.

$script:LumaWords = @{
    '' = @('modify', 'status', 'wait', 'download', 'batch', 'tasks', 'config', 'upload', 'credits', 'listen', 'report', 'sandbox', 'completion', 'help', '-V', '--version', '--json', '-q', '--quiet', '-v', '--verbose', '-h', '--help')
    'modify' = @('-p', '--prompt', '-F', '--prompt-file', '--watermark', '--callback-url', '-w', '--wait', '-o', '--output', '-f', '--force', '--interval', '--timeout', '--no-check', '--strict', '--trim', '-n', '--dry-run', '--idempotency-key', '--resubmit', '--listen', '--public-url', '--github', '--notify', '--json', '-q', '--quiet', '-v', '--verbose', '-h', '--help')
    'status' = @('--exit-status', '--cached', '--json', '-q', '--quiet', '-v', '--verbose', '-h', '--help')
    'wait' = @('-o', '--output', '-f', '--force', '--interval', '--timeout', '--fail-fast', '--parallel', '--listen', '--public-url', '--github', '--notify', '--json', '-q', '--quiet', '-v', '--verbose', '-h', '--help')
    'download' = @('-o', '--output', '-f', '--force', '--skip-existing', '--parallel', '--all-missing', '--github', '--notify', '--json', '-q', '--quiet', '-v', '--verbose', '-h', '--help')
    'batch' = @('-o', '--output', '-f', '--force', '--interval', '--timeout', '--parallel', '--max-active', '--max-credits', '--fail-fast', '--shard', '--no-check', '--strict', '--github', '--notify', '--json', '-q', '--quiet', '-v', '--verbose', '-h', '--help')
    'tasks' = @('list', 'show', 'forget', 'prune', 'adopt', 'recover', '--json', '-q', '--quiet', '-v', '--verbose', '--state', '--since', '--limit', '-h', '--help')
    'tasks list' = @('--state', '--since', '--limit', '--json', '-q', '--quiet', '-v', '--verbose', '-h', '--help')
    'tasks show' = @('--json', '-q', '--quiet', '-v', '--verbose', '-h', '--help')
    'tasks forget' = @('--json', '-q', '--quiet', '-v', '--verbose', '-h', '--help')
    'tasks prune' = @('--older-than', '--json', '-q', '--quiet', '-v', '--verbose', '-h', '--help')
    'tasks adopt' = @('--for', '--json', '-q', '--quiet', '-v', '--verbose', '-h', '--help')
    'tasks recover' = @('--json', '-q', '--quiet', '-v', '--verbose', '-h', '--help')
    'config' = @('list', 'get', 'set', 'unset', 'path', 'edit', 'check', '--json', '-q', '--quiet', '-v', '--verbose', '--show-origin', '-h', '--help')
    'config list' = @('--show-origin', '--json', '-q', '--quiet', '-v', '--verbose', '-h', '--help')
    'config get' = @('--reveal', '--json', '-q', '--quiet', '-v', '--verbose', '-h', '--help')
    'config set' = @('--json', '-q', '--quiet', '-v', '--verbose', '-h', '--help')
    'config unset' = @('--json', '-q', '--quiet', '-v', '--verbose', '-h', '--help')
    'config path' = @('--json', '-q', '--quiet', '-v', '--verbose', '-h', '--help')
    'config edit' = @('--json', '-q', '--quiet', '-v', '--verbose', '-h', '--help')
    'config check' = @('--json', '-q', '--quiet', '-v', '--verbose', '-h', '--help')
    'upload' = @('--json', '-q', '--quiet', '-v', '--verbose', '-h', '--help')
    'credits' = @('--min', '--json', '-q', '--quiet', '-v', '--verbose', '-h', '--help')
    'listen' = @('--host', '--port', '--public-url', '--forward-to', '--json', '-q', '--quiet', '-v', '--verbose', '-h', '--help')
    'report' = @('-o', '--output', '--copy-media', '-f', '--force', '--json', '-q', '--quiet', '-v', '--verbose', '-h', '--help')
    'sandbox' = @('--port', '--duration', '--scenario', '--realistic', '--price', '--json', '-q', '--quiet', '-v', '--verbose', '-h', '--help')
    'completion' = @('--json', '-q', '--quiet', '-v', '--verbose', '-h', '--help')
    'help' = @('--json', '-q', '--quiet', '-v', '--verbose', '-h', '--help')
}
$script:LumaValues = [System.Collections.Hashtable]::new([System.StringComparer]::Ordinal)
$lumaLines = @'
    ':-v' = ''
    ':--verbose' = ''
    'modify:-p' = ''
    'modify:--prompt' = ''
    'modify:-F' = 'files'
    'modify:--prompt-file' = 'files'
    'modify:--watermark' = ''
    'modify:--callback-url' = ''
    'modify:-o' = 'files'
    'modify:--output' = 'files'
    'modify:--interval' = ''
    'modify:--timeout' = ''
    'modify:--trim' = ''
    'modify:--idempotency-key' = 'auto'
    'modify:--listen' = ''
    'modify:--public-url' = ''
    'modify:-v' = ''
    'modify:--verbose' = ''
    'status:-v' = ''
    'status:--verbose' = ''
    'wait:-o' = 'files'
    'wait:--output' = 'files'
    'wait:--interval' = ''
    'wait:--timeout' = ''
    'wait:--parallel' = ''
    'wait:--listen' = ''
    'wait:--public-url' = ''
    'wait:-v' = ''
    'wait:--verbose' = ''
    'download:-o' = 'files'
    'download:--output' = 'files'
    'download:--parallel' = ''
    'download:-v' = ''
    'download:--verbose' = ''
    'batch:-o' = 'files'
    'batch:--output' = 'files'
    'batch:--interval' = ''
    'batch:--timeout' = ''
    'batch:--parallel' = ''
    'batch:--max-active' = ''
    'batch:--max-credits' = ''
    'batch:--shard' = ''
    'batch:-v' = ''
    'batch:--verbose' = ''
    'tasks:-v' = ''
    'tasks:--verbose' = ''
    'tasks:--state' = 'generating succeeded create_failed generate_failed unknown sending accepted refused'
    'tasks:--since' = ''
    'tasks:--limit' = ''
    'tasks list:--state' = 'generating succeeded create_failed generate_failed unknown sending accepted refused'
    'tasks list:--since' = ''
    'tasks list:--limit' = ''
    'tasks list:-v' = ''
    'tasks list:--verbose' = ''
    'tasks show:-v' = ''
    'tasks show:--verbose' = ''
    'tasks forget:-v' = ''
    'tasks forget:--verbose' = ''
    'tasks prune:--older-than' = ''
    'tasks prune:-v' = ''
    'tasks prune:--verbose' = ''
    'tasks adopt:--for' = ''
    'tasks adopt:-v' = ''
    'tasks adopt:--verbose' = ''
    'tasks recover:-v' = ''
    'tasks recover:--verbose' = ''
    'config:-v' = ''
    'config:--verbose' = ''
    'config list:-v' = ''
    'config list:--verbose' = ''
    'config get:-v' = ''
    'config get:--verbose' = ''
    'config set:-v' = ''
    'config set:--verbose' = ''
    'config unset:-v' = ''
    'config unset:--verbose' = ''
    'config path:-v' = ''
    'config path:--verbose' = ''
    'config edit:-v' = ''
    'config edit:--verbose' = ''
    'config check:-v' = ''
    'config check:--verbose' = ''
    'upload:-v' = ''
    'upload:--verbose' = ''
    'credits:--min' = ''
    'credits:-v' = ''
    'credits:--verbose' = ''
    'listen:--host' = ''
    'listen:--port' = ''
    'listen:--public-url' = ''
    'listen:--forward-to' = ''
    'listen:-v' = ''
    'listen:--verbose' = ''
    'report:-o' = 'files'
    'report:--output' = 'files'
    'report:-v' = ''
    'report:--verbose' = ''
    'sandbox:--port' = ''
    'sandbox:--duration' = ''
    'sandbox:--scenario' = 'ok slow flag2 flag3 flag4 not-visible rate-limit maintenance no-credits bad-key http-200-401 gone cut-transfer expired-link lost-answer server-error garbage realistic moderation never-ends withdrawn validation-500 empty-429 record-408 record-501 urls-as-text late-charge balance-lag other-client callback-duplicate callback-forged callback-stale callback-late'
    'sandbox:--price' = ''
    'sandbox:-v' = ''
    'sandbox:--verbose' = ''
    'completion:-v' = ''
    'completion:--verbose' = ''
    'help:-v' = ''
    'help:--verbose' = ''
'@
foreach ($line in $lumaLines -split "`n") {
    if ($line -match "^\s*'(.*)' = '(.*)'") { $script:LumaValues[$Matches[1]] = $Matches[2] }
}
$script:LumaArguments = @{
    'modify' = 'files'
    'status' = 'tasks'
    'wait' = 'tasks'
    'download' = 'tasks'
    'batch' = 'files'
    'tasks show' = 'tasks'
    'tasks forget' = 'tasks'
    'tasks adopt' = 'tasks'
    'config get' = 'base_url upload_url interval timeout output_dir watermark callback_url api_key_command model daily_credits audio recipe api_key webhook_key'
    'config set' = 'base_url upload_url interval timeout output_dir watermark callback_url api_key_command model daily_credits audio recipe api_key webhook_key'
    'config unset' = 'base_url upload_url interval timeout output_dir watermark callback_url api_key_command model daily_credits audio recipe api_key webhook_key'
    'upload' = 'files'
    'report' = 'tasks'
    'sandbox' = 'commands'
    'completion' = 'bash zsh fish powershell'
    'help' = 'environment exit-codes json ci'
}

Register-ArgumentCompleter -Native -CommandName luma, kie-luma -ScriptBlock {
    param($wordToComplete, $commandAst, $cursorPosition)
    $at = ''
    $skip = ''
    $words = @($commandAst.CommandElements | Select-Object -Skip 1 | ForEach-Object { $_.ToString() })
    if ($wordToComplete -and $words.Count) { $words = @($words | Select-Object -SkipLast 1) }
    foreach ($word in $words) {
        if ($skip) { $skip = ''; continue }
        if ($script:LumaValues.ContainsKey("${at}:$word")) { $skip = $word; continue }
        $next = "$at $word".Trim()
        if ($script:LumaWords.ContainsKey($next)) { $at = $next }
    }
    $kind = if ($skip) { $script:LumaValues["${at}:$skip"] } else { $script:LumaArguments[$at] }
    $offers = @()
    if (-not $skip -and (-not $kind -or $wordToComplete.StartsWith('-'))) {
        $offers = $script:LumaWords[$at]
    } elseif ($kind -eq 'tasks') {
        $offers = & $commandAst.CommandElements[0].ToString() __task_ids 2>$null
    } elseif ($kind -and $kind -notin 'files', 'commands') {
        $offers = $kind -split ' '
    }
    $offers | Where-Object { $_ -like "$wordToComplete*" } | ForEach-Object {
        [System.Management.Automation.CompletionResult]::new($_, $_, 'ParameterValue', $_)
    }
}
