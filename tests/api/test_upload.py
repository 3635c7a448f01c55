"""A clip that changes while it is uploaded is noticed, whatever the connection makes of it."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from luma_cli.api.client import Client
from luma_cli.api.upload import ClipReader
from luma_cli.errors import FileError
from luma_cli.sandbox import Sandbox
from support.commands import KEY

SIZE = 1 << 20


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    path = tmp_path / "clip.mp4"
    path.write_bytes(bytes(SIZE))
    return path


def upload(sandbox: Sandbox, clip: Path, change: Callable[[], object]) -> str:
    changes = [change]

    def on_progress(done: int, _total: int) -> None:
        if done and changes:
            changes.pop()()

    client = Client(sandbox.url, sandbox.url, KEY)
    try:
        return client.upload(clip, on_progress)
    finally:
        client.close()


def test_a_clip_that_stays_as_it_is_gets_a_link(sandbox: Sandbox, clip: Path) -> None:
    assert upload(sandbox, clip, lambda: None).startswith(sandbox.url)


@pytest.mark.parametrize("size", [0, SIZE // 2, SIZE - 1, SIZE + 1, 2 * SIZE], ids=str)
def test_a_clip_that_shrinks_or_grows_is_an_error(sandbox: Sandbox, clip: Path, size: int) -> None:
    with pytest.raises(FileError, match=r"clip\.mp4 changed while it was uploaded; nothing was submitted"):
        upload(sandbox, clip, lambda: os.truncate(clip, size))


def test_a_clip_that_is_written_to_is_an_error(sandbox: Sandbox, clip: Path) -> None:
    with pytest.raises(FileError, match="changed while it was uploaded"):
        upload(sandbox, clip, lambda: (clip.write_bytes(bytes(SIZE)), os.utime(clip, ns=(1, 1))))


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="no file here that cannot be read")
def test_a_clip_that_cannot_be_read_is_not_a_failure_of_the_network() -> None:
    with ClipReader(Path("/proc/self/mem")) as clip:
        clip._left = 10  # its size is said to be 0
        with pytest.raises(FileError, match="cannot read mem"):
            clip.read(10)
