"""`luma` alone on a terminal: how to begin, and every command in one line."""

from collections.abc import Collection

# Fits 80 columns and, with the prompt that follows it, 24 lines.
START = (
    ("try it", 'luma sandbox -- luma modify clip.mp4 -p "Heavy snow" -o snow.mp4'),
    ("set the key", "luma config set api_key"),
    ("edit a clip", 'luma modify clip.mp4 -p "Heavy snow falls at night" -o snow.mp4'),
)
GROUPS = (
    (
        "edit",
        (
            ("modify", "submit an edit of a clip or a link"),
            ("redo", "submit an edit once more"),
            ("batch", "make the edits of a CSV or JSONL file"),
        ),
    ),
    (
        "follow",
        (
            ("status", "ask once how tasks stand"),
            ("wait", "wait until tasks are done"),
            ("download", "save the videos of finished tasks"),
            ("open", "show a result"),
        ),
    ),
    (
        "look back",
        (
            ("tasks", "list what was submitted, find what was lost"),
            ("report", "put takes side by side on one page"),
            ("credits", "show what is left and what was spent"),
        ),
    ),
    (
        "set up",
        (
            ("config", "key and settings; config check finds faults"),
            ("upload", "put a clip in kie.ai's temporary store"),
            ("listen", "take callbacks"),
            ("sandbox", "a local mock of the service: no key, no money"),
            ("completion", "complete words with Tab"),
            ("help", "exit-codes, environment, json, ci, prompts, models"),
        ),
    ),
)


def overview(known: Collection[str]) -> str:
    """What there is, for somebody who typed `luma` and nothing else. `known` are the commands of this program."""
    lines = [f"{name + ':':<13}{command}" for name, command in START]
    lines.append("")
    for group, commands in GROUPS:
        shown = [(command, text) for command, text in commands if command in known]
        names = [group, *[""] * (len(shown) - 1)]
        lines += [f"{name:<13}{command:<12}{text}" for name, (command, text) in zip(names, shown, strict=True)]
    return "\n".join([*lines, "", "luma COMMAND --help says more."])
