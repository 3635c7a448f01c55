"""`luma config`: settings and the API key."""

from typing import Annotated

import typer

from luma_cli.cli import options
from luma_cli.cli.groups import STYLE, DefaultGroup
from luma_cli.cli.run_opening import client_when_asked
from luma_cli.config import settings

app = typer.Typer(cls=DefaultGroup, **STYLE)

Key = Annotated[str, typer.Argument(metavar="KEY", help="A setting, api_key or webhook_key.")]


@app.callback()
@options.common
def config() -> None:
    """Show and change settings, and keep the API key.

    The settings are in a file that can be shared, the key in another one that only its owner can read. They are
    interval and timeout of the waiting, output_dir (where download and batch save), watermark, callback_url, model and
    audio (for every edit that names none), recipe (on or off), daily_credits (a limit for each day), prompt.NAME (a
    prompt kept by name, used as -p @NAME), api_key_command (a program that prints the key), and the service's
    addresses base_url and upload_url. An environment variable goes before the file, an option before both.

    Exit codes: 0 2 3 4 7 11
    (luma help exit-codes)
    """


@app.command("list")
@options.common
def list_(
    show_origin: Annotated[bool, typer.Option("--show-origin", help="Say where each value comes from.")] = False,
) -> None:
    """List the settings in force.

    \b
    Examples:
      $ luma config list --show-origin
    """
    from luma_cli.cli import config_editing
    from luma_cli.output import tables

    headings = {"key": "KEY", "value": "VALUE", "origin": "ORIGIN"}
    tables.show_table(config_editing.all_settings(), headings, columns=3 if show_origin else 2)


@app.command()
@options.common
def get(
    key: Key,
    reveal: Annotated[bool, typer.Option("--reveal", help="Show a secret whole.")] = False,
) -> None:
    """Print one setting; a secret is masked.

    \b
    Examples:
      $ luma config get timeout
    """
    from luma_cli.cli import config_editing
    from luma_cli.output import streams

    streams.emit_value(key, config_editing.one_setting(key, reveal=reveal))


@app.command("set")
@options.common
def set_(
    key: Key,
    value: Annotated[str | None, typer.Argument(metavar="[VALUE|-]", help="The value; - reads stdin.")] = None,
) -> None:
    """Store a setting, or a secret typed hidden or read from stdin.

    \b
    Examples:
      $ luma config set timeout 30m
      $ printf %s "$MY_KEY" | luma config set api_key -
    """
    from luma_cli.cli import config_editing
    from luma_cli.output import questions

    config_editing.check_key_argument(key, value)
    secret = key in settings.SECRETS
    text = questions.ask_value(key, hidden=secret) if value is None else value
    config_editing.store(key, questions.read_text("-").strip() if value == "-" else text)


@app.command()
@options.common
def unset(key: Key) -> None:
    """Remove a setting or a secret."""
    from luma_cli.cli import config_editing

    config_editing.remove(key)


@app.command()
@options.common
def path() -> None:
    """Print the path of config.toml."""
    from luma_cli.output import streams

    streams.emit_value("path", str(settings.config_dir() / "config.toml"))


@app.command()
@options.common
def edit() -> None:
    """Open config.toml in $VISUAL or $EDITOR and check it afterwards."""
    from luma_cli.cli import config_editing

    config_editing.edit()


@app.command()
@options.common
def check() -> None:
    """Check key, credits, clock, folders and installation."""
    from luma_cli.cli.doctor import Doctor
    from luma_cli.output import tables

    with client_when_asked() as connect:
        doctor = Doctor(connect)
        findings = list(doctor.findings())
    tables.show_table(findings, {"check": "CHECK", "verdict": "VERDICT", "message": ""})
    if doctor.first is not None:
        raise doctor.first
