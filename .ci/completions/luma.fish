# fish completion for luma. Made from the command tree; do not edit.

function __luma_at
    set -l at
    for word in (commandline -opc)[2..-1]
        contains -- (string join -- ' ' $at $word) %paths%; and set -a at $word
    end
    test "$at" = "$argv[1]"
end

complete -c luma -f
%lines%
complete -c kie-luma -w luma
