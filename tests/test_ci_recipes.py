"""The CI recipes keep the promise: what failed, was cancelled or is run again pays for no edit twice.

The steps of README, `luma help ci` and the action are run as a runner would, around a cache that follows the documented
rules of GitHub's and GitLab's. Source: GitHub's "Dependency caching reference" (a key is never overwritten; of several
keys with the prefix the newest is restored), README of actions/cache (the combined step saves only after success),
GitLab's "Caching in CI/CD" (`when`).
"""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from luma_cli.cli import help_topics
from luma_cli.sandbox import Sandbox
from support.commands import CLIP, KEY, ROOT

pytestmark = pytest.mark.skipif(os.name != "posix", reason="the recipes are for a POSIX shell")

README = (ROOT / "README.md").read_text()
BLOCKS = [yaml.safe_load(block) for block in re.findall(r"^```yaml\n(.*?)^```$", README, re.M | re.S)]
ACTION = yaml.safe_load((ROOT / ".github" / "actions" / "luma" / "action.yml").read_text())
HELP = re.search(r"(?m)^    - uses.*?(?=^\S)", help_topics.text("ci"), re.S)
EDITS = [{"id": f"edit-{number}", "prompt": f"Heavy snow, take {number}", "video": "clip.mp4"} for number in range(5)]

assert HELP is not None
HELP_STEPS = yaml.safe_load(HELP[0])
ACTION_STEPS = next(block for block in BLOCKS if isinstance(block, list))
MATRIX = next(block["jobs"]["edit"] for block in BLOCKS if "jobs" in block)
GITLAB = next(block["snow"] for block in BLOCKS if "snow" in block)


@dataclass
class Cache:
    """What a CI service keeps between jobs: the newest entry last."""

    entries: dict[str, Path] = field(default_factory=dict)
    folder: Path = Path()

    def restore(self, workspace: Path, path: str, key: str, prefixes: str) -> bool:
        """True for the very key, as the combined step wants to know."""
        matches = [name for name in self.entries if any(name.startswith(prefix) for prefix in prefixes.split())]
        found = key if key in self.entries else (matches[-1] if matches else None)
        if found is not None:
            shutil.copytree(self.entries[found], workspace / path, dirs_exist_ok=True)
        return found == key

    def save(self, workspace: Path, path: str, key: str, *, overwrite: bool = False) -> None:
        if not (workspace / path).is_dir() or (key in self.entries and not overwrite):
            return
        self.entries.pop(key, None)
        copy = self.folder / f"{len(list(self.folder.iterdir()))}"
        shutil.copytree(workspace / path, copy)
        self.entries[key] = copy


