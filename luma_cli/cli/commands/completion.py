"""`luma completion`: scripts for the shells."""

from typing import Annotated

import typer

from luma_cli.cli import options


@options.common
def completion(
    shell: Annotated[str, typer.Argument(metavar="bash|zsh|fish|powershell", help="Your shell.")],
) -> None:
    """Print a completion script.

    \b
    Examples:
      $ luma completion bash > ~/.local/share/bash-completion/completions/luma
      $ luma completion zsh > ~/.zfunc/_luma
      $ luma completion fish > ~/.config/fish/completions/luma.fish

    Exit codes: 0 2
    (luma help exit-codes)
    """
    from luma_cli.cli.help_topics import load_text
    from luma_cli.errors import UsageError
    from luma_cli.output import streams

    files = {"bash": "luma.bash", "zsh": "_luma", "fish": "luma.fish", "powershell": "luma.ps1"}
    if shell not in files:
        raise UsageError(f"no completion for {shell[:40]!a}", hint=f"shells: {' '.join(files)}")
    script = load_text(f"completions/{files[shell]}")
    if streams.wants_json():
        streams.emit_json({"shell": shell, "script": script})
    else:
        streams.emit_document(script)
