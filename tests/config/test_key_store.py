"""A key goes to the address that it was made for, and nowhere else."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from luma_cli.sandbox import Sandbox
from support.commands import CLIP_URL, KEY, Result
from support.fault_server import FaultServer, reply

Luma = Callable[..., Result]
SOURCES = ["command", "file", "KIE_API_KEY", "stored"]


@pytest.fixture
def elsewhere() -> Iterator[FaultServer]:
    """A host that someone else has put into LUMA_BASE_URL."""
    with FaultServer([reply(b'{"code": 200, "msg": "success", "data": 80.0}')]) as server:
        yield server


@pytest.fixture
def give_key(
    luma: Luma, sandbox: Sandbox, home: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[str], None]]:
    """Put the key in one of its sources, with config.toml naming the sandbox as the service."""
    for name in ("LUMA_API_KEY", "LUMA_BASE_URL", "LUMA_UPLOAD_URL"):
        monkeypatch.delenv(name)
    luma("config", "set", "base_url", sandbox.url)
    luma("config", "set", "upload_url", sandbox.url)
    file = home / "key"

    def give(source: str) -> None:
        if source == "stored":
            assert luma("config", "set", "api_key", "-", stdin=KEY).code == 0
            return
        if source == "KIE_API_KEY":
            monkeypatch.setenv("KIE_API_KEY", KEY)
            return
        file.write_text(KEY)
        if source == "file":
            monkeypatch.setenv("LUMA_API_KEY_FILE", str(file))
        else:
            luma("config", "set", "api_key_command", f"{sys.executable} -c 'print(open(\"{file}\").read())'")

    yield give
    file.unlink(missing_ok=True)


@pytest.mark.parametrize("source", SOURCES)
def test_a_key_goes_to_the_address_of_the_settings(luma: Luma, give_key: Callable[[str], None], source: str) -> None:
    give_key(source)
    assert luma("credits").code == 0


@pytest.mark.parametrize("variable", ["LUMA_BASE_URL", "LUMA_UPLOAD_URL"])
@pytest.mark.parametrize("source", SOURCES)
def test_a_key_does_not_follow_an_address_of_the_environment(
    luma: Luma,
    sandbox: Sandbox,
    elsewhere: FaultServer,
    give_key: Callable[[str], None],
    monkeypatch: pytest.MonkeyPatch,
    source: str,
    variable: str,
) -> None:
    give_key(source)
    monkeypatch.setenv(variable, elsewhere.url("").rstrip("/"))
    for words in (["credits"], ["modify", CLIP_URL, "-p", "Snow"]):
        code, out, err = luma(*words)
        assert (code, out) == (4, "")
        assert "LUMA_API_KEY" in err
    assert (elsewhere.connections, sandbox.submissions()) == (0, [])


def test_the_key_beside_the_address_goes_to_it(
    luma: Luma, elsewhere: FaultServer, give_key: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    give_key("command")
    monkeypatch.setenv("LUMA_BASE_URL", elsewhere.url("").rstrip("/"))
    monkeypatch.setenv("LUMA_API_KEY", "another-key-for-this-address")
    assert luma("credits").code == 0
    assert elsewhere.requests[0].headers["authorization"] == "Bearer another-key-for-this-address"
    assert KEY.encode() not in elsewhere.received


def test_a_key_stored_for_the_address_is_used_though_a_command_is_set(
    luma: Luma, elsewhere: FaultServer, give_key: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    give_key("command")
    monkeypatch.setenv("LUMA_BASE_URL", elsewhere.url("").rstrip("/"))
    luma("config", "set", "api_key", "-", stdin="stored-for-this-address")
    assert luma("credits").code == 0
    assert elsewhere.requests[0].headers["authorization"] == "Bearer stored-for-this-address"


def test_another_spelling_of_the_address_is_the_same_address(
    luma: Luma, sandbox: Sandbox, give_key: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    give_key("stored")
    monkeypatch.setenv("LUMA_BASE_URL", sandbox.url.replace("127.0.0.1", "localhost") + "/")
    monkeypatch.setenv("LUMA_UPLOAD_URL", sandbox.url.replace("http", "HTTP") + "/")
    assert luma("credits").code == 0
