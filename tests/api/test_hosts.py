"""Which hosts are this machine, and which are shown."""

import pytest

from luma_cli.api.hosts import host_of, is_host, is_loopback, is_public, without_query


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.8.9.10", "::1", "::ffff:127.0.0.1"])
def test_these_are_this_machine(host: str) -> None:
    assert is_loopback(host)
    assert not is_public(host)


@pytest.mark.parametrize(
    "host",
    [
        *("127.0.0.1%25x.evil.test", "127.0.0.1%x", "::1%25x", "::1%x.evil.test", "127.0.0.1.evil.test", "127.0.0.1."),
        *("localhost.", "localhost.evil.test", "x.localhost", "LOCALHOST ", "[127.0.0.1]", "[::1]", "127.1", "0x7f.1"),
        *("2130706433", "127.0.0.01", "１２７.0.0.1", "127。0。0。1", "127.0.0.1 x", "64:ff9b::7f00:1", "0.0.0.0", ""),
    ],
)
def test_these_are_not_taken_for_this_machine(host: str) -> None:
    assert not is_loopback(host)


@pytest.mark.parametrize(
    "host", ["127.1", "0x7f.1", "2130706433", "localhost.", "router.local.", "１２７.0.0.1", "::1%x"]
)
def test_these_are_not_public_either(host: str) -> None:
    assert not is_public(host)


@pytest.mark.parametrize(
    "host", ["a.example", "xn--bcher-kva.example", "bücher.example", "例え.jp", "a_b.example", "::1"]
)
def test_these_are_hosts(host: str) -> None:
    assert is_host(host)


@pytest.mark.parametrize(
    "host",
    ["", "a%2eb", "a b", "a\\b", "a\r", "a\tb", "a'b", "a@b", "a。b", "ａ.example", "::1%x", "a\u202eb", "a\x00"],
)
def test_these_are_not(host: str) -> None:
    assert not is_host(host)


@pytest.mark.parametrize("url", ["http://[", "http://[::1", "//", "", "http://a:99999/"])
def test_a_link_that_cannot_be_read_raises_nothing(url: str) -> None:
    host_of(url)
    without_query(url)
