"""What holds for a run: config.toml and the environment.

Precedence: option, environment, file, default. An empty environment variable counts as unset.
"""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from luma_cli.api.hosts import is_link
from luma_cli.config import folders
from luma_cli.config.addresses import ca_bundle, parse_service_url
from luma_cli.config.environment import expand_home, is_on, parse_switch, variable
from luma_cli.config.times import format_duration, parse_duration
from luma_cli.config.toml_files import edit_toml, line_of, load_toml
from luma_cli.errors import FileError, UsageError, nearest

SECRETS = ("api_key", "webhook_key")
PROMPT = "prompt."
# No limits are documented; these keep a mistaken file, or a slip of the finger, from being sent.
MAX_PROMPT = 100_000
MAX_TAKES = 1000

_PROMPT_NAME = r"[A-Za-z0-9_-]{1,60}"


class Settings(NamedTuple):
    """What holds for this run. Durations are in seconds; `timeout` 0 means no limit.

    `audio` is "keep", "none" or a file. `prompts` are those kept by name. `own_addresses` are the service's addresses
    without the environment: what a key that names no address of its own was made for.
    """

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
    model: str
    daily_credits: float | None
    audio: str
    recipe: bool
    prompts: Mapping[str, str]
    ffmpeg: str | None
    own_addresses: tuple[str, str]
    origins: Mapping[str, str]

    def text(self, key: str) -> str | None:
        """A setting as the user would type it."""
        if key.startswith(PROMPT):
            return self.prompts.get(key.removeprefix(PROMPT))
        value = getattr(self, key)
        if isinstance(value, bool):
            return "on" if value else "off"
        if isinstance(value, float):
            return f"{value:.12g}" if key == "daily_credits" else format_duration(value)
        return None if value is None else str(value)

    def prompt(self, typed: str) -> str:
        """The text of a prompt as typed: `@NAME` is the setting `prompt.NAME`, `@@` a plain `@` at the start.

        Raises:
            UsageError: no prompt of that name is kept.
        """
        if typed.startswith("@@"):
            return typed[1:]
        if not typed.startswith("@"):
            return typed
        name = typed[1:].strip()
        if name in self.prompts:
            return self.prompts[name]
        if not re.fullmatch(_PROMPT_NAME, name):
            raise UsageError(f"{typed[:40]!a} does not name a prompt", hint="a plain @ at the start is written @@")
        near = nearest(name, self.prompts)
        hint = f"did you mean @{near}?" if near else f'luma config set {PROMPT}{name} "…"; a plain @ is written @@'
        raise UsageError(f"no prompt is kept as {name!a}", hint=hint)


def load_settings() -> Settings:
    """The settings in force.

    Raises:
        UsageError: a setting cannot be used; names the file or variable it stands in.
    """
    folder = folders.config_folder()  # a container without a home still has its environment
    path = Path(folder, "config.toml") if folder is not None else None
    stored = load_config(path) if path is not None else {}
    texts = {key: setting.default for key, setting in SETTINGS.items()} | stored
    origins = dict.fromkeys(SETTINGS, "default") | dict.fromkeys(stored, str(path))
    for key, setting in SETTINGS.items():
        if setting.variable is not None and (text := variable(setting.variable)) is not None:
            check_setting(key, text, holder=setting.variable)
            texts[key], origins[key] = text, setting.variable
    own = [parse_service_url(stored.get(key) or str(SETTINGS[key].default)) for key in ("base_url", "upload_url")]
    values: dict[str, Any] = {
        key: None if (text := texts[key]) is None else setting.parse(text) for key, setting in SETTINGS.items()
    }
    return Settings(
        **values,
        config_dir=path.parent if path is not None else None,
        ca_bundle=ca_bundle(is_used=False),
        prompts={key.removeprefix(PROMPT): text for key, text in stored.items() if key.startswith(PROMPT)},
        ffmpeg=load_ffmpeg(),
        own_addresses=(own[0], own[1]),
        origins=origins,
    )


def load_config(path: Path) -> dict[str, str]:
    """config.toml as texts. Raises UsageError for an unknown key or a value that cannot be used, with its line."""
    stored = {}
    for key, value in _flat(load_toml(path)).items():
        try:
            known_key(key)
            text = _text_of(key, value)
            check_setting(key, text, holder=key)
        except UsageError as error:
            raise UsageError(f"{line_of(path, key)}: {error.message}", hint=error.hint) from error
        stored[key] = text
    return stored


def save_setting(key: str, value: str | None) -> None:
    """Set a key of config.toml, or remove it with None.

    Raises:
        UsageError: the value cannot be used.
        FileError: the file cannot be written.
    """
    if value is not None:
        known_key(key)
        check_setting(key, value, holder=key)

    def change(document: Any) -> None:
        table, name = _table_of(document, key, make=value is not None)
        if value is not None:
            table[name] = value
        elif table.pop(name, None) is None:  # one that is none of ours can be removed from the file
            known_key(key)
        elif table is not document and not table:
            document.pop("prompt")

    edit_toml(config_dir() / "config.toml", change, private=False)


def known_key(key: str) -> None:
    """Raises UsageError for a key that is none of ours, naming the nearest one."""
    if key in SETTINGS:
        return
    if key in SECRETS:
        hint = f"take it out there, then: luma config set {key}"
        raise UsageError(f"{key} is a secret, which is kept in a file of its own", hint=hint)
    if key == "prompt" or key.startswith(PROMPT):
        if re.fullmatch(_PROMPT_NAME, key.removeprefix(PROMPT)) and key != "prompt":
            return
        raise UsageError(
            f"{key[:60]!a} does not name a prompt", hint="write it like prompt.snow: letters, digits, - and _"
        )
    known = (*SETTINGS, *SECRETS, f"{PROMPT}NAME")
    near = nearest(key, known)
    hint = f"did you mean {near}?" if near else f"keys: {' '.join(known)}"
    raise UsageError(f"unknown setting {key[:60]!a}", hint=hint)


