"""Random sequences of commands, faults and circumstances: nothing is paid twice, nothing paid is lost from sight.

A few by default, LUMA_TEST_SEQUENCES for more; LUMA_TEST_SEED for the one of that number.
"""

import contextlib
import hashlib
import json
import os
import random
import shutil
import sqlite3
import unicodedata
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from luma_cli.api.canonical import canonical_link
from luma_cli.errors import FileError
from luma_cli.journal.database import Damaged
from luma_cli.journal.journal import open_journal
from luma_cli.journal.records import Outcome, Row
from luma_cli.sandbox import Sandbox
from luma_cli.sandbox.tasks import SandboxTask
from support.commands import CLIP, KEY
from support.forks import Fault, may_make_namespaces, run_forked, start_forked
from support.processes import load_everything

SEQUENCES = int(os.environ.get("LUMA_TEST_SEQUENCES", "12"))
SEED = os.environ.get("LUMA_TEST_SEED")
LENGTH = (4, 8)
# A modify with an upload and a saved file takes some 80 steps.
MAX_STEP = 90
FAULTS = ("kill", "kill", "kill", "SIGINT", "SIGTERM", "SIGHUP", "error", "disk")
# What the service says to a submission, beside "ok": of the first two nobody can tell whether a task was created.
REPLIES = ("lost-answer", "lost-answer", "server-error", "garbage", "validation-500", "no-credits", "flag3", "gone")
CODES = {0, 1, 2, 5, 6, 7, 8, 9, 10, 11, 12, 129, 130, 137, 143}
Edit = tuple[str, str]
# What may pay for an edit once: an own key, `auto`, or the row of a batch; without one there is no such promise.
Key = tuple[str, Edit]


@dataclass
class World:
    """What happened in one sequence, as the service, the disk and the screen have it."""

    chance: random.Random
    sandbox: Sandbox
    folder: Path
    journal: Path
    seen: int
    can_unshare: bool
    screen: str = ""
    # How often each key may have paid: once, and once more for each repeat that was meant.
    allowed: Counter[Key] = field(default_factory=Counter)
    paid: Counter[Key] = field(default_factory=Counter)
    key_of: dict[str, Key] = field(default_factory=dict)
    edit_of: dict[str, Edit] = field(default_factory=dict)
    story: list[str] = field(default_factory=list)

    def rows(self) -> list[Row] | None:
        """The journal's rows; None while it is damaged."""
        try:
            with contextlib.closing(open_journal(self.journal)) as book:
                return list(book.rows())
        except Damaged:
            return None

    def unresolved(self) -> set[Edit]:
        """The edits of which the journal holds a submission of unknown outcome."""
        rows = self.rows() or []
        return {edit for row in rows if row.outcome_now is Outcome.UNKNOWN and (edit := self.edit_of_row(row))}

    def edit_of_row(self, row: Row) -> Edit:
        clip = row.details.source_sha256 or canonical_link(row.task.video_url or "")
        return clip, normal(row.task.prompt or "")

    def edit_of_task(self, task: SandboxTask) -> Edit:
        stored = self.sandbox.files.find(self.sandbox.path_of(task.video))
        clip = hashlib.sha256(stored.path.read_bytes()).hexdigest() if stored else canonical_link(task.video)
        return clip, normal(task.prompt)


def normal(text: str) -> str:
    return unicodedata.normalize("NFC", text.replace("\r\n", "\n")).strip()


PROMPTS = ("Café at night\nunder heavy snow", "Rain falls on the street")
LINKS = ("https://media.example.net/a/in.mp4", "https://media.example.net/b/in.mp4")


def spelled_prompt(world: World, prompt: str) -> str:
    return world.chance.choice(
        [prompt, prompt + " ", f"\n{prompt}", prompt.replace("\n", "\r\n"), unicodedata.normalize("NFD", prompt)]
    )


def spelled_clip(world: World, clip: str) -> str:
    if clip in LINKS:
        return world.chance.choice(
            [clip, clip.replace("media", "MEDIA"), clip.replace(".net/", ".net:443/"), f"{clip}?X-Amz-Signature=1"]
        )
    path = world.folder / "one" / clip
    return world.chance.choice([clip, f"./{clip}", str(path), f"copy-of-{clip}", f"link-to-{clip}"])


def make_folders(folder: Path) -> None:
    """Two working folders with the same two clips, under three names each."""
    for place in ("one", "two"):
        (folder / place).mkdir(parents=True)
        for number, name in enumerate(("a.mp4", "b.mp4")):
            box = b"free" + bytes([number]) * 8
            content = CLIP.read_bytes() + (len(box) + 4).to_bytes(4, "big") + box
            (folder / place / name).write_bytes(content)
            shutil.copy(folder / place / name, folder / place / f"copy-of-{name}")
            (folder / place / f"link-to-{name}").symlink_to(name)


