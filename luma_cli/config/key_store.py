"""The API key: where it is, who may read it, and which host it may go to.

`LUMA_API_KEY` > `KIE_API_KEY` > `LUMA_API_KEY_FILE` > `api_key_command` > `credentials.toml`.
"""

import os
import shlex
import stat
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from luma_cli import signals
from luma_cli.config.toml_files import edit_toml, load_toml
from luma_cli.errors import KeyRejected, UsageError, reason

NAME = "credentials.toml"
MAX_KEY = 4096
# An `api_key_command` may ask a person for a passphrase, but not for ever.
COMMAND_TIME = 60.0
WHERE_TO_GET = "make a key at https://kie.ai/api-key, then: luma config set api_key"


@dataclass(frozen=True, repr=False)
class Key:
    """A secret and where it came from. Its repr never shows it."""

    value: str
    origin: str

    def __repr__(self) -> str:
        return f"Key(from {self.origin})"

    @property
    def masked(self) -> str:
        return mask(self.value)


def mask(secret: str) -> str:
    """Enough to tell two keys apart, never enough to guess one."""
    return f"{secret[:2]}…{secret[-2:]} ({len(secret)} characters)" if len(secret) >= 16 else "…"


def load_key(folder: Path | None, base_url: str, upload_url: str, command: str | None) -> Key:
    """The API key for this service address. Raises KeyRejected as `find_key`, and where there is none."""
    key = find_key(folder, base_url, upload_url, command)
    if key is None:
        raise KeyRejected("no API key", hint=WHERE_TO_GET)
    return key


def find_key(folder: Path | None, base_url: str, upload_url: str, command: str | None) -> Key | None:
    """The API key for this service address, None where there is none.

    Raises:
        KeyRejected: one that cannot be sent, one stored for another host, or a file that others can read.
    """
    key = _from_environment() or _from_command(command) or _from_file(folder, base_url, upload_url)
    return None if key is None else Key(clean(key.value, key.origin), key.origin)


def goes_before(name: str, command: str | None) -> str | None:
    """What is asked before the key store: the variable or setting that hides a stored secret, None where none does."""
    variables = ("LUMA_WEBHOOK_KEY",) if name == "webhook_key" else ("LUMA_API_KEY", "KIE_API_KEY", "LUMA_API_KEY_FILE")
    found = next((variable for variable in variables if os.environ.get(variable)), None)
    return found or ("api_key_command" if command and name == "api_key" else None)


def load_webhook_key(folder: Path | None) -> Key | None:
    """The key that signs callbacks, from LUMA_WEBHOOK_KEY or the key store; None where there is none.

    Raises:
        KeyRejected: a blank one, with which anybody could sign, or a file that others can read.
    """
    if value := os.environ.get("LUMA_WEBHOOK_KEY"):
        return Key(clean(value, "LUMA_WEBHOOK_KEY"), "LUMA_WEBHOOK_KEY")
    value = _text_in(_stored(folder), "webhook_key")
    return Key(clean(value, f"webhook_key in {NAME}"), NAME) if value else None


def save_key(folder: Path, value: str, base_url: str, upload_url: str) -> bool:
    """Store the key for this service and no other; True where the file's mode had to be tightened.

    Raises:
        KeyRejected: the key holds something that cannot be sent.
        FileError: the file cannot be written.
    """
    key = clean(value, "the key")

    def change(document: Any) -> None:
        document.update({"api_key": key, "base_url": base_url, "upload_url": upload_url})

    return edit_toml(folder / NAME, change, private=True)


def save_webhook_key(folder: Path, value: str) -> bool:
    key = clean(value, "the webhook key")
    return edit_toml(folder / NAME, lambda document: document.update({"webhook_key": key}), private=True)


def remove_key(folder: Path, name: str) -> None:
    """Take `api_key` (with the addresses it was stored for) or `webhook_key` out of the key store."""
    names = ("api_key", "base_url", "upload_url") if name == "api_key" else (name,)

    def change(document: Any) -> None:
        for each in names:
            document.pop(each, None)

    edit_toml(folder / NAME, change, private=True)


