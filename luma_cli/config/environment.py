"""The environment variables: the one module that reads them, apart from the folders."""

import os

from luma_cli.config import folders
from luma_cli.errors import UsageError

KEY_VARIABLES = ("LUMA_API_KEY", "KIE_API_KEY", "LUMA_API_KEY_FILE", "LUMA_WEBHOOK_KEY")
_YES, _NO = ("on", "1", "yes", "y", "true"), ("off", "0", "no", "n", "false")
SWITCH = dict.fromkeys(_YES, True) | dict.fromkeys(_NO, False)


def variable(name: str) -> str | None:
    """The value of a variable; None if it is unset or empty."""
    # A file with Windows line ends leaves a carriage return behind.
    return os.environ.get(name, "").strip("\r\n") or None


def is_on(name: str, *, default: bool) -> bool:
    """A switch. Raises UsageError for a value that says neither on nor off."""
    text = variable(name)
    if text is None:
        return default
    try:
        return parse_switch(text)
    except UsageError as error:
        raise UsageError(f"{name}: {error.message}", hint=f"{name}=on, {name}=off, or unset it") from error


def parse_switch(text: str) -> bool:
    """Raises UsageError for a text that says neither on nor off."""
    found = SWITCH.get(text.strip().lower())
    if found is None:
        raise UsageError(f"{text[:40]!a} is neither on nor off", hint="write on or off")
    return found


def debug_is_on() -> bool:
    """Whether failures show their traceback. Never raises: it is asked while an error is being shown."""
    return SWITCH.get((variable("LUMA_DEBUG") or "off").strip().lower(), True)


def expand_home(path: str) -> str:
    """A path with a `~` at its start replaced by the home folder.

    Raises:
        UsageError: there is no home folder.
    """
    found = folders.expanded(path)
    if found is None:
        raise UsageError(f"there is no home folder for {path[:200]}", hint="write the whole path, or set HOME")
    return found


def environment_with(variables: dict[str, str]) -> dict[str, str]:
    """The environment for a child process."""
    return {**os.environ, **variables}


def environment_without_keys(variables: dict[str, str]) -> dict[str, str]:
    """The environment for a program that is not to know a key."""
    return {name: value for name, value in environment_with(variables).items() if name not in KEY_VARIABLES}