@dataclass
class Runner:
    """Runs the steps of a job in a workspace of its own."""

    cache: Cache
    root: Path
    programs: Path
    variables: Mapping[str, str]

    def run(self, steps: list[dict[str, Any]], context: dict[str, str], *, cancel: bool = False) -> bool:
        workspace = self.root / f"workspace-{len(list(self.root.iterdir()))}"
        workspace.mkdir()
        shutil.copy(CLIP, workspace / "clip.mp4")
        (workspace / "edits.jsonl").write_text("\n".join(map(json.dumps, EDITS)))
        self.is_cancelled = cancel
        passed, at_end = self._steps(steps, context, workspace)
        for after in at_end:
            if passed:
                after()
        return passed

    def _steps(
        self, steps: list[dict[str, Any]], context: dict[str, str], workspace: Path
    ) -> tuple[bool, list[Callable[[], None]]]:
        passed, at_end = True, []
        for step in steps:
            if not passed and step.get("if") != "always()":
                continue
            inputs = {name: expand(str(value), context) for name, value in step.get("with", {}).items()}
            kind = str(step.get("uses", "")).partition("@")[0]
            if kind == "actions/cache/restore":
                self.cache.restore(workspace, inputs["path"], inputs["key"], inputs.get("restore-keys", ""))
            elif kind == "actions/cache/save":
                self.cache.save(workspace, inputs["path"], inputs["key"])
            elif kind == "actions/cache":
                if not self.cache.restore(workspace, inputs["path"], inputs["key"], inputs.get("restore-keys", "")):
                    at_end.append(lambda inputs=inputs: self.cache.save(workspace, inputs["path"], inputs["key"]))
            elif kind.endswith("actions/luma"):
                defaults = {name: value.get("default", "") for name, value in ACTION["inputs"].items()}
                inner = {f"inputs.{name}": str(value) for name, value in (defaults | inputs).items()}
                inner_passed, inner_end = self._steps(ACTION["runs"]["steps"], {**context, **inner}, workspace)
                passed, at_end = passed and inner_passed, at_end + inner_end
            elif "run" in step:
                passed = self._script(step, context, workspace) and passed
        return passed, at_end

    def _script(self, step: dict[str, Any], context: dict[str, str], workspace: Path) -> bool:
        outputs = workspace / "outputs"
        outputs.write_text("")
        if step.get("id") == "install":  # what it installs is here already
            outputs.write_text(f"bin={self.programs}\n")
        else:
            given = {name: expand(str(value), context) for name, value in step.get("env", {}).items()}
            if not self._bash(expand(step["run"], context), {**given, "GITHUB_OUTPUT": str(outputs)}, workspace):
                return False
        for line in outputs.read_text().splitlines():
            name, mark, value = line.partition("=")
            if mark and "id" in step:
                context[f"steps.{step['id']}.outputs.{name}"] = value
        return True

    def _bash(self, script: str, given: Mapping[str, str], workspace: Path) -> bool:
        """Whether the script succeeded; a cancelled one gets SIGINT as soon as its task runs."""
        environment = {**os.environ, **self.variables, **given}
        command = ["bash", "-e", "-c", script]
        with subprocess.Popen(
            command, cwd=workspace, env=environment, stderr=subprocess.PIPE, text=True, start_new_session=True
        ) as process:
            assert process.stderr is not None
            for line in process.stderr:
                if self.is_cancelled and "generating" in line:
                    os.killpg(process.pid, signal.SIGINT)
            return process.wait(timeout=60) == 0


def expand(text: str, context: Mapping[str, str]) -> str:
    return re.sub(r"\$\{\{ *([a-z0-9_.-]+) *\}\}", lambda found: context[found[1].lower()], text, flags=re.I)


def github(run: int, attempt: int = 1, shard: int = 1) -> dict[str, str]:
    facts = {"github.run_id": run, "github.run_attempt": attempt, "matrix.shard": shard, "secrets.kie_api_key": KEY}
    return {name: str(value) for name, value in facts.items()}


