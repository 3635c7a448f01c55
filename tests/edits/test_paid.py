"""A video that is paid for and cannot be saved: no script may take it for something to be submitted again."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from luma_cli.downloads import download
from support.commands import CLIP, CLIP_URL, Result
from support.fault_server import Answer, FaultServer, Request, envelope, head, ranged, reply

Luma = Callable[..., Result]
ID = "6d0a3f8c1b2e4a59b7c8d9e0f1a2b3c4"
WORDS = ("modify", CLIP_URL, "-p", "Heavy snow falls at night", "--no-check")


class World:
    """A service whose task has ended, and the host of its video, which replies what it is asked to."""

    def __init__(self, service: FaultServer, host: FaultServer) -> None:
        self.service = service
        self.host = host
        self.answer: Answer = reply(b"", 503)

    @property
    def posts(self) -> int:
        return sum(request.path.endswith("/generate") for request in self.service.requests)


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    monkeypatch.setitem(download.download.__kwdefaults__, "sleep", lambda _: None)  # type: ignore[arg-type]

    def serve(request: Request) -> Answer:
        if request.path.endswith("/generate"):
            return envelope(200, {"taskId": ID})
        if "record-info" in request.path:
            links = [made.host.url("/a.mp4")]
            return envelope(200, {"taskId": ID, "successFlag": 1, "response": {"resultUrls": links}})
        return envelope(422)  # no other link either

    with FaultServer(serve) as service, FaultServer(lambda _: made.answer) as host:
        made = World(service, host)
        monkeypatch.setenv("LUMA_BASE_URL", service.url("").rstrip("/"))
        yield made


TROUBLES = {
    "down": reply(b"", 503),
    "gone": reply(b"", 404),
    "too large": (head(200, content_length=10**15, content_type="video/mp4"),),
    "a page": reply(b"<html>", content_type="text/html"),
    "cut": (ranged(CLIP.read_bytes(), cut_after=1000, etag=None),),
}


@pytest.mark.parametrize("trouble", TROUBLES)
@pytest.mark.parametrize("place", ["snow.mp4", "my films/"])
def test_the_way_on_saves_the_video_without_paying_again(luma: Luma, world: World, trouble: str, place: str) -> None:
    world.answer = TROUBLES[trouble]
    code, out, err = luma(*WORDS, "-o", place, "--json")

    error = json.loads(err.splitlines()[-1])["error"]
    assert (code, error["exitCode"], error["retryable"], error["taskId"]) == (11, 11, False, ID)
    option = "-o snow.mp4" if place == "snow.mp4" else "-o 'my films/'"
    assert error["hint"] == f"the video is paid for and waits at kie.ai: luma download {ID} {option}"
    assert json.loads(out)["state"] == "succeeded"

    world.answer = (ranged(CLIP.read_bytes()),)
    code, out, _ = luma("download", ID, "-o", place)
    assert (code, world.posts) == (0, 1)
    assert Path(out.strip()).read_bytes() == CLIP.read_bytes()


def test_a_wait_that_cannot_save_can_be_run_again(luma: Luma, world: World) -> None:
    luma(*WORDS)
    code, _, err = luma("wait", ID, "-o", "snow.mp4")
    assert code == 7
    assert "hint: run the same command again later" in err


def test_a_full_stdout_shows_where_the_video_is(world: World) -> None:
    world.answer = (ranged(CLIP.read_bytes()),)
    with open("/dev/full", "wb") as full:
        words = [sys.executable, "-m", "luma_cli", *WORDS, "-o", "-"]
        done = subprocess.run(words, stdout=full, stderr=subprocess.PIPE, text=True, timeout=60, check=False)

    assert (done.returncode, world.posts) == (11, 1)
    assert "luma: error: cannot write to stdout: no space left on device\n" in done.stderr
    assert done.stderr.endswith(f"luma download {ID} -o FILE\n")


def test_a_reader_that_goes_away_gets_the_id(world: World) -> None:
    world.answer = (ranged(CLIP.read_bytes() * 40),)
    words = [sys.executable, "-m", "luma_cli", *WORDS, "-o", "-"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        process.stdout.close()
        assert process.stderr is not None
        told = process.stderr.read()

    assert process.returncode == 141
    assert f"luma download {ID} -o FILE\n" in told


@pytest.mark.parametrize("words", [["-w"], ["-o", "snow.mp4"], []])
def test_an_empty_place_is_reported_before_anything_is_sent(luma: Luma, world: World, words: list[str]) -> None:
    assert luma(*WORDS, *words, "-o", "")[:2] == (2, "")
    assert world.service.connections == 0
