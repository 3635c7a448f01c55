"""Results like the service's own, made with a real ffmpeg."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from luma_cli.sandbox import FfmpegMissing, Sandbox
from luma_cli.sandbox.realistic import Renderer, RenderFailed
from support.commands import DATA, KEY
from support.service import Reply, ask, balance, create, record, submit, upload

WAN = "wan/2-7-videoedit"

pytestmark = pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="needs ffmpeg")


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three quarters of a second at 29.97 fps with a tone, 160 by 90."""
    path = tmp_path_factory.mktemp("source") / "talk.mp4"
    command = "-f lavfi -i testsrc2=s=160x90:r=30000/1001:d=0.75 -f lavfi -i sine=d=0.75 -c:v libx264 -c:a aac"
    subprocess.run(["ffmpeg", "-v", "error", *command.split(), path], check=True)
    return path


@pytest.fixture
def box() -> Iterator[Sandbox]:
    with Sandbox(duration=0.0, api_key=KEY, realistic=True) as server:
        yield server


def result(box: Sandbox, source: Path, prompt: str = "Snow falls", model: str = "luma", **fields: str) -> Reply:
    """The file that an edit of the source ends with."""
    clip = {"video_url" if "/" in model else "videoUrl": upload(box, source.read_bytes())}
    task_id = create(box, model, prompt, **clip, **fields)
    assert record(box, task_id, model).code == 200
    task = box.tasks.find(task_id)
    assert task is not None
    return ask(box, task.result)


def facts(path: Path) -> str:
    """What ffmpeg says of a file's streams, and the number of its pictures."""
    done = subprocess.run(
        ["ffmpeg", "-hide_banner", "-i", path, "-map", "0:v", "-f", "null", "-"], capture_output=True, text=True
    )
    streams = [line for line in done.stderr.splitlines() if "Stream #0" in line][: done.stderr.count("(default)")]
    return "\n".join([*streams, re.findall(r"frame= *\d+", done.stderr)[-1]])


def test_a_result_is_silent_at_24_fps_of_another_size_and_longer(box: Sandbox, source: Path, tmp_path: Path) -> None:
    (tmp_path / "out.mp4").write_bytes(result(box, source).body)

    found = facts(tmp_path / "out.mp4")
    assert "Audio" not in found
    assert ", 120x68" in found or ", 120x66" in found
    assert "24 fps" in found
    assert re.search(r"frame= *21\b", found)  # 18 and three more


def test_a_result_differs_between_prompts_and_from_its_source(box: Sandbox, source: Path) -> None:
    files = [result(box, source, prompt).body for prompt in ("Snow falls", "Rain falls")]

    assert len({*files, source.read_bytes()}) == 3


def test_a_job_that_asks_for_the_original_sound_keeps_it(box: Sandbox, source: Path, tmp_path: Path) -> None:
    for setting in ("origin", "auto"):
        (tmp_path / "out.mp4").write_bytes(result(box, source, model=WAN, audio_setting=setting).body)
        assert ("Audio: aac" in facts(tmp_path / "out.mp4")) is (setting == "origin")


def test_one_task_may_be_realistic_by_its_prompt(source: Path) -> None:
    with Sandbox(duration=0.0, api_key=KEY) as box:
        assert result(box, source).body == source.read_bytes()
        assert result(box, source, "sandbox:realistic Snow").body != source.read_bytes()


def test_a_result_is_made_once_and_for_all_who_ask(box: Sandbox, source: Path) -> None:
    task = box.tasks.find(create(box, videoUrl=upload(box, source.read_bytes())))
    assert task is not None
    with ThreadPoolExecutor(4) as pool:
        files = list(pool.map(lambda _: ask(box, task.result).body, range(4)))

    assert len(set(files)) == 1
    link = ask(box, "/api/v1/common/download-url", {"url": box.url + task.result}).data
    assert ask(box, link).body == files[0]


def test_the_result_of_a_result_is_changed_again(box: Sandbox, source: Path) -> None:
    first = create(box, videoUrl=upload(box, source.read_bytes()))
    [link] = record(box, first).data["response"]["resultUrls"]
    fresh = ask(box, "/api/v1/common/download-url", {"url": link}).data
    [again] = record(box, create(box, prompt="Rain", videoUrl=fresh)).data["response"]["resultUrls"]

    assert len({source.read_bytes(), ask(box, link).body, ask(box, again).body}) == 3