@pytest.fixture
def runner(
    sandbox: Sandbox, home: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Runner:
    programs = home / "bin"
    programs.mkdir()
    for name, words in (("luma", "-m luma_cli"), ("python", "")):
        (programs / name).write_text(f'#!/bin/sh\nexec {sys.executable} {words} "$@"\n')
        (programs / name).chmod(0o755)
    for name in ("LUMA_STATE_DIR", "LUMA_API_KEY"):
        monkeypatch.delenv(name)
    variables = {
        "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "LUMA_INTERVAL": "1s",
    }
    cache = Cache(folder=tmp_path_factory.mktemp("cache"))
    return Runner(cache, tmp_path_factory.mktemp("jobs"), programs, variables)


def with_limit(steps: list[dict[str, Any]], limit: str) -> list[dict[str, Any]]:
    """The same steps with a shorter time limit for luma."""
    shortened = []
    for step in steps:
        if str(step.get("uses", "")).partition("@")[0].endswith("actions/luma"):
            step = {**step, "with": {**step["with"], "timeout": limit}}
        elif "run" in step:
            step = {**step, "env": {**step.get("env", {}), "LUMA_TIMEOUT": limit}}
        shortened.append(step)
    return shortened


RECIPES = {"action": ACTION_STEPS, "help": HELP_STEPS}


@pytest.mark.parametrize("steps", RECIPES.values(), ids=RECIPES)
@pytest.mark.parametrize("end", ["timeout", "cancel"])
def test_a_job_that_did_not_end_well_is_run_again_without_paying_again(
    runner: Runner, sandbox: Sandbox, steps: list[dict[str, Any]], end: str
) -> None:
    sandbox.tasks.duration = 3600
    first = with_limit(steps, "1s") if end == "timeout" else steps
    assert not runner.run(first, github(run=1), cancel=end == "cancel")
    assert len(sandbox.submissions()) == 1

    runner.run(with_limit(steps, "1s"), github(run=1, attempt=2))
    assert len(sandbox.submissions()) == 1


@pytest.mark.parametrize("steps", RECIPES.values(), ids=RECIPES)
def test_a_second_push_pays_nothing_for_an_edit_that_is_made(
    runner: Runner, sandbox: Sandbox, steps: list[dict[str, Any]]
) -> None:
    for run in (1, 2):
        assert runner.run(steps, github(run))
    assert len(sandbox.submissions()) == 1


def test_two_edits_of_one_job_do_not_overwrite_each_others_journal(runner: Runner, sandbox: Sandbox) -> None:
    other = {**ACTION_STEPS[0], "with": {**ACTION_STEPS[0]["with"], "prompt": "Heavy rain", "output": "rain.mp4"}}
    for attempt in (1, 2):
        assert runner.run([*ACTION_STEPS, other], github(run=1, attempt=attempt))
    assert len(sandbox.submissions()) == 2


def test_a_matrix_that_is_run_again_makes_each_edit_once(runner: Runner, sandbox: Sandbox) -> None:
    sandbox.tasks.duration = 3600
    shards = MATRIX["strategy"]["matrix"]["shard"]
    for shard in shards:
        runner.run(with_limit(MATRIX["steps"], "1s"), github(run=1, shard=shard))
    for shard in shards:
        runner.run(with_limit(MATRIX["steps"], "1s"), github(run=1, attempt=2, shard=shard))
    assert len(sandbox.submissions()) == len(EDITS)


def run_gitlab(runner: Runner, job: dict[str, Any], limit: str, *, cancel: bool = False) -> bool:
    """One job as GitLab's runner has it: restore, script, save by `when`, which overwrites."""
    key = re.sub(r"\$\w+", "x", job["cache"]["key"])
    script = "\n".join(line for line in job["script"] if line.startswith("luma"))
    steps = [
        {"uses": "actions/cache/restore@v4", "with": {"path": ".luma", "key": key}},
        {"run": script, "env": {**job["variables"], "LUMA_API_KEY": KEY, "LUMA_TIMEOUT": limit}},
    ]
    saving = {"uses": "gitlab/save", "with": {"path": job["cache"]["paths"][0], "key": key}}
    passed = runner.run(steps, {}, cancel=cancel)
    if passed or job["cache"].get("when") == "always":
        workspace = max(runner.root.iterdir(), key=lambda path: int(path.name.partition("-")[2]))
        runner.cache.save(workspace, saving["with"]["path"], key, overwrite=True)
    return passed


@pytest.mark.parametrize("end", ["timeout", "cancel"])
def test_a_job_of_gitlab_is_run_again_without_paying_again(runner: Runner, sandbox: Sandbox, end: str) -> None:
    sandbox.tasks.duration = 3600
    assert not run_gitlab(runner, GITLAB, "1s" if end == "timeout" else "0", cancel=end == "cancel")
    run_gitlab(runner, GITLAB, "1s")
    assert len(sandbox.submissions()) == 1


def test_the_cache_here_follows_the_documented_rules(runner: Runner, sandbox: Sandbox) -> None:
    """The recipe of before, with one combined step and one key, fails in it: a failed job keeps nothing."""
    steps = [{"uses": "actions/cache@v4", "with": {"path": ".luma", "key": "luma-main"}}, HELP_STEPS[1]]
    sandbox.tasks.duration = 3600
    for attempt in (1, 2):
        runner.run(with_limit(steps, "1s"), github(run=1, attempt=attempt))
    assert len(sandbox.submissions()) == 2


def test_the_action_leaves_the_python_of_the_job_alone() -> None:
    used = [step["uses"].partition("@")[0] for step in ACTION["runs"]["steps"] if "uses" in step]
    assert used == ["actions/cache/restore", "actions/cache/save"]
    assert "GITHUB_PATH" not in str(ACTION)