def check_setting(key: str, text: str, holder: str) -> None:
    """Raises UsageError for a value that cannot be used; `holder` names what holds it."""
    try:
        _parse(key, text)
    except UsageError as error:
        raise UsageError(f"{holder}: {error.message}", hint=error.hint) from error


def parse_credits(text: str) -> float:
    """An amount of credits. Raises UsageError for less than none, and for what `float` reads besides numbers."""
    if re.fullmatch(r"[0-9]{1,12}(\.[0-9]{1,6})?", text) is None:
        raise UsageError(f"{text[:40]!a} is not an amount of credits", hint="write it like 100 or 12.5")
    return float(text)


def config_dir() -> Path:
    """Raises FileError if the platform names no home."""
    if (path := folders.config_folder()) is None:
        raise FileError("there is no home folder for the settings", hint="set LUMA_CONFIG_DIR")
    return Path(path)


def state_dir() -> Path:
    """Raises FileError if the platform names no home."""
    if (path := folders.state_folder()) is None:
        raise FileError("there is no home folder for the journal", hint="set LUMA_STATE_DIR or LUMA_JOURNAL=off")
    return Path(path)


def journal_is_off() -> bool:
    """Raises UsageError for a LUMA_JOURNAL that is neither on nor off."""
    return not is_on("LUMA_JOURNAL", default=True)


def osc_is_off() -> bool:
    """Raises UsageError for a LUMA_OSC that is neither on nor off."""
    return not is_on("LUMA_OSC", default=True)


def _interval(text: str) -> float:
    seconds = parse_duration(text)
    if seconds < 1:
        raise UsageError("interval must be at least 1s")
    return seconds


def _link(text: str) -> str:
    if not is_link(text):
        raise UsageError("not an absolute http(s) address", hint="write it like https://hooks.example.net/luma")
    return text


def _model(text: str) -> str:
    if text == SETTINGS["model"].default:
        return text
    from luma_cli.api.models import find_model  # only when somebody has set one: start-up is a feature

    return find_model(text).name


def _audio(text: str) -> str:
    if not text.strip():
        raise UsageError("audio is empty", hint="keep, none, or a file")
    return expand_home(text)


def _prompt_text(text: str) -> str:
    if not text.strip() or len(text) > MAX_PROMPT or "\0" in text:
        raise UsageError("not a usable prompt", hint='write it like prompt.snow = "Heavy snow falls at night"')
    return text


class Setting(NamedTuple):
    """How the text of a setting is read, its default, and the environment variable that goes before the file."""

    parse: Callable[[str], Any] = str
    default: str | None = None
    variable: str | None = None


# Sources: vendor page "Get Luma Modify Details" (API host), its File Upload API examples (upload host).
SETTINGS = {
    "base_url": Setting(parse_service_url, "https://api.kie.ai", "LUMA_BASE_URL"),
    "upload_url": Setting(parse_service_url, "https://kieai.redpandaai.co", "LUMA_UPLOAD_URL"),
    "interval": Setting(_interval, "10s", "LUMA_INTERVAL"),
    "timeout": Setting(parse_duration, "15m", "LUMA_TIMEOUT"),
    "output_dir": Setting(expand_home, variable="LUMA_OUTPUT_DIR"),
    "watermark": Setting(),
    "callback_url": Setting(_link),
    "api_key_command": Setting(),
    "model": Setting(_model, "luma", "LUMA_MODEL"),
    "daily_credits": Setting(parse_credits, variable="LUMA_DAILY_CREDITS"),
    "audio": Setting(_audio, "keep"),
    "recipe": Setting(parse_switch, "off"),
}


def _parse(key: str, text: str) -> Any:
    return _prompt_text(text) if key.startswith(PROMPT) else SETTINGS[key].parse(text)


def _flat(document: dict[str, Any]) -> dict[str, Any]:
    """The table `prompt` as dotted keys, like everything that a user types and sees."""
    prompts = document.pop("prompt") if isinstance(document.get("prompt"), dict) else {}
    return document | {f"{PROMPT}{name}": text for name, text in prompts.items()}


def _text_of(key: str, value: object) -> str:
    if key == "recipe" and isinstance(value, bool):
        return "on" if value else "off"
    if key == "daily_credits" and isinstance(value, float):
        return f"{value:.12g}"
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        raise UsageError(f"{key} must be text", hint=f'write {key} = "…"')
    return str(value)


def _table_of(document: Any, key: str, *, make: bool) -> tuple[Any, str]:
    """The table of config.toml that holds a key, and the key's name in it."""
    if not key.startswith(PROMPT):
        return document, key
    if make and not isinstance(document.get("prompt"), dict):
        document["prompt"] = {}
    table = document.get("prompt")
    return (table if isinstance(table, dict) else {}), key.removeprefix(PROMPT)


def load_ffmpeg() -> str | None:
    """The ffmpeg that LUMA_FFMPEG names. Raises UsageError if it is in a home folder that there is not."""
    name = variable("LUMA_FFMPEG")
    try:
        return None if name is None else expand_home(name)
    except UsageError as error:
        raise UsageError(f"LUMA_FFMPEG: {error.message}", hint=error.hint) from error
