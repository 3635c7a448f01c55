"""Links, beside what `test_clips.py` tries through the command."""

from collections.abc import Callable
from pathlib import Path

import pytest

from luma_cli.api.models import Limits
from luma_cli.api.transport import Session
from luma_cli.checks import links
from support.commands import CLIP, DATA
from support.fault_server import FaultServer, Peer, head


def served(content: bytes) -> Callable[[Peer], None]:
    """Both ends of a range are obeyed."""

    def act(peer: Peer) -> None:
        assert peer.request is not None
        first, _, last = peer.request.headers["range"].removeprefix("bytes=").partition("-")
        part = content[int(first) : int(last) + 1]
        place = f"bytes {first}-{int(first) + len(part) - 1}/{len(content)}"
        head(206, content_length=len(part), content_range=place)(peer)
        peer.send(part)

    return act


def found(content: bytes, limits: Limits | None = None) -> list[tuple[str, str]]:
    with FaultServer([(served(content),)]) as server, Session() as session:
        arguments = [limits] if limits else []
        findings = links.check_link(server.url("/a.mp4"), session, *arguments, allow_local=True)
    return [(finding.name, finding.level) for finding in findings]


def test_the_model_s_own_limits_hold_for_a_link() -> None:
    clip = CLIP.read_bytes()  # 3 s, 256x144, 12 frames a second

    assert found(clip, Limits(max_seconds=2)) == [("too-long", "error")]
    assert found(clip, Limits(max_seconds=10, min_seconds=5)) == [("too-short", "error")]
    assert found(clip, Limits(max_seconds=10, min_side=240)) == [("picture-size", "error")]
    assert found(clip, Limits(max_seconds=10, max_side=240)) == [("picture-size", "error")]
    assert found(clip, Limits(max_seconds=10, min_frame_rate=15)) == [("frame-rate", "warning")]
    assert found(clip, Limits(max_seconds=10, max_link_bytes=1000)) == [("too-large", "error")]
    assert found(clip, Limits(max_seconds=10, doubtful_bytes=1000)) == [("too-large", "warning")]
    assert found(clip, Limits(max_seconds=10, min_side=144, max_side=256, min_frame_rate=8)) == []


@pytest.mark.parametrize("name", ["street.mp4", "tiny-front.mp4"])
def test_a_link_to_a_file_that_was_uploaded_in_part_is_found(name: str) -> None:
    content = (DATA / name).read_bytes()

    assert found(content[: len(content) * 2 // 3]) == [("damaged", "error")]


def test_a_link_to_a_file_without_an_index_is_found() -> None:
    assert found((DATA / "tiny-end.mp4").read_bytes()[:1500]) == [("damaged", "error")]


def test_the_length_of_fragments_behind_a_link_is_added_up() -> None:
    assert found((DATA / "tiny-fragmented.mp4").read_bytes(), Limits(max_seconds=1.5)) == [("too-long", "error")]


def test_a_container_behind_a_link_is_named_with_the_way_on() -> None:
    with FaultServer([(served((DATA / "tiny.webm").read_bytes()),)]) as server, Session() as session:
        [finding] = links.check_link(server.url("/a.webm"), session, allow_local=True)

    assert finding.message == "not MP4, MOV or AVI but a WebM file"
    assert finding.hint == "download it, then: luma modify FILE --fit"


@pytest.mark.parametrize("host", ["catbox.moe", "files.catbox.moe", "litter.catbox.moe"])
def test_a_host_that_does_not_serve_kie_ai_is_doubtful(host: str) -> None:
    with Session(public_only=True) as session:
        findings = links.check_link(
            f"https://{host}/a.mp4", session, allow_local=False, clock=iter([0.0, 99.0]).__next__
        )

    assert [(finding.name, finding.level) for finding in findings][:1] == [("url-host", "warning")]


def test_a_name_that_only_looks_like_that_host_is_not_doubted() -> None:
    assert links.check_address("https://notcatbox.moe/a.mp4", allow_local=False) == []


def test_findings_name_the_link(tmp_path: Path) -> None:
    [finding] = links.check_address("ftp://a.example/b.mp4", allow_local=False)

    assert (finding.name, finding.level) == ("url-invalid", "error")
