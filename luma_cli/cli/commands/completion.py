"""`luma completion`: scripts for the shells."""

from typing import Annotated

import typer

from luma_cli.cli.commands import options

app = typer.Typer(**options.STYLE)


@app.command()
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
    from importlib import resources

    from luma_cli.errors import UsageError
    from luma_cli.output import streams

    files = {"bash": "luma.bash", "zsh": "_luma", "fish": "luma.fish", "powershell": "luma.ps1"}
    if shell not in files:
        raise UsageError(f"no completion for {shell[:40]!a}", hint=f"shells: {' '.join(files)}")
    script = resources.files("luma_cli.cli").joinpath("completions", files[shell]).read_text("utf-8")
    if streams.wants_json():
        streams.emit_json({"shell": shell, "script": script})
    else:
        streams.emit_document(script)