def clean(value: str, origin: str) -> str:
    """A key as it can stand in a header: requests quotes the whole key when it cannot.

    Raises:
        KeyRejected: names the position of what is wrong, never the key.
    """
    key = value.strip()
    if not key:
        raise KeyRejected(f"{origin} is empty", hint=WHERE_TO_GET)
    if len(key) > MAX_KEY:
        raise KeyRejected(f"{origin} is too long to be an API key", hint=WHERE_TO_GET)
    for position, character in enumerate(key, start=1):
        if not "!" <= character <= "~":
            raise KeyRejected(
                f"{origin} has a forbidden character at position {position}", hint="copy the key again, without quotes"
            )
    return key


def _from_environment() -> Key | None:
    for variable in ("LUMA_API_KEY", "KIE_API_KEY"):
        if value := os.environ.get(variable):
            return Key(value, variable)
    path = os.environ.get("LUMA_API_KEY_FILE")
    if not path:
        return None
    try:
        with open(path, "rb") as file:
            content = file.read(MAX_KEY * 2)
    except OSError as error:
        raise KeyRejected(f"cannot read LUMA_API_KEY_FILE: {reason(error)}", hint=f"check {path}") from error
    return Key(content.decode("utf-8", "replace"), "LUMA_API_KEY_FILE")


def _from_command(command: str | None) -> Key | None:
    if command is None:
        return None
    try:
        content, code = _run(shlex.split(command))
    except (OSError, ValueError, IndexError) as error:
        # The exception quotes the command line, which may hold a secret.
        raise KeyRejected("api_key_command failed", hint="luma config get api_key_command") from error
    if code is None:
        raise KeyRejected(
            f"api_key_command did not end within {COMMAND_TIME:g} s", hint="luma config get api_key_command"
        )
    if code != 0:
        raise KeyRejected("api_key_command failed", hint="luma config get api_key_command")
    return Key(content.decode("utf-8", "replace"), "api_key_command")


def _run(words: list[str]) -> tuple[bytes, int | None]:
    """The output and exit code of a command; no code where it, or a child that has its pipe, goes on too long."""
    content = b""

    def read() -> None:
        nonlocal content
        if process.stdout is not None:
            content = process.stdout.read(MAX_KEY * 2)

    # In our own process group and session, since it may ask a person at the terminal.
    process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    reader = signals.start_thread(read)
    try:
        reader.join(COMMAND_TIME)
        if reader.is_alive():
            return b"", None
        if len(content) == MAX_KEY * 2:  # it may go on for ever, and is no key in any case
            return content, 0
        return content, process.wait(COMMAND_TIME)
    except subprocess.TimeoutExpired:
        return b"", None
    finally:
        process.kill()
        process.wait()
        if not reader.is_alive() and process.stdout is not None:  # else a child of the command holds the pipe
            process.stdout.close()


def _from_file(folder: Path | None, base_url: str, upload_url: str) -> Key | None:
    stored = _stored(folder)
    value = _text_in(stored, "api_key")
    if not value:
        return None
    if (stored.get("base_url"), stored.get("upload_url")) != (base_url, upload_url):
        raise KeyRejected(
            "the stored key belongs to another service address",
            hint="luma config set api_key stores one for this address; or set LUMA_API_KEY",
        )
    return Key(value, NAME)


def _text_in(stored: dict[str, Any], name: str) -> str | None:
    value = stored.get(name)
    if value is not None and not isinstance(value, str):
        raise KeyRejected(f"{name} in {NAME} is no text", hint=f"luma config set {name}")
    return value


def _stored(folder: Path | None) -> dict[str, Any]:
    if folder is None:
        return {}
    path = folder / NAME
    try:
        mode, around = path.stat().st_mode, folder.stat().st_mode
    except OSError:
        return {}
    if os.name == "posix" and mode & 0o077:
        raise KeyRejected(f"{path} can be read by others", hint=f"chmod 600 {shlex.quote(str(path))}")
    if os.name == "posix" and around & 0o022 and not around & stat.S_ISVTX:
        raise KeyRejected(f"others can replace {path}", hint=f"chmod 700 {shlex.quote(str(folder))}")
    try:
        return load_toml(path)
    except UsageError as error:
        # Without the cause: a traceback of the TOML reader could show the line with the key.
        raise UsageError(error.message, hint=error.hint) from None
