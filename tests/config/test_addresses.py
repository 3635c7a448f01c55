"""Which addresses the key may travel to, and whose certificates are trusted."""

import ssl
from collections.abc import Callable
from pathlib import Path

import pytest
import trustme
from hypothesis import given
from hypothesis import strategies as st

from luma_cli.config.addresses import CA_VARIABLES, parse_service_url, same_service
from luma_cli.errors import UsageError
from luma_cli.sandbox import Sandbox
from support.commands import CLIP_URL, Result

Luma = Callable[..., Result]


@pytest.mark.parametrize("ending", ["\r", "\n", " ", "/", "/\r\n"])
def test_what_an_editor_leaves_at_the_end_of_an_address_is_ignored(
    luma: Luma, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, ending: str
) -> None:
    monkeypatch.setenv("LUMA_BASE_URL", sandbox.url + ending)
    assert luma("credits").code == 0


@pytest.mark.parametrize(
    "text", ["http://127.0.0.1\r:1", "https://api.kie\t.ai", "https://api.kie.ai/ x", "https://a\x1b.b"]
)
def test_an_address_with_a_control_character_inside_names_the_variable(
    luma: Luma, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    for name in ("LUMA_BASE_URL", "LUMA_UPLOAD_URL"):
        monkeypatch.setenv(name, text)
        code, _, err = luma("modify", CLIP_URL, "-p", "Snow")
        assert (code, f"luma: error: {name}: " in err) == (2, True)
        monkeypatch.setenv(name, sandbox.url)
    assert sandbox.requests == []


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1%25x.evil.test",
        "http://127.0.0.1%2e.evil.test",
        "http://localhost.evil.test",
        "http://127.0.0.1@evil.test",
        "https://user:pw@api.kie.ai",
        "https://api.kie.ai\\@evil.test",
        "http://[::1%25lo]",
        "http://１２７.0.0.1",
        "https://api.kie.ai?x=1",
        "https://api.kie.ai#x",
        "https://api.kie.ai:0",
        "https://api.kie.ai:99999",
        "https://api.kie.ai:port",
        "https://",
        "ftp://api.kie.ai",
        "api.kie.ai",
        "",
    ],
)
def test_an_address_that_readers_could_take_for_another_is_refused(url: str) -> None:
    with pytest.raises(UsageError):
        parse_service_url(url)


@pytest.mark.parametrize("url", ["https://api.kie.ai", "http://localhost:8000", "http://[::1]:8000", "https://a.b/c"])
def test_a_plain_address_is_taken(url: str) -> None:
    assert parse_service_url(f"{url}/") == url


@given(st.text())
def test_any_text_is_an_address_or_a_usage_error(text: str) -> None:
    try:
        assert parse_service_url(text).isprintable()
    except UsageError:
        pass


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("https://api.kie.ai", "HTTPS://API.kie.ai:443/", True),
        ("http://localhost:80/.", "http://127.0.0.1", True),
        ("https://api.kie.ai", "https://api.kie.ai:444", False),
        ("https://api.kie.ai", "http://api.kie.ai", False),
        ("https://api.kie.ai", "https://api.kie.ai/v2", False),
    ],
)
def test_an_address_is_the_same_in_every_spelling(one: str, other: str, same: bool) -> None:
    assert same_service(one, other) is same


@pytest.mark.parametrize("name", CA_VARIABLES)
@pytest.mark.parametrize(
    "content", [b"", b"\x30\x82\x01\x00" * 9, b"-----BEGIN CERTIFICATE-----\nAA\n-----END CERTIFICATE-----\n"]
)
def test_a_bundle_without_a_certificate_is_named_before_anything_is_sent(
    luma: Luma, sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, content: bytes
) -> None:
    (tmp_path / "ca.pem").write_bytes(content)
    monkeypatch.setenv(name, str(tmp_path / "ca.pem"))
    code, _, err = luma("modify", CLIP_URL, "-p", "Snow")
    assert (code, sandbox.requests) == (2, [])
    assert f"{name}: {tmp_path}/ca.pem" in err


def test_a_bundle_of_the_users_own_is_taken(
    luma: Luma, sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trustme.CA().cert_pem.write_to_path(tmp_path / "ca.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    assert ssl.create_default_context(cafile=str(tmp_path / "ca.pem"))
    assert luma("credits").code == 0
