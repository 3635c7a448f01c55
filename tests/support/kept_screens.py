"""Screens as a terminal shows them, kept in `tests/output/screens/`.

With LUMA_TEST_SCREENS=write the files are written anew: look at each before you keep it.
"""

import os
import re

from support.commands import ROOT

WRITES = os.environ.get("LUMA_TEST_SCREENS") == "write"
KEPT = ROOT / "tests" / "output" / "screens"
VARYING = (
    (r"\b[0-9a-f](?:\n?[0-9a-f]){31}\b", "0123456789abcdef0123456789abcdef"),
    (r"unchanged \([0-9]{5}\)", "unchanged (99000)"),
    (r"127\.0\.0\.1:[0-9]+", "127.0.0.1:40000"),
    (r"[0-9.]+ [kM]?B in [0-9]+s\b", "32.2 kB in 0s"),
)


def compare(name: str, lines: list[str]) -> None:
    """The screen with the one that is kept, but for what differs from run to run."""
    path = KEPT / f"{name}.txt"
    if WRITES:
        KEPT.mkdir(exist_ok=True)
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    assert lines == path.read_text(encoding="utf-8").split("\n")[:-1]


def normalised(lines: list[str]) -> list[str]:
    """Ids, ports, sizes and times as they always are, also where the terminal breaks them."""
    text = "\n".join(lines)
    for pattern, fixed in VARYING:
        text = re.sub(pattern, lambda match, fixed=fixed: _as_broken(match[0], fixed), text)  # type: ignore[misc]
    return text.split("\n")


def _as_broken(found: str, fixed: str) -> str:
    at = found.find("\n")
    return fixed if at < 0 else f"{fixed[:at]}\n{fixed[at:]}"
