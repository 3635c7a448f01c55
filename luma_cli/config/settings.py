"""Our folders, config.toml and the environment.

Precedence: option, environment, file, default. An empty environment variable counts as unset.
"""

import difflib
import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from luma_cli.api.hosts import is_loopback
from luma_cli.api.task import is_link
from luma_cli.config.toml_files import edit_toml, load_toml, place_of
from luma_cli.errors import FileError, LumaError, UsageError

APP = "kie-luma"
# Sources: vendor page "Get Luma Modify Details" (API host), its File Upload API examples (upload host).
DEFAULTS = {
    "base_url": "https://api.kie.ai",
    "upload_url": "https://kieai.redpandaai.co",
    "interval": "10s",
    "timeout": "15m",
    "output_dir": None,
    "watermark": None,
    "callback_url": None,
    "api_key_command": None,
}
VARIABLES = {
    "base_url": "LUMA_BASE_URL",
    "upload_url": "LUMA_UPLOAD_URL",
    "interval": "LUMA_INTERVAL",
    "timeout": "LUMA_TIMEOUT",
    "output_dir": "LUMA_OUTPUT_DIR",
}
KEYS = tuple(DEFAULTS)
SECRETS = ("api_key", "webhook_key")

_SWITCH = {"on": True, "1": True, "yes": True, "true": True, "off": False, "0": False, "no": False, "false": False}
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_LONGEST = 366 * 86400


@dataclass(frozen=True)
class Settings:
    """What holds for this run. Durations are in seconds; `timeout` 0 means no limit."""

    base_url: str
    upload_url: str
    interval: float
    timeout: float
    output_dir: str | None
    watermark: str | None
    callback_url: str | None
    api_key_command: str | None
    config_dir: Path | None
    ca_bundle: str | None
    origins: dict[str, str] = field(default_factory=dict)

    def text(self, key: str) -> str | None:
        """A setting as the user would type it."""
        value = getattr(self, key)
        if isinstance(value, float):
            return format_duration(value)
        return None if value is None else str(value)


def load_settings() -> Settings:
    """Raises:
    UsageError: a setting cannot be used; names the file or variable it stands in.
    """
    folder = _config_dir_or_none()
    path = folder / "config.toml" if folder is not None else None
    stored = load_config(path) if path is not None else {}
    texts: dict[str, str | None] = {}
    origins: dict[str, str] = {}
    for key, default in DEFAULTS.items():
        variable = VARIABLES.get(key)
        from_environment = environment(variable) if variable else None
        if from_environment is not None:
            check_setting(key, from_environment, where=str(variable))
            texts[key], origins[key] = from_environment, str(variable)
        elif key in stored:
            texts[key], origins[key] = stored[key], str(path)
        else:
            texts[key], origins[key] = default, "default"
    return Settings(
        base_url=str(texts["base_url"]).rstrip("/"),
        upload_url=str(texts["upload_url"]).rstrip("/"),
        interval=parse_duration(str(texts["interval"])),
        timeout=parse_duration(str(texts["timeout"])),
        output_dir=texts["output_dir"],
        watermark=texts["watermark"],
        callback_url=texts["callback_url"],
        api_key_command=texts["api_key_command"],
        config_dir=folder,
        ca_bundle=_ca_bundle(),
        origins=origins,
    )


def load_config(path: Path) -> dict[str, str]:
    """config.toml as texts. Raises UsageError for an unknown key or a value that cannot be used, with its line."""
    stored = {}
    for key, value in load_toml(path).items():
        try:
            known_key(key)
            if isinstance(value, bool) or not isinstance(value, (str, int)):
                raise UsageError(f"{key} must be text", hint=f'write {key} = "…"')
            check_setting(key, str(value), where=key)
        except UsageError as error:
            raise UsageError(f"{place_of(path, key)}: {error.message}", hint=error.hint) from error
        stored[key] = str(value)
    return stored


def save_setting(key: str, value: str | None) -> None:
    """Set a key of config.toml, or remove it with None.

    Raises:
        UsageError: the value cannot be used.
        FileError: the file cannot be written.
    """
    if value is not None:
        known_key(key)
        check_setting(key, value, where=key)

    def change(document: object) -> None:
        assert isinstance(document, dict)  # noqa: S101  tomlkit's document is one
        if value is not None:
            document[key] = value
        elif document.pop(key, None) is None:  # one that is none of ours can be removed where it stands
            known_key(key)

    edit_toml(config_dir() / "config.toml", change, private=False)


def known_key(key: str) -> None:
    """Raises UsageError for a key that is none of ours, naming the nearest one."""
    if key in KEYS:
        return
    if key in SECRETS:
        hint = f"take it out there, then: luma config set {key}"
        raise UsageError(f"{key} is a secret, which is kept in a file of its own", hint=hint)
    near = difflib.get_close_matches(key, KEYS + SECRETS, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]}?" if near else f"keys: {' '.join(KEYS + SECRETS)}"
    raise UsageError(f"unknown setting {key[:60]!a}", hint=hint)


