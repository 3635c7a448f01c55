"""`--github`: what a step of GitHub Actions leaves behind, and that nobody can smuggle anything into it."""

import html
import html.parser
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from luma_cli.api.task import SavedFile, State, Task
from luma_cli.edits.events import Failed
from luma_cli.edits.run import Results
from luma_cli.errors import UsageError
from luma_cli.output import github_actions
from luma_cli.sandbox import Sandbox
from support.commands import CLIP, CLIP_URL, DATA, KEY, ROOT, Result

Luma = Callable[..., Result]
needs_ffmpeg = pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="needs ffmpeg")
HOSTILE = st.text(st.sampled_from("ab|<>\n\r`[]()*_#:%&\"'\\\x1b\u2028") | st.characters(), max_size=40)


@pytest.fixture
def step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The files that GitHub names."""
    folder = tmp_path / "runner"
    folder.mkdir()
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_OUTPUT", str(folder / "output"))
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(folder / "summary.md"))
    return folder


class Tags(html.parser.HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append(tag)


def parse_outputs(text: str) -> dict[str, list[str]]:
    """As the runner reads them: NAME<<DELIMITER, lines, DELIMITER."""
    found: dict[str, list[str]] = {}
    lines = iter(text.split("\n"))
    for line in lines:
        if line:
            name, _, delimiter = line.partition("<<")
            found[name] = list(iter(lambda: next(lines), delimiter))
    return found


def annotations(err: str) -> list[str]:
    return [line for line in err.splitlines() if line.startswith("::")]


def test_a_saved_edit_leaves_its_outputs_and_a_table(luma: Luma, sandbox: Sandbox, step: Path) -> None:
    code, out, err = luma("modify", CLIP, "-p", "Heavy snow", "-o", "snow.mp4", "--github")

    outputs = parse_outputs((step / "output").read_text())
    task_id = outputs["task-id"][0]
    assert (code, out, annotations(err)) == (0, "snow.mp4\n", [])
    assert outputs["path"] == outputs["paths"] == [str(Path("snow.mp4").absolute())]
    assert (outputs["state"], outputs["exit-code"], outputs["task-ids"]) == (["succeeded"], ["0"], [task_id])
    assert outputs["url"][0].startswith(sandbox.url)
    summary = (step / "summary.md").read_text()
    assert f"<code>{task_id}</code>" in summary
    assert "Heavy snow" in summary


def test_several_videos_are_a_line_each(luma: Luma, sandbox: Sandbox, step: Path) -> None:
    luma("modify", CLIP_URL, f"{CLIP_URL}?2", "-p", "Heavy snow", "-w", "--github")

    outputs = parse_outputs((step / "output").read_text())
    assert len(outputs["task-ids"]) == len(outputs["urls"]) == 2
    assert (step / "summary.md").read_text().count("\n| <code>") == 2


def test_a_failure_is_one_annotation_on_stderr(luma: Luma, sandbox: Sandbox, step: Path) -> None:
    sandbox.scenario = "flag3"
    code, out, err = luma("modify", CLIP_URL, "-p", "Heavy snow", "-w", "--github")

    assert (code, out) == (5, "")
    assert annotations(err) == [
        "::error title=luma::the edit failed at kie.ai: Generation failed (code 501)"
        "%0Ahint: change the prompt or the clip; https://kie.ai/logs may say more"
    ]
    assert parse_outputs((step / "output").read_text())["state"] == ["generate_failed"]


def test_a_wait_that_ran_out_still_gives_the_id_to_the_next_step(
    luma: Luma, sandbox: Sandbox, step: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sandbox.tasks.duration = 3600
    code = luma("modify", CLIP_URL, "-p", "Heavy snow", "-w", "--timeout", "1s", "--interval", "1s", "--github").code

    outputs = parse_outputs((step / "output").read_text())
    monkeypatch.delenv("GITHUB_OUTPUT")
    assert code == 8
    assert outputs["state"] == ["generating"]
    summary = html.unescape((step / "summary.md").read_text())
    assert f"luma wait {outputs['task-id'][0]}" in summary
    assert "Heavy snow" in summary
    assert json.loads(luma("status", "--json").out)["taskId"] == outputs["task-id"][0]


def test_a_batch_names_its_shard_and_what_has_no_task(luma: Luma, sandbox: Sandbox, step: Path) -> None:
    rows = [
        {"prompt": "Heavy snow", "video": str(CLIP)},
        {"prompt": "sandbox:withdrawn Heavy rain", "video": str(CLIP)},
    ]
    Path("edits.jsonl").write_text("\n".join(map(json.dumps, rows)))
    luma("batch", "edits.jsonl", "--shard", "1/1", "--github")

    outputs, summary = parse_outputs((step / "output").read_text()), html.unescape((step / "summary.md").read_text())
    assert (outputs["shard"], outputs["clip"], outputs["prompt"]) == (["1/1"], [str(CLIP)], ["Heavy snow"])
    assert outputs["cost"] == ["100"]
    assert float(outputs["duration"][0]) >= 0
    assert summary.startswith("### luma, shard 1/1\n")
    assert re.search(r"\| succeeded \| street.mp4 \| Heavy snow \| 100 \| 0s \|", summary)
    assert re.search(r"\| failed \| street.mp4 \| sandbox:withdrawn Heavy rain \|  \|  \| .*no longer", summary)


@needs_ffmpeg
def test_the_pieces_of_a_split_edit_are_paid_once_and_named(luma: Luma, sandbox: Sandbox, step: Path) -> None:
    luma("modify", DATA / "tiny-12s.mp4", "-p", "Heavy snow", "--split", "-o", "snow.mp4", "--github")

    outputs, summary = parse_outputs((step / "output").read_text()), html.unescape((step / "summary.md").read_text())
    assert (outputs["cost"], len(outputs["task-ids"])) == (["200"], 2)
    assert "2 of 2 succeeded, 200 credits\n" in summary
    assert re.search(r"\| tiny-12s.mp4, piece 2 of 2 \| Heavy snow \| 100 \|", summary)
    assert re.search(r"\| tiny-12s.mp4 \| Heavy snow \|  \|  \| <code>snow.mp4</code> \|", summary)


@pytest.mark.parametrize("words", [("nothere.mp4",), ("clip.mp4", "--outptu", "x.mp4")], ids=["file", "usage"])
def test_a_call_that_was_wrong_is_in_the_summary_too(luma: Luma, step: Path, words: tuple[str, ...]) -> None:
    code, _, err = luma("modify", *words, "-p", "Heavy snow", "--github")

    summary = html.unescape((step / "summary.md").read_text())
    assert (code, len(annotations(err))) == (2, 1)
    assert err.splitlines()[0].removeprefix("luma: error: ") in summary


def test_the_key_is_in_neither_file(luma: Luma, sandbox: Sandbox, step: Path) -> None:
    assert luma("modify", f"{KEY}/in.mp4", "-p", "Heavy snow", "--github").code == 2
    written = html.unescape((step / "summary.md").read_text())
    assert "cannot read [key]/in.mp4" in written
    assert KEY not in written + (step / "output").read_text()


def test_a_warning_is_an_annotation(luma: Luma, sandbox: Sandbox, step: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LUMA_JOURNAL", "off")
    Path("edits.jsonl").write_text(json.dumps({"prompt": "Heavy snow", "video": str(CLIP)}))
    err = luma("batch", "edits.jsonl", "--github").err

    assert all(line.startswith("::warning title=luma::") for line in annotations(err))
    assert len(annotations(err)) == err.count("luma: warning: ") > 0


def test_a_row_that_ran_out_of_time_is_generating_and_says_how_to_go_on(
    luma: Luma, sandbox: Sandbox, step: Path
) -> None:
    sandbox.tasks.duration = 3600
    Path("edits.jsonl").write_text(json.dumps({"prompt": "Heavy snow", "video": str(CLIP)}))
    out = luma("batch", "edits.jsonl", "-o", "out/", "--timeout", "1s", "--interval", "1s", "--github").out

    assert json.loads(out)["state"] == "generating"
    outputs, summary = parse_outputs((step / "output").read_text()), html.unescape((step / "summary.md").read_text())
    assert (outputs["state"], outputs["cost"]) == (["generating"], ["100"])
    assert f"luma wait {outputs['task-id'][0]} -o out/" in summary


def test_a_cost_that_is_not_known_of_each_is_no_cost_of_all(step: Path) -> None:
    results = Results()
    for number, cost in enumerate((100.0, None)):
        results.see(Task(f"{number:032}", State.SUCCEEDED, credits=cost))
    github_actions.write_step(results, 0)

    assert "2 of 2 succeeded, 100 credits, 1 of unknown cost\n\n|" in (step / "summary.md").read_text()
    assert parse_outputs((step / "output").read_text())["cost"] == []


def test_a_warning_is_annotated_as_one(luma: Luma, sandbox: Sandbox, step: Path) -> None:
    err = luma("modify", CLIP, "-p", "Heavy snow", "-o", "a.avi", "--github").err

    [line] = annotations(err)
    assert line.startswith("::warning title=luma::a.avi is an MP4 file")


def test_a_summary_stays_below_what_github_takes() -> None:
    results = Results()
    for number in range(4000):
        results.see(Task(f"{number:032}", State.SUCCEEDED, prompt="Heavy & snow" * 10))
    summary = github_actions.summary(results)

    assert len(summary.encode()) < 1 << 20
    assert re.search(r"… and \d+ more$", summary.rstrip())


def test_without_the_option_nothing_is_written(luma: Luma, sandbox: Sandbox, step: Path) -> None:
    luma("modify", CLIP_URL, "-p", "Heavy snow")

    assert list(step.iterdir()) == []


def test_a_file_that_cannot_be_written_is_said(luma: Luma, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_OUTPUT", "/proc/none")
    code, out, err = luma("modify", CLIP_URL, "-p", "Heavy snow", "--github")

    assert (code, out.count("\n")) == (11, 1)
    assert "luma: error: cannot write GITHUB_OUTPUT" in err


@given(prompt=HOSTILE, message=HOSTILE, name=HOSTILE)
def test_no_text_leaves_its_place_in_outputs_or_summary(prompt: str, message: str, name: str) -> None:
    results = Results()
    file = SavedFile(f"/a/{name}", 1, "0" * 64, "https://a.example/b.mp4")
    results.see(Task("id1", State.SUCCEEDED, prompt=prompt, error_message=message, files=(file,)))
    results.clips["id1"] = name
    results.refused.append(Failed(name, UsageError(message), asked=Task("", prompt=prompt)))

    written = "".join(github_actions._output(*output) for output in github_actions.outputs(results, 0).items())
    outputs = parse_outputs(written)
    assert list(outputs) == list(github_actions.outputs(results, 0))
    assert len(outputs["path"]) == 1
    _, _, *rows = github_actions.summary(results).rstrip("\n").split("\n")
    assert [row.count("|") for row in rows] == [8, 8]
    parser = Tags()
    parser.feed(rows[0])
    assert parser.found == ["code", "code"]
    assert not re.search(r"[*_`\[\]]", "".join(rows))


def test_a_hostile_message_stays_one_annotation(luma: Luma, sandbox: Sandbox, step: Path) -> None:
    name = "a%0A::set-env name=x::y.mp4"
    err = luma("modify", name, "-p", "Heavy snow", "--github").err

    [line] = annotations(err)
    assert line.startswith("::error title=luma::cannot read a%250A::set-env")


# --- the action and the workflow, as far as they can be run here ---

ACTION = yaml.safe_load((ROOT / ".github/actions/luma/action.yml").read_text())
WORKFLOW = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text())


def step_named(name: str) -> Any:
    return next(step for step in ACTION["runs"]["steps"] if step.get("id") == name)


def test_the_script_of_the_action_edits_a_video(sandbox: Sandbox, step: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inputs = {"PROMPT": '-p "$(touch hacked)" Heavy snow', "VIDEO": "-clip.mp4", "OUTPUT": "snow.mp4"}
    shutil.copy(CLIP, "-clip.mp4")
    script = step_named("modify")
    environment = {**os.environ, **inputs, "LUMA_BIN": str(Path(sys.executable).parent), "LUMA_STATE_DIR": ".luma"}
    assert set(script["env"]) <= {*environment, "LUMA_TIMEOUT"}
    done = subprocess.run(
        ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script["run"]],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "snow.mp4\n"), done.stderr
    assert not Path("hacked").exists()
    assert json.loads(sandbox.submissions()[0].body)["prompt"] == inputs["PROMPT"]
    assert Path("snow.mp4").read_bytes() == CLIP.read_bytes()
    outputs = parse_outputs((step / "output").read_text())
    wanted = re.findall(r"steps\.modify\.outputs\.([a-z-]+)", json.dumps(ACTION["outputs"]))
    assert set(wanted) <= set(outputs)


def test_no_input_of_the_action_is_pasted_into_a_script() -> None:
    assert [step for step in ACTION["runs"]["steps"] if "${{" in step.get("run", "")] == []


def test_the_script_of_the_action_that_installs_is_shell() -> None:
    done = subprocess.run(["bash", "-n"], input=step_named("install")["run"].encode(), check=False)
    assert done.returncode == 0


def test_the_workflow_runs_on_three_systems_and_every_python() -> None:
    matrix = WORKFLOW["jobs"]["test"]["strategy"]["matrix"]
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
    classifiers = " ".join(settings["project"]["classifiers"])
    assert [system.partition("-")[0] for system in matrix["os"]] == ["ubuntu", "macos", "windows"]
    assert re.findall(r":: (3\.\d+)", classifiers) == matrix["python"]
