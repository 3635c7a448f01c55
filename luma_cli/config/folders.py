"""Our folders and the home folder: read without anything heavy, since a Tab waits for it."""

import os

APP = "kie-luma"
_XDG_DEFAULTS = {"user_config_dir": "~/.config", "user_state_dir": "~/.local/state"}


def config_folder() -> str | None:
    """The folder of config.toml and credentials.toml; None if the platform names no home."""
    return _named("LUMA_CONFIG_DIR") if os.environ.get("LUMA_CONFIG_DIR") else _of_platform("user_config_dir")


def state_folder() -> str | None:
    """The folder of the journal; None if the platform names no home."""
    return _named("LUMA_STATE_DIR") if os.environ.get("LUMA_STATE_DIR") else _of_platform("user_state_dir")


def expanded(path: str) -> str | None:
    """A path with a `~` at its start replaced by the home folder; None if there is no such folder.

    A path from a settings file or a workflow has not been through a shell: as it stands, it would make a folder that
    is named `~`.
    """
    if not path.startswith("~"):
        return path
    found = os.path.expanduser(path)
    if path[1:2] not in ("", "/", os.sep):  # `~name`: another user's home, or a file of that name
        return found
    return found if os.path.isabs(found) and os.environ.get("HOME") != "" else None


def _named(variable: str) -> str | None:
    # A settings file with Windows line ends leaves a carriage return behind.
    path = expanded(os.environ[variable].strip("\r\n"))
    return None if path is None else os.path.abspath(path)


def _of_platform(kind: str) -> str | None:
    import platformdirs

    try:
        path = str(getattr(platformdirs, kind)(APP, appauthor=False))
    except RuntimeError:
        return None
    if not os.path.isabs(path):  # older platformdirs obey a relative XDG folder, which is to be ignored
        path = os.path.join(os.path.expanduser(_XDG_DEFAULTS[kind]), APP)
    return path if os.path.isabs(path) else None