def check_setting(key: str, text: str, where: str) -> None:
    """Raises UsageError for a value that cannot be used; `where` names what holds it."""
    try:
        if key in ("interval", "timeout"):
            seconds = parse_duration(text)
            if key == "interval" and seconds < 1:
                raise UsageError("interval must be at least 1s")
        if key in ("base_url", "upload_url"):
            check_service_url(text)
        if key == "callback_url" and not is_link(text):
            raise UsageError("not an absolute http(s) address", hint="write it like https://hooks.example.net/luma")
    except UsageError as error:
        raise UsageError(f"{where}: {error.message}", hint=error.hint) from error


def check_service_url(url: str) -> None:
    """The key travels to this address: https, or plain http on loopback.

    Raises:
        UsageError: it may not go there.
    """
    try:
        parts = urlsplit(url)
        host, _port = parts.hostname or "", parts.port
    except ValueError:
        host, parts = "", urlsplit("")
    if parts.scheme not in ("http", "https") or not host or parts.username or parts.query or parts.fragment:
        raise UsageError("not a usable address", hint="write it like https://api.kie.ai")
    if parts.scheme == "http" and not is_loopback(host):
        raise UsageError("the key would travel in plain text", hint=f"use https://{host}")


def parse_duration(text: str) -> float:
    """Seconds of `90`, `90s`, `15m`, `1h30m`, `7d`.

    Raises:
        UsageError: not a duration, or longer than a year.
    """
    parts = re.fullmatch(r"(?:([0-9]{1,9})d)?(?:([0-9]{1,9})h)?(?:([0-9]{1,9})m)?(?:([0-9]{1,9})s?)?", text.strip())
    if not text.strip() or parts is None:
        raise UsageError(f"{text[:40]!a} is not a duration", hint="write it like 90, 90s, 15m or 1h30m")
    days, hours, minutes, seconds = (int(part or 0) for part in parts.groups())
    total = days * _UNITS["d"] + hours * _UNITS["h"] + minutes * _UNITS["m"] + seconds
    if total > _LONGEST:
        raise UsageError(f"{text[:40]!a} is longer than a year")
    return float(total)


def format_duration(seconds: float) -> str:
    """The shortest text that `parse_duration` reads back: `1h30m`, `15m`, `0s`."""
    rest, text = round(seconds), ""
    for unit, size in (("h", 3600), ("m", 60), ("s", 1)):
        count, rest = divmod(rest, size)
        if count:
            text += f"{count}{unit}"
    return text or "0s"


def config_dir() -> Path:
    """Raises FileError where the platform names no home."""
    return _folder("LUMA_CONFIG_DIR", "user_config_path", "the settings")


def _config_dir_or_none() -> Path | None:
    """A container without a home still has its environment."""
    try:
        return config_dir()
    except FileError:
        return None


def state_dir() -> Path:
    """Raises FileError where the platform names no home."""
    return _folder("LUMA_STATE_DIR", "user_state_path", "the journal")


def journal_is_off() -> bool:
    """Raises UsageError for a LUMA_JOURNAL that says neither yes nor no."""
    return not _is_on("LUMA_JOURNAL")


def osc_is_off() -> bool:
    """Raises UsageError for a LUMA_OSC that says neither yes nor no."""
    return not _is_on("LUMA_OSC")


def _is_on(variable: str) -> bool:
    text = environment(variable) or "on"
    if text.lower() not in _SWITCH:
        raise UsageError(f"{variable}: {text[:40]!a} is neither on nor off", hint=f"{variable}=off, or unset it")
    return _SWITCH[text.lower()]


def environment(name: str) -> str | None:
    return os.environ.get(name) or None


def environment_with(variables: dict[str, str]) -> dict[str, str]:
    """The environment for a child process."""
    return {**os.environ, **variables}


def _folder(variable: str, kind: str, purpose: str) -> Path:
    named = environment(variable)
    if named is not None:
        return Path(named).absolute()
    import platformdirs

    try:
        path = Path(getattr(platformdirs, kind)(APP, appauthor=False))
    except RuntimeError as error:
        raise _homeless(variable, purpose) from error
    if not path.is_absolute():  # older platformdirs answer a literal ~ where there is no home
        raise _homeless(variable, purpose)
    return path


def _homeless(variable: str, purpose: str) -> LumaError:
    hint = f"set {variable}" + (" or LUMA_JOURNAL=off" if variable == "LUMA_STATE_DIR" else "")
    return FileError(f"there is no home folder for {purpose}", hint=hint)


def _ca_bundle() -> str | None:
    """The user's own certificates, as requests would read them; our sessions do not trust the environment."""
    for variable in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        path = environment(variable)
        if path is not None:
            if not os.path.exists(path):
                raise UsageError(f"{variable}: no CA file at {path}", hint=f"correct or unset {variable}")
            return path
    return None
