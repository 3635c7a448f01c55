"""What `luma config` does with settings and secrets."""

import os
import shlex
import subprocess

from luma_cli.config import key_store, settings
from luma_cli.config.environment import environment_without_keys, variable
from luma_cli.config.toml_files import load_toml, make_folder
from luma_cli.errors import FileError, KeyRejected, UsageError
from luma_cli.output import messages, streams

Entry = tuple[str, str | None, str]


def all_settings() -> list[Entry]:
    """Name, value and origin of every setting; secrets masked."""
    ours = settings.load_settings()
    keys = (*settings.SETTINGS, *(f"{settings.PROMPT}{name}" for name in ours.prompts))
    entries: list[Entry] = [(key, ours.text(key), ours.origins[key]) for key in keys]
    for secret in settings.SECRETS:
        key = _secret_or_none(secret, ours)
        entries.append((secret, key.masked if key else None, key.origin if key else "not set"))
    return entries


def one_setting(name: str, *, reveal: bool) -> str | None:
    """The value, None where it is not set."""
    ours = settings.load_settings()
    if name not in settings.SECRETS:
        settings.known_key(name)
        return ours.text(name)
    key = _secret(name, ours)
    if key is None:
        raise KeyRejected(f"no {name}", hint=f"luma config set {name}")
    return key.value if reveal else key.masked


def check_key_argument(name: str, value: str | None) -> None:
    """Raises UsageError for a secret on the command line, where every user of the machine can read it."""
    if name in settings.SECRETS and value not in (None, "-"):
        raise UsageError(
            f"{name} on the command line can be read by others and stays in the shell's history",
            hint=f"luma config set {name} asks for it, or reads it with -",
        )
    if name not in settings.SECRETS:
        settings.known_key(name)


def store(name: str, value: str) -> None:
    """Raises UsageError, KeyRejected, FileError as `settings.save_setting` and `key_store.save_key`."""
    if name not in settings.SECRETS:
        settings.save_setting(name, value)
        return
    folder, command = settings.config_dir(), None
    if name == "webhook_key":
        tightened = key_store.save_webhook_key(folder, value)
    else:
        ours = settings.load_settings()
        command = ours.api_key_command
        tightened = key_store.save_key(folder, value, ours.base_url, ours.upload_url)
    if tightened:
        messages.note(f"{folder / key_store.NAME} was readable by others: now 0600")
    messages.note(f"{name} is stored in {folder / key_store.NAME}")
    if (other := key_store.goes_before(name, command)) is not None:
        messages.warn(f"{other} is set and goes before the stored {name}")


def remove(name: str) -> None:
    """A secret that stands in config.toml by mistake is taken out there first."""
    folder = settings.config_dir()
    if name in settings.SECRETS and name not in load_toml(folder / "config.toml"):
        key_store.remove_key(folder, name)
    else:
        settings.save_setting(name, None)


def edit() -> None:
    """Open config.toml in the user's editor, then read it once.

    Raises:
        FileError: the editor cannot be started or failed.
        UsageError: the file has a fault now, or nobody is there to edit it.
    """
    folder = settings.config_dir()
    editor = variable("VISUAL") or variable("EDITOR")
    if editor is None and not streams.can_ask():
        raise UsageError("there is no terminal for an editor", hint=f"set EDITOR, or edit {folder / 'config.toml'}")
    make_folder(folder)
    editor = editor or ("notepad" if os.name == "nt" else "vi")
    try:
        words = [*shlex.split(editor), str(folder / "config.toml")]
        status = subprocess.run(words, env=environment_without_keys({}), check=False).returncode
    except (OSError, ValueError) as error:
        raise FileError(f"cannot start the editor {editor}", hint="set EDITOR") from error
    if status != 0:
        raise FileError(f"the editor ended with status {status}")
    settings.load_settings()


def _secret(name: str, ours: settings.Settings) -> key_store.Key | None:
    if name == "webhook_key":
        return key_store.load_webhook_key(ours.config_dir)
    return key_store.find_key(ours)


def _secret_or_none(name: str, ours: settings.Settings) -> key_store.Key | None:
    try:
        return _secret(name, ours)
    except KeyRejected as error:
        messages.warn(f"{name} cannot be used: {error.message}")
        return None