def test_a_clip_from_elsewhere_becomes_a_little_clip_too(box: Sandbox) -> None:
    [link] = record(box, create(box)).data["response"]["resultUrls"]

    assert ask(box, link).body[4:8] == b"ftyp"


def test_what_is_not_a_video_fails_and_costs_nothing(box: Sandbox) -> None:
    before = balance(box)
    found = record(box, create(box, videoUrl=upload(box, b"not a video"))).data

    assert (found["successFlag"], found["errorCode"], found["response"]) == (3, 501, None)
    assert found["errorMessage"].startswith("Generation failed: ")
    assert balance(box) == before


@pytest.mark.parametrize("name", ["tiny.avi", "tiny.webm", "tiny.mov"])
def test_other_containers_become_mp4(box: Sandbox, name: str) -> None:
    [link] = record(box, create(box, videoUrl=upload(box, (DATA / name).read_bytes(), name))).data["response"][
        "resultUrls"
    ]

    assert link.endswith(".mp4")
    assert ask(box, link).body[4:8] == b"ftyp"


@pytest.mark.parametrize("prompt", ["", "%{pts} \\: ' [a]; b, c=d", "Schnee fällt \x1b[31m", "雪が降る"], ids=repr)
def test_a_prompt_is_only_text(source: Path, tmp_path: Path, prompt: str) -> None:
    target = tmp_path / "out.mp4"
    Renderer("ffmpeg", tmp_path).render(source, prompt, target, seconds=None, keeps_sound=False)

    assert target.stat().st_size > 1000


def test_the_length_can_be_cut_to_what_a_model_uses(source: Path, tmp_path: Path) -> None:
    target = tmp_path / "out.mp4"
    Renderer("ffmpeg", tmp_path).render(source, "Snow", target, seconds=0.5, keeps_sound=False)

    assert re.search(r"frame= *15\b", facts(target))


def test_an_ffmpeg_without_text_or_x264_marks_a_result_with_boxes(source: Path, tmp_path: Path) -> None:
    poor = tmp_path / "ffmpeg"
    poor.write_text(
        '#!/bin/sh\ncase "$*" in *drawtext*|*libx264*) echo "no such thing" >&2; exit 1;; esac\nexec ffmpeg "$@"\n'
    )
    poor.chmod(0o755)
    target = tmp_path / "out.mp4"

    Renderer(str(poor), tmp_path).render(source, "Snow", target, seconds=None, keeps_sound=False)

    assert "mpeg4" in facts(target)


def test_a_source_that_names_other_files_opens_none(tmp_path: Path) -> None:
    playlist = tmp_path / "list.mp4"
    playlist.write_text("#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nhttp://127.0.0.1:1/a.ts\n#EXT-X-ENDLIST\n")

    with pytest.raises(RenderFailed, match="not a video"):
        Renderer("ffmpeg", tmp_path).render(playlist, "Snow", tmp_path / "o", seconds=None, keeps_sound=False)


def test_nothing_is_made_after_the_end(source: Path, tmp_path: Path) -> None:
    renderer = Renderer("ffmpeg", tmp_path)
    renderer.close()

    with pytest.raises(RenderFailed, match="stopped"):
        renderer.render(source, "Snow", tmp_path / "o", seconds=None, keeps_sound=False)


def test_without_ffmpeg_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(FfmpegMissing, match="need ffmpeg"):
        Sandbox(realistic=True)
    with pytest.raises(FfmpegMissing, match="need ffmpeg"):
        Sandbox(scenario="realistic")
    with pytest.raises(FfmpegMissing, match="need ffmpeg"):
        Sandbox(realistic=True, ffmpeg="/nowhere/ffmpeg")
    with Sandbox(duration=0.0, api_key=KEY) as box:
        reply = submit(box, prompt="sandbox:realistic Snow")
        assert (reply.code, b"needs ffmpeg" in reply.body) == (422, True)


def test_an_ffmpeg_that_does_not_run_is_a_failure(source: Path, tmp_path: Path) -> None:
    with pytest.raises(RenderFailed, match="cannot be run"):
        Renderer(str(tmp_path), tmp_path).render(source, "Snow", tmp_path / "o", seconds=None, keeps_sound=False)
