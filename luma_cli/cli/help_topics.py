"""The texts of `luma help TOPIC`. Those that are prose alone are files in `topics/`."""

import pkgutil
from collections.abc import Callable
from functools import partial

from luma_cli.api.models import MODELS, Model, describe
from luma_cli.api.task import DEFAULT_MODEL
from luma_cli.errors import EXIT_CODES, UsageError
from luma_cli.output.schema import schema

ENVIRONMENT = (
    ("LUMA_API_KEY", "the API key; before KIE_API_KEY, LUMA_API_KEY_FILE, api_key_command, credentials.toml"),
    ("KIE_API_KEY", "the same, under the name that other tools use; not for an address of LUMA_BASE_URL"),
    ("LUMA_API_KEY_FILE", "a file that holds the key, such as a mounted secret"),
    ("LUMA_BASE_URL", "the API's address; https, or http on this machine"),
    ("LUMA_UPLOAD_URL", "the upload host's address"),
    ("LUMA_MODEL", "the edit model, such as luma"),
    ("LUMA_DAILY_CREDITS", "how many credits may be spent in a day, over all processes of the journal"),
    ("LUMA_INTERVAL", "how often to ask while waiting, such as 10s"),
    ("LUMA_TIMEOUT", "how long to wait, such as 15m; 0 for no limit"),
    ("LUMA_OUTPUT_DIR", "where `luma download` and `luma batch` save when -o is not given"),
    ("LUMA_FFMPEG", "the ffmpeg to use, instead of the one on PATH"),
    ("LUMA_WEBHOOK_KEY", "the key that signs callbacks"),
    ("LUMA_CONFIG_DIR", "the folder of config.toml and credentials.toml"),
    ("LUMA_STATE_DIR", "the folder of the journal"),
    ("LUMA_JOURNAL", "set to off, no journal is kept, and money is spent all the same"),
    ("LUMA_OSC", "set to off, no links and no progress for the terminal's tab are sent"),
    ("LUMA_DEBUG", "set to 1, a failure shows its traceback"),
    ("HTTPS_PROXY NO_PROXY", "proxies, as curl reads them; this machine itself is never proxied"),
    ("REQUESTS_CA_BUNDLE CURL_CA_BUNDLE SSL_CERT_FILE", "a file of trusted certificates; the first that is set counts"),
    ("PYTHONPATH", "folders that Python searches first; an old library in one of them is named by `luma config check`"),
    ("VISUAL EDITOR", "the editor of `luma config edit`"),
    ("NO_COLOR FORCE_COLOR TERM COLUMNS", "colour and width of what is drawn on a terminal"),
)


def load_text(name: str) -> str:
    """A text file of this folder, also out of a zip file."""
    return (pkgutil.get_data(__package__, name) or b"").decode()


def text(topic: str | None) -> str:
    """The lines of a topic, or the list of topics for None.

    Raises:
        UsageError: no such topic.
    """
    if topic is None:
        return "Topics: luma help " + "|".join(_TOPICS) + "\nCommands: luma --help, luma COMMAND --help"
    if topic not in _TOPICS:
        raise UsageError(f"no help topic {topic[:40]!a}", hint=f"topics: {' '.join(_TOPICS)}")
    return _TOPICS[topic]().strip()


def members(topic: str | None) -> dict[str, object]:
    """For --json: the JSON Schema as topic `json`, else the text of the topic."""
    if topic == "json":
        return schema()
    return {"topic": topic, "text": text(topic)}


def _environment() -> str:
    return "\n".join(f"{name}\n    {meaning}" for name, meaning in ENVIRONMENT)


def _exit_codes() -> str:
    return "\n".join(f"{entry.code:>3}  {entry.meaning}" + _next(entry.next_step) for entry in EXIT_CODES)


def _next(step: str) -> str:
    return f"\n     next: {step}" if step else ""


def _models() -> str:
    return "\n".join(
        (
            "A model is chosen with --model NAME, the setting `model` or LUMA_MODEL. The same commands, journal,",
            "checks and promises hold for all of them. --set NAME=VALUE sets what is the model's own.",
            *(line for model in MODELS.values() for line in ("", *_model(model))),
        )
    )


def _model(model: Model) -> list[str]:
    """A model's block: what it takes, and what can be set."""
    default = " (the default)" if model.name == DEFAULT_MODEL else ""
    lines = [f"{model.name}  {model.title}{default}"]
    lines += [f"    {name:<10} {fact}" for name, fact in describe(model).items()]
    return lines + [f"    --set {option.name}={option.values}" for option in model.options]


_TOPICS: dict[str, Callable[[], str]] = {
    "environment": _environment,
    "exit-codes": _exit_codes,
    "json": partial(load_text, "topics/json.txt"),
    "ci": partial(load_text, "topics/ci.txt"),
    "prompts": partial(load_text, "topics/prompts.txt"),
    "models": _models,
}
TOPICS = tuple(_TOPICS)
