"""luma in a terminal of a given size, and what stands on its screen at a point in time."""

import os
import re
import signal
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pexpect
import pyte

from support.commands import seen
from support.processes import COMMAND, instead_of_exec

PATIENCE = 60.0
CTRL_C = "\x03"
ENTER = "\r"


class Terminal:
    """A screen with a program behind it. Points in time are what stands on it, never seconds."""

    def __init__(self, words: list[str], columns: int, rows: int, environment: dict[str, str]) -> None:
        self._screen = pyte.HistoryScreen(columns, rows, history=10_000, ratio=0.5)
        self._stream = pyte.ByteStream(self._screen)
        self._output = b""
        how = instead_of_exec(words[3:], environment) if words[:3] == COMMAND else {}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            self._child = pexpect.spawn(
                words[0], words[1:], dimensions=(rows, columns), env=environment, timeout=PATIENCE, **how
            )
        self._child.delaybeforesend = None

    @property
    def lines(self) -> list[str]:
        """What stands on the screen now, without blanks at the ends of lines and without empty lines at the end."""
        return self.screen.split("\n")

    @property
    def screen(self) -> str:
        return "\n".join(line.rstrip() for line in self._screen.display).rstrip("\n")

    @property
    def everything(self) -> str:
        """The lines that have left the screen at its top, and those on it."""
        gone = ["".join(line[column].data for column in range(self._screen.columns)) for line in self._history]
        return "\n".join([*(line.rstrip() for line in gone), self.screen]).strip("\n")

    @property
    def output(self) -> bytes:
        """The bytes that the program has written."""
        return self._output

    @property
    def shows_cursor(self) -> bool:
        return not self._screen.cursor.hidden

    def colour_of(self, text: str) -> str:
        """The colour of the first place on the screen with this text, by pyte's names; "default" is none."""
        row, column = next((row, line.index(text)) for row, line in enumerate(self.lines) if text in line)
        return str(self._screen.buffer[row][column].fg)

    def wait_for(self, pattern: str) -> str:
        """The screen as soon as this regular expression is found on it."""
        return self._wait(lambda: re.search(pattern, self.screen) is not None, f"never showed {pattern!r}")

    def wait_until_gone(self, pattern: str) -> str:
        """The screen as soon as this regular expression is not found on it any more."""
        return self._wait(lambda: re.search(pattern, self.screen) is None, f"went on to show {pattern!r}")

    def finish(self) -> int:
        """Read to the end, and give the exit code as a shell sees it."""
        while self._read():
            pass
        self._child.wait()
        stopped_by = self._child.signalstatus
        return 128 + stopped_by if stopped_by is not None else int(self._child.exitstatus)

    def type(self, text: str) -> None:
        self._child.send(text)

    def send_signal(self, signum: signal.Signals) -> None:
        self._child.kill(signum)

    def resize(self, columns: int, rows: int) -> None:
        """As if the window was drawn larger or smaller; the program is sent SIGWINCH."""
        self._screen.resize(rows, columns)
        self._child.setwinsize(rows, columns)

    def close(self) -> None:
        self._child.close(force=True)
        seen.append(self._output.decode("utf-8", "backslashreplace"))

    @property
    def _history(self) -> list[dict[int, pyte.screens.Char]]:
        return list(self._screen.history.top)

    def _wait(self, is_there: Callable[[], bool], complaint: str) -> str:
        deadline = time.monotonic() + PATIENCE
        while not is_there():
            has_more = self._read()
            assert has_more, f"it ended and {complaint}; the screen:\n{self.screen}"
            assert time.monotonic() < deadline, f"it {complaint}; the screen:\n{self.screen}"
        return self.screen

    def _read(self) -> bool:
        """Take what the program writes next; False: it has ended."""
        try:
            chunk = self._child.read_nonblocking(65_536, timeout=PATIENCE)
        except pexpect.EOF:
            return False
        except pexpect.TIMEOUT:
            raise AssertionError(f"nothing came for {PATIENCE:.0f} s; the screen:\n{self.screen}") from None
        self._output += chunk
        self._stream.feed(chunk)
        return True


@contextmanager
def terminal(
    *words: object, columns: int = 80, rows: int = 24, command: list[str] | None = None, **environment: str
) -> Iterator[Terminal]:
    """luma with these words (or another `command`) in a terminal; it does not outlive the block."""
    inherited = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES")}
    made = Terminal(
        [*(COMMAND if command is None else command), *map(str, words)],
        columns,
        rows,
        {**inherited, "TERM": "xterm-256color", **environment},
    )
    try:
        yield made
    finally:
        made.close()
