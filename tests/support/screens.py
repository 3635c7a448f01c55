"""A terminal without a process: what is drawn in this very process, as it stands on a screen of a given size."""

import io
import re
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pyte
import pytest

from luma_cli.cli.main import main
from luma_cli.edits.run import Clock
from luma_cli.output import streams
from support.commands import seen


class Drawn(io.RawIOBase):
    """Takes what is written, piece by piece, so that any moment can be looked at again."""

    def __init__(self, columns: int, rows: int) -> None:
        self.size = columns, rows
        self._pieces: list[bytes] = []
        self.code: int | None = None

    def isatty(self) -> bool:
        return True

    def writable(self) -> bool:
        return True

    def write(self, piece: Any) -> int:
        self._pieces.append(bytes(piece))
        return len(piece)

    @property
    def output(self) -> str:
        return b"".join(self._pieces).decode("utf-8", "backslashreplace")

    @property
    def now(self) -> list[str]:
        """What stands on the screen, and only there, as far as anything was written."""
        *_, last = self._moments()
        return "\n".join(line.rstrip() for line in last.display).strip("\n").split("\n")

    @property
    def lines(self) -> list[str]:
        """What stands on the screen at the end, below what has left it at its top."""
        *_, last = self._moments()
        return _lines_of(last)

    def moment(self, pattern: str) -> list[str]:
        """The first screen on which this regular expression is found."""
        for screen in self._moments():
            if re.search(pattern, "\n".join(lines := _lines_of(screen))):
                return lines
        raise AssertionError(f"never showed {pattern!r}; at the end:\n" + "\n".join(self.lines))

    def _moments(self) -> Iterator[pyte.HistoryScreen]:
        screen = pyte.HistoryScreen(*self.size, history=10_000, ratio=0.5)
        screen.set_mode(pyte.modes.LNM)
        stream = pyte.ByteStream(screen)
        yield screen
        for piece in self._pieces:
            stream.feed(piece)
            yield screen


def _lines_of(screen: pyte.HistoryScreen) -> list[str]:
    gone = ["".join(line[column].data for column in range(screen.columns)) for line in screen.history.top]
    return "\n".join(line.rstrip() for line in (*gone, *screen.display)).rstrip("\n").split("\n")


class Screens:
    """`draw` calls a function, `type` a command line, with stdin, stdout and stderr as one terminal."""

    def __init__(self, patch: pytest.MonkeyPatch, clock: dict[str, Any]) -> None:
        self._patch = patch
        self._clock = clock

    def screen(self, columns: int, rows: int) -> Drawn:
        return Drawn(columns, rows)

    def draw(self, show: Callable[[], object], *, columns: int = 80, rows: int = 24, on: Drawn | None = None) -> Drawn:
        drawn = on or Drawn(columns, rows)
        columns, rows = drawn.size
        streams.reset()
        stream = io.TextIOWrapper(io.BufferedWriter(drawn, 1), encoding="utf-8", newline="", write_through=True)
        with self._patch.context() as patch:
            patch.setenv("COLUMNS", str(columns))
            patch.setenv("LINES", str(rows))
            for name in ("stdout", "stderr"):
                patch.setattr(sys, name, stream)
            show()
        seen.append(drawn.output)
        return drawn

    def type(self, *words: object, columns: int, rows: int) -> Drawn:
        codes: list[int] = []
        drawn = self.draw(
            lambda: codes.append(main([str(word) for word in words], Clock(**self._clock))), columns=columns, rows=rows
        )
        drawn.code = codes[0]
        return drawn
