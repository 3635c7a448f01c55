"""The names of the kept prompts, for a Tab: read without the settings' own machinery, which costs more."""

import os
import tomllib

MAX_BYTES = 1 << 16
MAX_TEXT = 60


def prompt_names(folder: str | None) -> list[tuple[str, str]]:
    """Name and beginning of each prompt in the folder's config.toml; nothing if it cannot be read."""
    if folder is None:
        return []
    try:
        with open(os.path.join(folder, "config.toml"), "rb") as file:
            prompts = tomllib.loads(file.read(MAX_BYTES).decode("utf-8-sig")).get("prompt")
    except (OSError, ValueError, RecursionError):
        return []
    if not isinstance(prompts, dict):
        return []
    return [(name, _one_line(text)) for name, text in prompts.items() if isinstance(text, str) and name.isprintable()]


def _one_line(text: str) -> str:
    words = " ".join(text.split())
    clean = "".join(letter if letter.isprintable() else "?" for letter in words)
    return clean if len(clean) <= MAX_TEXT else f"{clean[: MAX_TEXT - 3]}..."
