"""One spelling for what means the same, and different ones for what does not."""

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from luma_cli.api.canonical import canonical_link, canonical_service
from luma_cli.errors import UsageError

LINK = "https://media.example.net/a/clip.mp4"


@pytest.mark.parametrize(
    "link",
    [
        LINK,
        "HTTPS://MEDIA.example.NET/a/clip.mp4",
        "https://media.example.net:443/a/clip.mp4",
        "https://media.example.net./a/clip.mp4",
        "https://media.example.net/a/clip.mp4#t=3",
        "https://media.example.net/a/clip.mp4?",
        "https://media.example.net/%61/clip%2Emp4",
        "https://media.example.net/x/../a/./clip.mp4",
        f"{LINK}?X-Amz-Algorithm=A&X-Amz-Date=1&X-Amz-Signature=2",
        f"{LINK}?x-goog-date=1&X-Goog-Signature=2",
        f"{LINK}?X%2DAmz%2DSignature=2",
        f"{LINK}?sv=2024&st=1&se=2&sr=b&sp=r&sig=abc%2Fd",
        f"{LINK}?sv=2024&spr=https&skoid=1&sktid=2&skt=3&ske=4&sks=b&skv=5&sig=abc",
        f"{LINK}?Expires=1&Signature=2&Key-Pair-Id=3",
        f"{LINK}?Policy=1&Signature=2&Key-Pair-Id=3",
        f"{LINK}?AWSAccessKeyId=1&Signature=2&Expires=3",
    ],
)
def test_links_to_one_file_are_one_text(link: str) -> None:
    assert canonical_link(link) == LINK


@pytest.mark.parametrize(
    ("link", "same"),
    [
        ("https://münchen.example/a.mp4", "https://xn--mnchen-3ya.example/a.mp4"),
        ("http://[0:0:0:0:0:0:0:1]/a.mp4", "http://[::1]/a.mp4"),
        ("http://[2001:DB8::0:1]:80/a.mp4", "http://[2001:db8::1]/a.mp4"),
    ],
)
def test_a_host_in_another_spelling_is_the_same(link: str, same: str) -> None:
    assert canonical_link(link) == canonical_link(same) == same


@pytest.mark.parametrize(
    "link",
    [
        "http://media.example.net/a/clip.mp4",
        "https://media.example.net:8443/a/clip.mp4",
        "https://media.example.net/A/clip.mp4",
        "https://media.example.net/a%2Fclip.mp4",
        "https://media.example.net/a/clip.mp4/",
        f"{LINK}?v=2",
        f"{LINK}?st=5",
        f"{LINK}?Expires=5",
        f"{LINK}?Signature=5",
    ],
)
def test_links_to_other_files_stay_apart(link: str) -> None:
    assert canonical_link(link) != canonical_link(LINK)


def test_what_is_beside_a_signature_stays_in_its_order() -> None:
    assert canonical_link(f"{LINK}?b=%7e&X-Amz-Date=1&a=%2f+x") == f"{LINK}?b=~&a=%2F+x"


def test_characters_of_other_scripts_are_encoded_as_clients_do() -> None:
    assert (
        canonical_link("https://h.example/é")
        == canonical_link("https://h.example/%c3%a9")
        == "https://h.example/%C3%A9"
    )


URLS = st.builds(
    "{}://{}{}{}".format,
    st.sampled_from(["http", "HTTPS"]),
    st.sampled_from(["a.example", "A.Example.", "a.example:80", "[::1]:8080", "u:p@a.example"]),
    st.text(st.sampled_from("/.%aé~2F "), max_size=12).map(lambda path: f"/{path}"),
    st.text(st.sampled_from("?&=%aXsig-"), max_size=12),
)


@given(URLS | st.text(max_size=30))
def test_the_canonical_form_is_canonical(url: str) -> None:
    once = canonical_link(url)
    assert canonical_link(once) == once


@given(st.text(st.characters(codec="ascii", categories=("L", "N")) | st.sampled_from("-._~ é/"), max_size=20))
def test_escapes_in_a_path_change_nothing(path: str) -> None:
    spelled = "".join(c if c == "/" else "".join(f"%{byte:02x}" for byte in c.encode()) for c in path)
    plain = "https://a.example/x" + quote(path)
    assert canonical_link(plain) == canonical_link("https://a.example/x" + spelled)


@pytest.mark.parametrize(
    "url",
    [
        *("http://127.0.0.1:8000", "http://localhost:8000", "HTTP://LocalHost:8000/./", "http://127.0.0.1:8000/."),
        *("http://localhost.:8000/", "http://127.0.0.1.:8000//"),
    ],
)
def test_addresses_of_one_service_are_one_text(url: str) -> None:
    assert canonical_service(url) == "http://127.0.0.1:8000"


def test_a_path_and_another_host_stay() -> None:
    assert canonical_service("https://API.kie.ai.:443/") == "https://api.kie.ai"
    assert canonical_service("https://proxy.example/kie/") == "https://proxy.example/kie"
    assert canonical_service("http://localhost.example") == "http://localhost.example"


@pytest.mark.parametrize(
    "url",
    [
        *("", "api.kie.ai", "ftp://a/", "http://", "http://[", "https://a.b\r", "https://a.b\n", "https://a b/"),
        *("https://u@a.b", "https://a.b?x=1", "https://a.b#x", "https://a.b:0", "https://a.b:x"),
        "http://127.0.0.1%25x.evil.test",
    ],
)
def test_what_is_not_an_address_of_a_service_is_refused(url: str) -> None:
    with pytest.raises(UsageError):
        canonical_service(url)