def an_edit(world: World) -> tuple[str, str, Edit]:
    """A clip and a prompt, and what they are whatever their spelling."""
    clip, prompt = world.chance.choice(["a.mp4", "b.mp4", *LINKS]), world.chance.choice(PROMPTS)
    path = world.folder / "one" / clip
    identity = canonical_link(clip) if clip in LINKS else hashlib.sha256(path.read_bytes()).hexdigest()
    return clip, prompt, (identity, normal(prompt))


def run(world: World, words: list[Any], keys: dict[Edit, Key | None], *, resubmit: bool = False) -> None:
    """Run a command under whatever circumstances chance has, and look at what it has paid."""
    chance = world.chance
    fault = Fault(chance.randint(1, MAX_STEP), chance.choice(FAULTS)) if chance.random() < 0.5 else None
    world.sandbox.scenario = chance.choice(REPLIES) if keys and chance.random() < 0.25 else "ok"
    circumstances: dict[str, Any] = {
        "fault": fault,
        "clock_step": chance.choice([0.0, 0.0, 0.0, -86_400.0, 86_400.0, -1.0]),
        "in_namespace": world.can_unshare and chance.random() < 0.2,
        "folder": str(world.folder / chance.choice(["one", "two"])),
    }
    before = world.unresolved()
    world.story.append(f"{world.sandbox.scenario} {circumstances} {words}")
    if keys and fault is None and chance.random() < 0.1:  # another process does the same at the same moment
        waits = [start_forked(words, **circumstances) for _ in range(2)]
        results = [wait() for wait in waits]
    else:
        results = [run_forked(words, **circumstances)]
    for result in results:
        world.story.append(f"  -> {result.code} {result.out!r} {result.err!r}")
        world.screen += result.out + result.err
        assert result.code in CODES
        assert "Traceback" not in result.err
    look(world, keys, before, crowd=len(results), resubmit=resubmit)
    world.sandbox.scenario = "ok"


def look(world: World, keys: dict[Edit, Key | None], before: set[Edit], *, crowd: int, resubmit: bool) -> None:
    """No key pays twice, and nobody pays for an edit whose outcome is not known."""
    new = world.sandbox.tasks.all()[world.seen :]
    world.seen += len(new)
    for edit, key in keys.items():
        if key is not None and resubmit:
            # Of two at once the second may find that the first has just lost its reply: both were told to submit.
            world.allowed[key] += (edit in before) + (crowd - 1 if world.sandbox.scenario != "ok" else 0)
    for task in new:
        edit = world.edit_of_task(task)
        world.edit_of[task.task_id] = edit
        assert edit in keys, "paid for what nobody asked for"
        assert edit not in before or resubmit, "paid although an outcome is unknown"
        key = keys[edit]
        if key is not None:
            world.key_of[task.task_id] = key
            world.paid[key] += 1
            assert world.paid[key] <= 1 + world.allowed[key], f"{key} is paid twice"
    assert len(new) <= len(keys) * crowd
    check_sight(world)


def check_sight(world: World) -> None:
    """Every paid task is in the journal or on the screen, or a row says that there may be one."""
    rows = world.rows()
    if rows is None:
        return
    recorded = {row.task.task_id for row in rows}
    unknown = Counter(world.edit_of_row(row) for row in rows if row.outcome_now is Outcome.UNKNOWN)
    lost = [task_id for task_id in world.edit_of if task_id not in recorded and task_id not in world.screen]
    assert Counter(world.edit_of[task_id] for task_id in lost) <= unknown, f"lost from sight: {lost}"


def modify(world: World) -> None:
    clip, prompt, edit = an_edit(world)
    kind = world.chance.choice(["auto", "auto", "own", "none"])
    words = ["modify", spelled_clip(world, clip), "-p", spelled_prompt(world, prompt), "--no-check"]
    if kind != "none":
        own = hashlib.sha256(repr(edit).encode()).hexdigest()[:8]
        words += ["--idempotency-key", "auto" if kind == "auto" else own]
    words += world.chance.choice([[], ["-w"], ["-o", "out/"], ["-o", "out/", "--force"]])
    resubmit = world.chance.random() < 0.15
    run(
        world,
        words + ["--resubmit"] * resubmit,
        {edit: None if kind == "none" else (kind, edit)},
        resubmit=resubmit,
    )


