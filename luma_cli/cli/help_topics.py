"""The texts of `luma help TOPIC`. Those that are prose alone are files in `topics/`."""

import pkgutil
from collections.abc import Callable
from functools import partial

from luma_cli.api.models import MODELS, Model, describe
from luma_cli.api.task import DEFAULT_MODEL
from luma_cli.errors import EXIT_CODES, UsageError
from luma_cli.output.schema import schema


def load_text(name: str) -> str:
    """A text file of this folder, also out of a zip file."""
    return (pkgutil.get_data(__package__, name) or b"").decode()


def text(topic: str | None) -> str:
    """The lines of a topic, or the list of topics for None.

    Raises:
        UsageError: no such topic.
    """
    if topic is None:
        return "Topics: luma help " + "|".join(TOPICS) + "\nCommands: luma --help, luma COMMAND --help"
    if topic not in _TOPICS:
        raise UsageError(f"no help topic {topic[:40]!a}", hint=f"topics: {' '.join(TOPICS)}")
    return _TOPICS[topic]().rstrip()


def members(topic: str | None) -> dict[str, object]:
    """For --json: the JSON Schema as topic `json`, else the text of the topic."""
    if topic == "json":
        return schema()
    return {"topic": topic, "text": text(topic)}


def _exit_codes() -> str:
    lines = []
    for code, meaning, next_step in EXIT_CODES:
        lines += [f"{code:>3}  {meaning}", *([f"     next: {next_step}"] if next_step else [])]
    return "\n".join(lines)


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
    "environment": partial(load_text, "topics/environment.txt"),
    "exit-codes": _exit_codes,
    "json": partial(load_text, "topics/json.txt"),
    "ci": partial(load_text, "topics/ci.txt"),
    "prompts": partial(load_text, "topics/prompts.txt"),
    "models": _models,
}
TOPICS = (*_TOPICS, "sandbox")  # the last is a command, whose help is all that there is to say
