"""What some terminals can do beyond text. `LUMA_OSC=off` does without all of it."""

import zlib

from luma_cli.config import settings
from luma_cli.config.environment import variable

# Who shows a task's progress on the tab or in the task bar (ConEmu's OSC 9;4). Others take it for a notification.
_PROGRESS_PROGRAMS = ("WezTerm", "ghostty")
_PROGRESS_VARIABLES = ("WT_SESSION", "ConEmuPID")
# Who makes OSC 8 links clickable.
_LINK_PROGRAMS = ("iTerm.app", "WezTerm", "ghostty", "vscode")
_LINK_VARIABLES = ("WT_SESSION", "KITTY_WINDOW_ID", "KONSOLE_VERSION", "VTE_VERSION", "DOMTERM")


def shows_progress() -> bool:
    """Whether this terminal is known to take OSC 9;4."""
    return _knows(_PROGRESS_PROGRAMS, _PROGRESS_VARIABLES)


def shows_links() -> bool:
    """Whether this terminal is known to take OSC 8."""
    return _knows(_LINK_PROGRAMS, _LINK_VARIABLES)


def progress(share: float | None) -> str:
    """OSC 9;4 for a share from 0 to 1; None where it is not known."""
    return "\x1b]9;4;3\x1b\\" if share is None else f"\x1b]9;4;1;{min(100, max(0, round(share * 100)))}\x1b\\"


def link(url: str) -> str:
    """OSC 8; the id makes one link of what the terminal breaks into lines."""
    return f"\x1b]8;id={zlib.crc32(url.encode())};{url}\x1b\\{url}\x1b]8;;\x1b\\"


NO_PROGRESS = "\x1b]9;4;0\x1b\\"


def _knows(programs: tuple[str, ...], variables: tuple[str, ...]) -> bool:
    # A multiplexer stands between us and the terminal and may print what it does not know.
    if settings.osc_is_off() or variable("TMUX") or variable("STY"):
        return False
    return variable("TERM_PROGRAM") in programs or any(map(variable, variables))
