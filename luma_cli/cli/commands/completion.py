"""`luma completion`: scripts for the shells."""

from typing import Annotated

import typer

from luma_cli.cli.commands import options

app = typer.Typer(**options.STYLE)


@app.command()
@options.common
def completion(
    context: typer.Context,
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
    from luma_cli.cli import command_tree, completion_scripts
    from luma_cli.output import streams

    script = completion_scripts.script(shell, command_tree.read_tree(context.find_root().command))
    if streams.wants_json():
        streams.emit_json({"shell": shell, "script": script})
        return
    for line in script.splitlines():
        streams.emit(line)
