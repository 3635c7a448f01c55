# PowerShell completion for luma. Made from the command tree; do not edit.

$script:LumaWords = @{
%words%
}
$script:LumaFlags = @{
%flags%
}
$script:LumaValues = [System.Collections.Hashtable]::new([System.StringComparer]::Ordinal)
$lumaLines = @'
%values%
'@
foreach ($line in $lumaLines -split "`n") {
    if ($line -match "^\s*'(.*)' = '(.*)'") { $script:LumaValues[$Matches[1]] = $Matches[2] }
}
$script:LumaArguments = @{
%arguments%
}

Register-ArgumentCompleter -Native -CommandName luma, kie-luma -ScriptBlock {
    param($wordToComplete, $commandAst, $cursorPosition)
    $at = ''
    $skip = ''
    $program = $commandAst.CommandElements[0].ToString()
    $words = @($commandAst.CommandElements | Select-Object -Skip 1 | ForEach-Object { $_.ToString() })
    if ($wordToComplete -and $words.Count) { $words = @($words | Select-Object -SkipLast 1) }
    foreach ($word in $words) {
        if ($skip) { $skip = ''; continue }
        if ($script:LumaValues.ContainsKey("${at}:$word")) { $skip = $word; continue }
        $next = "$at $word".Trim()
        if ($script:LumaFlags.ContainsKey($next)) { $at = $next }
    }
    $kind = if ($skip) { $script:LumaValues["${at}:$skip"] } else { $script:LumaArguments[$at] }
    $offers = @()
    if (-not $skip) { $offers += $script:LumaWords[$at] }
    foreach ($part in "$kind" -split ' ') {
        if ($part -eq '@tasks' -or ($part -eq '@files' -and $wordToComplete -like '@*')) {
            $offers += & $program __tasks 2>$null
        } elseif ($part -eq '@prompts') {
            if ($wordToComplete -like '@*') { $offers += & $program __prompts '@' 2>$null }
        } elseif ($part -eq '@keys') {
            $offers += & $program __prompts 'prompt.' 2>$null
        } elseif ($part -and $part -notlike '@*') {
            $offers += $part
        }
    }
    if (-not $skip -and ($wordToComplete -like '-*' -or (-not $offers -and -not $kind))) {
        $offers = $script:LumaFlags[$at]
    }
    $offers | Where-Object { $_ -and $_ -like "$wordToComplete*" } | ForEach-Object {
        $word, $beside = $_ -split "`t", 2
        if (-not $beside) { $beside = $word }
        [System.Management.Automation.CompletionResult]::new($word, $word, 'ParameterValue', $beside)
    }
}
