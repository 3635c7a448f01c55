"""`luma modify`: the main job, and what must be found out before money is spent."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pexpect
import pytest

from luma_cli.sandbox import Sandbox
from support import processes
from support.commands import CLIP, CLIP_URL, DATA, MIB, Result, measured

Luma = Callable[..., Result]
PROMPT = "Heavy snow falls at night"


def uploads(sandbox: Sandbox) -> int:
    return sum(request.path == "/api/file-stream-upload" for request in sandbox.requests)


def test_one_link_gives_one_id(luma: Luma, sandbox: Sandbox) -> None:
    code, out, _ = luma("modify", CLIP_URL, "-p", PROMPT)

    [request] = sandbox.submissions()
    assert json.loads(request.body) == {"prompt": PROMPT, "videoUrl": CLIP_URL}
    assert (code, out) == (0, f"{json.loads(luma('status', '--json').out)['taskId']}\n")


def test_a_local_clip_is_uploaded_under_a_random_name(luma: Luma, sandbox: Sandbox) -> None:
    luma("modify", CLIP, "-p", PROMPT)
    luma("modify", CLIP, "-p", PROMPT)

    links = [json.loads(request.body)["videoUrl"] for request in sandbox.submissions()]
    assert len(links) == 2
    assert len(set(links)) == 1, "a clip is uploaded once while its link lives"
    assert links[0].startswith(sandbox.url)
    assert "street" not in links[0]


def test_all_options_of_the_service_are_sent(luma: Luma, sandbox: Sandbox) -> None:
    luma("modify", CLIP_URL, "-p", PROMPT, "--watermark", "mine", "--callback-url", "https://hooks.example.net/kie")

    assert json.loads(sandbox.submissions()[0].body) == {
        "prompt": PROMPT,
        "videoUrl": CLIP_URL,
        "watermark": "mine",
        "waterMark": "mine",
        "callBackUrl": "https://hooks.example.net/kie",
    }


def test_the_prompt_can_come_from_a_file(luma: Luma, sandbox: Sandbox) -> None:
    Path("prompt.txt").write_text(f"{PROMPT}\n")
    luma("modify", CLIP_URL, "-F", "prompt.txt")

    assert json.loads(sandbox.submissions()[0].body)["prompt"] == PROMPT


def test_the_prompt_can_come_from_stdin(luma: Luma, sandbox: Sandbox) -> None:
    luma("modify", CLIP_URL, "-F", "-", stdin=f"{PROMPT}\n")

    assert json.loads(sandbox.submissions()[0].body)["prompt"] == PROMPT


def test_stdin_is_not_read_where_nothing_asks_for_it(sandbox: Sandbox) -> None:
    reader, writer = os.pipe()
    done = subprocess.run(
        [sys.executable, "-m", "luma_cli", "modify", CLIP_URL, "-p", PROMPT],
        stdin=reader,
        capture_output=True,
        timeout=60,
        check=False,
    )
    os.write(writer, b"still there")
    assert (done.returncode, os.read(reader, 100)) == (0, b"still there")
    os.close(reader)
    os.close(writer)


@pytest.mark.parametrize(
    ("words", "error"),
    [
        ([CLIP_URL], "Prompt is missing, and there is no terminal to ask on"),
        ([CLIP_URL, "-p", "  "], "the prompt is empty"),
        ([CLIP_URL, "-p", "a", "-F", "b"], "both --prompt and --prompt-file are given"),
        ([CLIP_URL, "-F", "none.txt"], "cannot read none.txt: no such file or directory"),
        (["ftp://a.example/b.mp4", "-p", PROMPT], "'ftp://a.example/b.mp4' is not an http(s) link"),
        (["none.mp4", "-p", PROMPT], "cannot read none.mp4: no such file or directory"),
        ([".", "-p", PROMPT], ". is not a regular file"),
        ([CLIP_URL, CLIP_URL, "-p", PROMPT, "--idempotency-key", "k"], "one idempotency key cannot stand for several"),
        ([CLIP_URL, "-p", PROMPT, "--interval", "0s"], "--interval must be at least 1s"),
        (["-p", PROMPT], "Missing argument 'VIDEO...'"),
        ([CLIP_URL, "--promt", PROMPT], "No such option: --promt"),
    ],
)
def test_a_wrong_call_exits_2_and_sends_nothing(luma: Luma, sandbox: Sandbox, words: list[str], error: str) -> None:
    code, out, err = luma("modify", *words)

    assert (code, out, sandbox.requests) == (2, "", [])
    assert f"luma: error: {error}" in err


def test_wait_prints_the_links_instead_of_the_id(luma: Luma, sandbox: Sandbox) -> None:
    code, out, _ = luma("modify", CLIP_URL, "-p", PROMPT, "-w")

    assert code == 0
    assert out.startswith(f"{sandbox.url}/files/results/")
    assert out.count("\n") == 1


def test_the_video_can_go_to_stdout(luma: Luma, run: Luma, sandbox: Sandbox) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "luma_cli", "modify", CLIP, "-p", PROMPT, "-o", "-"],
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, CLIP.read_bytes())
    assert os.listdir() == []


def test_a_name_with_a_slash_at_its_end_is_a_folder_to_be_made(luma: Luma, sandbox: Sandbox) -> None:
    code, out, _ = luma("modify", CLIP, "-p", PROMPT, "-o", "out/")

    [name] = os.listdir("out")
    assert (code, out) == (0, f"out/{name}\n")
    assert name.startswith("street-")


def test_force_overwrites(luma: Luma, sandbox: Sandbox) -> None:
    Path("a.mp4").write_text("old")

    assert luma("modify", CLIP, "-p", PROMPT, "-o", "a.mp4", "-f").code == 0
    assert Path("a.mp4").read_bytes() == CLIP.read_bytes()


def test_an_existing_output_is_found_before_anything_is_sent(luma: Luma, sandbox: Sandbox) -> None:
    Path("a.mp4").write_text("old")
    code, out, err = luma("modify", CLIP, "-p", PROMPT, "-o", "a.mp4")

    assert (code, out, sandbox.requests) == (11, "", [])
    assert "a.mp4 exists" in err
    assert "--force" in err


@pytest.mark.parametrize("target", ["none/a.mp4", "/proc/a.mp4", "file/a.mp4"])
def test_a_place_that_cannot_be_written_is_found_before_anything_is_sent(
    luma: Luma, sandbox: Sandbox, target: str
) -> None:
    Path("file").write_text("no folder")
    code, out, _ = luma("modify", CLIP, "-p", PROMPT, "-o", target)

    assert (code, out, sandbox.requests) == (11, "", [])


def test_several_videos_cannot_share_one_file(luma: Luma, sandbox: Sandbox) -> None:
    assert luma("modify", CLIP_URL, f"{CLIP_URL}?2", "-p", PROMPT, "-o", "a.mp4").code == 2
    assert sandbox.requests == []


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (("a.mp4", "-p", "Heavy", "b.mp4"), "check the name and who may read it"),
        (("a.mp4", "-p", "Heavy", "snow", "falls"), 'quote the prompt: -p "Heavy snow falls"'),
        (("a.mp4", "heavy", "snow"), 'quote the prompt: -p "Heavy snow falls"'),
        (("heavy", "snow", "a.mp4"), 'quote the prompt: -p "Heavy snow falls"'),
        (("clip", "a.mp4"), "check the name and who may read it"),
        (
            ("Heavy snow falls all over the street at night", "a.mp4"),
            'a prompt needs its option: -p "Heavy snow falls"',
        ),
        (("a.mp4", "Heavy rain"), 'a prompt needs its option: -p "Heavy snow falls"'),
        (("my clip.mp4",), "check the name and who may read it"),
    ],
)
def test_a_video_that_is_neither_file_nor_link_stops_the_whole_command(
    luma: Luma, sandbox: Sandbox, words: tuple[str, ...], hint: str
) -> None:
    Path("a.mp4").write_bytes(CLIP.read_bytes())
    code, out, err = luma("modify", *words)

    assert (code, out, sandbox.requests) == (2, "", [])
    assert re.fullmatch(rf"luma: error: cannot read .*: no such file or directory\nhint: {re.escape(hint)}\n", err)


def test_an_unfit_clip_does_not_cost_the_others(luma: Luma, sandbox: Sandbox) -> None:
    for name, data in (("a.mp4", CLIP), ("c.mp4", CLIP), ("b.mp4", DATA / "tiny-12s.mp4")):
        Path(name).write_bytes(data.read_bytes())
    code, out, err = luma("modify", "a.mp4", "b.mp4", "c.mp4", "-p", PROMPT, "-o", "out/")

    assert code == 9
    assert [line.split("-")[0] for line in sorted(out.splitlines())] == ["out/a", "out/c"]
    assert "luma: b.mp4: " in err
    assert "luma: error: 1 of 3 did not succeed" in err


@pytest.mark.parametrize("name", ["notes.mp4", "./notes.mp4", ".//notes.mp4"])
def test_an_unfit_clip_is_refused_however_its_path_is_spelled(luma: Luma, sandbox: Sandbox, name: str) -> None:
    Path("notes.mp4").write_text("not a video")

    code, out, err = luma("modify", name, "-p", "Heavy snow falls")
    assert (code, out, sandbox.requests) == (2, "", [])
    assert "luma: error: not MP4, MOV or AVI but text\n" in err


def test_a_dry_run_prints_the_request_and_sends_nothing(luma: Luma, sandbox: Sandbox) -> None:
    code, out, _ = luma("modify", CLIP, CLIP_URL, "-p", PROMPT, "-n", "--json")

    payloads = [json.loads(line)["body"] for line in out.splitlines()]
    assert (code, sandbox.requests) == (0, [])
    assert [payload["videoUrl"] for payload in payloads] == [f"(upload of {CLIP})", CLIP_URL]


def test_a_dry_run_needs_no_key(luma: Luma, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LUMA_API_KEY")

    assert luma("modify", CLIP, "-p", PROMPT, "-n").code == 0


@pytest.mark.parametrize("key", ["release-7", "auto"])
def test_an_idempotency_key_continues_the_task(luma: Luma, sandbox: Sandbox, key: str) -> None:
    words = ("modify", CLIP, "-p", PROMPT, "--idempotency-key", key)
    first, second = luma(*words), luma(*words)

    assert first.out == second.out
    assert (len(sandbox.submissions()), uploads(sandbox)) == (1, 1)


def test_an_automatic_key_goes_by_the_clips_content(luma: Luma, sandbox: Sandbox) -> None:
    Path("a.mp4").write_bytes(CLIP.read_bytes())
    Path("b.mp4").write_bytes((CLIP.parent / "tiny-front.mp4").read_bytes())
    outs = [luma("modify", name, "-p", PROMPT, "--idempotency-key", "auto").out for name in (CLIP, "a.mp4", "b.mp4")]

    assert outs[0] == outs[1] != outs[2]


def test_a_repeated_line_with_its_file_is_done_already(luma: Luma, sandbox: Sandbox) -> None:
    words = ("modify", CLIP, "-p", PROMPT, "--idempotency-key", "auto", "-o", "snow.mp4")

    assert luma(*words)[:2] == luma(*words)[:2] == (0, "snow.mp4\n")
    assert len(sandbox.submissions()) == 1


def test_after_a_lost_reply_the_same_submission_is_refused_until_resubmit(luma: Luma, sandbox: Sandbox) -> None:
    sandbox.scenario = "lost-answer"
    assert luma("modify", CLIP_URL, "-p", PROMPT).code == 12
    sandbox.scenario = "ok"
    again = luma("modify", CLIP_URL, "-p", PROMPT)

    assert (again.code, again.out, len(sandbox.submissions())) == (12, "", 1)
    assert "--resubmit" in again.err
    assert luma("modify", CLIP_URL, "-p", "Something else").code == 0
    assert luma("modify", CLIP_URL, "-p", PROMPT, "--resubmit").code == 0


def test_without_a_journal_nothing_is_spent(luma: Luma, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("file").write_text("no folder")
    monkeypatch.setenv("LUMA_STATE_DIR", str(Path("file/state").absolute()))
    code, out, err = luma("modify", CLIP_URL, "-p", PROMPT)

    assert (code, out, sandbox.requests) == (11, "", [])
    assert "LUMA_STATE_DIR" in err
    monkeypatch.setenv("LUMA_JOURNAL", "off")
    assert luma("modify", CLIP_URL, "-p", PROMPT).code == 0


def test_the_id_is_on_disk_before_it_is_on_the_screen(sandbox: Sandbox) -> None:
    """The reader of the pipe asks the journal the moment it sees the id."""
    with processes.Luma("modify", CLIP_URL, "-p", PROMPT, stdout=subprocess.PIPE, text=True) as process:
        task_id = process.stdout.readline().strip()
        told = subprocess.run(
            [sys.executable, "-m", "luma_cli", "tasks"], capture_output=True, text=True, timeout=60, check=False
        )
    assert task_id in told.stdout


def test_a_big_clip_is_streamed_in_little_memory(sandbox: Sandbox, tmp_path: Path) -> None:
    """500 MB, of which the file system holds only the header."""
    big = tmp_path / "big.mp4"
    big.write_bytes(CLIP.read_bytes())
    with big.open("ab") as file:
        box = 500_000_000 - CLIP.stat().st_size
        file.write(box.to_bytes(4) + b"free")
        file.truncate(500_000_000)
    result, used = measured([sys.executable, "-m", "luma_cli", "modify", big, "-p", PROMPT, "-q", "--no-check"])

    assert result.code == 0, result.err
    assert used.peak < 60 * MIB


def test_a_dry_run_in_text_prints_a_line_for_each_field(luma: Luma, sandbox: Sandbox) -> None:
    code, out, _ = luma("modify", CLIP_URL, "-p", PROMPT, "--watermark", "mine", "-n")

    assert (code, sandbox.requests) == (0, [])
    assert out == (
        f"POST {sandbox.url}/api/v1/modify/generate\n"
        f"prompt\t{PROMPT}\nvideoUrl\t{CLIP_URL}\nwatermark\tmine\nwaterMark\tmine\n"
    )


def test_a_dry_run_leaves_no_row_and_no_folder(luma: Luma, sandbox: Sandbox) -> None:
    assert luma("modify", CLIP, "-p", PROMPT, "-o", "out/", "-n").code == 0

    assert (os.listdir(), luma("tasks").out) == ([], "")


def test_many_videos_give_as_many_ids_in_their_order(luma: Luma, sandbox: Sandbox) -> None:
    links = [f"{CLIP_URL}?{number}" for number in range(3)]
    code, out, _ = luma("modify", *links, "-p", PROMPT)

    assert code == 0
    assert [json.loads(request.body)["videoUrl"] for request in sandbox.submissions()] == links
    assert [sandbox.tasks.find(line).params["videoUrl"] for line in out.splitlines()] == links  # type: ignore[union-attr]


def test_a_folder_takes_all_the_results_under_names_of_their_own(luma: Luma, sandbox: Sandbox) -> None:
    Path("out").mkdir()
    for name in ("a.mp4", "b.mp4"):
        Path(name).write_bytes(CLIP.read_bytes())
    code, out, _ = luma("modify", "a.mp4", "b.mp4", "-p", PROMPT, "-o", "out")

    assert code == 0
    assert sorted(out.splitlines()) == sorted(f"out/{name}" for name in os.listdir("out"))
    assert [Path("out", name).read_bytes() for name in os.listdir("out")] == [CLIP.read_bytes()] * 2


def test_a_link_is_edited_and_saved_without_an_upload(luma: Luma, sandbox: Sandbox) -> None:
    assert luma("modify", CLIP_URL, "-p", PROMPT, "-o", "a.mp4")[:2] == (0, "a.mp4\n")
    assert uploads(sandbox) == 0
    assert Path("a.mp4").stat().st_size > 0


def test_a_missing_prompt_is_asked_for_on_a_terminal(sandbox: Sandbox) -> None:
    child = pexpect.spawn(sys.executable, ["-m", "luma_cli", "modify", CLIP_URL], encoding="utf-8", timeout=60)
    child.expect("Prompt: ")
    child.sendline(PROMPT)
    child.expect(pexpect.EOF)
    child.close()

    assert child.exitstatus == 0
    assert [json.loads(request.body)["prompt"] for request in sandbox.submissions()] == [PROMPT]


def test_end_of_input_instead_of_a_prompt_exits_3_and_sends_nothing(sandbox: Sandbox) -> None:
    child = pexpect.spawn(sys.executable, ["-m", "luma_cli", "modify", CLIP_URL], encoding="utf-8", timeout=60)
    child.expect("Prompt: ")
    child.sendeof()
    child.expect(pexpect.EOF)
    child.close()

    assert (child.exitstatus, sandbox.requests) == (3, [])
    shown = re.sub(r"\x1b\[[0-9;]*m", "", child.before or "")
    assert "\r\nluma: error: no answer: input ended\r\n" in shown


def test_what_was_submitted_before_is_continued_in_one_line(luma: Luma, sandbox: Sandbox) -> None:
    words = ("modify", CLIP_URL, "-p", PROMPT, "--idempotency-key", "auto")
    task_id = luma(*words).out.strip()

    assert luma(*words) == (0, f"{task_id}\n", f"luma: continuing task {task_id}, submitted before\n")
    assert luma(*words, "-w").err.count(f"luma: continuing task {task_id}, submitted before\n") == 1
    assert "is submitted" not in luma(*words, "-w").err


def test_a_key_whose_task_has_failed_says_how_to_begin_anew(luma: Luma, sandbox: Sandbox) -> None:
    sandbox.scenario = "flag3"
    words = ("modify", CLIP_URL, "-p", PROMPT, "--idempotency-key", "release-8", "-w")
    assert luma(*words).code == 5
    task_id = luma("tasks").out.split("\t")[0]
    sandbox.scenario = "ok"

    code, _, err = luma(*words)
    assert code == 5
    assert f"submitted before: it has failed, and luma tasks forget {task_id} lets you submit it anew\n" in err
    luma("tasks", "forget", task_id)
    assert luma(*words).code == 0


def test_an_idempotency_key_of_another_edit_is_refused(luma: Luma, sandbox: Sandbox) -> None:
    words = ("modify", CLIP_URL, "--idempotency-key", "release-7", "-p")
    assert luma(*words, PROMPT).code == 0

    assert luma(*words, "Something else")[:2] == (2, "")
    assert len(sandbox.submissions()) == 1


def test_an_automatic_key_goes_by_prompt_and_watermark(luma: Luma, sandbox: Sandbox) -> None:
    edits = [("-p", PROMPT), ("-p", "Rain"), ("-p", PROMPT, "--watermark", "mine")]
    for _ in range(2):
        for edit in edits:
            assert luma("modify", CLIP_URL, "--idempotency-key", "auto", *edit).code == 0

    assert len(sandbox.submissions()) == len(edits)


def test_a_failed_task_is_not_paid_for_again_under_its_key(luma: Luma, sandbox: Sandbox) -> None:
    words = ("modify", CLIP_URL, "--idempotency-key", "k", "-w", "-p", f"sandbox:flag3 {PROMPT}")

    assert [luma(*words).code for _ in range(2)] == [5, 5]
    assert len(sandbox.submissions()) == 1


def test_a_refused_submission_may_be_made_again_under_its_key(luma: Luma, sandbox: Sandbox) -> None:
    words = ("modify", CLIP_URL, "--idempotency-key", "k", "-p", PROMPT)
    sandbox.scenario = "no-credits"
    assert luma(*words).code == 10
    sandbox.scenario = "ok"

    assert luma(*words).code == 0


def test_no_credits_ends_a_list_at_once(luma: Luma, sandbox: Sandbox) -> None:
    sandbox.credits = 250
    code, out, _ = luma("modify", *(f"{CLIP_URL}?{number}" for number in range(5)), "-p", PROMPT)

    assert (code, len(out.splitlines()), len(sandbox.submissions())) == (9, 2, 3)


def test_one_task_that_fails_does_not_cost_the_others(luma: Luma, sandbox: Sandbox) -> None:
    """The third submission meets a service that has changed its mind."""
    for name in ("a.mp4", "b.mp4", "c.mp4"):
        Path(name).write_bytes(CLIP.read_bytes())
    sandbox.credits = 250
    code, out, err = luma("modify", "a.mp4", "b.mp4", "c.mp4", "-p", PROMPT, "-o", "out/", "--json")

    saved = [json.loads(line)["files"][0]["path"] for line in out.splitlines()]
    assert (code, sorted(saved)) == (9, sorted(str(path.absolute()) for path in Path("out").iterdir()))
    assert len(saved) == 2
    assert json.loads(err.splitlines()[-1])["error"]["code"] == "mixed_outcomes"


@pytest.mark.parametrize("words", [["-p", b"\xff\xfe"], [b"--watermark=\xff", "-p", "x"]])
def test_an_argument_that_is_no_text_exits_2_and_sends_nothing(sandbox: Sandbox, words: list[str | bytes]) -> None:
    command = [sys.executable, "-m", "luma_cli", "modify", CLIP_URL, *words]
    done = subprocess.run(command, capture_output=True, timeout=60, check=False)

    assert (done.returncode, done.stdout, sandbox.requests) == (2, b"", [])
    assert b"is not valid text" in done.stderr


def test_a_prompt_of_a_megabyte_exits_2_and_sends_nothing(luma: Luma, sandbox: Sandbox) -> None:
    Path("prompt.txt").write_text("Snow " * 200_000)

    assert luma("modify", CLIP_URL, "-F", "prompt.txt")[:2] == (2, "")
    assert sandbox.requests == []


@pytest.mark.parametrize("content", [b"\xff\xfeS\0", b"Sn\0ow"], ids=["utf-16", "nul"])
def test_a_prompt_file_that_is_no_text_exits_2_and_sends_nothing(luma: Luma, sandbox: Sandbox, content: bytes) -> None:
    Path("prompt.txt").write_bytes(content)

    assert luma("modify", CLIP_URL, "-F", "prompt.txt")[:2] == (2, "")
    assert sandbox.requests == []


def test_a_prompt_reaches_the_service_letter_by_letter(luma: Luma, sandbox: Sandbox) -> None:
    prompt = "Snow \"falls\" \\n on [bold]Zürich[/bold] & it's 100% 'white' — :snowflake: \u2744"
    luma("modify", CLIP_URL, "-p", prompt)

    assert json.loads(sandbox.submissions()[0].body)["prompt"] == prompt


def test_a_name_that_looks_like_an_option_can_be_given_behind_two_dashes(luma: Luma, sandbox: Sandbox) -> None:
    Path("-o.mp4").write_bytes(CLIP.read_bytes())

    assert luma("modify", "-p", PROMPT, "--", "-o.mp4").code == 0


@pytest.mark.parametrize("words", [["--json", "modify"], ["modify", "--json"]], ids=" ".join)
def test_json_stands_before_or_after_the_commands_name(luma: Luma, sandbox: Sandbox, words: list[str]) -> None:
    out = luma(*words, CLIP_URL, "-p", PROMPT).out

    assert json.loads(out)["state"] in ("unknown", "generating")
    assert json.loads(out)["taskId"] in sandbox.tasks._tasks


def test_quiet_leaves_nothing_but_the_result(run: Luma, sandbox: Sandbox) -> None:
    assert run("modify", CLIP, "-p", PROMPT, "-o", "a.mp4", "-q") == (0, "a.mp4\n", "")


@pytest.mark.parametrize("prompt", ["-n", "--json", "--dry-run", "-o", "-w"])
def test_an_option_in_the_prompts_place_exits_2_and_sends_nothing(luma: Luma, sandbox: Sandbox, prompt: str) -> None:
    code, out, err = luma("modify", CLIP_URL, "-p", prompt)

    assert (code, out, sandbox.requests) == (2, "", [])
    assert f"the prompt is {prompt}, which looks like an option" in err


def test_a_prompt_may_begin_with_a_dash(luma: Luma, sandbox: Sandbox) -> None:
    assert luma("modify", CLIP_URL, "-p", "- heavy snow, and fog").code == 0
    assert luma("modify", CLIP_URL, "-p", "-20 degrees, everything is frozen").code == 0


def test_without_the_journal_there_is_no_idempotency_key(
    luma: Luma, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LUMA_JOURNAL", "off")
    code, _, err = luma("modify", CLIP_URL, "-p", PROMPT, "--idempotency-key", "auto")

    assert (code, sandbox.requests) == (2, [])
    assert "hint: unset LUMA_JOURNAL" in err


@pytest.mark.parametrize("value", ["banana", "of", "2"])
def test_a_switch_of_the_journal_that_says_nothing_is_an_error(
    luma: Luma, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.setenv("LUMA_JOURNAL", value)

    assert luma("modify", CLIP_URL, "-p", PROMPT)[:2] == (2, "")
    assert sandbox.requests == []


@pytest.mark.parametrize(("value", "rows"), [("on", 1), ("1", 1), ("OFF", 0), ("0", 0), ("false", 0), ("", 1)])
def test_the_journal_is_kept_or_not_as_the_switch_says(
    luma: Luma, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, value: str, rows: int
) -> None:
    monkeypatch.setenv("LUMA_JOURNAL", value)
    assert luma("modify", CLIP_URL, "-p", PROMPT).code == 0
    monkeypatch.delenv("LUMA_JOURNAL")
    assert luma("tasks").out.count("\n") == rows


def test_an_output_in_the_way_is_found_by_a_dry_run_too(luma: Luma, sandbox: Sandbox) -> None:
    Path("snow.mp4").write_text("mine")
    assert luma("modify", CLIP_URL, "-p", PROMPT, "-o", "snow.mp4", "-n").code == 11


@pytest.mark.parametrize("place", ["a.mp4", "./a.mp4", "link.mp4"])
def test_a_clip_is_never_overwritten_by_its_own_edit(luma: Luma, sandbox: Sandbox, place: str) -> None:
    Path("a.mp4").write_bytes(CLIP.read_bytes())
    os.link("a.mp4", "link.mp4")
    code, out, err = luma("modify", "a.mp4", "-p", PROMPT, "-o", place, "-f")

    assert (code, out, sandbox.requests) == (2, "", [])
    assert err.startswith("luma: error: a.mp4 would be overwritten by its own edit\n")
    assert Path("a.mp4").read_bytes() == CLIP.read_bytes()


@pytest.mark.parametrize("key", ["", " "])
def test_an_empty_key_is_refused(luma: Luma, sandbox: Sandbox, key: str) -> None:
    """In a script it is a variable that was not set: it would stand for every edit."""
    code, out, err = luma("modify", CLIP_URL, "-p", PROMPT, "--idempotency-key", key)

    assert (code, out, sandbox.requests) == (2, "", [])
    assert err.startswith("luma: error: the idempotency key is empty\n")


def test_a_dry_run_says_what_would_not_be_sent(luma: Luma, sandbox: Sandbox) -> None:
    keyed = ("modify", CLIP_URL, "-p", PROMPT, "--idempotency-key", "k")
    task_id = luma(*keyed).out.strip()
    sandbox.scenario = "lost-answer"
    luma("modify", CLIP_URL, "-p", "Oil painting")

    assert f"task {task_id} would be continued" in luma(*keyed, "-n").err
    code, out, err = luma("modify", CLIP_URL, "-p", "Oil painting", "-n")
    assert (code, out) == (12, "")
    assert "has an unknown outcome" in err


def test_a_file_whose_name_begins_with_a_dash_is_named(luma: Luma) -> None:
    Path("-dash.mp4").touch()

    code, _, err = luma("modify", "-dash.mp4", "-p", PROMPT)
    assert (code, err.splitlines()[-1]) == (2, "hint: for the file of that name: ./-dash.mp4")