def batch(world: World) -> None:
    rows, keys = [], {}
    for number in range(world.chance.randint(1, 3)):
        clip, prompt, edit = an_edit(world)
        if edit in keys:
            continue
        row = {"prompt": spelled_prompt(world, prompt), "video": spelled_clip(world, clip)}
        if has_id := world.chance.random() < 0.5:
            row["id"] = f"row-{hashlib.sha256(repr(edit).encode()).hexdigest()[:6]}"
        rows.append(row)
        keys[edit] = (f"batch {has_id}", edit)
        assert number < 3
    for place in ("one", "two"):
        (world.folder / place / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
    words = ["batch", "rows.jsonl", "--no-check", *world.chance.choice([[], ["-o", "films"]])]
    resubmit = world.chance.random() < 0.1
    run(world, words + ["--resubmit"] * resubmit, dict(keys), resubmit=resubmit)


def wait(world: World) -> None:
    run(world, ["wait", "--timeout", "2s", *world.chance.choice([[], ["-o", "films/"]])], {})


def prune(world: World) -> None:
    run(world, ["tasks", "prune", "--older-than", "0s", *world.chance.choice([[], ["--force"]])], {})


def adopt(world: World) -> None:
    """Give a paid task that the journal does not know to the submission that it may belong to."""
    recorded = {row.task.task_id for row in world.rows() or []}
    lost = [task_id for task_id in world.edit_of if task_id not in recorded and task_id not in world.screen]
    if lost:
        run(world, ["tasks", "adopt", world.chance.choice(lost)], {})


def forget(world: World) -> None:
    """Forget a task, whose key may be paid again; or a submission of which the service knows nothing."""
    rows = world.rows() or []
    recorded = {row.task.task_id for row in rows}
    lost = {world.edit_of[task_id] for task_id in world.edit_of if task_id not in recorded}
    for row in world.chance.sample(rows, min(1, len(rows))):
        if row.outcome_now is Outcome.UNKNOWN and world.edit_of_row(row) in lost:
            continue
        if (key := world.key_of.get(row.task.task_id)) is not None:
            world.allowed[key] += 1
        run(world, ["tasks", "forget", row.label], {})


def damage(world: World) -> None:
    """Break a page of the journal: nothing is paid until it is recovered, and then all rows are there."""
    rows = world.rows()
    if not rows:
        return
    before = {row.number: row.task.task_id for row in rows}
    with contextlib.closing(sqlite3.connect(world.journal)) as book:
        size = book.execute("PRAGMA page_size").fetchone()[0]
        [page] = book.execute("SELECT rootpage FROM sqlite_master WHERE name = 'task_submitted'").fetchone()
    with world.journal.open("r+b") as file:
        file.seek((page - 1) * size)
        file.write(b"\xff" * size)
    assert world.rows() is None
    modify(world)
    assert world.rows() is None
    run(world, ["tasks", "recover"], {})
    while world.rows() is None:
        result = run_forked(["tasks", "recover"])
        assert result.code == 0, result
    assert {row.number: row.task.task_id for row in world.rows() or []} == before
    check_sight(world)


def renew_key(world: World) -> None:
    """The account gets another API key: what the old one has submitted is still its own."""
    world.sandbox.api_key = f"{world.chance.getrandbits(128):032x}"
    os.environ["LUMA_API_KEY"] = world.sandbox.api_key


STEPS = (modify, modify, modify, modify, batch, batch, wait, prune, prune, adopt, adopt, forget, damage, renew_key)


@pytest.fixture
def world_of(sandbox: Sandbox, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    sandbox.tasks._limit = 10**6
    sandbox.credits = 10.0**9
    load_everything()
    can_unshare = may_make_namespaces()

    def make(seed: int) -> World:
        state = home / f"state-{seed}"
        monkeypatch.setenv("LUMA_STATE_DIR", str(state))
        monkeypatch.setenv("LUMA_API_KEY", KEY)
        sandbox.api_key = KEY
        folder = tmp_path / f"{seed}"
        make_folders(folder)
        chance = random.Random(seed)
        return World(chance, sandbox, folder, state / "tasks.db", len(sandbox.tasks.all()), can_unshare)

    return make


@pytest.mark.slow
def test_no_sequence_of_commands_and_faults_pays_twice_or_loses_a_task(world_of: Any) -> None:
    seeds = [int(SEED)] if SEED else range(SEQUENCES)
    figures: Counter[str] = Counter()
    for seed in seeds:
        world = world_of(seed)
        try:
            for _ in range(world.chance.randint(*LENGTH)):
                step = world.chance.choice(STEPS)
                figures[step.__name__] += 1
                step(world)
        except (AssertionError, FileError) as error:
            story = "\n".join(world.story)
            raise AssertionError(f"LUMA_TEST_SEED={seed}: {error}\n{story}") from error
        figures["tasks paid"] += len(world.edit_of)
        figures["commands"] += sum(not line.startswith("  ->") for line in world.story)
        figures["faults"] += sum("Fault(" in line for line in world.story)
        figures["unknown outcomes left"] += len(world.unresolved())
        shutil.rmtree(world.folder)
    print(f"{len(seeds)} sequences: {dict(figures)}")
