"""The API key: where it is, who may read it, and which host it may go to.

`LUMA_API_KEY` > `KIE_API_KEY` > `LUMA_API_KEY_FILE` > `api_key_command` > `credentials.toml`.
"""

import os
import shlex
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from luma_cli.config.addresses import same_service
from luma_cli.config.environment import expand_home, variable
from luma_cli.config.settings import Settings
from luma_cli.config.toml_files import edit_toml, load_toml
from luma_cli.errors import KeyRejected, UsageError, reason

NAME = "credentials.toml"
MAX_KEY = 4096
HOW_TO_GET = "make a key at https://kie.ai/api-key, then: luma config set api_key"


@dataclass(frozen=True, repr=False)
class Key:
    """A secret and where it came from. Its repr never shows it."""

    value: str
    origin: str

    def __repr__(self) -> str:
        return f"Key(from {self.origin})"

    @property
    def masked(self) -> str:
        """Enough to tell two keys apart, never enough to guess one."""
        return f"{self.value[:2]}…{self.value[-2:]} ({len(self.value)} characters)" if len(self.value) >= 16 else "…"


def load_key(ours: Settings) -> Key:
    """The API key for the service's address. Raises KeyRejected as `find_key`, and if there is none."""
    key = find_key(ours)
    if key is None:
        raise KeyRejected("no API key", hint=HOW_TO_GET)
    return key


def find_key(ours: Settings) -> Key | None:
    """The API key for the service's address, None if there is none at all.

    LUMA_API_KEY stands beside the address and goes wherever it leads. KIE_API_KEY, a file and a command were made for
    the addresses of config.toml (else kie.ai's own), a stored key for those that were in force when it was stored.
    Each goes nowhere else: whoever sets LUMA_BASE_URL would be sent it.

    Raises:
        KeyRejected: one that cannot be sent, none that is for this address, or a file that others can read.
    """
    origin = find_origin(ours)
    if origin is None:
        return None
    value = _text_in(_stored(ours.config_dir), "api_key") if origin == NAME else _value_of(origin, ours.api_key_command)
    return Key(clean(value or "", f"api_key in {NAME}" if origin == NAME else origin), origin)


def find_origin(ours: Settings) -> str | None:
    """Which variable, setting or file the key for the service's address comes from; None if there is no key at all.

    Raises:
        KeyRejected: there is none for this address, or a file that others can read.
    """
    address = (ours.base_url, ours.upload_url)
    named = goes_before("api_key", ours.api_key_command)
    if named == "LUMA_API_KEY" or (named is not None and _is_for(address, ours.own_addresses)):
        return named
    stored = _stored(ours.config_dir)
    has_key = bool(_text_in(stored, "api_key"))
    if has_key and _is_for(address, (stored.get("base_url"), stored.get("upload_url"))):
        return NAME
    if named or has_key:
        raise _for_another_address(named or "the stored key", ours)
    return None


def _is_for(address: tuple[str, str], made_for: tuple[object, object]) -> bool:
    return all(same_service(one, str(other or "")) for one, other in zip(address, made_for, strict=True))


def _for_another_address(origin: str, ours: Settings) -> KeyRejected:
    url = ours.upload_url if same_service(ours.base_url, ours.own_addresses[0]) else ours.base_url
    if origin == "the stored key":
        return KeyRejected(
            f"the stored key belongs to another service address than {url}",
            hint="luma config set api_key stores one for this address; or set LUMA_API_KEY",
        )
    return KeyRejected(
        f"{origin} was not made for the address {url}",
        hint="set LUMA_API_KEY beside the address, or: luma config set api_key",
    )


def _value_of(origin: str, command: str | None) -> str:
    if origin == "api_key_command":
        from luma_cli.config.key_command import ask_command  # it starts a program, which few keys need

        return ask_command(command or "")
    return _from_file() if origin == "LUMA_API_KEY_FILE" else variable(origin) or ""


def goes_before(name: str, command: str | None) -> str | None:
    """What is asked before the key store: the variable or setting that hides a stored secret, None if none does."""
    names = ("LUMA_WEBHOOK_KEY",) if name == "webhook_key" else ("LUMA_API_KEY", "KIE_API_KEY", "LUMA_API_KEY_FILE")
    found = next((candidate for candidate in names if variable(candidate)), None)
    return found or ("api_key_command" if command and name == "api_key" else None)


def load_webhook_key(folder: Path | None) -> Key | None:
    """The key that signs callbacks, from LUMA_WEBHOOK_KEY or the key store; None if there is none.

    Raises:
        KeyRejected: a blank one, with which anybody could sign, or a file that others can read.
    """
    if value := variable("LUMA_WEBHOOK_KEY"):
        return Key(clean(value, "LUMA_WEBHOOK_KEY"), "LUMA_WEBHOOK_KEY")
    value = _text_in(_stored(folder), "webhook_key")
    return Key(clean(value, f"webhook_key in {NAME}"), NAME) if value else None


def save_key(folder: Path, value: str, base_url: str, upload_url: str) -> bool:
    """Store the key for this service and no other; True if the file's mode had to be tightened.

    Raises:
        KeyRejected: the key holds something that cannot be sent.
        FileError: the file cannot be written.
    """
    key = clean(value, "the key")
    if "://" in key:
        raise KeyRejected("that is a link, not a key", hint=HOW_TO_GET)
    return _store(folder, api_key=key, base_url=base_url, upload_url=upload_url)


def save_webhook_key(folder: Path, value: str) -> bool:
    return _store(folder, webhook_key=clean(value, "the webhook key"))


def remove_key(folder: Path, name: str) -> None:
    """Take `api_key` (with the addresses it was stored for) or `webhook_key` out of the key store."""
    _store(folder, **dict.fromkeys(("api_key", "base_url", "upload_url") if name == "api_key" else (name,)))


def _store(folder: Path, **values: str | None) -> bool:
    def change(document: Any) -> None:
        for name, value in values.items():
            if value is None:
                document.pop(name, None)
            else:
                document[name] = value

    return edit_toml(folder / NAME, change, private=True)


def clean(value: str, origin: str) -> str:
    """A key as it can stand in a header: requests quotes the whole key when it cannot.

    Raises:
        KeyRejected: names the position of what is wrong, never the key.
    """
    key = value.strip()
    if not key:
        raise KeyRejected(f"{origin} is empty", hint=HOW_TO_GET)
    if len(key) > MAX_KEY:
        raise KeyRejected(f"{origin} is too long to be an API key", hint=HOW_TO_GET)
    for position, character in enumerate(key, start=1):
        if not "!" <= character <= "~":
            raise KeyRejected(
                f"{origin} has a forbidden character at position {position}", hint="copy the key again, without quotes"
            )
    return key


def _from_file() -> str:
    path = expand_home(variable("LUMA_API_KEY_FILE") or "")
    try:
        with open(path, "rb") as file:
            content = file.read(MAX_KEY * 2)
    except (OSError, ValueError) as error:
        raise KeyRejected(f"cannot read LUMA_API_KEY_FILE: {reason(error)}", hint=f"check {path}") from error
    return content.decode("utf-8-sig", "replace")


def _text_in(stored: dict[str, Any], name: str) -> str | None:
    value = stored.get(name)
    if value is not None and not isinstance(value, str):
        raise KeyRejected(f"{name} in {NAME} is not text", hint=f"luma config set {name}")
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
